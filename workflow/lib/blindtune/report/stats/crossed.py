"""The variance of a mean over seeds and eval samples that are crossed: each seed's model answers every sample.

Both seeds and samples are drawn, so the variance of a system's mean has three parts: that of the samples, that of the
seeds, and that of what one seed does on one sample. It is the design of studies with several readers and several
cases, and its analysis of variance is that of Obuchowski and Rockette (Commun. Stat. Simul. Comput. 24, 1995) with the
degrees of freedom of Hillis (Stat. Med. 26, 2007): seeds are the readers, nested in their system, and samples are the
cases. The variance over the samples and that over the seeds both hold the third part, so it is subtracted once.

Samples that belong to groups, such as patients, are drawn by group, see
`blindtune.report.stats.statistics.influence_of_groups`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blindtune.report.stats.statistics import (
    Difference,
    VarianceComponent,
    estimate_difference,
    group_freedom,
    has_too_few_groups,
    influence_of_groups,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossedMeans:
    """The means of a system by seed, and what each sampling unit of eval adds to them.

    Attributes:
        values: the mean of each seed, ``(n_seeds,)``.
        influence: of each sampling unit, a sample or a group, on the mean of each seed, ``(n_seeds, n_units)``: the sum
            of its squares is the variance of that mean over the units.
        freedom: degrees of freedom of that sum; 0: the units are too few to tell a variance.
        least: a variance over the samples that every difference has at least.
        single: the influence of each sample on the mean over the seeds if samples were drawn alone, ``(n_samples,)``;
            None: the units are the samples.
    """

    values: Floats
    influence: Floats
    freedom: float
    least: float
    single: Floats | None = None


@dataclass(frozen=True)
class GroupCounts:
    """The eval samples of a system by group, such as by patient.

    Attributes:
        wrong: the misclassified samples, ``(n_seeds, n_groups)``.
        samples: all samples, ``(n_groups,)``.
    """

    wrong: NDArray[np.int64]
    samples: NDArray[np.int64]


def measure_errors(wrong: NDArray[np.bool_], groups: GroupCounts | None = None) -> CrossedMeans:
    """Describe the errors of a system on eval.

    Two imaginary samples are added to the sum of squares of every difference, on each of which only one system is
    wrong. Without them, five disagreements in the same direction would look like certainty. With few disagreements they
    bring p close to that of McNemar's exact test; with many they change nothing.

    Args:
        wrong: whether each sample is misclassified, ``(n_seeds, n_samples)``.
        groups: the counts by group, if the samples belong to groups.
    """
    values = wrong.mean(axis=1)
    pairs = wrong.shape[1] * max(1, wrong.shape[1] - 1)
    influence = (wrong - values[:, None]) / math.sqrt(pairs)
    if groups is None:
        return CrossedMeans(values, influence, max(1, wrong.shape[1] - 1), 2 / pairs)
    if has_too_few_groups(groups.samples):
        return CrossedMeans(values, np.zeros((len(values), 1)), 0.0, 2 / pairs)
    of_groups = influence_of_groups(groups.wrong.astype(float), groups.samples)
    return CrossedMeans(values, of_groups, group_freedom(groups.samples), 2 / pairs, influence.mean(axis=0))


def compare_crossed(first: CrossedMeans, second: CrossedMeans, bound: float = 1.0) -> Difference:
    """Estimate the difference of two systems' means on the same eval samples, with independent seeds.

    Args:
        first: a system.
        second: another system; the number of seeds may differ.
        bound: the highest value that a mean can have; the lowest is 0.

    Returns:
        The mean of ``first`` minus that of ``second``.
    """
    part = _combine(_over_units(first, second), [*_over_seeds(first), *_over_seeds(second)])
    return estimate_difference(float(first.values.mean() - second.values.mean()), [part], -bound, bound)


def compare_crossed_by_seed(first: CrossedMeans, second: CrossedMeans, bound: float = 1.0) -> Difference:
    """Estimate the same difference for runs that are paired by their seeds.

    Args:
        first: a system.
        second: another system with the same seeds.
        bound: as above.
    """
    values = first.values - second.values
    paired = replace(first, values=values, influence=first.influence - second.influence)
    part = _combine(_over_units(first, second), _over_seeds(paired))
    return estimate_difference(float(values.mean()), [part], -bound, bound)


@dataclass(frozen=True)
class _OverSeeds:
    """The variance of a mean over its seeds, and the part of it that the variance over the samples holds too."""

    variance: float
    shared: float
    freedom: int


def _over_seeds(means: CrossedMeans) -> list[_OverSeeds]:
    """Return the variance over the seeds; an empty list for a single seed, which leaves it unknown."""
    seeds = len(means.values)
    if seeds < 2:
        return []
    own = means.influence - means.influence.mean(axis=0)
    shared = float(np.einsum("su,su->", own, own)) / ((seeds - 1) * seeds)
    return [_OverSeeds(float(means.values.var(ddof=1)) / seeds, shared, seeds - 1)]


def _over_units(first: CrossedMeans, second: CrossedMeans) -> VarianceComponent:
    influence = first.influence.mean(axis=0) - second.influence.mean(axis=0)
    variance = float(influence @ influence)
    if first.single is not None and second.single is not None:
        single = first.single - second.single
        # Few groups may agree by chance.
        variance = max(variance, float(single @ single))
    return VarianceComponent(variance + first.least, min(first.freedom, second.freedom))


def _combine(over_units: VarianceComponent, over_seeds: Sequence[_OverSeeds]) -> VarianceComponent:
    """Return the sum of both without what both hold; it is at least the larger of the two."""
    if over_units.freedom <= 0:
        return VarianceComponent(math.inf, 1)
    of_seeds = math.fsum(one.variance for one in over_seeds)
    total = over_units.variance + of_seeds - math.fsum(one.shared for one in over_seeds)
    total = max(total, over_units.variance, of_seeds)
    # As shares of the total: squares of tiny variances would underflow.
    doubt = (over_units.variance / total) ** 2 / over_units.freedom
    doubt += math.fsum((one.variance / total) ** 2 / one.freedom for one in over_seeds)
    return VarianceComponent(total, 1 / doubt)

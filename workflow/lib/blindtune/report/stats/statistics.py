"""Differences of error rates, their confidence intervals, and adjustment for several tests.

Errors are shares of misclassified samples, from 0 to 1. The variance of a difference is the sum of independent
components: that of the eval samples and that of the seeds of each system. The interval uses the t distribution with the
degrees of freedom of Welch (Biometrika 34, 1947) and Satterthwaite (Biometrics Bulletin 2, 1946).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class VarianceComponent:
    """An independent component of the variance of a mean.

    Attributes:
        variance: the estimated variance of the mean, not of a single value; infinite if nothing is known of it.
        freedom: the degrees of freedom of the estimate; infinite if the variance is known.
    """

    variance: float
    freedom: float


@dataclass(frozen=True)
class Difference:
    """A difference with its uncertainty.

    Attributes:
        value: the difference.
        error: its standard error; infinite if the data do not tell it.
        low: the lower end of the two-sided 95% interval; without a standard error the lowest value that there is.
        high: the upper end; without a standard error the highest value that there is.
        p: the two-sided p value for no difference; 1 without a standard error.
    """

    value: float
    error: float
    low: float
    high: float
    p: float

    def excludes_zero(self) -> bool:
        """Return whether the interval excludes 0."""
        return not self.low <= 0 <= self.high

    @property
    def has_interval(self) -> bool:
        """Whether the data tell an interval at all."""
        return math.isfinite(self.error)


@dataclass(frozen=True)
class PairedGroups:
    """The misclassified eval samples of two systems by group, such as by patient.

    Attributes:
        first: those of the first system, ``(n_seeds, n_groups)``.
        second: those of the second system, ``(n_seeds, n_groups)``.
        samples: all eval samples of each group, ``(n_groups,)``.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    samples: NDArray[np.int64]


def mean(values: Sequence[float]) -> float:
    """Return the mean of one or more values."""
    return math.fsum(values) / len(values)


def compute_sd(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (n - 1); None for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def estimate_difference(
    value: float, parts: Sequence[VarianceComponent], lowest: float = -1.0, highest: float = 1.0
) -> Difference:
    """Attach the confidence interval to a difference of error rates.

    Args:
        value: the difference.
        parts: the independent components of its variance.
        lowest: the lowest value that there is; 0 for an error rate instead of a difference.
        highest: the highest value that there is.

    Returns:
        The difference with its standard error, its 95% interval and its p value.
    """
    from scipy import stats

    error = math.sqrt(math.fsum(part.variance for part in parts))
    if error == 0:
        return Difference(value, 0.0, value, value, float(value == 0))
    if not math.isfinite(error):
        return Difference(value, error, lowest, highest, 1.0)
    freedom = welch_satterthwaite(parts)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    # The t distribution knows no bounds: with few samples or seeds it reaches what no error rate can be.
    low, high = min(value, max(lowest, value - half)), max(value, min(highest, value + half))
    return Difference(value, error, low, high, float(2 * stats.t.sf(abs(value) / error, freedom)))


def welch_satterthwaite(parts: Sequence[VarianceComponent]) -> float:
    """Return the degrees of freedom of a sum of components; infinite if none of them is estimated."""
    total = math.fsum(part.variance for part in parts)
    if total == 0:
        return math.inf
    # Shares of the total: squares of tiny variances would underflow.
    return _inverse(math.fsum((part.variance / total) ** 2 / part.freedom for part in parts))


def binomial_component(share: float, samples: int) -> VarianceComponent:
    """Return the binomial variance of an error rate.

    It is at least that of one error in two samples more (Laplace's rule): no error on a few samples is no certainty.

    Args:
        share: the error rate, from 0 to 1.
        samples: the number of samples it was measured on.

    Returns:
        The component, with infinite degrees of freedom.
    """
    rare = 1 / (samples + 2)
    return VarianceComponent(max(share * (1 - share), rare * (1 - rare)) / samples, math.inf)


def seed_components(errors: Sequence[float]) -> list[VarianceComponent]:
    """Return the variance of the mean over seeds; an empty list for a single seed, which leaves it unknown."""
    deviation = compute_sd(errors)
    return [] if deviation is None else [VarianceComponent(deviation**2 / len(errors), len(errors) - 1)]


def cluster_component(
    wrong: NDArray[np.float64], samples: NDArray[np.int64], part: VarianceComponent
) -> VarianceComponent:
    """Return the variance of an error rate, or of a difference of two, for samples that are clustered in groups.

    The groups are then the sampling units, not the samples (the linearized variance of a ratio, Cochran 1977, chapter
    6). The variance is at least that of ``part``, because few groups may agree by chance. A single group tells nothing
    of how groups vary: the variance is infinite.

    Args:
        wrong: the misclassified samples of each group, or their difference, ``(n_groups,)``.
        samples: the samples of each group, ``(n_groups,)``.
        part: the variance for independent samples.

    Returns:
        The component.
    """
    total, freedom = int(samples.sum()), len(samples) - 1
    if freedom < 1:
        return VarianceComponent(math.inf, 1)
    residual = wrong - samples * (wrong.sum() / total)
    variance = len(samples) / freedom * float((residual**2).sum()) / total**2
    return VarianceComponent(max(variance, part.variance), freedom)


def compare_paired(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: PairedGroups | None = None
) -> Difference:
    """Estimate the difference of two mean errors on the same eval samples, with independent seeds.

    Args:
        first: whether the first system misclassifies each sample, ``(n_seeds, n_samples)``.
        second: the same for the second system; the number of seeds may differ.
        groups: the counts by group, if the samples belong to groups.

    Returns:
        The mean error of ``first`` minus that of ``second``.
    """
    parts = [sample_component(first, second, groups)]
    for wrong in (first, second):
        parts += seed_components(wrong.mean(axis=1).tolist())
    return estimate_difference(float((first.mean(axis=0) - second.mean(axis=0)).mean()), parts)


def sample_component(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: PairedGroups | None = None
) -> VarianceComponent:
    """Return the variance over the eval samples of the difference between two systems.

    Each system is averaged over its seeds per sample, so samples that are easy or hard for both cancel. Two imaginary
    samples are added to the sum of squares, on each of which only one system is wrong. Without them, five disagreements
    in the same direction would look like certainty. With few disagreements they bring p close to that of McNemar's
    exact test; with many they change nothing.

    Args:
        first: whether the first system misclassifies each sample, ``(n_seeds, n_samples)``.
        second: the same for the second system.
        groups: the counts by group, if the samples belong to groups.

    Returns:
        The component.
    """
    d = first.mean(axis=0) - second.mean(axis=0)
    samples = len(d)
    variance = (float(((d - d.mean()) ** 2).sum()) + 2) / max(1, samples - 1)
    part = VarianceComponent(variance / samples, max(1, samples - 1))
    if groups is None:
        return part
    return cluster_component(groups.first.mean(axis=0) - groups.second.mean(axis=0), groups.samples, part)


def compare_with_published(
    published: float,
    published_samples: int,
    errors: Sequence[float],
    samples: int,
    clustered: VarianceComponent | None = None,
) -> Difference:
    """Estimate the difference between our mean error and a published one, which is a single run.

    Both get a binomial variance, as if their eval samples were different. If they are the same, the true variance is
    smaller, so a difference beyond this interval would also be beyond the true one. The published run is treated as one
    more run of ours: seeds add the variance of one run and that of our mean.

    Args:
        published: the published error, from 0 to 1.
        published_samples: the number of samples it was measured on.
        errors: our errors, one per seed.
        samples: the number of samples ours were measured on.
        clustered: the variance of our mean error over groups of samples, if there are groups. The published samples
            are then assumed to be clustered as much, since their groups are unknown.

    Returns:
        Our mean error minus the published one.
    """
    theirs, own = binomial_component(published, published_samples), binomial_component(mean(errors), samples)
    if clustered is not None:
        effect = clustered.variance / own.variance
        theirs, own = VarianceComponent(theirs.variance * effect, clustered.freedom), clustered
    parts = [theirs, own]
    for part in seed_components(errors):
        parts.append(VarianceComponent(part.variance * (1 + len(errors)), part.freedom))
    return estimate_difference(mean(errors) - published, parts)


def adjust_holm(p: Sequence[float]) -> list[float]:
    """Adjust p values for the number of tests, in the given order (Holm, Scand. J. Statist. 6, 1979)."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, number in enumerate(sorted(range(len(p)), key=lambda number: p[number])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[number]))
        adjusted[number] = largest
    return adjusted


def max_disagreements(value: float, samples: int) -> int:
    """Return the largest number of disagreements with which a paired difference is significant at 5%.

    The paired standard error is at most sqrt(disagreements) / samples.

    Args:
        value: the difference of the error rates.
        samples: the number of samples.

    Returns:
        The number of samples on which the two models may disagree at most.
    """
    from scipy import stats

    return math.floor((abs(value) * samples / float(stats.norm.ppf((1 + CONFIDENCE) / 2))) ** 2)


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value

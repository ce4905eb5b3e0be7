"""The statistics of the report: differences of error rates, their intervals, and several at once.

Errors are shares of wrong samples, from 0 to 1. A difference has a variance made of independent parts: that
of the eval samples, and that of the seeds of each system. The interval uses the t distribution with
the degrees of freedom of Welch (Biometrika 34, 1947) and Satterthwaite (Biometrics Bulletin 2, 1946).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class VarianceComponent:
    """An independent part of a variance.

    Attributes:
        variance: its estimate, of the mean and not of one value.
        freedom: the degrees of freedom of that estimate; infinite where it is as good as known.
    """

    variance: float
    freedom: float


@dataclass(frozen=True)
class Difference:
    """A difference and how sure it is.

    Attributes:
        value: the difference.
        error: its standard error.
        low, high: the two-sided 95% interval.
        p: two-sided probability of a difference as large if there were none.
    """

    value: float
    error: float
    low: float
    high: float
    p: float

    def excludes_zero(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True)
class PairedGroups:
    """How two systems did on groups of eval samples that go together, such as those of one patient.

    Attributes:
        first, second: wrong samples of each group, (seeds, groups).
        samples: of each group, (groups,).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    samples: NDArray[np.int64]


def mean(values: Sequence[float]) -> float:
    """The mean of one value or more."""
    return math.fsum(values) / len(values)


def compute_sd(values: Sequence[float]) -> float | None:
    """The sample standard deviation (n - 1), or None for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def estimate_difference(value: float, parts: Sequence[VarianceComponent]) -> Difference:
    """``value`` with the interval that the parts of its variance give."""
    from scipy import stats

    error = math.sqrt(math.fsum(part.variance for part in parts))
    if error == 0:
        return Difference(value, 0.0, value, value, float(value == 0))
    freedom = welch_satterthwaite(parts)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Difference(value, error, value - half, value + half, float(2 * stats.t.sf(abs(value) / error, freedom)))


def welch_satterthwaite(parts: Sequence[VarianceComponent]) -> float:
    """The degrees of freedom of the sum of the parts; infinite where nothing in it is estimated."""
    total = math.fsum(part.variance for part in parts)
    if total == 0:
        return math.inf
    # By shares of the total: squares of tiny variances would vanish.
    return _inverse(math.fsum((part.variance / total) ** 2 / part.freedom for part in parts))


def binomial_component(share: float, samples: int) -> VarianceComponent:
    """Binomial variance of an error rate measured on ``samples``."""
    return VarianceComponent(share * (1 - share) / samples, math.inf)


def seed_components(errors: Sequence[float]) -> list[VarianceComponent]:
    """Variance of the mean over seeds; nothing where a single seed leaves it unknown."""
    deviation = compute_sd(errors)
    return [] if deviation is None else [VarianceComponent(deviation**2 / len(errors), len(errors) - 1)]


def cluster_component(
    wrong: NDArray[np.float64], samples: NDArray[np.int64], part: VarianceComponent
) -> VarianceComponent:
    """Variance of an error rate, or of a difference of two, where the samples of a group go together.

    The groups, not the samples, are then what was drawn (the linearised variance of a ratio, Cochran 1977, chapter
    6). It is never less than ``part``: few groups may agree by chance.

    Args:
        wrong: wrong samples of each group, or their difference, (groups,).
        samples: of each group, (groups,).
        part: the variance if all samples were drawn one by one.
    """
    total, freedom = int(samples.sum()), max(1, len(samples) - 1)
    residual = wrong - samples * (wrong.sum() / total)
    variance = len(samples) / freedom * float((residual**2).sum()) / total**2
    return VarianceComponent(max(variance, part.variance), freedom)


def compare_paired(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: PairedGroups | None = None
) -> Difference:
    """The mean error of ``first`` minus that of ``second`` on the same eval samples; their seeds are independent.

    Args:
        first, second: whether each sample is wrong, (seeds, samples); the numbers of seeds may differ.
        groups: the same by group, where samples go together.
    """
    parts = [sample_component(first, second, groups)]
    for wrong in (first, second):
        parts += seed_components(wrong.mean(axis=1).tolist())
    return estimate_difference(float((first.mean(axis=0) - second.mean(axis=0)).mean()), parts)


def sample_component(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: PairedGroups | None = None
) -> VarianceComponent:
    """Variance over the eval samples of the difference between two systems.

    Both are averaged over seeds for each sample, so that what is easy or hard for both cancels. The sum of
    squares is that of two samples more, on each of which only one of the two is wrong: without
    them, five disagreements that happen to go one way would look like certainty. With many it changes nothing;
    with few it brings p close to that of McNemar's exact test.

    Args:
        first, second: whether each sample is wrong, (seeds, samples).
        groups: the same by group, where samples go together.
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
    """Our mean error minus a published one, which is a single run.

    Binomial variance of both, as if their eval samples were not the same: where they are, the true variance
    is smaller, so what exceeds this interval would exceed the true one too. If the published run
    is one more draw of ours, seeds add the variance of one run and that of our mean.

    Args:
        published, published_samples: the published error and the samples that it was measured on.
        errors: ours, one per seed.
        samples: the samples that ours were measured on.
        clustered: the variance of ours over groups of samples that go together. The published samples are then taken
            to go together as much: their groups are not known.
    """
    theirs, own = binomial_component(published, published_samples), binomial_component(mean(errors), samples)
    if clustered is not None:
        effect = clustered.variance / own.variance if own.variance else 1.0
        theirs, own = VarianceComponent(theirs.variance * effect, clustered.freedom), clustered
    parts = [theirs, own]
    for part in seed_components(errors):
        parts.append(VarianceComponent(part.variance * (1 + len(errors)), part.freedom))
    return estimate_difference(mean(errors) - published, parts)


def adjust_holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values that hold for all tests together (Holm, Scand. J. Statist. 6, 1979), in the order given."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, number in enumerate(sorted(range(len(p)), key=lambda number: p[number])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[number]))
        adjusted[number] = largest
    return adjusted


def max_disagreements(value: float, samples: int) -> int:
    """On how many samples two models may disagree at most for a paired difference ``value`` to be beyond 95%.

    The paired standard error is at most sqrt(disagreements) / samples.
    """
    from scipy import stats

    return math.floor((abs(value) * samples / float(stats.norm.ppf((1 + CONFIDENCE) / 2))) ** 2)


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value

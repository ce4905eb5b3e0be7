"""Differences of error rates, their confidence intervals, equivalence, and adjustment for several tests.

Errors are shares of misclassified samples, from 0 to 1. `blindtune.report.stats.crossed` estimates the variance of a
difference. The interval uses the t distribution with the degrees of freedom of Welch (Biometrika 34, 1947) and
Satterthwaite (Biometrics Bulletin 2, 1946).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
#: The probability with which a detectable difference is found.
POWER = 0.8
#: With fewer groups, such as patients, or with groups so unequal that they count as fewer, no interval is given.
MIN_GROUPS = 5
MIN_GROUP_FREEDOM = 2.0
#: Digits after the decimal point of means that are compared: more than any number of samples and seeds needs.
_DIGITS_OF_MEANS = 12


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
        freedom: the degrees of freedom of the standard error.
        most: the largest difference that there can be.
    """

    value: float
    error: float
    low: float
    high: float
    p: float
    freedom: float = math.inf
    most: float = math.inf

    def excludes_zero(self) -> bool:
        """Return whether the interval excludes 0."""
        return not self.low <= 0 <= self.high

    @property
    def has_interval(self) -> bool:
        """Whether the data tell an interval at all."""
        return math.isfinite(self.error)

    @property
    def equal_within(self) -> float | None:
        """The smallest margin within which the two are equal with 95% confidence; None if no margin says anything.

        That is without a standard error, or where it would be all that there can be. It is that of two one-sided t
        tests (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987), so the farther end of the 90% interval.
        """
        if not self.has_interval:
            return None
        within = abs(self.value) + (_t_quantile(CONFIDENCE, self.freedom) * self.error if self.error else 0.0)
        return within if within < self.most else None

    @property
    def detectable(self) -> float | None:
        """The difference that a comparison with this standard error finds at 5% in 80 of 100 cases.

        None without a standard error, or where it is larger than any that there can be.
        """
        if not self.has_interval:
            return None
        found = (_t_quantile((1 + CONFIDENCE) / 2, self.freedom) + _t_quantile(POWER, self.freedom)) * self.error
        return found if found <= self.most else None

    def equivalence_p(self, margin: float) -> float:
        """Return the p value of the two one-sided tests for a difference of at least ``margin``.

        Args:
            margin: above 0, in the unit of the difference.
        """
        if not self.has_interval:
            return 1.0
        if self.error == 0:
            return float(abs(self.value) >= margin)
        return _t_share_below((abs(self.value) - margin) / self.error, self.freedom)


def mean(values: Sequence[float]) -> float:
    """Return the mean of one or more values."""
    return math.fsum(values) / len(values)


def round_mean(value: float) -> float:
    """Return a mean, or a difference of two, without its rounding error, so that equal ones compare as equal.

    Systems with as many wrong samples over all seeds would differ in the last digit otherwise: one in six pairs does.
    """
    return round(value, _DIGITS_OF_MEANS)


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
    error = math.sqrt(math.fsum(part.variance for part in parts))
    if error == 0:
        return Difference(value, 0.0, value, value, float(value == 0))
    if not math.isfinite(error):
        return Difference(value, error, lowest, highest, 1.0, 0.0)
    freedom = welch_satterthwaite(parts)
    half = _t_quantile((1 + CONFIDENCE) / 2, freedom) * error
    # The t distribution knows no bounds: with few samples or seeds it reaches what no error rate can be.
    low, high = min(value, max(lowest, value - half)), max(value, min(highest, value + half))
    p = 2 * _t_share_below(-abs(value) / error, freedom)
    return Difference(value, error, low, high, p, freedom, max(abs(lowest), abs(highest)))


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

    The groups are then the sampling units, not the samples. The variance is that of Bell and McCaffrey (Survey
    Methodology 28, 2002), also called CR2, and at least that of ``part``, because few groups may agree by chance. Of
    too few groups nothing is known of how groups vary: the variance is infinite.

    Args:
        wrong: the misclassified samples of each group, or their difference, ``(n_groups,)``.
        samples: the samples of each group, ``(n_groups,)``.
        part: the variance for independent samples.

    Returns:
        The component.
    """
    if has_too_few_groups(samples):
        return VarianceComponent(math.inf, 1)
    influence = influence_of_groups(wrong, samples)
    return VarianceComponent(max(float(influence @ influence), part.variance), group_freedom(samples))


def influence_of_groups(wrong: NDArray[np.float64], samples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what each group adds to an error rate; the sum of the squares is its variance over the groups.

    Args:
        wrong: the misclassified samples of each group, ``(..., n_groups)``.
        samples: the samples of each group, ``(n_groups,)``; no group has all of them.
    """
    total = samples.sum()
    residual = wrong - wrong.sum(axis=-1, keepdims=True) * (samples / total)
    return np.asarray(residual / (total * np.sqrt(1 - samples / total)))


def group_freedom(samples: NDArray[np.int64]) -> float:
    """Return the degrees of freedom of a variance over groups.

    They are those of Bell and McCaffrey where the samples of a group vary together: one less than the number of groups
    of equal sizes, and fewer for unequal ones.

    Args:
        samples: the samples of each group, ``(n_groups,)``.
    """
    share = samples / samples.sum()
    if share.max() == 1:
        return 0.0
    square, scale = share**2, 1 / (1 - share)
    total = float(square.sum())
    # The covariance of the residuals of groups g and h is square[g] if g is h, plus what makes their sum 0.
    shared = total * square - 2 * share * square
    trace = float((scale * (square + shared)).sum())
    own, mixed = float((scale * square).sum()), float((scale * share * square).sum())
    squares = 2 * float((scale * square**2).sum()) * own + (total * own) ** 2 + 2 * mixed**2 - 4 * total * mixed * own
    squares += float((scale**2 * ((square + shared) ** 2 - shared**2)).sum())
    return trace**2 / squares if squares > 0 else 0.0


def has_too_few_groups(samples: NDArray[np.int64]) -> bool:
    """Return whether there are too few groups, or too unequal ones, to tell how groups vary.

    Args:
        samples: the samples of each group, ``(n_groups,)``.
    """
    return len(samples) < MIN_GROUPS or group_freedom(samples) < MIN_GROUP_FREEDOM


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
    return math.floor((abs(value) * samples / _t_quantile((1 + CONFIDENCE) / 2, math.inf)) ** 2)


# Not the functions of scipy.stats, which call these: they take thirty times as long, and a report has thousands of
# intervals; the import takes half a second of each job of the report.
def _t_quantile(share: float, freedom: float) -> float:
    from scipy import special

    return float(special.ndtri(share) if math.isinf(freedom) else special.stdtrit(freedom, share))


def _t_share_below(value: float, freedom: float) -> float:
    from scipy import special

    return float(special.stdtr(freedom, value))


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value

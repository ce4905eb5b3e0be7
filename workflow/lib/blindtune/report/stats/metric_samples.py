"""The uncertainty of a metric that is no mean over samples, such as the area under a curve.

Its variance over the eval samples is that of the jackknife that leaves out one part of the samples at a time (Kott,
J. Official Statistics 17, 2001): with n parts, (n - 1) / n times the sum of the squared deviations of the values
without each part. Samples of one group, such as a patient, are in one part; without groups, each part has nearly the
class shares of the whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.metrics.base import Answers
from blindtune.metrics.compute import compute_metric
from blindtune.metrics.registry import worst_value
from blindtune.report.stats.crossed import CrossedMeans, compare_crossed, compare_crossed_by_seed
from blindtune.report.stats.statistics import (
    Difference,
    VarianceComponent,
    estimate_difference,
    group_freedom,
    has_too_few_groups,
)

#: Parts into which the samples are divided, or their groups if there are more.
MAX_PARTS = 20


@dataclass(frozen=True)
class MetricSample:
    """A metric of one system on eval, and its values without parts of the samples.

    Attributes:
        metric: a key of `blindtune.metrics.registry.METRICS`.
        values: of each seed, (n_seeds,).
        without: of each seed without each part, (n_seeds, n_parts); None if a class would be left without samples, or
            if there are too few groups.
        samples: number of samples.
        freedom: degrees of freedom of the jackknife; None: one less than the number of parts.
    """

    metric: str
    values: NDArray[np.float64]
    without: NDArray[np.float64] | None
    samples: int
    freedom: float | None = None

    def measure(self) -> CrossedMeans:
        """Return the values with the influence of each part of the samples, which is 0 where it is unknown."""
        least = 2 / (self.samples * max(1, self.samples - 1))
        if self.without is None:
            return CrossedMeans(self.values, np.zeros((len(self.values), 1)), 0.0, least)
        n_parts = self.without.shape[1]
        influence = (self.without - self.without.mean(axis=1, keepdims=True)) * math.sqrt((n_parts - 1) / n_parts)
        return CrossedMeans(self.values, influence, self.freedom or float(n_parts - 1), least)


def leave_parts_out(metric: str, answers: Sequence[Mapping[str, NDArray[Any]]], classes: int) -> MetricSample:
    """Compute a metric of a system, also without each part of the samples.

    Args:
        metric: a key of `blindtune.metrics.registry.METRICS`.
        answers: of each seed: ``true``, ``predicted`` and, if known, ``probabilities`` and ``group``.
        classes: number of classes.
    """
    true = answers[0]["true"]
    group = answers[0].get("group")
    part = _divide(true, group)
    freedom = None if group is None else group_freedom(np.bincount(part))
    if group is not None and has_too_few_groups(np.unique(group, return_counts=True)[1]):
        part = np.zeros_like(part)
    kept = [part != number for number in range(int(part.max()) + 1)]
    complete = len(kept) > 1 and all(np.bincount(true[rows], minlength=classes).all() for rows in kept)
    values = np.array([_compute(metric, one, slice(None), classes) for one in answers])
    without = (
        np.array([[_compute(metric, one, rows, classes) for rows in kept] for one in answers]) if complete else None
    )
    return MetricSample(metric, values, without, len(true), freedom)


def _compute(metric: str, answers: Mapping[str, NDArray[Any]], rows: Any, classes: int) -> float:
    probabilities = answers.get("probabilities")
    kept = Answers(answers["predicted"][rows], None if probabilities is None else probabilities[rows])
    return compute_metric(metric, answers["true"][rows], kept, classes)


def _divide(true: NDArray[Any], group: NDArray[Any] | None) -> NDArray[np.int64]:
    """Return the number of the part of each sample, (n_samples,)."""
    if group is not None:
        return np.asarray(np.unique(group, return_inverse=True)[1] % MAX_PARTS)
    part = np.empty(len(true), np.int64)
    part[np.argsort(true, kind="stable")] = np.arange(len(true)) % MAX_PARTS
    return part


def compare_means(first: MetricSample, second: MetricSample) -> Difference:
    """Estimate the difference of two mean metrics on the same samples, with independent seeds.

    Args:
        first: of a system.
        second: of another system.

    Returns:
        The mean of ``first`` minus that of ``second``.
    """
    return compare_crossed(*_measure_pair(first, second), worst_value(first.metric))


def estimate_over_samples(sample: MetricSample, seed: int) -> Difference:
    """Estimate the metric of one run, with an interval that covers the sampling of eval alone.

    Args:
        sample: of its system.
        seed: place of the run among the seeds.
    """
    means = sample.measure()
    influence = means.influence[seed]
    variance = float(influence @ influence) + means.least if means.freedom > 0 else math.inf
    part = VarianceComponent(variance, max(1.0, means.freedom))
    return estimate_difference(float(sample.values[seed]), [part], 0.0, worst_value(sample.metric))


def compare_by_seed(first: MetricSample, second: MetricSample) -> Difference:
    """Estimate the same difference, for runs that are paired by their seeds.

    Args:
        first: of a system.
        second: of another system with the same seeds.
    """
    return compare_crossed_by_seed(*_measure_pair(first, second), worst_value(first.metric))


def _measure_pair(first: MetricSample, second: MetricSample) -> tuple[CrossedMeans, CrossedMeans]:
    one, other = first.measure(), second.measure()
    if one.influence.shape[1] == other.influence.shape[1]:
        return one, other
    unknown = [replace(each, influence=np.zeros((len(each.values), 1)), freedom=0.0) for each in (one, other)]
    return unknown[0], unknown[1]

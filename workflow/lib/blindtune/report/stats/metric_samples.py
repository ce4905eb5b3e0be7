"""The uncertainty of a metric that is no mean over samples, such as the area under a curve.

Its variance over the eval samples is that of the jackknife that leaves out one part of the samples at a time (Kott,
J. Official Statistics 17, 2001): with n parts, (n - 1) / n times the sum of the squared deviations of the values
without each part. Samples of one group, such as a patient, are in one part; without groups, each part has nearly the
class shares of the whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.metrics.base import Answers
from blindtune.metrics.compute import compute_metric
from blindtune.metrics.registry import worst_value
from blindtune.report.stats.statistics import (
    Difference,
    VarianceComponent,
    adjust_holm,
    compute_sd,
    estimate_difference,
    seed_components,
)

#: Parts into which the samples are divided, or their groups if there are more.
MAX_PARTS = 20


@dataclass(frozen=True)
class MetricSample:
    """A metric of one system on eval, and its values without parts of the samples.

    Attributes:
        metric: a key of `blindtune.metrics.registry.METRICS`.
        values: of each seed, (n_seeds,).
        without: of each seed without each part, (n_seeds, n_parts); None if a class would be left without samples.
        samples: number of samples.
    """

    metric: str
    values: NDArray[np.float64]
    without: NDArray[np.float64] | None
    samples: int


def leave_parts_out(metric: str, answers: Sequence[Mapping[str, NDArray[Any]]], classes: int) -> MetricSample:
    """Compute a metric of a system, also without each part of the samples.

    Args:
        metric: a key of `blindtune.metrics.registry.METRICS`.
        answers: of each seed: ``true``, ``predicted`` and, if known, ``probabilities`` and ``group``.
        classes: number of classes.
    """
    true = answers[0]["true"]
    part = _divide(true, answers[0].get("group"))
    kept = [part != number for number in range(int(part.max()) + 1)]
    complete = len(kept) > 1 and all(np.bincount(true[rows], minlength=classes).all() for rows in kept)
    values = np.array([_compute(metric, one, slice(None), classes) for one in answers])
    without = (
        np.array([[_compute(metric, one, rows, classes) for rows in kept] for one in answers]) if complete else None
    )
    return MetricSample(metric, values, without, len(true))


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


@dataclass(frozen=True)
class MetricPair:
    """The comparison of two systems by a metric on the same eval samples.

    Attributes:
        better: name of the system with the lower mean.
        other: name of the other system.
        difference: the mean of ``other`` minus that of ``better``.
        adjusted_p: the p value, adjusted for all pairs of the dataset.
    """

    better: str
    other: str
    difference: Difference
    adjusted_p: float


def compare_pairs(samples: Mapping[str, MetricSample]) -> list[MetricPair]:
    """Compare every pair of systems of a dataset by a metric, with independent seeds.

    Args:
        samples: of each system, by its name.
    """
    ordered = sorted(samples, key=lambda name: float(samples[name].values.mean()))
    both = list(combinations(ordered, 2))
    found = [compare_means(samples[other], samples[better]) for better, other in both]
    adjusted = adjust_holm([each.p for each in found])
    return [MetricPair(*pair, each, p) for pair, each, p in zip(both, found, adjusted, strict=True)]


def compare_means(first: MetricSample, second: MetricSample) -> Difference:
    """Estimate the difference of two mean metrics on the same samples, with independent seeds.

    Args:
        first: of a system.
        second: of another system.

    Returns:
        The mean of ``first`` minus that of ``second``.
    """
    parts = [_over_samples(first, second)]
    for one in (first, second):
        parts += seed_components(one.values.tolist())
    return _estimate(float(first.values.mean() - second.values.mean()), parts, first.metric)


def estimate_over_samples(sample: MetricSample, seed: int) -> Difference:
    """Estimate the metric of one run, with an interval that covers the sampling of eval alone.

    Args:
        sample: of its system.
        seed: place of the run among the seeds.
    """
    without = None if sample.without is None else sample.without[seed : seed + 1]
    alone = MetricSample(sample.metric, sample.values[seed : seed + 1], without, sample.samples)
    nothing = replace(alone, without=None if without is None else np.zeros_like(without))
    return estimate_difference(float(alone.values[0]), [_over_samples(alone, nothing)], 0.0, worst_value(sample.metric))


def compare_by_seed(first: MetricSample, second: MetricSample) -> Difference:
    """Estimate the same difference, for runs that are paired by their seeds.

    Args:
        first: of a system.
        second: of another system with the same seeds.
    """
    difference = first.values - second.values
    deviation = compute_sd(difference.tolist())
    count = len(difference)
    over_seeds = [] if deviation is None else [VarianceComponent(deviation**2 / count, count - 1)]
    return _estimate(float(difference.mean()), [_over_samples(first, second), *over_seeds], first.metric)


def _estimate(value: float, parts: Sequence[VarianceComponent], metric: str) -> Difference:
    return estimate_difference(value, parts, -worst_value(metric), worst_value(metric))


def _over_samples(first: MetricSample, second: MetricSample) -> VarianceComponent:
    """Return the variance over the samples, with two imaginary samples as in `statistics.sample_component`."""
    if first.without is None or second.without is None or first.without.shape[1] != second.without.shape[1]:
        return VarianceComponent(math.inf, 1)
    without = first.without.mean(axis=0) - second.without.mean(axis=0)
    n_parts, samples = len(without), first.samples
    jackknife = (n_parts - 1) / n_parts * float(((without - without.mean()) ** 2).sum())
    return VarianceComponent(jackknife + 2 / (samples * max(1, samples - 1)), n_parts - 1)

"""The variance over seeds and samples that are crossed, equivalence, and detectable differences."""

import math

import numpy as np
import pytest

from blindtune.report.stats.crossed import GroupCounts, compare_crossed, measure_errors
from blindtune.report.stats.statistics import Difference, VarianceComponent, estimate_difference, group_freedom


def _false_positives(seeds: int, spread: float, runs: int = 400, samples: int = 300) -> float:
    """How often two equal systems differ at 5%, where seeds and samples disagree at random too."""
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(runs):
        shared = rng.normal(0, 0.7, samples)
        means = [
            measure_errors(shared + rng.normal(0, spread, (seeds, 1)) + rng.normal(0, 1.2, (seeds, samples)) > 0.7)
            for _ in range(2)
        ]
        false += compare_crossed(*means).p < 0.05
    return false / runs


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.0), (10, 0.0), (10, 0.2)])
def test_compare_crossed_has_few_false_positives(seeds: int, spread: float) -> None:
    """At most about 5 of 100 equal systems are called different."""
    # Three standard errors of 400 runs above 0.05.
    assert _false_positives(seeds, spread) <= 0.083


def test_compare_crossed_counts_noise_of_a_seed_on_a_sample_once() -> None:
    """Where only noise differs, the variance is near that of independent answers, not twice that."""
    rng = np.random.default_rng(6)
    seeds, samples = 10, 2000
    wrong = rng.uniform(size=(2, seeds, samples)) < 0.3
    found = compare_crossed(measure_errors(wrong[0]), measure_errors(wrong[1]))
    assert found.error**2 == pytest.approx(2 * 0.21 / (seeds * samples), rel=0.5)
    assert found.error**2 < 1.6 * 2 * 0.21 / (seeds * samples)


@pytest.mark.parametrize(("sizes", "known"), [([30] * 4, False), ([30] * 5, True), ([1, 1, 1, 1, 1, 300], False)])
def test_few_or_unequal_patients_give_no_interval(sizes: list[int], known: bool) -> None:
    """Fewer than five patients, or nearly all samples of one, tell too little."""
    wrong = np.random.default_rng(7).uniform(size=(2, 2, sum(sizes))) < 0.3
    ends = np.cumsum(sizes) - sizes
    means = [
        measure_errors(each, GroupCounts(np.add.reduceat(each.astype(int), ends, axis=1), np.array(sizes)))
        for each in wrong
    ]
    found = compare_crossed(*means)
    assert found.has_interval == known
    assert (found.equal_within is None, found.detectable is None) == (not known, not known)
    assert known or (found.p == 1 and found.equivalence_p(0.5) == 1)


def test_group_freedom_of_equal_groups_is_one_less() -> None:
    """Unequal groups count as fewer."""
    assert group_freedom(np.full(12, 9)) == pytest.approx(11)
    assert group_freedom(np.array([1, 2, 3, 4, 50])) == pytest.approx(1.0697, abs=1e-4)


def test_equivalence_is_two_one_sided_tests() -> None:
    """Equal within: the margin at which the p value of equivalence is 5%."""
    found = estimate_difference(0.004, [VarianceComponent(0.003**2, 12.0)])
    assert found.equal_within is not None
    assert found.equivalence_p(found.equal_within) == pytest.approx(0.05)
    assert found.equivalence_p(0.05) < 0.001 and found.equivalence_p(0.004) == pytest.approx(0.5)
    assert Difference(0.0, 0.0, 0.0, 0.0, 1.0).equivalence_p(0.01) == 0


@pytest.mark.parametrize(("highest", "known"), [(1.0, False), (math.inf, True)])
def test_no_margin_is_wider_than_all_that_there_can_be(highest: float, known: bool) -> None:
    """With very few seeds, neither a margin nor a detectable difference of more than 100 points is given."""
    found = estimate_difference(0.1, [VarianceComponent(0.3**2, 1.0)], -highest, highest)
    assert (found.equal_within is not None, found.detectable is not None) == (known, known)

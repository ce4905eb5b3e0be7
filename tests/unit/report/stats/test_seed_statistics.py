"""Statistics over seeds: pairs, the probability of outperforming, ranks and the mixed model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from blindtune.report.stats import seed_statistics
from blindtune.report.stats.crossed import compare_crossed, compare_crossed_by_seed, measure_errors

errors = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_compute_critical_difference_of_8_tuners() -> None:
    """The critical difference of 8 tuners on 5 datasets is 4.7 of 7 ranks."""
    # Demšar 2006, Table 5: q is 3.031 for 8 classifiers.
    assert seed_statistics.compute_critical_difference(8, 5) == pytest.approx(
        3.031 * np.sqrt(8 * 9 / (6 * 5)), abs=2e-3
    )
    assert seed_statistics.compute_critical_difference(8, 5) == pytest.approx(4.7, abs=0.05)


def test_rank_systems_shares_ties_and_tests_as_friedman() -> None:
    """Ties share their rank, and the test is Friedman's."""
    found = seed_statistics.rank_systems(np.array([[0.1, 0.2, 0.2], [0.3, 0.1, 0.2], [0.1, 0.3, 0.2]]))
    assert found.mean == pytest.approx([(1 + 3 + 1) / 3, (2.5 + 1 + 3) / 3, (2.5 + 2 + 2) / 3])
    each = np.array([[1, 2.5, 2.5], [3, 1, 2], [1, 3, 2]])
    ties = 1 - (2**3 - 2) / (3 * (3**3 - 3))
    statistic = (12 / (3 * 3 * 4) * (each.sum(axis=0) ** 2).sum() - 3 * 3 * 4) / ties
    assert found.p == pytest.approx(stats.chi2.sf(statistic, 2))


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.3, np.inf]) | st.floats(0, 1), min_size=3, max_size=12))
def test_rank_values_gives_the_ranks_of_scipy(values: list[float]) -> None:
    """Ties share the mean of their ranks, and Spearman's correlation is that of SciPy, to the last digit."""
    found = seed_statistics.rank_values(np.array(values))
    assert found.tolist() == stats.rankdata(values).tolist()
    if len(set(values)) > 1 and len(set(values[1:])) > 1:
        other = [*values[1:], 0.05]
        assert seed_statistics.compute_rank_correlation(values, other) == stats.spearmanr(values, other).statistic


@pytest.mark.parametrize("shape", [(1, 4), (5, 2)])
def test_rank_systems_has_no_p_for_few_systems(shape: tuple[int, int]) -> None:
    """There is no p value where Friedman's test does not exist."""
    assert seed_statistics.rank_systems(np.random.default_rng(1).uniform(size=shape)).p is None


def test_fit_mixed_model_of_two_is_the_paired_t_test() -> None:
    """The mixed model of two tuners is the paired t test."""
    measured = np.random.default_rng(2).uniform(0.1, 0.3, (8, 2))
    found = seed_statistics.fit_mixed_model(measured)
    assert found is not None
    known = stats.ttest_rel(measured[:, 0], measured[:, 1])
    assert found.p == pytest.approx(known.pvalue)
    low, high = known.confidence_interval(0.95)
    assert found.half == pytest.approx((high - low) / 2)


def test_fit_mixed_model_needs_enough_datasets() -> None:
    """The mixed model is not fitted to too few datasets."""
    measured = np.random.default_rng(3).uniform(size=(seed_statistics.MIN_DATASETS, 4))
    assert seed_statistics.fit_mixed_model(measured) is not None
    assert seed_statistics.fit_mixed_model(measured[1:]) is None


@settings(deadline=None, max_examples=30)
@given(errors)
def test_estimate_outperformance_halves_ties(first: list[float]) -> None:
    """Outperforming counts the pairs that were won, ties as half."""
    second = list(reversed(first))
    found = seed_statistics.estimate_outperformance(first, second, ["one"])
    wins = sum(1.0 if a < b else 0.5 if a == b else 0.0 for a, b in zip(first, second, strict=True))
    assert found.share == pytest.approx(wins / len(first))
    assert found.low <= found.share <= found.high
    back = seed_statistics.estimate_outperformance(second, first, ["one"])
    assert found.share + back.share == pytest.approx(1)
    assert (found.low + back.high, found.high + back.low) == pytest.approx((1, 1))
    assert found == seed_statistics.estimate_outperformance(first, second, ["one"])


def test_estimate_outperformance_needs_six_pairs() -> None:
    """Five wins of five decide nothing, and six of six do."""
    assert seed_statistics.estimate_outperformance([0.1] * 5, [0.2] * 5, ["five"]).judge(0.0) == "too few pairs"
    six = seed_statistics.estimate_outperformance([0.1] * 6, [0.2] * 6, ["six"])
    assert (six.judge(six.p), six.judge(2 * six.p)) == ("outperforms", "may be chance")
    half = seed_statistics.estimate_outperformance([0.1, 0.3] * 10, [0.2] * 20, ["half"])
    assert (half.share, half.judge(half.p)) == (0.5, "may be chance")


def test_estimate_outperformance_needs_a_large_effect() -> None:
    """Winning slightly more often than by chance is not meaningful."""
    first = [0.1] * 600 + [0.3] * 400
    found = seed_statistics.estimate_outperformance(first, [0.2] * 1000, ["little"])
    assert found.low > 0.5
    assert found.high < seed_statistics.MEANINGFUL_PROBABILITY
    assert found.judge(found.p) == "ahead"


def _decided_share(pairs: int) -> float:
    """How often equal tuners would be called different, one way or the other."""
    counts = range(pairs + 1)
    found = [
        seed_statistics.estimate_outperformance([0.1] * wins + [0.3] * (pairs - wins), [0.2] * pairs, ["equal"])
        for wins in counts
    ]
    decided = [one.judge(one.p) in ("ahead", "outperforms") for one in found]
    return 2 * sum(stats.binom.pmf(wins, pairs, 0.5) for wins in counts if decided[wins])


@pytest.mark.parametrize("pairs", [5, 6, 7, 10, 20, 30])
def test_estimate_outperformance_errs_in_5_percent(pairs: int) -> None:
    """Equal tuners are called different in at most 5 of 100 cases."""
    assert _decided_share(pairs) <= 0.05


def test_estimate_outperformance_covers_the_truth() -> None:
    """The bootstrap interval of many pairs contains the true value about 95 times in 100."""
    rng = np.random.default_rng(4)
    covered = 0
    for run in range(200):
        apart = rng.normal(0.5, 1, 100)
        found = seed_statistics.estimate_outperformance(np.zeros(100).tolist(), apart.tolist(), ["coverage", str(run)])
        covered += found.low <= stats.norm.cdf(0.5) <= found.high
    # Three standard errors of 200 runs below 0.95.
    assert covered / 200 >= 0.90


def test_compare_crossed_by_seed_cancels_seed_effects() -> None:
    """Pairing by seed cancels the effect that a seed has on both systems."""
    rng = np.random.default_rng(5)
    hardness = rng.uniform(size=2000)
    moved = rng.normal(0, 0.05, (6, 1))
    first, second = hardness < 0.30 + moved, hardness < 0.25 + moved
    found = compare_crossed_by_seed(measure_errors(first), measure_errors(second))
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.error < 0.5 * compare_crossed(measure_errors(first), measure_errors(second)).error
    assert found.excludes_zero()


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(2, 50))
def test_compare_crossed_by_seed_of_equals_is_zero(seeds: int, samples: int) -> None:
    """Equal tuners are never distinguishable."""
    wrong = np.random.default_rng(6).uniform(size=(seeds, samples)) < 0.3
    found = compare_crossed_by_seed(measure_errors(wrong), measure_errors(wrong))
    assert (found.value, found.p) == (0, 1)
    assert not found.excludes_zero()


def test_compute_rank_correlation_is_spearmans() -> None:
    """The rank correlation is Spearman's."""
    assert seed_statistics.compute_rank_correlation([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 10]) == pytest.approx(1)
    # 1 - 6 * (1 + 1 + 4) / (3 * 8)
    assert seed_statistics.compute_rank_correlation([1, 2, 3], [2, 3, 1]) == pytest.approx(-0.5)
    assert seed_statistics.compute_rank_correlation([1, 2], [1, 2]) is None
    assert seed_statistics.compute_rank_correlation([1, 1, 1], [1, 2, 3]) is None

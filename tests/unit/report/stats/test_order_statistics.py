"""The best of n recorded sets."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.report.stats.order_statistics import bound_needed, count_needed, expected_lowest, probability_of_any

recorded_values = st.lists(st.one_of(st.integers(0, 9).map(float), st.just(math.inf)), min_size=1, max_size=7)


@given(recorded_values)
def test_expected_lowest_is_the_mean_over_all_draws(values: list[float]) -> None:
    """Every draw of n of the recorded sets counts once; one without any value does not count."""
    counts = np.arange(1, len(values) + 1)
    found = expected_lowest(np.array(values), counts)
    for n, estimate in zip(counts, found, strict=True):
        lowest = [low for draw in combinations(values, int(n)) if math.isfinite(low := min(draw))]
        assert estimate == pytest.approx(np.mean(lowest) if lowest else math.nan, nan_ok=True)


@given(recorded_values, st.integers(0, 9))
def test_probability_of_any_is_the_share_of_all_draws(values: list[float], target: int) -> None:
    """The probability is the share of draws whose lowest value reaches the target."""
    counts = np.arange(1, len(values) + 1)
    found = probability_of_any(sum(value <= target for value in values), len(values), counts)
    for n, probability in zip(counts, found, strict=True):
        draws = [min(draw) <= target for draw in combinations(values, int(n))]
        assert probability == pytest.approx(np.mean(draws))


def test_expected_lowest_is_unbiased_and_drawing_with_replacement_is_not() -> None:
    """The mean over many searches is the true one: of n uniform values the lowest is 1 / (n + 1)."""
    searches = np.random.default_rng(3).uniform(size=(4000, 12))
    found = np.mean([expected_lowest(values, np.array([10]))[0] for values in searches])
    assert found == pytest.approx(1 / 11, abs=0.002)
    ordered = np.sort(searches, axis=1)
    chances = (1 - np.arange(13) / 12) ** 10
    with_replacement = (ordered @ (chances[:-1] - chances[1:])).mean()
    assert with_replacement > 1 / 11 + 0.03


@pytest.mark.parametrize(
    ("good", "recorded", "half", "nearly_all"),
    [(1, 100, 50, 95), (100, 100, 1, 1), (50, 100, 1, 5), (0, 9, None, None)],
)
def test_count_needed_is_the_first_that_reaches_it(
    good: int, recorded: int, half: int | None, nearly_all: int | None
) -> None:
    """One good set of 100 is among 50 drawn ones half of the time."""
    assert (count_needed(good, recorded, 0.5), count_needed(good, recorded, 0.95)) == (half, nearly_all)


def test_bound_needed_follows_the_interval_of_the_share() -> None:
    """Ten of 100 is 4.90% to 17.62%; none of 100 is at most 2.95%, so half needs at least 24 sets."""
    assert bound_needed(10, 100, 0.5) == (math.ceil(math.log(0.5) / math.log(1 - 0.17622)), 14)
    assert bound_needed(0, 100, 0.5) == (24, math.inf)
    assert bound_needed(5, 5, 0.95)[0] == 1


def test_probability_of_any_of_many_trials_is_exact() -> None:
    """Ten thousand trials lose no digits: one good set in 10,000 is among 5,000 with probability 1/2."""
    assert probability_of_any(1, 10_000, np.array([5000]))[0] == pytest.approx(0.5, abs=1e-9)

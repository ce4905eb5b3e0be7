"""Seeds: stable, in range, and a matter of content alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.seeds import derive

#: Records of other people depend on these: a change of them is a change of every study.
GOLDEN: list[tuple[tuple[Any, ...], int]] = [
    ((), 718488913),
    (("trial", "set_10", 42, {"neighbours": 100}), 577594401),
    (("trial", "set_10", 42, {"layers": 2, "units_1": 32, "dropout_rate": 0.25}), 1051152471),
]


@pytest.mark.parametrize(("parts", "seed"), GOLDEN)
def test_seeds_stay_what_they_are(parts: tuple[Any, ...], seed: int) -> None:
    assert derive(*parts) == seed


@given(st.lists(st.text() | st.integers() | st.dictionaries(st.text(), st.integers()), max_size=4))
def test_seeds_fit_every_library(parts: list[Any]) -> None:
    seed = derive(*parts)
    assert 1 <= seed <= 2**31 - 1
    assert derive(*parts) == seed


@given(st.dictionaries(st.text(), st.integers(), min_size=1))
def test_the_order_of_a_dict_does_not_count(values: dict[str, int]) -> None:
    assert derive("trial", values) == derive("trial", dict(reversed(values.items())))


def test_every_part_counts() -> None:
    seeds = [derive("trial", "a", 1, {"k": 1}), derive("trial", "b", 1, {"k": 1}), derive("trial", "a", 2, {"k": 1})]
    seeds += [derive("trial", "a", 1, {"k": 2}), derive("trial", "a", {"k": 1}, 1), derive("trial", "a", 1, {"k": 1.0})]
    assert len(set(seeds)) == len(seeds)
    assert len({derive("trial", number) for number in range(5000)}) == 5000

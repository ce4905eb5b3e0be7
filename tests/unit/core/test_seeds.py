"""Seeds are stable, in range, and depend on content alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.seeds import derive

#: Existing records depend on these: changing one changes every study.
GOLDEN: list[tuple[tuple[Any, ...], int]] = [
    ((), 718488913),
    (("trial", "set_10", 42, {"neighbours": 100}), 577594401),
    (("trial", "set_10", 42, {"layers": 2, "units_1": 32, "dropout_rate": 0.25}), 1051152471),
]


@pytest.mark.parametrize(("parts", "seed"), GOLDEN)
def test_derive_gives_the_recorded_seeds(parts: tuple[Any, ...], seed: int) -> None:
    """Seeds never change: records depend on them."""
    assert derive(*parts) == seed


@given(st.lists(st.text() | st.integers() | st.dictionaries(st.text(), st.integers()), max_size=4))
def test_derive_gives_seeds_that_every_library_accepts(parts: list[Any]) -> None:
    """A seed is reproducible and from 1 to 2**31 - 1."""
    seed = derive(*parts)
    assert 1 <= seed <= 2**31 - 1
    assert derive(*parts) == seed


@given(st.dictionaries(st.text(), st.integers(), min_size=1))
def test_derive_ignores_the_order_of_a_dict(values: dict[str, int]) -> None:
    """The order of a dict's keys does not change the seed."""
    assert derive("trial", values) == derive("trial", dict(reversed(values.items())))


def test_derive_depends_on_every_part() -> None:
    """Each part, its type and its place change the seed."""
    seeds = [derive("trial", "a", 1, {"k": 1}), derive("trial", "b", 1, {"k": 1}), derive("trial", "a", 2, {"k": 1})]
    seeds += [derive("trial", "a", 1, {"k": 2}), derive("trial", "a", {"k": 1}, 1), derive("trial", "a", 1, {"k": 1.0})]
    assert len(set(seeds)) == len(seeds)
    assert len({derive("trial", number) for number in range(5000)}) == 5000

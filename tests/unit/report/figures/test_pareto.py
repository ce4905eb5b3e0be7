"""The figure of Pareto fronts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blindtune.report.figures import pareto as figure_pareto


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_find_front_has_no_dominated_trial(trials: list[tuple[int, int]]) -> None:
    """The front is every trial that no other dominates."""
    found = {(int(size), int(error)) for size, error in figure_pareto.find_front(np.array(trials, dtype=float))}
    beaten = {
        (size, error)
        for size, error in trials
        if any(s <= size and e <= error and (s, e) != (size, error) for s, e in trials)
    }
    assert found == set(trials) - beaten

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


def test_thin_points_keeps_the_same_share_of_every_tuner() -> None:
    """Of too many trials, every tuner keeps its share, evenly spaced; of few, all are kept."""
    points = {name: np.arange(2.0 * count).reshape(-1, 2) for name, count in (("a", 900), ("b", 90), ("c", 1))}
    thinned = figure_pareto.thin_points(points, 110)
    assert [len(found) for found in thinned.values()] == [99, 9, 1]
    assert thinned["a"][[0, -1], 0].tolist() == [0.0, 1798.0]
    assert set(np.diff(thinned["a"][:, 0])) <= {18.0, 20.0}
    assert figure_pareto.thin_points(points, 991) is points

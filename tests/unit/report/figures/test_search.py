"""The figure of searches."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindtune.report.figures import search as figure_search

curves = st.lists(
    st.lists(st.tuples(st.integers(1, 5), st.one_of(st.just(np.nan), st.floats(0, 100))), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(curves)
def test_compute_median_and_band_of_the_seeds(seeds: list[list[tuple[int, float]]]) -> None:
    """The band is the range of what the seeds had reached."""
    spent = [np.cumsum([float(step) for step, _ in seed]) for seed in seeds]
    best = [np.fmin.accumulate(np.array([score for _, score in seed])) for seed in seeds]
    points, band = figure_search.compute_median_and_band(spent, best)
    for point in sorted({float(each) for seed in spent for each in seed}):
        had = [
            [score for at, score in zip(at_seed, reached, strict=True) if at <= point and not np.isnan(score)]
            for at_seed, reached in zip(spent, best, strict=True)
        ]
        if not all(had):
            assert point not in points
            continue
        lowest = [min(scores) for scores in had]
        found = band[:, list(points).index(point)]
        assert found == pytest.approx([min(lowest), np.median(lowest), max(lowest)])


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), max_size=12))
def test_find_changes_keeps_every_step(columns: list[tuple[int, int, int]]) -> None:
    """Drawn as steps, the kept points are on the same line as all of them, and its end is kept."""
    reached = np.array(columns, dtype=float).reshape(-1, 3).T
    kept = figure_search.find_changes(reached)
    places = np.searchsorted(kept, np.arange(len(columns)), side="right") - 1
    assert (reached[:, kept[places]] == reached).all()
    assert not columns or kept[-1] == len(columns) - 1
    assert len(kept) <= 2 + sum(one != other for one, other in pairwise(columns))

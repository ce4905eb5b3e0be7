"""The figure of searches."""

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

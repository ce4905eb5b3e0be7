"""The share of a square that regions cover, against counting points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from blindtune.datasets.slides.annotations import Region
from blindtune.datasets.slides.polygons import compute_area, compute_areas, compute_coverage, sample_points
from support.slide_files import rectangle

SIDE = 20
CLASSES = {"dcis": ["dcis"], "indc": ["indc"]}

#: Polygons that cross themselves in any way; no side lies on another, where a line drawn twice would count once.
polygons = st.builds(
    lambda vertices, seed: np.random.default_rng(seed).uniform(0, SIDE, (vertices, 2)),
    st.integers(3, 8),
    st.integers(0, 2**32),
)


def inside(polygon: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The even-odd rule, by counting how many sides a ray to the right crosses."""
    found = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > points[:, 1]) != (y1 > points[:, 1])
        found ^= crosses & (points[:, 0] < (x1 - x0) * (points[:, 1] - y0) / (y1 - y0) + x0)
    return found


def region(label: str, polygon: object, name: str = "region 1") -> Region:
    return Region(name, label, np.array(polygon, float).reshape(-1, 2))


@settings(max_examples=60, deadline=None)
@given(polygon=polygons, corner=st.tuples(st.integers(-3, SIDE), st.integers(-3, SIDE)), side=st.integers(2, 15))
def test_compute_coverage_equals_counting_points(polygon: NDArray[np.float64], corner: tuple[int, int], side: int):
    """The coverage equals the share of points that are inside."""
    fine = 120
    grid = (np.arange(fine) + 0.5) * side / fine
    points = np.stack(np.meshgrid(grid + corner[0], grid + corner[1]), -1).reshape(-1, 2)
    counted = inside(polygon, points).mean()
    (found,) = compute_coverage(np.array([corner]), side, compute_area(polygon))
    # A line through the grid errs by up to the cells that it passes; there are at most eight lines.
    assert found == pytest.approx(counted, abs=8 / fine)


@settings(max_examples=60, deadline=None)
@given(polygon=polygons)
def test_compute_area_follows_the_even_odd_rule(polygon: NDArray[np.float64]):
    """The area of any polygon is that of the even-odd rule."""
    fine = 8 * SIDE
    grid = (np.arange(fine) + 0.5) * SIDE / fine
    points = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    counted = inside(polygon, points).mean() * SIDE**2
    assert compute_area(polygon).area == pytest.approx(counted, abs=0.06 * SIDE**2)


def test_compute_area_of_a_star():
    """The centre of a five-pointed star is outside."""
    angles = np.arange(5) * 2 * 2 * np.pi / 5
    star = np.stack([np.cos(angles), np.sin(angles)], 1) * 10
    assert compute_coverage(np.array([[-1, -1]]), 2, compute_area(star))[0] == 0
    assert compute_area(star).area > 50


def test_compute_area_of_a_repeated_outline():
    """An outline drawn twice has the area of one drawn once."""
    loop = np.array(rectangle(0, 0, 10, 5))
    assert compute_area(np.concatenate([loop, loop])).area == 50


def test_compute_areas_joins_regions():
    """Overlapping regions of a class count once."""
    two = [region("dcis", rectangle(0, 0, 10, 10)), region("dcis", rectangle(5, 0, 10, 10))]
    areas = compute_areas(two, CLASSES, (100, 100))
    assert compute_coverage(np.array([[0, 0]]), 20, areas.by_class["dcis"])[0] == pytest.approx(150 / 400)
    assert areas.by_class["indc"].is_empty
    assert areas.oddities == []


def test_compute_areas_clips_regions():
    """Regions are clipped to the slide and named."""
    areas = compute_areas([region("dcis", rectangle(-10, 90, 40, 40))], CLASSES, (100, 100))
    assert areas.by_class["dcis"].bounds == (0, 90, 30, 100)
    assert areas.oddities == ["region 1 (dcis) reaches past the slide's edge and is cut off there"]


@pytest.mark.parametrize(
    ("polygon", "oddity"),
    [
        ([(1, 1), (2, 2)], "region 1 (dcis) has no area"),
        ([(1, 1), (5, 5), (9, 9)], "region 1 (dcis) has no area"),
        ([], "region 1 (dcis) has no area"),
        (rectangle(200, 200, 5, 5), "region 1 (dcis) lies outside the slide"),
        ([(0, 0), (10, 10), (10, 0), (0, 10)], "region 1 (dcis) crosses itself"),
    ],
)
def test_compute_areas_names_oddities(polygon: list[tuple[float, float]], oddity: str):
    """Regions without area, outside the slide or crossing themselves are named."""
    areas = compute_areas([region("dcis", polygon)], CLASSES, (100, 100))
    assert areas.oddities == [oddity]


def test_compute_areas_by_labels():
    """Other labels are ignored, and a class can have several labels."""
    regions = [region("null", rectangle(0, 0, 9, 9)), region("ic", rectangle(0, 0, 3, 3))]
    areas = compute_areas(regions, {"dcis": ["dcis"], "indc": ["indc", "ic"]}, (100, 100))
    assert areas.by_class["dcis"].is_empty
    assert areas.by_class["indc"].area == 9


def test_sample_points_are_uniform():
    """Points are uniformly distributed and inside the area."""
    # Two parts of the same size, one of them with an arm: each half of the points, and the arm its share.
    parts = [region("dcis", rectangle(0, 0, 10, 10)), region("dcis", [*rectangle(50, 50, 10, 5), (50, 100), (51, 100)])]
    area = compute_areas(parts, CLASSES, (100, 100)).by_class["dcis"]
    points = sample_points(area, 4000, np.random.default_rng(1))
    assert points.shape == (4000, 2)
    assert compute_coverage(points - 0.001, 0.002, area).min() > 0
    assert (points[:, 0] < 20).mean() == pytest.approx(100 / area.area, abs=0.03)
    assert (points[points[:, 0] < 20] < 5).mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.05)


def test_sample_points_of_an_empty_area():
    """An empty area has no points."""
    assert sample_points(compute_area(np.zeros((2, 2))), 5, np.random.default_rng(1)).shape == (0, 2)

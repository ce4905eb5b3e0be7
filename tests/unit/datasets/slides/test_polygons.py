"""The share of a square that regions cover, against counting points."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.slides import polygons as polygons_module
from blindtune.datasets.slides.annotations import Region
from blindtune.datasets.slides.polygons import ClassAreas, compute_area, compute_areas, compute_coverage, sample_points
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


#: A freehand outline that is valid once repaired, and that GEOS cannot triangulate (libgeos/geos#1283).
# fmt: off
TANGLED = [
    (1529, 1158), (1522, 1156), (1524, 1159), (1526, 1157), (1529, 1158), (1416, 1186), (1410, 1184),
    (1409, 1185), (1411, 1184), (1272, 1325), (1269, 1323), (1269, 1325), (1270, 1323), (1270, 1327),
    (820, 961), (1254, 641), (1255, 639), (1257, 637), (1255, 642), (1259, 640), (1261, 639),
    (1264, 636), (1265, 635), (1268, 632), (1407, 616),
]
# fmt: on


def test_sample_points_of_a_tangled_outline():
    """An outline that cannot be triangulated gives points all the same."""
    area = compute_areas([region("dcis", TANGLED)], CLASSES, (2000, 2000)).by_class["dcis"]
    points = sample_points(area, 200, np.random.default_rng(1))
    assert points.shape == (200, 2)
    assert compute_coverage(points - 0.001, 0.002, area).min() > 0


def share(areas: ClassAreas, label: str, corner: tuple[int, int], side: int = 4) -> float:
    return float(compute_coverage(np.array([corner]), side, areas.by_class[label])[0])


def test_inner_region_owns_its_area():
    """A region within one of another class, or of none, is cut out of it; the innermost one counts."""
    outer, inner, core = rectangle(0, 0, 90, 90), rectangle(20, 20, 40, 40), rectangle(30, 30, 10, 10)
    two = [region("dcis", outer), region("indc", inner), region("dcis", core), region("norm", rectangle(70, 70, 9, 9))]
    areas = compute_areas(two, CLASSES, (100, 100))
    assert areas.by_class["dcis"].area == 90 * 90 - 40 * 40 + 10 * 10 - 9 * 9
    assert areas.by_class["indc"].area == 40 * 40 - 10 * 10
    assert (share(areas, "dcis", (34, 34)), share(areas, "indc", (34, 34))) == (1, 0)


def test_inner_region_of_the_same_class_changes_nothing():
    """Regions of one class are joined, and one without a label owns nothing."""
    two = [region("dcis", rectangle(0, 0, 90, 90)), region("dcis", rectangle(20, 20, 40, 40))]
    areas = compute_areas([*two, region("", rectangle(60, 60, 9, 9))], CLASSES, (100, 100))
    assert areas.by_class["dcis"].area == 8100


def test_crossing_belongs_to_both_classes():
    """Where regions of two classes cross, neither owns the crossing."""
    two = [region("dcis", rectangle(0, 0, 60, 60)), region("indc", rectangle(40, 0, 60, 60))]
    areas = compute_areas(two, CLASSES, (100, 100))
    assert (share(areas, "dcis", (45, 5)), share(areas, "indc", (45, 5))) == (1, 1)
    twice = [region("dcis", rectangle(0, 0, 60, 60)), region("indc", rectangle(0, 0, 60, 60))]
    areas = compute_areas(twice, CLASSES, (100, 100))
    assert (areas.by_class["dcis"].area, areas.by_class["indc"].area) == (3600, 3600)


def test_holes_and_negative_regions_are_cut_out():
    """A hole belongs to its region, a negative region is cut out of its layer only."""
    ring, hole = np.array(rectangle(0, 0, 50, 50), float), np.array(rectangle(10, 10, 20, 20), float)
    with_hole = Region("region 1", "dcis", ring, holes=(hole,))
    assert compute_areas([with_hole], CLASSES, (99, 99)).by_class["dcis"].area == 2100
    regions = [
        Region("region 1", "dcis", ring, layer="1"),
        Region("region 2", "indc", ring, layer="2"),
        Region("region 3", "", hole, layer="1", negative=True),
    ]
    areas = compute_areas(regions, CLASSES, (99, 99))
    # The region with the hole is now smaller than the other, and within it.
    assert (areas.by_class["dcis"].area, areas.by_class["indc"].area) == (2100, 400)


def test_failing_geometry_makes_one_region_bad(monkeypatch: pytest.MonkeyPatch):
    """Whatever the geometry raises leaves out the region and names it."""
    import shapely

    def fail(shape: object) -> object:
        if shapely.get_num_coordinates(shape) == 4:
            raise shapely.errors.GEOSException("TopologyException")
        return shape

    monkeypatch.setattr(shapely, "make_valid", fail)
    two = [region("dcis", [(0, 0), (9, 0), (0, 9)], "region 4"), region("dcis", rectangle(20, 20, 10, 10))]
    areas = compute_areas(two, CLASSES, (100, 100))
    assert areas.by_class["dcis"].area == 100
    assert areas.oddities == ["region 4 (dcis) cannot be used, its outline is too tangled (TopologyException)"]


def test_area_of_many_vertices_equals_that_of_one_shape(monkeypatch: pytest.MonkeyPatch):
    """Cells give the same area and coverage as one shape, nested regions cut out."""
    random = np.random.default_rng(1)
    found = [region("dcis", np.array(rectangle(0, 0, 6, 6)) + random.uniform(0, 190, 2)) for _ in range(300)]
    found += [region("indc", rectangle(1, 1, 150, 198)), region("indc", rectangle(140, 50, 40, 40))]
    whole = compute_areas(found, CLASSES, (200, 200))
    for name, value in (("MAX_UNDIVIDED", 100), ("_MAX_IN_CELL", 60), ("_FEW_REGIONS", 0)):
        monkeypatch.setattr(polygons_module, name, value)
    divided = compute_areas(found, CLASSES, (200, 200))
    corners = random.uniform(0, 180, (200, 2))
    for label in CLASSES:
        first, second = whole.by_class[label], divided.by_class[label]
        assert len(first.cells) == 1 < len(second.cells)
        assert second.area == pytest.approx(first.area)
        np.testing.assert_allclose(
            compute_coverage(corners, 20, second), compute_coverage(corners, 20, first), atol=1e-9
        )
        points = sample_points(second, 2000, np.random.default_rng(1))
        assert compute_coverage(points - 0.001, 0.002, first).min() > 0
        assert (points[:, 0] < 75).mean() == pytest.approx(
            compute_coverage(np.array([[-125, 0]]), 200, first)[0] * 200**2 / first.area, abs=0.05
        )
    assert whole.oddities == divided.oddities


def test_copies_upon_each_other_are_joined_first(monkeypatch: pytest.MonkeyPatch):
    """Shapes that all fill the same cells are not cut into every one of them."""
    for name, value in (("MAX_UNDIVIDED", 100), ("_MAX_IN_CELL", 20), ("_MAX_STEPS", 16)):
        monkeypatch.setattr(polygons_module, name, value)
    divided: list[int] = []
    original = polygons_module._divide

    def count(shapes: NDArray[np.object_], *rest: Any) -> Any:
        divided.append(len(shapes))
        return original(shapes, *rest)

    monkeypatch.setattr(polygons_module, "_divide", count)
    areas = compute_areas([region("dcis", rectangle(0, 0, 90, 90))] * 2000, CLASSES, (100, 100))
    assert areas.by_class["dcis"].area == 8100
    assert divided == [2000, 1]


@pytest.mark.parametrize("n_vertices", [400, 20_000])
def test_an_outline_that_crosses_itself_thousands_of_times_is_bad(n_vertices: int):
    """A scribble that cannot be repaired in time is one bad region, as outline, hole and negative region."""
    scribble = np.random.default_rng(1).uniform(0, 900, (n_vertices, 2))
    square = rectangle(0, 0, 100, 100)
    negative = Region("region 3", "dcis", scribble, layer="b", negative=True)
    holed = Region("region 4", "indc", np.array(rectangle(0, 0, 900, 900), float), holes=(scribble,))
    found = compute_areas(
        [region("dcis", scribble, "region 1"), region("dcis", square), negative, holed], CLASSES, (999, 999)
    )
    reason = "cannot be used, its outline is too tangled (it crosses itself more than 5,000 times)"
    assert found.oddities == [f"region {name} {reason}" for name in ("1 (dcis)", "4 (indc)", "3 (dcis)")]
    assert found.by_class["dcis"].area == 100 * 100 and found.by_class["indc"].is_empty


def comb(n_teeth: int, size: int = 900, turned: bool = False) -> NDArray[np.float64]:
    """A valid outline with teeth as long as it is wide; turned by 90 degrees it crosses one that is not everywhere."""
    x = np.linspace(0, size, n_teeth, endpoint=False)[:, None]
    tooth = [(0, size - 1), (0.4 * size / n_teeth, size - 1), (0.4 * size / n_teeth, 1), (size / n_teeth, 1)]
    points = np.concatenate([np.stack([x + dx, np.full_like(x, y)], axis=2) for dx, y in tooth], axis=1).reshape(-1, 2)
    outline = np.array([(0, 0), *points, (size, 0)])
    return outline[:, ::-1] if turned else outline


def test_outlines_that_cross_each_other_thousands_of_times_are_bad():
    """Of two such regions the later one is bad, whether of one class, negative or a hole."""
    first, second = region("dcis", comb(100), "region 1"), region("dcis", comb(100, turned=True), "region 2")
    negative = Region("region 3", "dcis", comb(100, turned=True), layer="b", negative=True)
    holed = Region("region 4", "indc", comb(100), holes=(comb(100, turned=True),))
    reason = "cannot be used, its outline is too tangled (it and {} cross more than 5,000 times)"
    found = compute_areas([first, second], CLASSES, (999, 999))
    assert found.oddities == [f"region 2 (dcis) {reason.format('region 1')}"]
    alone = compute_areas([first], CLASSES, (999, 999))
    assert found.by_class["dcis"].area == pytest.approx(alone.by_class["dcis"].area, rel=1e-9)
    found = compute_areas([first, negative], CLASSES, (999, 999))
    nothing = "region 3 (dcis) is negative and cuts out nothing: it crosses no region of its layer"
    assert found.oddities == [f"region 1 (dcis) {reason.format('region 3')}", nothing]
    found = compute_areas([holed], CLASSES, (999, 999))
    assert found.oddities == [f"region 4 (indc) {reason.format('its holes, or two of these,')}"]


def test_large_outlines_that_do_not_cross_often_are_kept():
    """Equal outlines of many vertices, and combs with few crossings, are used as they are."""
    same = compute_areas([region("dcis", comb(100)), region("indc", comb(100))], CLASSES, (999, 999))
    few = compute_areas([region("dcis", comb(30)), region("indc", comb(30, turned=True))], CLASSES, (999, 999))
    assert not same.oddities and not few.oddities
    assert same.by_class["dcis"].area == same.by_class["indc"].area == pytest.approx(few.by_class["indc"].area, rel=0.1)


def test_islands_in_a_hole_are_kept():
    """A negative region is not cut out of a region within it, but of those that it crosses or equals."""

    def layer(*squares: tuple[int, int, bool]) -> list[Region]:
        return [
            Region(f"region {at}", "dcis", np.array(rectangle(low, low, side, side), float), negative=negative)
            for at, (low, side, negative) in enumerate(squares, 1)
        ]

    island = layer((0, 1000, False), (200, 600, True), (400, 200, False))
    found = compute_areas(island, CLASSES, (2000, 2000))
    assert (found.by_class["dcis"].area, found.oddities) == (680_000, [])
    with_hole = [*island, *layer((450, 100, True))]
    assert compute_areas(with_hole, CLASSES, (2000, 2000)).by_class["dcis"].area == 670_000
    crossing = layer((0, 1000, False), (500, 1000, True))
    assert compute_areas(crossing, CLASSES, (2000, 2000)).by_class["dcis"].area == 750_000
    assert compute_areas(layer((0, 9, False), (0, 9, True)), CLASSES, (2000, 2000)).by_class["dcis"].is_empty


def test_negative_regions_without_effect_are_named():
    """A negative region alone, elsewhere, in another layer, or without an area cuts out nothing."""
    square, small = np.array(rectangle(0, 0, 50, 50), float), np.array(rectangle(10, 10, 5, 5), float)
    found = compute_areas(
        [
            Region("region 1", "dcis", square, layer="1"),
            Region("region 2", "", small, layer="1", negative=True),
            Region("region 3", "", small + 70, layer="1", negative=True),
            Region("region 4", "", small, layer="2", negative=True),
            Region("region 5", "dcis", small[:2], layer="1", negative=True),
        ],
        CLASSES,
        (99, 99),
    )
    nothing = "is negative and cuts out nothing: it crosses no region of its layer"
    assert found.oddities == [
        "region 5 (dcis) has no area",
        f"region 3 (negative) {nothing}",
        f"region 4 (negative) {nothing}",
    ]
    assert found.by_class["dcis"].area == 2475


def test_each_layer_is_only_asked_for_its_own_regions():
    """A file of thousands of layers takes no longer than one of as many regions in one layer."""

    class Layer(str):
        compared = 0
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            Layer.compared += 1
            return str.__eq__(self, other)

    square, hole = np.array(rectangle(0, 0, 5, 5), float), np.array(rectangle(1, 1, 2, 2), float)
    regions = [
        Region(f"region {at}", "dcis", np.add(shape, (at * 6, 0)), layer=Layer(at), negative=negative)
        for at in range(50)
        for shape, negative in ((square, False), (hole, True))
    ]
    found = compute_areas(regions, CLASSES, (300, 10))
    assert (found.by_class["dcis"].area, found.oddities) == (50 * 21, [])
    assert Layer.compared < 500


def test_holes_without_effect_are_named():
    """A hole with fewer than three vertices, or outside of its polygon, changes nothing and is named."""
    square, hole = np.array(rectangle(0, 0, 50, 50), float), np.array(rectangle(10, 10, 5, 5), float)
    holed = Region("region 1", "dcis", square, holes=(hole, hole[:2], hole + 60, hole + 70))
    found = compute_areas([holed], CLASSES, (99, 99))
    assert found.by_class["dcis"].area == 2475
    assert found.oddities == [
        "region 1 (dcis) has 1 hole without an area",
        "region 1 (dcis) has 2 holes outside of it",
    ]


def star(n_vertices: int) -> NDArray[np.float64]:
    """A rough outline without crossings, every line of which is close to hundreds of others."""
    angles = np.linspace(0, 2 * np.pi, n_vertices, endpoint=False)
    radii = 300 * (1 + 0.3 * np.random.default_rng(1).random(n_vertices))
    return np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + 450


def zigzag(n_vertices: int) -> NDArray[np.float64]:
    """A valid outline of lines from top to bottom."""
    at = np.arange(n_vertices)
    teeth = np.stack([np.linspace(0, 900, n_vertices), np.where(at % 2, 800, 100)], 1)
    return np.concatenate([teeth, [(900, 900), (0, 900)]])


def shoelace(polygon: NDArray[np.float64]) -> float:
    x, y = polygon.T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


@pytest.mark.parametrize("outline", [star(1500), zigzag(1501), np.round(star(600)), comb(300), comb(300, turned=True)])
def test_large_outlines_are_divided_exactly(outline: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch):
    """Outlines of many vertices are cut into cells of few, without an overlay of the whole and with the same area."""
    import shapely

    shape = compute_area(outline)
    expected = compute_areas([region("dcis", outline)], CLASSES, (999, 999)).by_class["dcis"]
    for name, value in (("MAX_UNDIVIDED", 400), ("_MAX_IN_CELL", 100)):
        monkeypatch.setattr(polygons_module, name, value)
    original, largest = shapely.intersection, [0]

    def intersect(first: Any, second: Any) -> Any:
        largest.append(int(shapely.get_num_coordinates(first).max(initial=0)))
        return original(first, second)

    monkeypatch.setattr(shapely, "intersection", intersect)
    found = compute_areas([region("dcis", outline)], CLASSES, (999, 999)).by_class["dcis"]
    assert found.area == pytest.approx(expected.area, rel=1e-9) == pytest.approx(shape.area, rel=1e-9)
    assert len(found.cells) > 5
    assert max(shapely.get_num_coordinates(found.cells)) < 500
    if shapely.is_valid(shapely.Polygon(outline)):
        assert found.area == pytest.approx(shoelace(outline), rel=1e-9) and max(largest) < 500
    corners = np.random.default_rng(2).uniform(0, 900, (100, 2))
    np.testing.assert_allclose(compute_coverage(corners, 50, found), compute_coverage(corners, 50, expected), atol=1e-6)


@pytest.mark.parametrize("kind", ["holes", "negatives", "nested"])
@pytest.mark.parametrize("apart", [True, False])
def test_many_cuts_are_made_at_once(kind: str, apart: bool, monkeypatch: pytest.MonkeyPatch):
    """Cuts that are apart from each other become holes in one step; the others are cut out as before."""
    places = [(x, y) for x in range(5, 95, 10) for y in range(5, 95, 10)]
    cuts = [np.array(rectangle(x, y, 5, 5), float) for x, y in places]
    cuts += [] if apart else [cuts[0] + 2]
    outer = np.array(rectangle(0, 0, 100, 100), float)
    regions = {
        "holes": [Region("region", "dcis", outer, holes=tuple(cuts))],
        "negatives": [Region("region", "dcis", outer), *(Region("n", "", cut, negative=True) for cut in cuts)],
        "nested": [Region("region", "dcis", outer), *(Region("n", "indc", cut) for cut in cuts)],
    }[kind]
    whole = compute_areas(regions, CLASSES, (200, 200)).by_class["dcis"].area
    inserted: list[bool] = []
    original = polygons_module._insert_holes

    def insert(*arguments: Any) -> Any:
        found = original(*arguments)
        inserted.append(found is not None)
        return found

    monkeypatch.setattr(polygons_module, "_insert_holes", insert)
    monkeypatch.setattr(polygons_module, "MAX_UNDIVIDED", 300)
    monkeypatch.setattr(polygons_module, "_MAX_IN_CELL", 60)
    found = compute_areas(regions, CLASSES, (200, 200))
    expected = 100 * 100 - 81 * 25 - (0 if apart else 25 - 9)
    assert found.by_class["dcis"].area == pytest.approx(expected) == pytest.approx(whole)
    assert inserted == [apart]
    assert found.oddities == []


#: An outline of 404 vertices in any order crosses itself thousands of times; the last ones are the corners of its box.
TANGLE = np.concatenate([np.random.default_rng(4).uniform(40, 60, (400, 2)), rectangle(40, 40, 20, 20)])


@pytest.mark.parametrize(
    ("label", "negative", "lost", "what"),
    [
        ("dcis", False, 0, None),
        ("indc", False, 400, "1 region of another class does not have the box around it"),
        ("norm", False, 400, "1 region of another class does not have the box around it"),
        ("", False, 0, None),
        ("dcis", True, 400, "1 region of its layer does not have the box around it"),
    ],
)
def test_a_bad_inner_region_leaves_nothing_to_the_outer_one(label: str, negative: bool, lost: int, what: str | None):
    """Where an inner region could be that cannot be used, no other class has the area."""
    outer, small = region("dcis", rectangle(0, 0, 100, 100)), region("dcis", rectangle(45, 45, 5, 5), "region 3")
    tangled = Region("region 2", label, TANGLE, negative=negative)
    areas = compute_areas([outer, tangled], CLASSES, (100, 100))
    assert areas.by_class["dcis"].area == pytest.approx(10_000 - lost)
    named = [one for one in areas.oddities if "may be within others" in one]
    assert named == ([] if what is None else [f"region 2 ({label}) cannot be used and may be within others: {what}"])
    # One that is within the box may be an inner region itself.
    assert compute_areas([small, tangled], CLASSES, (100, 100)).by_class["dcis"].area == pytest.approx(25)


def test_a_box_that_is_unclear_belongs_to_nobody_at_any_depth(monkeypatch: pytest.MonkeyPatch):
    """A bad region within a region of another class within one of its own class: the box is neither's."""
    monkeypatch.setattr(polygons_module, "_MAX_IN_CELL", 4)
    unclear = [region("dcis", rectangle(40, 40, 20, 20), "region 9"), region("indc", [(1, 1)]), region("", [])]
    nested = [region("dcis", rectangle(0, 0, 100, 100)), region("indc", rectangle(20, 20, 60, 60), "region 2")]
    for most in (20_000, 3):
        monkeypatch.setattr(polygons_module, "MAX_UNDIVIDED", most)
        areas = compute_areas(nested, CLASSES, (100, 100), unclear)
        assert {name: round(one.area) for name, one in areas.by_class.items()} == {"dcis": 6400, "indc": 3200}
        assert compute_coverage(np.array([[40, 40]]), 20, areas.by_class["dcis"])[0] == 0
        assert areas.oddities == [
            "region 9 (dcis) cannot be used and may be within others: 1 region of another class does not have the box "
            "around it"
        ]


def test_many_boxes_that_are_unclear_are_refused(monkeypatch: pytest.MonkeyPatch):
    """The number of pairs is bounded."""
    monkeypatch.setattr(polygons_module, "_MAX_UNCLEAR_PAIRS", 3)
    unclear = [region("indc", rectangle(40, 40, 20, 20))] * 4
    with pytest.raises(UserError, match="more than 3 pairs of regions overlap, one of them unusable"):
        compute_areas([region("dcis", rectangle(0, 0, 100, 100))], CLASSES, (100, 100), unclear)


def test_a_part_on_which_the_geometry_fails_names_its_region(monkeypatch: pytest.MonkeyPatch):
    """There are more parts than regions, and the region of the part is named."""
    import shapely

    def fail(shapes: NDArray[Any]) -> None:
        raise shapely.errors.GEOSException("forced")

    monkeypatch.setattr(polygons_module, "_union", fail)
    regions = [region("dcis", rectangle(0, 0, 30, 10), f"region {number}") for number in (1, 2)]
    parts = np.array([shapely.box(x, 0, x + 10, 10) for x in (0, 10, 20)], dtype=object)
    boxes = polygons_module._UnclearBoxes([region("indc", rectangle(22, 2, 5, 5))], {"dcis": 0, "indc": 1})
    oddities = polygons_module._Oddities(regions)
    found, numbers = polygons_module._cut_unclear(parts, np.array([0, 0, 1]), np.array([[1], [0]]), boxes, oddities)
    assert numbers.tolist() == [0, 0, 1] and shapely.is_empty(found).tolist() == [False, False, True]
    assert oddities.list_by_class(np.zeros(2, np.int64))[0] == (
        "region 2 (dcis) cannot be used, its outline is too tangled (forced)"
    )


def test_many_parts_upon_a_box_that_is_unclear_are_refused(monkeypatch: pytest.MonkeyPatch):
    """The number of cuts is bounded where one region is in many parts."""
    import shapely

    parts = np.array([shapely.box(x, 0, x + 10, 10) for x in (0, 10, 20)], dtype=object)
    boxes = polygons_module._UnclearBoxes([region("indc", rectangle(2, 2, 25, 5))], {"dcis": 0, "indc": 1})
    oddities = polygons_module._Oddities([region("dcis", rectangle(0, 0, 30, 10))])
    lost = np.array([[0], [0]])
    assert len(polygons_module._cut_unclear(parts, np.array([0, 0, 0]), lost, boxes, oddities)[0]) == 3
    monkeypatch.setattr(polygons_module, "_MAX_UNCLEAR_PAIRS", 2)
    with pytest.raises(UserError, match="more than 2 parts of regions overlap the box"):
        polygons_module._cut_unclear(parts, np.array([0, 0, 0]), lost, boxes, oddities)

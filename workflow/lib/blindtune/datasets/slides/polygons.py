"""Geometry of annotated regions: their areas, and the exact share of a square that they cover.

- A polygon that crosses itself contains the points that are within an odd number of its loops (the even-odd rule); a
  line drawn twice counts once.
- Holes are cut out. A negative region is cut out of those of its layer, but not of one that is within it: such a region
  is an island in a hole.
- An inner region owns its area: it is cut out of every region of another class, or of no class, that it is within.
- Regions of one class are joined, so that overlaps do not count twice, and are clipped to the slide.
- Where regions of two classes cross without one being within the other, the crossing belongs to both. A patch there is
  left out by `max_other`.
- A region that cannot be used may have been an inner one. So no region of another class has the box around it, unless
  it is within that box.

A region on which the geometry fails, or that crosses itself or another thousands of times, is left out and named. An
area of many vertices is divided into cells, so that what is asked about a square only takes the few shapes near it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations.base import Region, box_between
from blindtune.datasets.slides.tangles import find_tangle, find_tangled

if TYPE_CHECKING:
    from shapely import STRtree
    from shapely.geometry.base import BaseGeometry

#: An area of more vertices is divided into cells.
MAX_UNDIVIDED = 20_000
#: Only of more regions, those that need no repair or clipping go without. It changes no area, but the order of vertices
#: and so the points that are drawn.
_FEW_REGIONS = 2000
#: Vertices of a cell, columns and rows into which a part of a slide is divided, and how often that is repeated.
_MAX_IN_CELL, _MAX_STEPS, _MAX_DEPTH = 2000, 64, 8
#: In how many cells a shape is on average at most, before shapes are joined.
_MAX_REPEATED = 8
#: A region is within another if at least this share of it is, and if it is smaller by this factor.
_WITHIN = 0.99
#: Pairs of regions of two classes whose bounds overlap; people draw far fewer.
_MAX_PAIRS = 20_000_000
#: Pairs of a region, or a part of one, and a box around one that cannot be used; each takes a cut.
_MAX_UNCLEAR_PAIRS = 100_000
_PAIRS_AT_ONCE = 100
#: Shapes of more vertices are clipped rather than intersected, unless more lines are cut; the share of the box around a
#: shape by which the area of its parts may differ.
_MIN_CLIPPED, _MAX_CROSSED, _CLIPPING_ERROR = 500, 2000, 1e-9
#: Pixels of a side that is not halved; where in a pixel a shape is cut; share of the vertices that a half has at most.
_MIN_EXTENT, _OFF_PIXELS, _MOST_IN_HALF = 4, 0.3127, 0.9
#: How often a point is drawn again that is in the bounds of a cell but not in the cell.
_MAX_REDRAWS = 200


@dataclass(frozen=True)
class Area:
    """The joined regions of a class.

    Attributes:
        cells: (n_cells,) shapes that do not overlap, none of them empty; one shape unless the area has many vertices.
    """

    cells: NDArray[Any]

    @property
    def is_empty(self) -> bool:
        """Whether the class has no area."""
        return len(self.cells) == 0

    @property
    def area(self) -> float:
        """The size of the area in square pixels."""
        import shapely

        return float(shapely.area(self.cells).sum())

    @property
    def bounds(self) -> tuple[float, ...]:
        """Left, top, right and bottom in pixels; not a number for an empty area."""
        import shapely

        return tuple(shapely.total_bounds(self.cells).tolist())

    @cached_property
    def tree(self) -> "STRtree":
        """An index of the cells by their place."""
        import shapely

        return shapely.STRtree(self.cells)


@dataclass(frozen=True)
class ClassAreas:
    """The annotated area of each class on one slide.

    Attributes:
        by_class: the joined and clipped regions of each class.
        oddities: one sentence per region that has no area, was clipped, crosses itself or cannot be used.
    """

    by_class: dict[str, Area]
    oddities: list[str]


def compute_areas(
    regions: list[Region], classes: dict[str, list[str]], size: tuple[int, int], unclear: Sequence[Region] = ()
) -> ClassAreas:
    """Return the area of each class on a slide.

    Args:
        regions: the regions of one slide.
        classes: the labels that make up each class; regions of other labels only own their area within others.
        size: width and height of the slide in pixels.
        unclear: regions of which no more is known than a box around them.

    Raises:
        UserError: too many regions of different classes overlap.
    """
    names = list(classes)
    class_of = {label: number for number, (_, labels) in enumerate(classes.items()) for label in labels}
    # A region without a label says nothing, so it owns nothing.
    counted = [one for one in regions if one.label and not one.negative]
    owners = np.array([class_of.get(one.label, -1) for one in counted], dtype=np.int64)
    of_class = owners >= 0
    oddities = _Oddities(counted)
    negatives = [one for one in regions if one.negative]
    shapes, cuts = _shape_regions(counted, of_class, oddities), _shape_negatives(negatives, oddities)
    _drop_tangled([*negatives, *counted], cuts, shapes, oddities)
    _cut_negatives(negatives, cuts, counted, shapes, oddities)
    shapes = _clip_regions(counted, shapes, of_class, size, oddities)
    boxes = _UnclearBoxes([*unclear, *oddities.unclear], class_of)
    lost = boxes.find_regions(counted, shapes, owners)
    shapes, numbers = _cut_nested(shapes, owners, oddities)
    shapes, numbers = _cut_unclear(shapes, numbers, lost, boxes, oddities)
    by_class = {name: _join(shapes[owners[numbers] == number], size) for number, name in enumerate(names)}
    return ClassAreas(by_class, oddities.list_by_class(owners))


def compute_area(polygon: NDArray[np.float64]) -> "BaseGeometry":
    """Return the shape that a polygon (n_vertices, 2) encloses by the even-odd rule, which may be empty.

    Raises:
        shapely.errors.GEOSException: it crosses itself too often.
    """
    import shapely

    if len(polygon) < 3:
        return shapely.Polygon()
    return _repair(shapely.Polygon(polygon))


def compute_coverage(corners: NDArray[Any], side: float, area: "BaseGeometry | Area") -> NDArray[np.float64]:
    """Return the share of each square that an area covers.

    Args:
        corners: (n_squares, 2) x and y of the upper left corners.
        side: side of the squares, in the same unit.
        area: as `compute_area` or `compute_areas` returns it.

    Returns:
        (n_squares,) float64 from 0 to 1.
    """
    import shapely

    low = np.asarray(corners, np.float64).reshape(-1, 2)
    squares = np.asarray(shapely.box(*low.T, *(low + side).T))
    covered = np.zeros(len(squares))
    if isinstance(area, Area) and len(area.cells) != 1:
        near, cells = area.tree.query(squares)
        np.add.at(covered, near, shapely.area(shapely.intersection(squares[near], area.cells[cells])))
        return np.minimum(covered / side**2, 1.0)
    shape: BaseGeometry = area.cells[0] if isinstance(area, Area) else area
    shapely.prepare(shape)
    covered[shapely.contains_properly(shape, squares)] = 1.0
    partly = np.flatnonzero((covered == 0) & shapely.intersects(shape, squares))
    covered[partly] = shapely.area(shapely.intersection(squares[partly], shape)) / side**2
    return covered


def sample_points(area: "BaseGeometry | Area", count: int, random: Generator) -> NDArray[np.float64]:
    """Sample points uniformly from an area.

    Args:
        area: as `compute_area` or `compute_areas` returns it.
        count: number of points.
        random: what they are drawn from.

    Returns:
        (count, 2) float64 x and y; (0, 2) if the area is empty.
    """
    import shapely
    from shapely.errors import GEOSException

    cells = area.cells if isinstance(area, Area) else np.array([area])
    if len(cells) != 1:
        return _sample_cells(cells, count, random)
    try:
        triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(cells[0]))
    except GEOSException:
        return _sample_cells(cells, count, random)
    sizes = shapely.area(triangles)
    if not sizes.sum():
        return np.zeros((0, 2))
    corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
    chosen = corners[random.choice(len(corners), count, p=sizes / sizes.sum())]
    along = random.random((count, 2, 1))
    # Points in the other half of the parallelogram are reflected into the triangle.
    along = np.where(along.sum(axis=1, keepdims=True) > 1, 1 - along, along)
    points: NDArray[np.float64] = chosen[:, 0] + ((chosen[:, 1:] - chosen[:, :1]) * along).sum(axis=1)
    return points


def _sample_cells(cells: NDArray[Any], count: int, random: Generator) -> NDArray[np.float64]:
    """Sample points uniformly from cells: from the bounds of one by its size, until they are inside of it."""
    import shapely

    sizes = shapely.area(cells)
    if not sizes.sum():
        return np.zeros((0, 2))
    chosen = cells[random.choice(len(cells), count, p=sizes / sizes.sum())]
    shapely.prepare(cells)
    low, high = np.split(shapely.bounds(chosen), 2, axis=1)
    points = shapely.get_coordinates(shapely.point_on_surface(chosen))
    missing = np.arange(count)
    for _ in range(_MAX_REDRAWS):
        tried = low[missing] + random.random((len(missing), 2)) * (high[missing] - low[missing])
        inside = shapely.contains_xy(chosen[missing], *tried.T)
        points[missing[inside]] = tried[inside]
        missing = missing[~inside]
        if not len(missing):
            break
    return np.asarray(points, np.float64)


def _box_around(region: Region) -> Region:
    """Return a region as the box around it."""
    return replace(region, polygon=box_between(region.polygon), holes=())


class _Oddities:
    """What is odd about some regions, by their numbers."""

    def __init__(self, regions: list[Region]) -> None:
        self._regions = regions
        self._texts: dict[int, list[str]] = {}
        #: Regions that cross themselves.
        self.crossing: set[int] = set()
        #: Sentences about other regions.
        self.others: list[str] = []
        #: Regions that cannot be used, each as the box around it.
        self.unclear: list[Region] = []

    def add(self, at: int, text: str) -> None:
        """Add what is odd about a region."""
        self._texts.setdefault(int(at), []).append(text)

    def add_failure(self, at: int, error: Exception) -> None:
        """Add that the geometry fails on a region."""
        self.add_unusable(at, f"cannot be used, its outline is too tangled ({str(error)[:120]})")

    def add_unusable(self, at: int, text: str) -> None:
        """Add that a region cannot be used, and why."""
        self.add(at, text)
        self.unclear.append(_box_around(self._regions[at]))

    def add_empty(self, shapes: NDArray[Any]) -> None:
        """Add that regions have no area, where nothing else is odd about them."""
        for at, shape in enumerate(shapes):
            if shape.is_empty and at not in self._texts:
                self.add(at, "has no area")

    def list_by_class(self, owners: NDArray[np.int64]) -> list[str]:
        """Return a sentence for each, class after class, then those of no class."""
        found = {at: self._texts.get(at, []) for at in {*self._texts, *self.crossing}}
        order = sorted(found, key=lambda at: (owners[at] < 0, owners[at], at))
        texts = ((at, text) for at in order for text in (*found[at], *["crosses itself"][: at in self.crossing]))
        named = [f"{self._regions[at].name} ({self._regions[at].label or 'negative'}) {text}" for at, text in texts]
        return named + self.others


def _shape_regions(regions: list[Region], of_class: NDArray[np.bool_], oddities: "_Oddities") -> NDArray[Any]:
    """Return the shape of each region with its holes cut out, not clipped; empty where there is none."""
    import shapely
    from shapely.errors import GEOSException

    shapes = np.full(len(regions), shapely.Polygon(), dtype=object)
    outlined = np.array([at for at, one in enumerate(regions) if len(one.polygon) >= 3], dtype=np.int64)
    if len(outlined):
        lengths = [len(regions[at].polygon) for at in outlined]
        rings = shapely.linearrings(
            np.concatenate([regions[at].polygon for at in outlined]),
            indices=np.repeat(np.arange(len(outlined)), lengths),
        )
        shapes[outlined] = shapely.polygons(rings)
    valid, few = shapely.is_valid(shapes), len(regions) <= _FEW_REGIONS
    small = shapely.get_num_coordinates(shapes) <= MAX_UNDIVIDED
    for at, one in enumerate(regions):
        try:
            if (few and small[at]) or not valid[at]:
                shapes[at] = _repair(shapes[at])
            if one.holes:
                shapes[at] = _cut_holes(shapes[at], one.holes, at, oddities)
            if of_class[at] and shapes[at].is_empty:
                oddities.add(at, "has no area")
            elif of_class[at] and not valid[at]:
                oddities.crossing.add(at)
        except GEOSException as error:
            shapes[at] = shapely.Polygon()
            oddities.add_failure(at, error)
    return shapes


def _cut_holes(
    shape: "BaseGeometry", holes: Sequence[NDArray[np.float64]], at: int, oddities: "_Oddities"
) -> "BaseGeometry":
    """Return the shape of the region at the number ``at`` without its holes; name those that change nothing.

    Raises:
        shapely.errors.GEOSException: outlines cross too often.
    """
    import shapely
    from shapely.errors import GEOSException

    outlined = [hole for hole in holes if len(hole) >= 3]
    numbers = np.repeat(np.arange(len(outlined)), [len(hole) for hole in outlined])
    cuts: NDArray[Any] = np.empty(0, dtype=object)
    if outlined:
        cuts = np.asarray(shapely.polygons(shapely.linearrings(np.concatenate(outlined), indices=numbers)))
    is_large = shapely.get_num_coordinates(cuts).sum() > MAX_UNDIVIDED
    whole = _insert_holes(shape, cuts) if is_large else None
    if whole is None:
        cuts = np.array([_repair(cut) for cut in cuts], dtype=object)
        for _, how in find_tangled(np.concatenate([np.array([shape]), cuts])).values():
            raise GEOSException(f"it and its holes, or two of these, {how}")
        whole = _keep_polygons(shapely.difference(shape, shapely.union_all(cuts)))
    shapely.prepare(shape)
    n_empty = len(holes) - len(outlined) + int(shapely.is_empty(cuts).sum())
    n_outside = int((~shapely.is_empty(cuts) & ~shapely.intersects(shape, cuts)).sum())
    for count, what in ((n_empty, "without an area"), (n_outside, "outside of it")):
        if count and not shape.is_empty:
            oddities.add(at, f"has {count:,} hole{'s' * (count > 1)} {what}")
    return whole


def _insert_holes(shape: "BaseGeometry", cuts: NDArray[Any]) -> "BaseGeometry | None":
    """Return a polygon with some others as its holes; None unless these are within it and apart from each other."""
    import shapely

    simple = (shapely.get_type_id(cuts) == shapely.GeometryType.POLYGON) & (shapely.get_num_interior_rings(cuts) == 0)
    if shape.geom_type != "Polygon" or not simple.all() or shapely.is_empty(cuts).any():
        return None
    rings = shapely.get_rings(shape)
    whole: BaseGeometry = shapely.polygons(rings[0], holes=np.concatenate([rings[1:], shapely.get_exterior_ring(cuts)]))
    return whole if shapely.is_valid(whole) else None


def _shape_negatives(negatives: list[Region], oddities: "_Oddities") -> NDArray[Any]:
    """Return the shape of each negative region, as `_shape_regions` does."""
    own_oddities = _Oddities(negatives)
    cuts = _shape_regions(negatives, np.zeros(len(negatives), bool), own_oddities)
    own_oddities.add_empty(cuts)
    oddities.others += own_oddities.list_by_class(np.full(len(negatives), -1))
    oddities.unclear += own_oddities.unclear
    return cuts


def _drop_tangled(regions: list[Region], cuts: NDArray[Any], shapes: NDArray[Any], oddities: "_Oddities") -> None:
    """Empty the shapes of regions that cross an earlier one too often, in place.

    Args:
        regions: the negative regions and then the others.
        cuts: shapes of the negative ones, which count as the earlier ones: without one, a region would be too large.
        shapes: shapes of the others.
        oddities: where the regions are named.
    """
    import shapely

    for number, (other, how) in find_tangled(np.concatenate([cuts, shapes])).items():
        (cuts if number < len(cuts) else shapes)[number - len(cuts)] = shapely.Polygon()
        text = f"cannot be used, its outline is too tangled (it and {regions[other].name} {how})"
        if number < len(cuts):
            oddities.others.append(f"{regions[number].name} ({regions[number].label or 'negative'}) {text}")
            oddities.unclear.append(_box_around(regions[number]))
        else:
            oddities.add_unusable(number - len(cuts), text)


def _cut_negatives(
    negatives: list[Region], cuts: NDArray[Any], regions: list[Region], shapes: NDArray[Any], oddities: "_Oddities"
) -> None:
    """Cut every negative region out of the regions of its layer, in place."""
    import shapely

    cutting = shapely.is_empty(cuts)
    own_by_layer, none = _group_by_layer(regions), np.zeros(0, np.int64)
    for layer, inner in sorted(_group_by_layer(negatives).items()):
        own = own_by_layer.get(layer, none)
        found, cutters = shapely.STRtree(cuts[inner]).query(shapes[own], predicate="intersects")
        outer, cutters = own[found], inner[cutters]
        islands = _find_within(shapes[outer], cuts[cutters])
        outer, cutters = outer[~islands], cutters[~islands]
        cutting[cutters] = True
        large = _subtract(shapes, outer, cuts[cutters], oddities)
        for at, parts in large.parts.items():
            shapes[at] = shapely.union_all(parts)
    for at in np.flatnonzero(~cutting).tolist():
        name = f"{negatives[at].name} ({negatives[at].label or 'negative'})"
        oddities.others.append(f"{name} is negative and cuts out nothing: it crosses no region of its layer")


def _group_by_layer(regions: Sequence[Region]) -> dict[str, NDArray[np.int64]]:
    """Return the numbers of the regions of each layer."""
    found: dict[str, list[int]] = {}
    for at, one in enumerate(regions):
        found.setdefault(one.layer, []).append(at)
    return {layer: np.array(some, dtype=np.int64) for layer, some in found.items()}


def _find_within(inner: NDArray[Any], outer: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether the first shape of each pair is within the second one, which is larger."""
    import shapely

    sizes = shapely.area(inner)
    within = sizes < _WITHIN * shapely.area(outer)
    smaller = np.flatnonzero(within)
    shapely.prepare(outer[smaller])
    covered = shapely.covers(outer[smaller], inner[smaller])
    crossing = smaller[~covered]
    within[crossing] = _measure_shared(outer[crossing], inner[crossing]) >= _WITHIN * sizes[crossing]
    return np.asarray(within)


def _cut_nested(
    shapes: NDArray[Any], owners: NDArray[np.int64], oddities: "_Oddities"
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Cut every region out of those of other classes that it is within; return the parts and their regions."""
    pairs = list(_find_nested(shapes, owners))
    if not pairs:
        return shapes, np.arange(len(shapes))
    outer, inner = np.concatenate(pairs, axis=1)
    # All are cut out as they were drawn: a region within a region within a region is the innermost one's.
    return _subtract(shapes.copy(), outer, shapes[inner], oddities).list_parts()


class _UnclearBoxes:
    """Boxes around regions that cannot be used: a negative one may be a hole in its layer, another one an inner region.

    Args:
        regions: the boxes; without a label they own nothing, and a box around one vertex tells nothing.
        class_of: the number of a class by label.
    """

    def __init__(self, regions: Sequence[Region], class_of: Mapping[str, int]) -> None:
        import shapely

        self.regions = [one for one in regions if (one.label or one.negative) and len(one.polygon) == 4]
        corners = [(*one.polygon.min(axis=0), *one.polygon.max(axis=0)) for one in self.regions]
        self.shapes = np.asarray(shapely.box(*np.array(corners, np.float64).reshape(-1, 4).T))
        self._owners = np.array([class_of.get(one.label, -1) for one in self.regions], dtype=np.int64)
        self._negative = np.array([one.negative for one in self.regions], dtype=bool)

    def find_regions(self, regions: list[Region], shapes: NDArray[Any], owners: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return pairs of regions of a class and boxes that they may not own, (2, n_pairs).

        Raises:
            UserError: there are too many.
        """
        import shapely

        pairs, count = [np.zeros((2, 0), np.int64)], 0
        tree = shapely.STRtree(shapes if len(self.regions) else [])
        layers = np.array([one.layer for one in regions], dtype=object)
        own_layers = np.array([one.layer for one in self.regions], dtype=object)
        for first in range(0, len(self.regions), _PAIRS_AT_ONCE):
            found, at = tree.query(self.shapes[first : first + _PAIRS_AT_ONCE], predicate="intersects")
            box = first + found
            is_other = np.where(self._negative[box], own_layers[box] == layers[at], self._owners[box] != owners[at])
            wanted = is_other.astype(bool) & (owners[at] >= 0)
            box, at = box[wanted], at[wanted]
            count += len(box)
            if count > _MAX_UNCLEAR_PAIRS:
                raise UserError(f"more than {_MAX_UNCLEAR_PAIRS:,} pairs of regions overlap, one of them unusable")
            crossing = ~_find_within(shapes[at], self.shapes[box])
            pairs.append(np.stack([at[crossing], box[crossing]]))
        return np.concatenate(pairs, axis=1)


def _cut_unclear(
    shapes: NDArray[Any],
    numbers: NDArray[np.int64],
    lost: NDArray[np.int64],
    boxes: _UnclearBoxes,
    oddities: "_Oddities",
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Cut boxes out of the parts of regions.

    Args:
        shapes: the parts.
        numbers: the number of the region of each.
        lost: pairs of a region and a box.
        boxes: the boxes.
        oddities: where they are named.

    Returns:
        The parts, and the number of the region of each.

    Raises:
        UserError: boxes are upon too many parts.
    """
    import shapely

    if not lost.shape[1]:
        return shapes, numbers
    # A region of many vertices is in many parts, and few of them are near a box.
    tree, keys = shapely.STRtree(boxes.shapes), np.sort(lost[0] * len(boxes.shapes) + lost[1])
    pairs, count = [np.zeros((2, 0), np.int64)], 0
    for first in range(0, len(shapes), _PAIRS_AT_ONCE):
        part, box = tree.query(shapes[first : first + _PAIRS_AT_ONCE], predicate="intersects")
        part += first
        wanted = numbers[part] * len(boxes.shapes) + box
        is_lost = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted
        count += int(is_lost.sum())
        if count > _MAX_UNCLEAR_PAIRS:
            raise UserError(
                f"more than {_MAX_UNCLEAR_PAIRS:,} parts of regions overlap the box around a region that cannot be used"
            )
        pairs.append(np.stack([part, box])[:, is_lost])
    parts, cuts = np.concatenate(pairs, axis=1)
    found, of_parts = _subtract(shapes.copy(), parts, boxes.shapes[cuts], oddities, numbers).list_parts()
    for box, count in zip(*np.unique(lost[1], return_counts=True), strict=True):
        one = boxes.regions[box]
        oddities.others.append(
            f"{one.name} ({one.label or 'negative'}) cannot be used and may be within others: {count:,} "
            f"region{'s' * bool(count > 1)} {'of its layer' if one.negative else 'of another class'} "
            f"{'do' if count > 1 else 'does'} not have the box around it"
        )
    return found, numbers[of_parts]


def _find_nested(shapes: NDArray[Any], owners: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield pairs of regions of different owners, (2, n_pairs): the outer one and the one that is within it."""
    import shapely

    sizes, count = shapely.area(shapes), 0
    for owner in np.unique(owners):
        own, others = np.flatnonzero(owners == owner), np.flatnonzero(owners != owner)
        if not len(others):
            return
        tree = shapely.STRtree(shapes[own])
        for first in range(0, len(others), _PAIRS_AT_ONCE):
            found, at = tree.query(shapes[others[first : first + _PAIRS_AT_ONCE]])
            inner, outer = others[first + found], own[at]
            smaller = sizes[inner] < _WITHIN * sizes[outer]
            inner, outer = inner[smaller], outer[smaller]
            count += len(inner)
            if count > _MAX_PAIRS:
                raise UserError(f"more than {_MAX_PAIRS:,} pairs of regions of different labels overlap")
            shapely.prepare(shapes[np.unique(outer)])
            within = shapely.covers(shapes[outer], shapes[inner])
            crossing = np.flatnonzero(~within & shapely.intersects(shapes[outer], shapes[inner]))
            shared = _measure_shared(shapes[outer[crossing]], shapes[inner[crossing]])
            within[crossing] = shared >= _WITHIN * sizes[inner[crossing]]
            yield np.stack([outer[within], inner[within]])


def _measure_shared(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the size of the intersection of each pair of shapes, 0 where the geometry fails."""
    import shapely
    from shapely.errors import GEOSException

    try:
        return np.asarray(shapely.area(shapely.intersection(first, second)), np.float64)
    except GEOSException:
        if len(first) == 1:
            return np.zeros(1)
        return np.concatenate([_measure_shared(first[at : at + 1], second[at : at + 1]) for at in range(len(first))])


@dataclass(frozen=True)
class _Cut:
    """Shapes of which others were cut out; those of many vertices are in parts, by their numbers."""

    shapes: NDArray[Any]
    parts: "dict[int, list[BaseGeometry]]"

    def list_parts(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the shapes and the parts of the others, and the number of the shape of each."""
        kept = np.setdiff1d(np.arange(len(self.shapes)), list(self.parts))
        numbers = np.concatenate([kept, *(np.full(len(parts), at) for at, parts in self.parts.items())])
        found = np.empty(len(numbers), dtype=object)
        found[:] = [*self.shapes[kept], *(part for parts in self.parts.values() for part in parts)]
        return found, numbers.astype(np.int64)


def _subtract(
    shapes: NDArray[Any],
    outer: NDArray[np.int64],
    cuts: NDArray[Any],
    oddities: "_Oddities",
    numbers: NDArray[np.int64] | None = None,
) -> _Cut:
    """Cut shapes out of others, in place unless they have many vertices.

    Args:
        shapes: what they are cut out of.
        outer: the number of the shape that each is cut out of.
        cuts: what is cut out.
        oddities: where a region is named on which the geometry fails.
        numbers: the number of the region of each of ``shapes``, if these are parts of regions.
    """
    import shapely
    from shapely.errors import GEOSException

    parts = {}
    order = np.argsort(outer, kind="stable")
    for at, some in zip(*_group(outer[order], cuts[order]), strict=True):
        try:
            is_large = shapely.get_num_coordinates(some).sum() > MAX_UNDIVIDED
            whole = _insert_holes(shapes[at], some) if is_large else None
            if whole is not None:
                shapes[at] = whole
            elif is_large:
                both = np.concatenate([shapes[at : at + 1], some])
                is_cut = np.arange(len(both)) > 0
                parts[int(at)] = list(_divide(both, is_cut, np.array(shapely.bounds(shapes[at]))))
            else:
                shapes[at] = _keep_polygons(shapely.difference(shapes[at], _union(some)))
        except GEOSException as error:
            shapes[at] = shapely.Polygon()
            oddities.add_failure(int(at if numbers is None else numbers[at]), error)
    return _Cut(shapes, parts)


def _clip_regions(
    regions: list[Region],
    shapes: NDArray[Any],
    of_class: NDArray[np.bool_],
    size: tuple[int, int],
    oddities: "_Oddities",
) -> NDArray[Any]:
    """Return the parts of the regions that are on the slide."""
    import shapely
    from shapely.errors import GEOSException

    slide = shapely.box(0, 0, *size)
    bounds = shapely.bounds(shapes)
    inside = (bounds[:, :2] >= 0).all(axis=1) & (bounds[:, 2:] <= size).all(axis=1)
    clipped = shapes.copy()
    small = shapely.get_num_coordinates(shapes) <= MAX_UNDIVIDED
    wanted = ~inside | (small & (len(regions) <= _FEW_REGIONS))
    for at in np.flatnonzero(wanted & of_class & ~shapely.is_empty(shapes)).tolist():
        try:
            clipped[at] = _keep_polygons(shapely.intersection(shapes[at], slide))
        except GEOSException as error:
            clipped[at] = shapely.Polygon()
            oddities.add_failure(at, error)
            continue
        if clipped[at].is_empty:
            oddities.add(at, "lies outside the slide")
        elif clipped[at].area < shapes[at].area * (1 - 1e-9):
            oddities.add(at, "reaches past the slide's edge and is cut off there")
    return clipped


def _join(shapes: NDArray[Any], size: tuple[int, int]) -> Area:
    """Return some shapes as one area."""
    import shapely

    shapes = shapes[~shapely.is_empty(shapes)]
    if shapely.get_num_coordinates(shapes).sum() <= MAX_UNDIVIDED:
        cells = [_union(shapes)]
    else:
        cells = list(_divide(shapes, np.zeros(len(shapes), bool), np.array([0, 0, *size], np.float64)))
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return Area(found[~shapely.is_empty(found)])


def _divide(
    shapes: NDArray[Any], is_cut: NDArray[np.bool_], box: NDArray[np.float64], depth: int = 0
) -> "Iterator[BaseGeometry]":
    """Yield the union of the shapes in a box (left, top, right, bottom) without the cuts, in parts of few vertices."""
    import shapely

    vertices = int(shapely.get_num_coordinates(shapes).sum())
    if is_cut.all():
        return
    if depth == _MAX_DEPTH or vertices <= _MAX_IN_CELL:
        yield _difference(shapes, is_cut)
        return
    parts = _halve(shapes[0]) if len(shapes) == 1 else None
    if parts is not None:
        yield from parts
        return
    # A grid rather than halves: where the box is small, the geometry ignores most of a large shape.
    steps = min(_MAX_STEPS, 1 + math.isqrt(vertices // _MAX_IN_CELL))
    x, y = (np.linspace(box[axis], box[axis + 2], steps + 1) for axis in (0, 1))
    boxes = _list_boxes(x, y)
    number, found = shapely.STRtree(shapes).query(np.asarray(shapely.box(*boxes.T)))
    if len(found) > _MAX_REPEATED * len(shapes) + _MAX_STEPS**2 and len(shapes) > 1:
        # Large shapes upon each other: each of them would be cut into every cell.
        shapes, is_cut = np.array([_difference(shapes, is_cut)]), np.zeros(1, bool)
        yield from _divide(shapes, is_cut, box, depth + 1)
        return
    parts = _cut_into_cells(shapes, found, number, x, y)
    filled = np.flatnonzero(~shapely.is_empty(parts))
    filled = filled[np.argsort(number[filled], kind="stable")]
    for at, some in zip(*_group(number[filled], filled), strict=True):
        smaller = shapely.get_num_coordinates(parts[some]).sum() <= vertices / 2
        yield from _divide(parts[some], is_cut[found[some]], boxes[at], depth + 1 if smaller else _MAX_DEPTH)


def _list_boxes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return left, top, right and bottom of the cells between the lines of a grid, column after column."""
    return np.array([(x[i], y[j], x[i + 1], y[j + 1]) for i in range(len(x) - 1) for j in range(len(y) - 1)])


def _cut_into_cells(
    shapes: NDArray[Any],
    found: NDArray[np.int64],
    number: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[Any]:
    """Return what of some shapes is in cells of a grid.

    Args:
        shapes: the shapes.
        found: (n_pairs,) the number of the shape of each pair.
        number: (n_pairs,) the number of its cell, column after column.
        x: the vertical lines of the grid.
        y: the horizontal lines.
    """
    import shapely

    boxes = _list_boxes(x, y)
    bounds = shapely.bounds(shapes)[found]
    inside = np.asarray(((bounds[:, :2] >= boxes[number, :2]) & (bounds[:, 2:] <= boxes[number, 2:])).all(axis=1))
    parts = shapes[found]
    crossing = np.unique(found[~inside])
    for at in crossing[shapely.get_num_coordinates(shapes[crossing]) > _MIN_CLIPPED].tolist():
        wanted = np.flatnonzero((found == at) & ~inside)
        cells = _clip_to_cells(shapes[at], x, y) if len(wanted) > 1 else None
        if cells is not None:
            parts[wanted] = cells[number[wanted]]
            inside[wanted] = True
    rest = np.flatnonzero(~inside)
    cells = np.asarray(shapely.box(*boxes[number[rest]].T))
    parts[rest] = [_collect_polygons(one) for one in shapely.intersection(parts[rest], cells)]
    return parts


def _clip_to_cells(shape: "BaseGeometry", x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[Any] | None:
    """Return what of a shape is in each cell of a grid; None if clipping fails."""
    import shapely
    from shapely.errors import GEOSException

    cells = np.full((len(x) - 1, len(y) - 1), shapely.Polygon(), dtype=object)

    def halve(some: "BaseGeometry", left: int, right: int, top: int, bottom: int) -> None:
        middles = (left + right) // 2, (top + bottom) // 2
        axes = [axis for axis, steps in enumerate((right - left, bottom - top)) if steps > 1]
        if some.is_empty:
            return
        if not axes:
            cells[left, top] = _collect_polygons(some)
            return
        counts = {axis: _count_crossed(some, axis, (x, y)[axis][middles[axis]]) for axis in axes}
        axis = min(counts, key=lambda axis: counts[axis])
        first, second = _split(some, axis, (x, y)[axis][middles[axis]], counts[axis])
        halve(first, left, middles[0] if axis == 0 else right, top, middles[1] if axis == 1 else bottom)
        halve(second, middles[0] if axis == 0 else left, right, middles[1] if axis == 1 else top, bottom)

    try:
        low, high = np.split(np.array(shape.bounds), 2)
        box = shapely.box(x[0], y[0], x[-1], y[-1])
        if (low < (x[0], y[0])).any() or (high > (x[-1], y[-1])).any():
            shape = _collect_polygons(shapely.intersection(shape, box))
        halve(shape, 0, len(x) - 1, 0, len(y) - 1)
    except GEOSException:
        return None
    return cells.ravel() if _is_exact(shape, cells.ravel()) else None


def _halve(shape: "BaseGeometry") -> NDArray[Any] | None:
    """Return a shape in parts of few vertices, cut in two where fewest of its lines are cut; None if that fails."""
    from shapely.errors import GEOSException

    parts, waiting = [], [shape]
    try:
        while waiting:
            some = waiting.pop()
            halves = _halve_once(some)
            if halves is not None:
                waiting += halves
            elif not some.is_empty:
                parts.append(_collect_polygons(some))
    except GEOSException:
        return None
    found = np.empty(len(parts), dtype=object)
    found[:] = parts
    return found if _is_exact(shape, found) else None


def _halve_once(shape: "BaseGeometry") -> "list[BaseGeometry] | None":
    """Return a shape in two parts of fewer vertices; None if it has few, or no cut helps."""
    import shapely

    points = shapely.get_coordinates(shape)
    if len(points) <= _MAX_IN_CELL:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    # A line of whole pixels, or of halves, would be upon lines of outlines that follow pixels.
    middles, centers = (np.floor(at) + _OFF_PIXELS for at in (np.median(points, axis=0), (low + high) / 2))
    middles = np.where((middles > low) & (middles < high), middles, centers)
    counts = [_count_crossed(shape, axis, middles[axis]) for axis in (0, 1)]
    for axis in sorted((0, 1), key=lambda axis: counts[axis]):
        if high[axis] - low[axis] <= _MIN_EXTENT:
            continue
        halves = _split(shape, axis, middles[axis], counts[axis])
        if shapely.get_num_coordinates(halves).max() < _MOST_IN_HALF * len(points):
            return halves
    return None


def _count_crossed(shape: "BaseGeometry", axis: int, at: float) -> int:
    """Return how many lines of a shape cross a vertical (axis 0) or horizontal line."""
    import shapely

    return int(np.count_nonzero(np.diff(shapely.get_coordinates(shape)[:, axis] > at)))


def _split(shape: "BaseGeometry", axis: int, at: float, n_crossed: int) -> "list[BaseGeometry]":
    """Return what of a shape is on the two sides of a vertical (axis 0) or horizontal line.

    Clipping takes a time that grows with the number of vertices and the square of the lines that are cut, an
    intersection one that can grow with the square of the vertices.
    """
    import shapely

    left, top, right, bottom = (math.floor(edge) - 1 + 2 * (number > 1) for number, edge in enumerate(shape.bounds))
    boxes = [(left, top, at, bottom), (at, top, right, bottom)] if axis == 0 else [
        (left, top, right, at), (left, at, right, bottom)
    ]  # fmt: skip
    if n_crossed <= _MAX_CROSSED:
        return [shapely.clip_by_rect(shape, *box) for box in boxes]
    return [_collect_polygons(one) for one in shapely.intersection(shape, [shapely.box(*box) for box in boxes])]


def _is_exact(shape: "BaseGeometry", parts: NDArray[Any]) -> bool:
    """Return whether parts of a shape are valid and have its area; clipping can fail on lines upon each other."""
    import shapely

    left, top, right, bottom = shape.bounds if len(parts) else (0, 0, 0, 0)
    difference = abs(shapely.area(parts).sum() - shape.area)
    return bool(difference <= _CLIPPING_ERROR * (right - left) * (bottom - top) and shapely.is_valid(parts).all())


def _collect_polygons(shape: "BaseGeometry") -> "BaseGeometry":
    """Return the polygons of a shape of which none overlap, as one shape."""
    import shapely

    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape))
    found: BaseGeometry = shapely.multipolygons(parts[(shapely.get_dimensions(parts) == 2) & ~shapely.is_empty(parts)])
    return found


def _difference(shapes: NDArray[Any], is_cut: NDArray[np.bool_]) -> "BaseGeometry":
    """Return the union of some shapes without those that are cuts."""
    import shapely

    kept, cuts = shapes[~is_cut], shapes[is_cut]
    whole = kept[0] if len(kept) == 1 else _union(kept)
    return _collect_polygons(shapely.difference(whole, _union(cuts))) if len(cuts) else whole


def _group(numbers: NDArray[np.int64], values: NDArray[Any]) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
    """Return the different ones of some sorted numbers, and the values of each."""
    found, starts = np.unique(numbers, return_index=True)
    return found, np.split(values, starts[1:]) if len(found) else []


def _union(shapes: NDArray[Any]) -> "BaseGeometry":
    """Return the union of some shapes; where the geometry fails on it, on a grid of a thousandth of a pixel."""
    import shapely
    from shapely.errors import GEOSException

    try:
        return shapely.union_all(shapes)
    except GEOSException:
        return shapely.union_all(shapes, grid_size=0.001)


def _repair(shape: "BaseGeometry") -> "BaseGeometry":
    """Return what a polygon without holes encloses by the even-odd rule.

    Raises:
        shapely.errors.GEOSException: it crosses itself too often to be repaired in bounded time.
    """
    import shapely
    from shapely.errors import GEOSException

    tangle = None if shapely.is_valid(shape) else find_tangle(shapely.get_coordinates(shape))
    if tangle is not None:
        raise GEOSException(tangle)
    return _keep_polygons(shapely.make_valid(shape))


def _keep_polygons(shape: "BaseGeometry") -> "BaseGeometry":
    """Return the polygons of a shape without the lines and points that a repair or an intersection can leave."""
    import shapely

    if shapely.get_num_coordinates(shape) > MAX_UNDIVIDED and shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])

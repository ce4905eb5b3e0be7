"""Which part of a square the annotated regions cover, exactly.

A polygon that crosses itself holds the points that lie within an odd number of its loops (the even-odd rule); a line
drawn twice counts once.
Regions of one class are joined, so that overlapping ones do not count twice; what lies past the slide's edge is cut
off.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from blindtune.datasets.slides.annotations import Region

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True)
class Areas:
    """The annotated area of each class on one slide.

    Attributes:
        by_class: the joined and clipped regions of each class; a class without any has an empty one.
        oddities: a sentence for each region that has no area or was clipped or crosses itself.
    """

    by_class: "dict[str, BaseGeometry]"
    oddities: list[str]


def areas_of(regions: list[Region], classes: dict[str, list[str]], size: tuple[int, int]) -> Areas:
    """The areas of each class.

    Args:
        regions: the regions of one slide.
        classes: the labels that make up each class; regions of other labels are passed over.
        size: width and height of the slide in pixels.
    """
    import shapely

    slide = shapely.box(0, 0, *size)
    oddities: list[str] = []
    by_class = {}
    for name, labels in classes.items():
        parts = []
        for region in regions:
            if region.label in labels:
                part, odd = _area_on(slide, region)
                parts.append(part)
                oddities += odd
        by_class[name] = shapely.union_all(parts)
    return Areas(by_class, oddities)


def area_of(polygon: NDArray[np.float64]) -> "BaseGeometry":
    """What a polygon (vertices, 2) encloses by the even-odd rule; empty where it encloses nothing."""
    import shapely

    if len(polygon) < 3:
        return shapely.Polygon()
    return _flat(shapely.make_valid(shapely.Polygon(polygon)))


def coverage(corners: NDArray[Any], side: float, area: "BaseGeometry") -> NDArray[np.float64]:
    """The share of each square that ``area`` covers.

    Args:
        corners: (squares, 2) x and y of the upper left corners.
        side: side of the squares, in the same unit.
        area: what `area_of` or `areas_of` gave.

    Returns:
        (squares,) from 0 to 1.
    """
    import shapely

    shapely.prepare(area)
    low = np.asarray(corners, np.float64).reshape(-1, 2)
    squares = np.asarray(shapely.box(*low.T, *(low + side).T))
    covered = np.where(shapely.contains_properly(area, squares), 1.0, 0.0)
    partly = np.flatnonzero((covered == 0) & shapely.intersects(area, squares))
    covered[partly] = shapely.area(shapely.intersection(squares[partly], area)) / side**2
    return covered


def draw_points(area: "BaseGeometry", count: int, random: Generator) -> NDArray[np.float64]:
    """Points spread evenly over ``area``, (count, 2); none where it is empty."""
    import shapely

    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(area))
    sizes = shapely.area(triangles)
    if not sizes.sum():
        return np.zeros((0, 2))
    corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
    chosen = corners[random.choice(len(corners), count, p=sizes / sizes.sum())]
    along = random.random((count, 2, 1))
    # A point of the other half of the parallelogram is turned back into the triangle.
    along = np.where(along.sum(axis=1, keepdims=True) > 1, 1 - along, along)
    points: NDArray[np.float64] = chosen[:, 0] + ((chosen[:, 1:] - chosen[:, :1]) * along).sum(axis=1)
    return points


def _area_on(slide: "BaseGeometry", region: Region) -> "tuple[BaseGeometry, list[str]]":
    import shapely

    whole = area_of(region.polygon)
    part = _flat(shapely.intersection(whole, slide))
    odd = []
    if whole.is_empty:
        odd.append(f"{region.name} ({region.label}) has no area")
    elif part.is_empty:
        odd.append(f"{region.name} ({region.label}) lies outside the slide")
    elif part.area < whole.area * (1 - 1e-9):
        odd.append(f"{region.name} ({region.label}) reaches past the slide's edge and is cut off there")
    if not whole.is_empty and not shapely.is_valid(shapely.Polygon(region.polygon)):
        odd.append(f"{region.name} ({region.label}) crosses itself")
    return part, odd


def _flat(shape: "BaseGeometry") -> "BaseGeometry":
    """The polygons of ``shape`` without the lines and points that a repair or a cut can leave."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])

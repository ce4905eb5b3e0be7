"""Geometry of annotated regions: their areas, and the exact share of a square that they cover.

A polygon that crosses itself contains the points that are within an odd number of its loops (the even-odd rule); a line
drawn twice counts once. Regions of one class are joined, so that overlaps do not count twice, and are clipped to the
slide.
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
class ClassAreas:
    """The annotated area of each class on one slide.

    Attributes:
        by_class: the joined and clipped regions of each class; an empty shape for a class without regions.
        oddities: one sentence per region that has no area, was clipped or crosses itself.
    """

    by_class: "dict[str, BaseGeometry]"
    oddities: list[str]


def compute_areas(regions: list[Region], classes: dict[str, list[str]], size: tuple[int, int]) -> ClassAreas:
    """Return the area of each class on a slide.

    Args:
        regions: the regions of one slide.
        classes: the labels that make up each class; regions of other labels are ignored.
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
                part, odd = _clip_region(slide, region)
                parts.append(part)
                oddities += odd
        by_class[name] = shapely.union_all(parts)
    return ClassAreas(by_class, oddities)


def compute_area(polygon: NDArray[np.float64]) -> "BaseGeometry":
    """Return the shape that a polygon (n_vertices, 2) encloses by the even-odd rule, which may be empty."""
    import shapely

    if len(polygon) < 3:
        return shapely.Polygon()
    return _keep_polygons(shapely.make_valid(shapely.Polygon(polygon)))


def compute_coverage(corners: NDArray[Any], side: float, area: "BaseGeometry") -> NDArray[np.float64]:
    """Return the share of each square that an area covers.

    Args:
        corners: (n_squares, 2) x and y of the upper left corners.
        side: side of the squares, in the same unit.
        area: as `compute_area` or `compute_areas` returns it.

    Returns:
        (n_squares,) float64 from 0 to 1.
    """
    import shapely

    shapely.prepare(area)
    low = np.asarray(corners, np.float64).reshape(-1, 2)
    squares = np.asarray(shapely.box(*low.T, *(low + side).T))
    covered = np.where(shapely.contains_properly(area, squares), 1.0, 0.0)
    partly = np.flatnonzero((covered == 0) & shapely.intersects(area, squares))
    covered[partly] = shapely.area(shapely.intersection(squares[partly], area)) / side**2
    return covered


def sample_points(area: "BaseGeometry", count: int, random: Generator) -> NDArray[np.float64]:
    """Sample points uniformly from an area.

    Args:
        area: as `compute_area` or `compute_areas` returns it.
        count: number of points.
        random: what they are drawn from.

    Returns:
        (count, 2) float64 x and y; (0, 2) if the area is empty.
    """
    import shapely

    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(area))
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


def _clip_region(slide: "BaseGeometry", region: Region) -> "tuple[BaseGeometry, list[str]]":
    import shapely

    whole = compute_area(region.polygon)
    part = _keep_polygons(shapely.intersection(whole, slide))
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


def _keep_polygons(shape: "BaseGeometry") -> "BaseGeometry":
    """Return the polygons of a shape without the lines and points that a repair or an intersection can leave."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])

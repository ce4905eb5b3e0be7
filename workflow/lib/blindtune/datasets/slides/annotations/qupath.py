"""Reader of the GeoJSON that QuPath exports.

The label is the name of an object's classification, else that of the object. A polygon has holes after its outline.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations.base import Annotation, Region, name_region, parse_label, parse_vertices

#: Depth of collections of geometries within each other.
_MAX_DEPTH = 10


def recognises(content: Any) -> bool:
    """Return whether a JSON value is GeoJSON: a collection of features, a feature, or a list of features."""
    if isinstance(content, dict):
        return content.get("type") == "Feature" or isinstance(content.get("features"), list)
    return isinstance(content, list) and any(_is_feature(one) for one in content)


def read(content: Any, path: Path) -> Annotation:
    """Return the content of a GeoJSON file.

    Args:
        content: the parsed JSON.
        path: of the file, for messages.

    Raises:
        UserError: a feature has no valid geometry, or a coordinate is not a number.
    """
    if isinstance(content, dict):
        content = content["features"] if isinstance(content.get("features"), list) else [content]
    regions: list[Region] = []
    unused: list[str] = []
    for number, feature in enumerate(content, 1):
        where = f"{path}, feature {number}"
        if not _is_feature(feature):
            raise UserError(f"{where}: is not a GeoJSON feature.")
        label = _label(feature.get("properties"))
        rings: list[Any] = []
        for kind, coordinates in _geometries(feature.get("geometry"), where):
            if kind == "Polygon":
                rings.append(coordinates)
            elif kind == "MultiPolygon":
                rings += _list(coordinates, where)
            else:
                unused.append(f"{name_region('feature', number, label)} is a {kind[:40]}, which has no area")
        for part, ring in enumerate(rings, 1):
            name = f"feature {number}" + (f", part {part}" if len(rings) > 1 else "")
            outline, *holes = [
                parse_vertices(_list(one, where), f"{path}, {name}") for one in _list(ring, where) or [[]]
            ]
            regions.append(Region(name, label, outline, tuple(holes)))
    return Annotation(regions, unused=tuple(unused))


def _is_feature(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "Feature"


def _label(properties: Any) -> str:
    if not isinstance(properties, dict):
        return ""
    found = properties.get("classification")
    if isinstance(found, dict):
        names = found.get("names")
        joined = ": ".join(str(name) for name in names) if isinstance(names, list) else ""
        found = parse_label(found.get("name"), joined)
    return parse_label(found, properties.get("name"))


def _geometries(geometry: Any, where: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the type and the coordinates of each simple geometry of a collection; nothing for null."""
    if geometry is None:
        yield "feature without a geometry", None
        return
    if not isinstance(geometry, dict) or not isinstance(geometry.get("type"), str) or depth > _MAX_DEPTH:
        raise UserError(f"{where}: has no valid geometry.")
    if geometry["type"] != "GeometryCollection":
        yield geometry["type"], geometry.get("coordinates")
        return
    for one in _list(geometry.get("geometries"), where):
        yield from _geometries(one, where, depth + 1)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserError(f"{where}: its coordinates are not lists of vertices.")
    return value

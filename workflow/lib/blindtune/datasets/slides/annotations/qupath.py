"""Reader of the GeoJSON that QuPath exports.

The label is the name of an object's classification, else that of the object. A polygon has holes after its outline.
Only annotations are regions: cells, detections and tiles, which a program found, are counted. Objects can be within
objects, at any depth.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations.base import (
    Annotation,
    FoundRegions,
    Region,
    name_region,
    parse_label,
    parse_vertices,
)

#: Depth of collections of geometries within each other.
_MAX_DEPTH = 10
_ANNOTATION = "annotation"
#: Types of objects by the ids that QuPath wrote up to 0.2.
_OLD_IDS = {
    "PathDetectionObject": "detection", "PathCellObject": "cell", "PathTileObject": "tile",
    "TMACoreObject": "tma_core", "PathRootObject": "root",
}  # fmt: skip
#: Types that are not annotations. Only these count under a key that other programs use for something else.
_OTHER_TYPES = frozenset([*_OLD_IDS.values(), "tmacore"])
#: What QuPath calls the objects within an object, now and before.
_CHILDREN = ("childObjects", "children")
#: Keys that are read.
KEYS = frozenset([
    "type", "features", "properties", "geometry", "geometries", "coordinates", "id", "objectType", "object_type",
    "classification", "name", "names", *_CHILDREN,
])  # fmt: skip


def recognises(content: Any) -> bool:
    """Return whether a JSON value is GeoJSON: a collection of features, a feature, or a list of features or of none."""
    if isinstance(content, dict):
        return content.get("type") == "Feature" or isinstance(content.get("features"), list)
    return isinstance(content, list) and (not content or any(_is_feature(one) for one in content))


def read(content: Any, path: Path) -> Annotation:
    """Return the content of a GeoJSON file; a feature that is not valid is named.

    Args:
        content: the parsed JSON.
        path: of the file.
    """
    if isinstance(content, dict):
        content = content["features"] if isinstance(content.get("features"), list) else [content]
    found = FoundRegions()
    others: Counter[str] = Counter()
    for number, feature in _walk(content):
        if not _is_feature(feature):
            found.unused.append(f"feature {number} cannot be used: is not a GeoJSON feature")
            continue
        kind = _object_type(feature)
        if kind != _ANNOTATION:
            others[kind] += 1
            continue
        label = _label(feature.get("properties"))
        with found.naming("feature", number, label):
            _read_feature(feature, number, label, found)
    counted = (
        f"{count:,} object{'s' * (count > 1)} of the type {kind[:40]} cannot be used: only annotations are regions"
        for kind, count in sorted(others.items())
    )
    found.unused += counted
    return found.to_annotation()


def _walk(features: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield each feature with its number, and after it those within it: 2.1 is the first within the second."""
    waiting = [(f"{at}", one) for at, one in enumerate(features, 1)][::-1]
    while waiting:
        number, feature = waiting.pop()
        yield number, feature
        waiting += [(f"{number}.{at}", one) for at, one in enumerate(_list_children(feature), 1)][::-1]


def _list_children(feature: Any) -> list[Any]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        return []
    children = next((properties[name] for name in _CHILDREN if name in properties), None)
    return children if isinstance(children, list) else []


def _read_feature(feature: dict[str, Any], number: str, label: str, found: FoundRegions) -> None:
    """Add the polygons of a feature, each of them one region, and what of it has no area.

    Raises:
        UserError: it has no valid geometry.
    """
    rings: list[Any] = []
    for kind, coordinates in _geometries(feature.get("geometry")):
        if kind == "Polygon":
            rings.append(coordinates)
        elif kind == "MultiPolygon":
            rings += _list(coordinates)
        else:
            found.unused.append(f"{name_region('feature', number, label)} is a {kind[:40]}, which has no area")
    for part, ring in enumerate(rings, 1):
        name = number + (f", part {part}" if len(rings) > 1 else "")
        with found.naming("feature", name, label) as outlines:
            first, *inner = _list(ring) or [[]]
            outlines.append(parse_vertices(_list(first)))
            holes = tuple(parse_vertices(_list(one)) for one in inner)
            found.regions.append(Region(f"feature {name}", label, outlines[0], holes))


def _object_type(feature: dict[str, Any]) -> str:
    """Return the type of an object in lower case; an object of which the file gives none is an annotation."""
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    # 0.3 has object_type, and QuPath reads type as well.
    names = properties.get("objectType"), properties.get("object_type"), _OLD_IDS.get(str(feature.get("id")))
    alias = parse_label(properties.get("type"))
    return parse_label(*names) or (alias if alias in _OTHER_TYPES else _ANNOTATION)


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


def _geometries(geometry: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the type and the coordinates of each simple geometry of a collection; nothing for null."""
    if geometry is None:
        yield "feature without a geometry", None
        return
    if not isinstance(geometry, dict) or not isinstance(geometry.get("type"), str) or depth > _MAX_DEPTH:
        raise UserError("it has no valid geometry.")
    if geometry["type"] != "GeometryCollection":
        yield geometry["type"], geometry.get("coordinates")
        return
    for one in _list(geometry.get("geometries")):
        yield from _geometries(one, depth + 1)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UserError("its coordinates are not lists of vertices.")
    return value

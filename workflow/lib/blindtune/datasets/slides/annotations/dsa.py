"""Reader of the JSON of the Digital Slide Archive (HistomicsUI, large_image).

The label is that of an element, else its group, else the name of the annotation. Rectangles and ellipses have a center,
two sides and a rotation.
"""

from pathlib import Path
from typing import Any

import numpy as np

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations.base import (
    MAX_COORDINATE,
    Annotation,
    FoundRegions,
    Polygon,
    Region,
    ellipse_around,
    name_region,
    parse_label,
    parse_number,
    parse_vertices,
    rotate,
    to_line,
)

#: A grid has lines within a rectangle.
_RECTANGLES = ("rectangle", "rectanglegrid")
_WITHOUT_AREA = ("polyline", "point", "arrow")
#: Keys that are read.
KEYS = frozenset([
    "annotation", "name", "elements", "type", "label", "value", "group", "points", "closed", "holes", "center",
    "radius", "width", "height", "rotation",
])  # fmt: skip


def recognises(content: Any) -> bool:
    """Return whether a JSON value holds annotations of the Digital Slide Archive."""
    documents = content if isinstance(content, list) else [content]
    return any(isinstance(one, dict) and _elements(one) is not None for one in documents)


def read(content: Any, path: Path) -> Annotation:
    """Return the content of one or several annotations; an element that is not valid is named.

    Args:
        content: the parsed JSON.
        path: of the file, for messages.

    Raises:
        UserError: a document is no annotation.
    """
    found = FoundRegions()
    number = 0
    documents = content if isinstance(content, list) else [content]
    for at, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            found.unused.append(f"entry {at} of the file cannot be used: is not an annotation")
            continue
        elements = _elements(document)
        if elements is None:
            raise UserError(f"{path}: one of its annotations has no list of elements.")
        name = document.get("annotation", document).get("name")
        for element in elements:
            number += 1
            if not isinstance(element, dict) or not isinstance(element.get("type"), str):
                found.unused.append(f"element {number} cannot be used: has no type")
                continue
            label = _label(element, name)
            with found.naming("element", number, label) as outlines:
                _read_element(element, number, label, found, outlines)
    return found.to_annotation()


def _read_element(
    element: dict[str, Any], number: int, label: str, found: FoundRegions, outlines: list[Polygon]
) -> None:
    """Add the region of an element, or that it has no area; add its outline to a list before its holes are read.

    Raises:
        UserError: it is not valid.
    """
    outline = _outline(element)
    if outline is None:
        kind = element["type"]
        what = "an open line" if kind == "polyline" else f"of the type {to_line(kind[:40])}"
        why = "has no area" if kind in _WITHOUT_AREA else "is not read"
        found.unused.append(f"{name_region('element', number, label)} is {what}, which {why}")
        return
    outlines.append(outline)
    holes = element.get("holes") or []
    if not isinstance(holes, list):
        raise UserError("its holes are not a list.")
    cut = tuple(parse_vertices(_points(hole), f"hole {at}, vertex") for at, hole in enumerate(holes, 1))
    found.regions.append(Region(f"element {number}", label, outline, cut))


def _elements(document: dict[str, Any]) -> list[Any] | None:
    """Return the elements of an annotation, of which it may have none; None if it is no annotation."""
    inner = document.get("annotation", document)
    if not isinstance(inner, dict):
        return None
    elements = inner.get("elements")
    if elements is None and "annotation" in document:
        return []
    return elements if isinstance(elements, list) else None


def _label(element: dict[str, Any], name: object) -> str:
    label = element.get("label")
    return parse_label(label.get("value") if isinstance(label, dict) else label, element.get("group"), name)


def _outline(element: dict[str, Any]) -> Polygon | None:
    """Return the outline of an element; None if it encloses no area."""
    kind = element["type"]
    if kind == "polyline":
        return parse_vertices(_points(element.get("points"))) if element.get("closed") is True else None
    if kind == "circle":
        radius = _number(element, "radius")
        return ellipse_around(_center(element), np.array([radius, radius]))
    if kind not in (*_RECTANGLES, "ellipse"):
        return None
    center = _center(element)
    half = np.array([_number(element, "width"), _number(element, "height")]) / 2
    corners = center + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    polygon = corners if kind in _RECTANGLES else ellipse_around(center, half)
    # large_image takes null for no rotation.
    turned = element.get("rotation") is not None
    return rotate(polygon, center, _number(element, "rotation") if turned else 0.0)


def _center(element: dict[str, Any]) -> Polygon:
    center: Polygon = parse_vertices([element.get("center")], "center")[0]
    return center


def _number(element: dict[str, Any], key: str) -> float:
    value = parse_number(element.get(key), key)
    if abs(value) > MAX_COORDINATE:
        raise UserError(f"{key}: {value:g} is too large.")
    return value


def _points(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UserError("it has no list of points.")
    return value

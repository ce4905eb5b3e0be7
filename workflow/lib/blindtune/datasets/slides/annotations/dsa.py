"""Reader of the JSON of the Digital Slide Archive (HistomicsUI, large_image).

The label is that of an element, else its group, else the name of the annotation. Rectangles and ellipses have a center,
two sides and a rotation.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations.base import (
    Annotation,
    Polygon,
    Region,
    ellipse_around,
    name_region,
    parse_label,
    parse_number,
    parse_vertices,
    rotate,
)


def recognises(content: Any) -> bool:
    """Return whether a JSON value holds annotations of the Digital Slide Archive."""
    return any(_elements(one) is not None for one in _documents(content))


def read(content: Any, path: Path) -> Annotation:
    """Return the content of one or several annotations.

    Args:
        content: the parsed JSON.
        path: of the file, for messages.

    Raises:
        UserError: an element is not valid, or a coordinate is not a number.
    """
    regions: list[Region] = []
    unused: list[str] = []
    number = 0
    for document in _documents(content):
        elements = _elements(document)
        if elements is None:
            raise UserError(f"{path}: one of its annotations has no list of elements.")
        name = document.get("annotation", document).get("name")
        for element in elements:
            number += 1
            where = f"{path}, element {number}"
            if not isinstance(element, dict) or not isinstance(element.get("type"), str):
                raise UserError(f"{where}: has no type.")
            label = _label(element, name)
            found = _outline(element, where)
            if found is None:
                what = "an open line" if element["type"] == "polyline" else f"a {element['type'][:40]}"
                unused.append(f"{name_region('element', number, label)} is {what}, which has no area")
                continue
            holes = element.get("holes") or []
            if not isinstance(holes, list):
                raise UserError(f"{where}: holes is not a list.")
            cut = tuple(parse_vertices(_points(hole, where), f"{where}, hole {at}") for at, hole in enumerate(holes, 1))
            regions.append(Region(f"element {number}", label, found, cut))
    return Annotation(regions, unused=tuple(unused))


def _documents(content: Any) -> Iterator[dict[str, Any]]:
    for one in content if isinstance(content, list) else [content]:
        if isinstance(one, dict):
            yield one


def _elements(document: dict[str, Any]) -> list[Any] | None:
    inner = document.get("annotation", document)
    elements = inner.get("elements") if isinstance(inner, dict) else None
    return elements if isinstance(elements, list) else None


def _label(element: dict[str, Any], name: object) -> str:
    label = element.get("label")
    return parse_label(label.get("value") if isinstance(label, dict) else label, element.get("group"), name)


def _outline(element: dict[str, Any], where: str) -> Polygon | None:
    """Return the outline of an element; None if it encloses no area."""
    kind = element["type"]
    if kind == "polyline":
        closed = element.get("closed") is True
        return parse_vertices(_points(element.get("points"), where), where) if closed else None
    if kind == "circle":
        radius = _number(element, "radius", where)
        return ellipse_around(_center(element, where), np.array([radius, radius]))
    if kind not in ("rectangle", "ellipse"):
        return None
    center = _center(element, where)
    half = np.array([_number(element, "width", where), _number(element, "height", where)]) / 2
    corners = center + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    polygon = corners if kind == "rectangle" else ellipse_around(center, half)
    return rotate(polygon, center, _number(element, "rotation", where, 0))


def _center(element: dict[str, Any], where: str) -> Polygon:
    center: Polygon = parse_vertices([element.get("center")], f"{where}, center")[0]  # type: ignore[list-item]
    return center


def _number(element: dict[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = parse_number(element.get(key, default), f"{where}, {key}")
    if abs(value) > 1e9:
        raise UserError(f"{where}, {key}: {value:g} is too large.")
    return value


def _points(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserError(f"{where}: has no list of points.")
    return value

"""Reader of Aperio ImageScope's XML.

A layer (``Annotation``) has regions of a type: a freehand outline, a rectangle, an ellipse given by two corners of the
box around it, an arrow or a ruler. A negative region is cut out of the regions of its layer.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations.base import (
    Annotation,
    FoundRegions,
    Polygon,
    Region,
    box_between,
    ellipse_between,
    name_region,
    name_unknown_type,
    parse_label,
    parse_mpp,
    parse_negative,
    parse_number,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from blindtune.datasets.slides.annotations.xml_document import XmlDocument

#: Types of regions; those that enclose nothing have names only.
_FREEHAND, _RECTANGLE, _ELLIPSE = "0", "1", "2"
_WITHOUT_AREA = {"3": "an arrow", "4": "a ruler", "5": "a point"}
#: Fewest pixels of a slide's side; a layer can have other attributes of these names, such as the width of a pen.
_MIN_SIDE = 256


def recognises(document: "XmlDocument") -> bool:
    """Return whether an XML document is ImageScope's."""
    return document.root.tag == "Annotations"


def read(document: "XmlDocument", path: Path) -> Annotation:
    """Return the content of an ImageScope file; a region of which a vertex is not a number is named.

    Args:
        document: the parsed document.
        path: of the file, for messages.

    Raises:
        UserError: the scale is not a number, it is not known whether a region is negative, or a negative one cannot be
            used.
    """
    root, found = document.root, FoundRegions()
    attributes = {
        str(attribute.get("Name", "")).lower(): str(attribute.get("Value", ""))
        for attribute in root.iterfind("Annotation/Attributes/Attribute")
    }
    for number, (layer, name, element) in enumerate(_regions(root), 1):
        label = parse_label(element.get("Text"), name)
        kind = element.get("Type", _FREEHAND).strip()
        region_id = element.get("Id", number)
        if kind in _WITHOUT_AREA:
            found.unused.append(
                f"{name_region('region', region_id, label)} is {_WITHOUT_AREA[kind]}, which has no area"
            )
            continue
        if kind not in (_FREEHAND, _RECTANGLE, _ELLIPSE):
            found.unused.append(name_unknown_type(name_region("region", region_id, label), kind))
        negative = parse_negative(element.get("NegativeROA"), f"{path}, {name_region('region', region_id, label)}")
        with found.naming("region", region_id, label, negative=negative):
            corners = document.read_outline(element, "Vertices", "Vertex")
            found.regions.append(
                Region(f"region {region_id}", label, _outline(kind, corners), layer=str(layer), negative=negative)
            )
    return found.to_annotation(
        mpp=parse_mpp(root.get("MicronsPerPixel"), f"{path}, MicronsPerPixel"), size=_find_size(attributes)
    )


def _find_size(attributes: dict[str, str]) -> tuple[int, int] | None:
    """Return width and height of the slide; None if the attributes are not those of a slide."""
    with suppress(UserError):
        width, height = (parse_number(attributes.get(name, ""), name) for name in ("width", "height"))
        if width.is_integer() and height.is_integer() and min(width, height) >= _MIN_SIDE:
            return int(width), int(height)
    return None


def _regions(root: "Element") -> Iterator[tuple[int, str, "Element"]]:
    """Yield every region with the number and the name of its layer, 0 and no name where it is in none."""
    layers = {
        id(element): (number, layer.get("Name", ""))
        for number, layer in enumerate(root.iter("Annotation"), 1)
        for element in layer.iter("Region")
    }
    for element in root.iter("Region"):
        yield (*layers.get(id(element), (0, "")), element)


def _outline(kind: str, corners: Polygon) -> Polygon:
    """Return the outline of a region; a rectangle has two corners or all four."""
    if kind == _ELLIPSE:
        return ellipse_between(corners)
    return box_between(corners) if kind == _RECTANGLE and len(corners) == 2 else corners

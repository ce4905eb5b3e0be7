"""Reader of Aperio ImageScope's XML.

A layer (``Annotation``) has regions of a type: a freehand outline, a rectangle, an ellipse given by two corners of the
box around it, an arrow or a ruler. A negative region is cut out of the regions of its layer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.datasets.slides.annotations.base import (
    Annotation,
    Polygon,
    Region,
    box_between,
    ellipse_between,
    name_region,
    parse_label,
    parse_mpp,
    parse_size,
    parse_vertices,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Types of regions; those that enclose nothing have names only.
_RECTANGLE, _ELLIPSE = "1", "2"
_WITHOUT_AREA = {"3": "an arrow", "4": "a ruler", "5": "a point"}
_NEGATIVE = ("1", "true")


def recognises(root: "Element") -> bool:
    """Return whether an XML document is ImageScope's."""
    return root.tag == "Annotations"


def read(root: "Element", path: Path) -> Annotation:
    """Return the content of an ImageScope file.

    Args:
        root: the parsed document.
        path: of the file, for messages.

    Raises:
        UserError: a vertex, the scale or the size is not a number.
    """
    attributes = {
        str(attribute.get("Name", "")).lower(): str(attribute.get("Value", ""))
        for attribute in root.iterfind("Annotation/Attributes/Attribute")
    }
    regions, unused = [], []
    for number, (layer, name, element) in enumerate(_regions(root), 1):
        label = parse_label(element.get("Text"), name)
        kind = element.get("Type", "0").strip()
        region_id = element.get("Id", number)
        if kind in _WITHOUT_AREA:
            unused.append(f"{name_region('region', region_id, label)} is {_WITHOUT_AREA[kind]}, which has no area")
            continue
        corners = parse_vertices(
            ((vertex.get("X", ""), vertex.get("Y", "")) for vertex in element.iterfind("Vertices/Vertex")),
            f"{path}, region {region_id}",
        )
        negative = element.get("NegativeROA", "0").strip().lower() in _NEGATIVE
        regions.append(
            Region(f"region {region_id}", label, _outline(kind, corners), layer=str(layer), negative=negative)
        )
    return Annotation(
        regions=regions,
        mpp=parse_mpp(root.get("MicronsPerPixel"), f"{path}, MicronsPerPixel"),
        size=parse_size(attributes.get("width", ""), attributes.get("height", ""), str(path)),
        unused=tuple(unused),
    )


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

"""Reader of ASAP's XML, as in the Camelyon challenges.

The label is the group of an annotation, else its name. Coordinates have an order, and in some countries a decimal
comma.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.datasets.slides.annotations.base import (
    Annotation,
    Region,
    box_between,
    name_region,
    parse_label,
    parse_number,
    parse_vertices,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_WITH_AREA = ("polygon", "spline", "rectangle")
#: ASAP writes the word where an annotation has no group.
_NO_GROUP = "none"


def recognises(root: "Element") -> bool:
    """Return whether an XML document is ASAP's."""
    return root.tag == "ASAP_Annotations"


def read(root: "Element", path: Path) -> Annotation:
    """Return the content of an ASAP file.

    Args:
        root: the parsed document.
        path: of the file, for messages.

    Raises:
        UserError: a coordinate or its order is not a number.
    """
    regions, unused = [], []
    for number, element in enumerate(root.iterfind("Annotations/Annotation"), 1):
        group = element.get("PartOfGroup", "").strip()
        label = parse_label("" if group.lower() == _NO_GROUP else group, element.get("Name"))
        kind = element.get("Type", "Polygon").strip().lower()
        if kind not in _WITH_AREA:
            unused.append(f"{name_region('annotation', number, label)} is a {kind[:40]}, which has no area")
            continue
        where = f"{path}, annotation {number}"
        found = [
            (parse_number(one.get("Order", at), f"{where}, coordinate {at + 1}, Order"), one)
            for at, one in enumerate(element.iterfind("Coordinates/Coordinate"))
        ]
        ordered = [one for _, one in sorted(found, key=lambda pair: pair[0])]
        polygon = parse_vertices(
            ((one.get("X", "").replace(",", "."), one.get("Y", "").replace(",", ".")) for one in ordered), where
        )
        if kind == "rectangle" and len(polygon) == 2:
            polygon = box_between(polygon)
        regions.append(Region(f"annotation {number}", label, polygon))
    return Annotation(regions, unused=tuple(unused))

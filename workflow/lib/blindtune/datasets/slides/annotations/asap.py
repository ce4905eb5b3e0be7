"""Reader of ASAP's XML, as in the Camelyon challenges.

The label is the group of an annotation, else its name, unless ASAP gave that name. Groups can be in groups. Coordinates
have an order, and in some countries a decimal comma.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.datasets.slides.annotations.base import (
    Annotation,
    FoundRegions,
    Region,
    box_between,
    name_region,
    name_unknown_type,
    parse_label,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blindtune.datasets.slides.annotations.xml_document import XmlDocument

_WITH_AREA = ("polygon", "spline", "rectangle")
#: What a region of an unknown type is not: its vertices are an outline.
_WITHOUT_AREA = ("dot", "pointset", "measurement", "none")
#: ASAP writes the word where an annotation has no group.
_NO_GROUP = "none"
#: The name that ASAP gives to an annotation that was not named.
_AUTOMATIC = re.compile(r"annotation \d+", re.IGNORECASE)
#: Depth of groups within each other.
_MAX_DEPTH = 20


def recognises(document: "XmlDocument") -> bool:
    """Return whether an XML document is ASAP's."""
    return document.root.tag == "ASAP_Annotations"


def read(document: "XmlDocument", path: Path) -> Annotation:
    """Return the content of an ASAP file; a region of which a coordinate or its order is not a number is named.

    Args:
        document: the parsed document.
        path: of the file.
    """
    found = FoundRegions()
    above = {
        parse_label(group.get("Name")): _read_group(group.get("PartOfGroup"))
        for group in document.root.iterfind("AnnotationGroups/Group")
    }
    for number, element in enumerate(document.root.iterfind("Annotations/Annotation"), 1):
        group, name = _read_group(element.get("PartOfGroup")), parse_label(element.get("Name"))
        label = group or ("" if _AUTOMATIC.fullmatch(name) else name)
        kind = element.get("Type", "Polygon").strip().lower()
        what = name_region("annotation", number, label)
        if kind in _WITHOUT_AREA:
            found.unused.append(f"{what} is a {kind}, which has no area")
            continue
        if kind not in _WITH_AREA:
            found.unused.append(name_unknown_type(what, kind))
        groups = _list_groups(group, above)
        with found.naming("annotation", number, label, groups=groups):
            polygon = document.read_outline(element, "Coordinates", "Coordinate", ordered=True)
            if kind == "rectangle" and len(polygon) == 2:
                polygon = box_between(polygon)
            found.regions.append(Region(f"annotation {number}", label, polygon, groups=groups))
    return found.to_annotation()


def _read_group(name: str | None) -> str:
    """Return the label of a group; empty if there is none."""
    label = parse_label(name)
    return "" if label == _NO_GROUP else label


def _list_groups(group: str, above: "Mapping[str, str]") -> tuple[str, ...]:
    """Return the groups above one, the nearest first."""
    found: list[str] = []
    while (group := above.get(group, "")) and group not in found and len(found) < _MAX_DEPTH:
        found.append(group)
    return tuple(found)

"""Reader of HALO's XML (``.annotations``), which is ImageScope's with other words.

The label is the name of the layer. Rectangles and ellipses have two opposite corners. A negative region is cut out of
the regions of its layer. HALO calls an open line a polygon too: it has end caps, or its ends are far apart.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

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
    parse_negative,
)

if TYPE_CHECKING:
    from blindtune.datasets.slides.annotations.xml_document import XmlDocument

_WITH_AREA = ("polygon", "rectangle", "ellipse")
#: What a region of an unknown type is not: its vertices are an outline.
_WITHOUT_AREA = ("ruler", "pin", "point", "arrow", "line", "polyline", "text")
#: Ends that are farther apart than so many times the longest line are not joined. HALO closes outlines, or leaves a gap
#: shorter than that line; other programs leave out the last vertex.
_OPEN = 8


def recognises(document: "XmlDocument") -> bool:
    """Return whether an XML document is HALO's: its vertices are called V."""
    parents = document.root.iterfind("Annotation/Regions/Region/Vertices")
    return document.root.tag == "Annotations" and any((parent, "V") in document.vertices for parent in parents)


def read(document: "XmlDocument", path: Path) -> Annotation:
    """Return the content of a HALO file; a region of which a vertex is not a number is named.

    Args:
        document: the parsed document.
        path: of the file, for messages.

    Raises:
        UserError: it is not known whether a region is negative, or a negative one cannot be used.
    """
    found = FoundRegions()
    number = 0
    for layer, annotation in enumerate(document.root.iterfind("Annotation"), 1):
        label = parse_label(annotation.get("Name"))
        for element in annotation.iterfind("Regions/Region"):
            number += 1
            kind = element.get("Type", "Polygon").strip().lower()
            what = name_region("region", number, label)
            if kind in _WITHOUT_AREA:
                found.unused.append(f"{what} is a {kind}, which has no area")
                continue
            if kind not in _WITH_AREA:
                found.unused.append(name_unknown_type(what, kind))
            negative = parse_negative(element.get("NegativeROA"), f"{path}, {what}")
            with found.naming("region", number, label, negative=negative):
                polygon = document.read_outline(element, "Vertices", "V")
                if kind == "ellipse":
                    polygon = ellipse_between(polygon)
                elif kind == "rectangle" and len(polygon) == 2:
                    polygon = box_between(polygon)
                elif kind == "polygon" and (element.get("HasEndcaps", "0").strip() == "1" or _is_open(polygon)):
                    if negative:
                        raise UserError("it is an open line, which has no area.")
                    found.unused.append(f"{what} is an open line, which has no area")
                    continue
                found.regions.append(Region(f"region {number}", label, polygon, layer=str(layer), negative=negative))
    return found.to_annotation()


def _is_open(polygon: Polygon) -> bool:
    """Return whether a line does not come back to where it began."""
    if len(polygon) < 3:
        return False
    steps = np.hypot(*(polygon - np.roll(polygon, 1, axis=0)).T)
    return bool(steps[0] > _OPEN * steps[1:].max())

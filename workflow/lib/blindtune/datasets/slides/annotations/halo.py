"""Reader of HALO's XML (``.annotations``), which is ImageScope's with other words.

The label is the name of the layer. Rectangles and ellipses have two opposite corners. A negative region is cut out of
the regions of its layer.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.datasets.slides.annotations.base import (
    Annotation,
    Region,
    box_between,
    ellipse_between,
    name_region,
    parse_label,
    parse_vertices,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_WITH_AREA = ("polygon", "rectangle", "ellipse")


def recognises(root: "Element") -> bool:
    """Return whether an XML document is HALO's: its vertices are called V."""
    return root.tag == "Annotations" and root.find("Annotation/Regions/Region/Vertices/V") is not None


def read(root: "Element", path: Path) -> Annotation:
    """Return the content of a HALO file.

    Args:
        root: the parsed document.
        path: of the file, for messages.

    Raises:
        UserError: a vertex is not a number.
    """
    regions, unused = [], []
    number = 0
    for layer, annotation in enumerate(root.iterfind("Annotation"), 1):
        label = parse_label(annotation.get("Name"))
        for element in annotation.iterfind("Regions/Region"):
            number += 1
            kind = element.get("Type", "Polygon").strip().lower()
            if kind not in _WITH_AREA:
                unused.append(f"{name_region('region', number, label)} is a {kind[:40]}, which has no area")
                continue
            polygon = parse_vertices(
                ((vertex.get("X", ""), vertex.get("Y", "")) for vertex in element.iterfind("Vertices/V")),
                f"{path}, region {number}",
            )
            if kind == "ellipse":
                polygon = ellipse_between(polygon)
            elif kind == "rectangle" and len(polygon) == 2:
                polygon = box_between(polygon)
            negative = element.get("NegativeROA", "0").strip().lower() in ("1", "true")
            regions.append(Region(f"region {number}", label, polygon, layer=str(layer), negative=negative))
    return Annotation(regions, unused=tuple(unused))

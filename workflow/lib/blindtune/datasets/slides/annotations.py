"""Readers of slide annotations: NEDC's CSV and Aperio ImageScope's XML, both to the same regions.

A vertex is (x, y) in pixels of the slide's full resolution, y pointing down. The CSV gives a vertex by row (y) and
column (x), the XML by X and Y. A region can have any label, ``null`` included.
"""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file
from blindtune.core.validation import show_value

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_LONGEST_COMMENT = 1000
COLUMNS = ("index", "label", "coord_index", "row", "column")


@dataclass(frozen=True)
class Region:
    """One outlined region.

    Attributes:
        name: its name in messages.
        label: its label, in lower case.
        polygon: (n_vertices, 2) float64, x and y in pixels of the full resolution; the last vertex joins the first.
    """

    name: str
    label: str
    polygon: NDArray[np.float64]


@dataclass(frozen=True)
class Annotation:
    """The content of an annotation file.

    Attributes:
        regions: in the order of the file.
        mpp: µm per pixel of the slide that was annotated; None if the file does not give it.
        size: width and height in pixels of that slide; None if the file does not give them.
        slide: name of that slide without its suffix; None if the file does not give it.
    """

    regions: list[Region]
    mpp: float | None = None
    size: tuple[int, int] | None = None
    slide: str | None = None


def read_annotation(path: Path) -> Annotation:
    """Read an annotation, a .csv or an .xml file.

    Raises:
        UserError: the file cannot be read or has neither format; the message names the file, and the row or vertex.
    """
    content = read_regular_file(path)
    if path.suffix.lower() == ".xml":
        return _parse_xml(content, path)
    try:
        return _parse_csv(content.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not text in UTF-8 ({error.reason} at byte {error.start}).") from error


def _parse_csv(text: str, path: Path) -> Annotation:
    lines = text.splitlines()
    # The time of the expression below grows with the square of a line's length.
    comments = [line[:_LONGEST_COMMENT].lstrip("# ").strip() for line in lines if line.lstrip().startswith("#")]
    header = dict(re.findall(r"(\w+)\s*=\s*([^,]+?)\s*(?:,|$)", "\n".join(comments), re.MULTILINE))
    rows: dict[str, list[tuple[float, float, float]]] = {}
    labels: dict[str, str] = {}
    for number, row in _rows(lines, path):
        where = f"{path}, row {number}"
        index, label = row["index"], row["label"].lower()
        if labels.setdefault(index, label) != label:
            raise UserError(
                f"{where}: region {index[:40]} is {show_value(label)} here and {show_value(labels[index])} above."
            )
        order, x, y = (_parse_number(row[name], f"{where}, {name}") for name in ("coord_index", "column", "row"))
        rows.setdefault(index, []).append((order, x, y))
    width, height = (header.get(name, "").removesuffix("pixels").strip() for name in ("width", "height"))
    return Annotation(
        regions=[
            Region(f"region {index}", labels[index], np.array(sorted(found, key=lambda one: one[0]))[:, 1:])
            for index, found in rows.items()
        ],
        mpp=_parse_optional(header.get("MicronsPerPixel"), f"{path}, MicronsPerPixel"),
        size=_parse_size(width, height, str(path)),
        slide=header.get("bname"),
    )


def _rows(lines: list[str], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows after the line of column names, each with its number in the file."""
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line.lstrip()[0] != "#"]
    parsed = zip((number for number, _ in numbered), csv.reader(line for _, line in numbered), strict=True)
    try:
        names = [name.strip() for name in next(parsed)[1]]
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise UserError(f"{path}, row {numbered[0][0]}: names no column {', '.join(missing)}.")
        for number, values in parsed:
            if len(values) != len(names):
                raise UserError(f"{path}, row {number}: has {len(values)} values for {len(names)} columns.")
            yield number, dict(zip(names, (value.strip() for value in values), strict=True))
    except StopIteration:
        raise UserError(
            f"{path}: is empty. It needs a line of column names, {', '.join(COLUMNS)} among them."
        ) from None
    except (csv.Error, ValueError) as error:
        raise UserError(f"{path}: is not valid CSV ({str(error)[:200]}).") from error


def _parse_xml(content: bytes, path: Path) -> Annotation:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(content, forbid_dtd=True)
    except ParseError as error:
        raise UserError(f"{path}: is not valid XML ({str(error)[:200]}).") from error
    except DefusedXmlException as error:
        raise UserError(f"{path}: holds a document type or entities, which are refused.") from error
    # An encoding that Python does not know is a LookupError, one that the parser does not take a ValueError.
    except (LookupError, ValueError) as error:
        raise UserError(f"{path}: is not valid XML ({str(error)[:200]}).") from error
    if root.tag != "Annotations":
        raise UserError(f"{path}: its root is {show_value(root.tag)}, not 'Annotations' as ImageScope writes.")
    attributes = {
        str(attribute.get("Name", "")).lower(): str(attribute.get("Value", ""))
        for attribute in root.iterfind("Annotation/Attributes/Attribute")
    }
    return Annotation(
        regions=[_parse_region(element, number, path) for number, element in enumerate(root.iter("Region"), 1)],
        mpp=_parse_optional(root.get("MicronsPerPixel"), f"{path}, MicronsPerPixel"),
        size=_parse_size(attributes.get("width", ""), attributes.get("height", ""), str(path)),
    )


def _parse_region(element: "Element", number: int, path: Path) -> Region:
    name = f"region {element.get('Id', number)}"
    polygon = [
        [_parse_number(vertex.get(axis, ""), f"{path}, {name}, vertex {place}, {axis}") for axis in ("X", "Y")]
        for place, vertex in enumerate(element.iterfind("Vertices/Vertex"), 1)
    ]
    return Region(name, str(element.get("Text", "")).strip().lower(), np.array(polygon, float).reshape(-1, 2))


def _parse_number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {show_value(text)} is not a number.")
    return value


def _parse_optional(text: str | None, where: str) -> float | None:
    return _parse_number(text, where) if text else None


def _parse_size(width: str, height: str, where: str) -> tuple[int, int] | None:
    if not width or not height:
        return None
    return int(_parse_number(width, f"{where}, width")), int(_parse_number(height, f"{where}, height"))

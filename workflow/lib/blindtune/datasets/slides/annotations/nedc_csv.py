"""Reader of NEDC's CSV: a row for each vertex, y before x.

A region is the rows of one ``index`` and, where the file has that column, one ``region_id``. A region can have any
label, ``null`` included.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from blindtune.core.errors import UserError
from blindtune.core.validation import show_value
from blindtune.datasets.slides.annotations.base import (
    MAX_COORDINATE,
    Annotation,
    Region,
    box_between,
    name_region,
    parse_label,
    parse_mpp,
    parse_number,
    parse_size,
)

COLUMNS = ("index", "label", "coord_index", "row", "column")

#: Letters of a comment, and of the name of a value in it, that are read.
_LONGEST_COMMENT, _LONGEST_NAME = 1000, 50
#: Of a longer line, the CSV reader of Python refuses a field that is too long.
_LONGEST_LINE = 10_000


def read(text: str, path: Path) -> Annotation:
    """Return the content of a CSV.

    Args:
        text: the file.
        path: of the file, for messages.

    Raises:
        UserError: a row is wrong; the message gives its number. A coordinate that is not a number makes only its region
            bad.
    """
    lines = text.splitlines()
    header = _read_header(lines)
    vertices: dict[tuple[str, str], dict[float, tuple[float, float]]] = {}
    labels: dict[tuple[str, str], str] = {}
    wrong: dict[tuple[str, str], str] = {}
    for number, row in _rows(lines, path):
        where = f"{path}, row {number}"
        index, label = row["index"], parse_label(row["label"])
        key = index, row.get("region_id", "")
        if labels.setdefault(key, label) != label:
            raise UserError(
                f"{where}: region {index[:40]} is {show_value(label)} here and {show_value(labels[key])} above."
            )
        vertices.setdefault(key, {})
        try:
            order, x, y = (
                parse_number(row[name], f"row {number}, {name}") for name in ("coord_index", "column", "row")
            )
            if max(abs(x), abs(y)) > MAX_COORDINATE:
                raise UserError(f"row {number} is farther away than {MAX_COORDINATE:g} pixels.")
        except UserError as error:
            wrong.setdefault(key, str(error).rstrip("."))
            continue
        if order in vertices[key]:
            raise UserError(
                f"{where}: vertex {order:g} of region {index[:40]} is there twice. Two regions need different values "
                "of index or region_id."
            )
        vertices[key][order] = x, y
    width, height = (header.get(name, "").removesuffix("pixels").strip() for name in ("width", "height"))
    counts = Counter(index for index, _ in vertices)
    names = {key: key[0] + (f"/{key[1]}" if counts[key[0]] > 1 else "") for key in vertices}
    regions = {
        key: Region(
            f"region {names[key]}",
            labels[key],
            np.array([found[order] for order in sorted(found)], np.float64).reshape(-1, 2),
        )
        for key, found in vertices.items()
    }
    return Annotation(
        regions=[one for key, one in regions.items() if key not in wrong],
        unclear=tuple(
            replace(one, polygon=box_between(one.polygon))
            for key, one in regions.items()
            if key in wrong and len(one.polygon)
        ),
        mpp=parse_mpp(header.get("MicronsPerPixel"), f"{path}, MicronsPerPixel"),
        size=parse_size(width, height, str(path)),
        slide=_strip_folder(header.get("bname")),
        unused=tuple(
            f"{name_region('region', names[key], labels[key])} cannot be used: {why}" for key, why in wrong.items()
        ),
    )


def _strip_folder(name: str | None) -> str | None:
    """Return the name of a file without its folder, which may be one of Windows."""
    return None if name is None else PurePosixPath(name.replace("\\", "/")).name or name


def _read_header(lines: list[str]) -> dict[str, str]:
    """Return the values of the comments by their names."""
    comments = [line[:_LONGEST_COMMENT].lstrip("# ").strip() for line in lines if line.lstrip().startswith("#")]
    header: dict[str, str] = {}
    for part in (part for line in comments for part in line.split(",")):
        before, _, value = part.partition("=")
        word = re.search(r"\w+$", before.rstrip()[-_LONGEST_NAME:])
        if word is not None and value.strip():
            header[word[0]] = value.strip()
    # A name may have commas, so that of the slide, and a number with a decimal comma, take their whole lines.
    for name in ("bname", "MicronsPerPixel"):
        for line in comments:
            value = line.partition("=")[2].strip()
            if value and re.match(rf"{name}\s*=", line):
                header[name] = value
    return header


def _rows(lines: list[str], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows after the line of column names, each with its number in the file."""
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip() and line.lstrip()[0] != "#")
    names: list[str] = []
    for number, line in numbered:
        try:
            # Each line is one row, so that an open quotation mark joins no two.
            is_plain = '"' not in line and len(line) < _LONGEST_LINE
            values = line.split(",") if is_plain else next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise UserError(f"{path}, row {number}: is not valid CSV ({str(error)[:200]}).") from error
        values = [value.strip() for value in values]
        if not names:
            names = values
            _check_columns(names, f"{path}, row {number}")
            continue
        if len(values) != len(names):
            raise UserError(f"{path}, row {number}: has {len(values)} values for {len(names)} columns.")
        yield number, dict(zip(names, values, strict=True))
    if not names:
        raise UserError(f"{path}: is empty. It needs a line of column names, {', '.join(COLUMNS)} among them.")


def _check_columns(names: list[str], where: str) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UserError(f"{where}: names no column {', '.join(missing)}.")
    twice = [name for name in (*COLUMNS, "region_id") if names.count(name) > 1]
    if twice:
        raise UserError(f"{where}: names the column {', '.join(twice)} twice. Remove one of them.")

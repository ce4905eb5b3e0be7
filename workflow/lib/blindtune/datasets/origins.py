"""Where the samples of a split come from, as text: the table ``origins.tsv`` that the preparation writes."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import open_regular_file

#: Columns that say what a sample is, not where it comes from.
_WHAT = ("sample", "class", "group", "file")

#: Bytes of the longest place that is kept; a longer one is cut.
MAX_PLACE = 300


def read_places(path: Path, rows: NDArray[np.int64]) -> list[str] | None:
    """Return the file of each sample and its place there, such as ``a.edf at start 12.5``.

    Args:
        path: of ``origins.tsv``.
        rows: numbers of the samples, ascending.

    Returns:
        A text for each row, in their order; None if there is no table, or it names no file.

    Raises:
        UserError: the table is unreadable or lacks one of the rows.
    """
    if not path.exists():
        return None
    wanted, found = set(rows.tolist()), {}
    try:
        with open_regular_file(path) as stream:
            lines = (line.decode("utf-8") for line in stream)
            for number, record in enumerate(csv.DictReader(lines, delimiter="\t")):
                if "file" not in record:
                    return None
                if number in wanted:
                    found[number] = _describe(record)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}). Remove the seal and run again.") from error
    if len(found) < len(wanted):
        raise UserError(f"{path}: lacks some samples of its split. Remove the seal and run again.")
    return [found[row] for row in rows.tolist()]


def _describe(record: dict[str, str]) -> str:
    place = ", ".join(f"{key} {value}" for key, value in record.items() if key not in _WHAT and value)
    return f"{record['file']} at {place}" if place else record["file"]

"""CSV files of points: rows ``label,x,y`` without a header."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file
from blindtune.datasets.base import NewSamples

COLUMNS = ("label", "x", "y")

#: Predictions are stored as 16-bit labels; a larger one is a mistake in the file.
MAX_LABEL = 2**15 - 1

_MAX_VALUE = float(np.finfo(np.float32).max)


def read_csv(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the samples of one file.

    Args:
        path: the CSV file.

    Returns:
        Features, (n_samples, 2) float32, and labels, (n_samples,) int64.

    Raises:
        UserError: the file is missing, unreadable or empty, or a row is wrong: it has not three fields, a field is
            missing, not a number or not finite, or the label is not a whole number from 0.
    """
    return to_samples(path, read_lines(path))


def read_new_rows(path: Path) -> NewSamples:
    """Return new samples from rows ``label,x,y``, whose label is not used, or ``x,y``.

    Args:
        path: the CSV file.

    Raises:
        UserError: the file is missing, unreadable or empty, or a row is wrong.
    """
    lines = read_lines(path)
    fields = next((line.count(",") + 1 for line in lines if line.strip()), 0)
    notes = []
    if fields == len(COLUMNS):
        for row, line in enumerate(lines, 1):
            if line.strip() and line.count(",") + 1 != fields:
                raise UserError(_describe_length(path, row, line, COLUMNS))
        lines = [line.partition(",")[2] for line in lines]
        notes.append("the first column is taken for the label, which is not used")
    table = _parse(path, lines, COLUMNS[1:])
    rows = [row for row, line in enumerate(lines, 1) if line.strip()]
    return NewSamples(table.astype(np.float32), "row", rows, notes)


def to_samples(path: Path, lines: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features and labels of the lines of a file, as `read_csv`.

    Args:
        path: names the file in messages.
        lines: its lines.
    """
    table = _parse(path, lines, COLUMNS)
    return table[:, 1:].astype(np.float32), table[:, 0].astype(np.int64)


def _parse(path: Path, lines: list[str], columns: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the numbers of all rows, (n_rows, n_columns); a column ``label`` holds labels."""
    if not any(line.strip() for line in lines):
        raise UserError(f"{path}: is empty. It must hold rows {','.join(columns)}.")
    try:
        table = np.loadtxt(
            [line for line in lines if line.strip()], delimiter=",", dtype=np.float64, comments=None, ndmin=2
        )
    except ValueError:
        table = None
    if table is None or table.shape[1] != len(columns) or not _is_clean(table, columns):
        raise UserError(_describe_first_fault(path, lines, columns))
    return table


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file.

    Raises:
        UserError: the file is missing, unreadable or not a text.
    """
    try:
        return read_regular_file(path).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: cannot be read (not a text file). It must be a CSV file with rows label,x,y."
        ) from error


def _is_clean(table: NDArray[np.float64], columns: tuple[str, ...]) -> bool:
    label = table[:, 0] if columns[0] == "label" else np.zeros(len(table))
    whole = (label >= 0) & (label <= MAX_LABEL) & (label == np.floor(label))
    return bool((np.abs(table) <= _MAX_VALUE).all() and whole.all())


def _describe_first_fault(path: Path, lines: list[str], columns: tuple[str, ...]) -> str:
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.split(",")
        if len(fields) != len(columns):
            return _describe_length(path, row, line, columns)
        for name, field in zip(columns, fields, strict=True):
            fault = _find_fault(name, field)
            if fault:
                return f"{path}, row {row}: {name} {fault}. Fix or remove the row."
    return f"{path}: cannot be parsed as rows {','.join(columns)}."


def _describe_length(path: Path, row: int, line: str, columns: tuple[str, ...]) -> str:
    names = ",".join(columns)
    return f"{path}, row {row}: has {line.count(',') + 1} fields, not the {len(columns)} of {names}: {line[:60]!r}."


def _find_fault(name: str, field: str) -> str | None:
    if not field.strip():
        return "is missing"
    try:
        value = float(field)
        # Python reads more than files should hold: 1_000, digits of other scripts.
        if "_" in field or not field.strip().isascii():
            raise ValueError
    except ValueError:
        return f"is not a number: {field.strip()[:40]!r}"
    if not np.isfinite(value):
        return f"is not finite: {field.strip()[:40]!r}"
    if abs(value) > _MAX_VALUE:
        return f"is too large for 32 bits: {field.strip()[:40]!r}"
    return _find_label_fault(value, field) if name == "label" else None


def _find_label_fault(value: float, field: str) -> str | None:
    if value < 0 or value != int(value):
        return f"is not a whole number from 0: {field.strip()[:40]!r}"
    if value > MAX_LABEL:
        return f"is above {MAX_LABEL}: {field.strip()[:40]!r}"
    return None

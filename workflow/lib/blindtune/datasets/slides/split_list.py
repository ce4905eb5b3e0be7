"""A list of the splits of slides or of patients, which can name the patients of slides too."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.validation import show_value
from blindtune.datasets.base import SPLITS


@dataclass(frozen=True)
class ListKey:
    """What a row of a list of splits names.

    Attributes:
        column: ``slide`` or ``patient``.
        name: the name in that column.
    """

    column: str
    name: str


@dataclass(frozen=True)
class ListedName:
    """What a list of splits has of a slide or of a patient.

    Attributes:
        split: the split.
        patient: the patient of a slide; empty if the row does not give it, or names a patient alone.
    """

    split: str
    patient: str = ""


def read_split_list(path: Path) -> dict[ListKey, ListedName]:
    """Return what a list of splits has of each slide, or of each patient where a row has no slide.

    Raises:
        UserError: the list cannot be read, or a row is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV in UTF-8 ({error}).") from error
    _check_list_columns(columns, path)
    listed: dict[ListKey, ListedName] = {}
    for number, row in rows:
        if None in row:
            raise UserError(f"{path}, row {number}: has more values than there are columns. Quote those with commas.")
        slide, patient, split = ((row.get(name) or "").strip() for name in ("slide", "patient", "split"))
        key = ListKey("slide", slide) if slide else ListKey("patient", patient)
        if not key.name or split not in SPLITS:
            raise UserError(
                f"{path}, row {number}: needs a slide or patient, and a split ({', '.join(SPLITS)}); its split is "
                f"{show_value(split)}."
            )
        one = ListedName(split, patient if slide else "")
        before = listed.setdefault(key, one)
        if before.split != split:
            raise UserError(f"{path}, row {number}: {key.name[:80]} is in {split} here and in {before.split} above.")
        if before != one:
            raise UserError(
                f"{path}, row {number}: {key.name[:80]} is of the patient {show_value(one.patient)} here and of "
                f"{show_value(before.patient)} above."
            )
    return listed


def _check_list_columns(columns: Sequence[str], path: Path) -> None:
    """Refuse a list without the columns that it needs.

    Raises:
        UserError: one is missing, or there twice.
    """
    if "split" not in columns or not {"slide", "patient"} & set(columns):
        raise UserError(
            f"{path}: needs columns split and slide or patient, separated by commas; its first line has "
            f"{show_value(', '.join(columns))}."
        )
    twice = sorted(name for name in ("slide", "patient", "split") if columns.count(name) > 1)
    if twice:
        raise UserError(f"{path}: names the column {', '.join(twice)} twice. Remove one of them.")

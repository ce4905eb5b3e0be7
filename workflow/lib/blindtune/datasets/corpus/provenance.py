"""Where the samples of a corpus were cut: the table ``origins.tsv`` of each split."""

import csv
from dataclasses import dataclass
from pathlib import Path

from blindtune.core.errors import UserError

COLUMNS = ("sample", "class", "group", "file")


@dataclass(frozen=True)
class Origin:
    """Where one sample was cut.

    Attributes:
        sample: its row in the split, from 0.
        label: the name of its class.
        group: its group, such as a patient.
        file: the raw file, as a path below the corpus.
        place: ``start`` in seconds, or ``x`` and ``y`` in pixels of level 0.
    """

    sample: int
    label: str
    group: str
    file: str
    place: dict[str, float]


def read_origins(path: Path) -> list[Origin]:
    """Return the origins of a split, in the order of its samples.

    Args:
        path: the table.

    Raises:
        UserError: the file cannot be read, or a row is wrong.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        return [_origin(row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read ({str(error)[:200]}). Remove {path.parents[1] / 'manifest.json'} and run again."
        ) from error


def _origin(row: dict[str, str]) -> Origin:
    place = {name: float(value) for name, value in row.items() if name not in COLUMNS}
    return Origin(int(row["sample"]), row["class"], row["group"], row["file"], place)

"""When there was a seizure: the annotations beside a recording.

Four kinds are read: ``.tse`` and ``.tse_bi`` (TUSZ v1), ``.csv`` and ``.csv_bi`` (v2); those that end in ``_bi`` hold
two classes only. Where several stand beside a recording, the first of `SUFFIXES` counts. Rows of the background are
never taken at their word, since some files list seizures only: background is what is left. The end of every row is
looked at, because one far behind the recording's end shows a truncated recording or a wrong pair.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from blindtune.core.errors import UserError
from blindtune.datasets.eeg.errors import UnusableRecording

SUFFIXES = (".csv_bi", ".tse_bi", ".csv", ".tse")
SEIZURES = frozenset(["seiz", "fnsz", "gnsz", "spsz", "cpsz", "absz", "tnsz", "cnsz", "tcsz", "atsz", "mysz"])
NON_EPILEPTIC = "nesz"
#: What the corpus calls events that are no seizures.
OTHERS = frozenset(["bckg", "null", "spsw", "gped", "pled", "eybl", "artf"])
#: How far behind a recording's end an annotation may end, in seconds: the corpus rounds to whole records.
SLACK = 1.0

Interval = tuple[float, float]


@dataclass(frozen=True)
class Annotations:
    """What one annotation file says, in seconds from the start of the recording.

    Attributes:
        seizures: when any channel had a seizure; in order, without overlap.
        non_epileptic: the same for seizures that are not epileptic.
        end: where the last row of any label ends; 0 where there is none.
    """

    seizures: list[Interval]
    non_epileptic: list[Interval]
    end: float

    def within(self, seconds: float) -> "Annotations":
        """The same, cut to a recording of ``seconds``.

        Raises:
            Fault: a row ends more than `SLACK` behind the recording's end.
        """
        if self.end > seconds + SLACK:
            raise UnusableRecording(f"is annotated up to {self.end:.4f} s but ends at {seconds:.4f} s")
        return Annotations(
            clip_intervals(self.seizures, seconds), clip_intervals(self.non_epileptic, seconds), min(self.end, seconds)
        )


def find_annotation(recording: Path) -> Path:
    """The annotation file of a recording.

    Raises:
        Fault: there is none.
    """
    for suffix in SUFFIXES:
        path = recording.with_suffix(suffix)
        if path.is_file():
            return path
    raise UnusableRecording(f"has no annotations next to it ({', '.join(SUFFIXES)})")


def list_annotations(folder: Path, file: str) -> list[str]:
    """The annotation files of a recording that are there, as paths below ``folder``."""
    path = PurePosixPath(file)
    return [path.with_suffix(s).as_posix() for s in SUFFIXES if (folder / path.with_suffix(s)).is_file()]


def read_annotations(path: Path) -> Annotations:
    """The content of an annotation file; its suffix says of which kind it is.

    Raises:
        Fault: the file is empty or unreadable, or a row of it is malformed; the text names the row.
        UserError: a label is unknown; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableRecording(f"{path.name} cannot be read ({error})") from error
    if not text.strip():
        raise UnusableRecording(f"{path.name} is empty")
    rows = _csv(path.name, text) if path.suffix.startswith(".csv") else _tse(path.name, text)
    found: dict[str, list[Interval]] = {"seizure": [], NON_EPILEPTIC: [], "other": []}
    for line, start, stop, label in rows:
        found[_kind(path, line, label)].append(_interval(path.name, line, start, stop))
    end = max((stop for intervals in found.values() for _, stop in intervals), default=0.0)
    return Annotations(merge_intervals(found["seizure"]), merge_intervals(found[NON_EPILEPTIC]), end)


def merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """The same times in order and without overlap; intervals that touch become one, empty ones vanish."""
    merged: list[Interval] = []
    for start, stop in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def clip_intervals(intervals: Iterable[Interval], seconds: float) -> list[Interval]:
    """What of ``intervals`` lies between 0 and ``seconds``."""
    return merge_intervals((max(0.0, start), min(seconds, stop)) for start, stop in intervals)


def _tse(name: str, text: str) -> Iterator[tuple[int, str, str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith(("#", "version")):
            continue
        # The fourth, the confidence, is left out by some.
        if len(fields) not in (3, 4):
            raise UnusableRecording(
                f"{name}, line {number}: has {len(fields)} fields; start, stop, label, confidence are expected"
            )
        yield number, fields[0], fields[1], fields[2]


def _csv(name: str, text: str) -> Iterator[tuple[int, str, str, str]]:
    columns: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = [field.strip() for field in next(csv.reader([line]))]
        if columns is None:
            columns = fields
            if missing := [wanted for wanted in ("start_time", "stop_time", "label") if wanted not in columns]:
                raise UnusableRecording(f"{name}, line {number}: names no column {', '.join(missing)}")
            continue
        if len(fields) != len(columns):
            raise UnusableRecording(f"{name}, line {number}: has {len(fields)} fields; the head has {len(columns)}")
        row = dict(zip(columns, fields, strict=True))
        yield number, row["start_time"], row["stop_time"], row["label"]
    if columns is None:
        raise UnusableRecording(f"{name} names no columns")


def _kind(path: Path, line: int, label: str) -> str:
    label = label.lower()
    if label in SEIZURES:
        return "seizure"
    if label == NON_EPILEPTIC:
        return NON_EPILEPTIC
    if label in OTHERS:
        return "other"
    known = ", ".join(sorted(SEIZURES | OTHERS | {NON_EPILEPTIC}))
    raise UserError(f"{path}, line {line}: label {label!r} is unknown; correct it. Known: {known}.")


def _interval(name: str, line: int, start: str, stop: str) -> Interval:
    try:
        first, last = float(start), float(stop)
    except ValueError:
        raise UnusableRecording(f"{name}, line {line}: {start!r} to {stop!r} are no times") from None
    if not (math.isfinite(first) and math.isfinite(last) and 0 <= first <= last):
        raise UnusableRecording(f"{name}, line {line}: {start} to {stop} s is no stretch of time")
    return first, last

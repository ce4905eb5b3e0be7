"""Annotations of a recording: when there was a seizure.

Four kinds are read: ``.tse`` and ``.tse_bi`` (TUSZ v1), ``.csv`` and ``.csv_bi`` (v2). Files whose suffix ends in
``_bi`` have two classes only. If a recording has several, the first of `SUFFIXES` is read. Background rows are ignored
because some files list only seizures. Background is every interval that is not annotated as a seizure. The end of every
row is checked, because a row far beyond the end of the recording is a sign of a truncated recording or a wrong pair.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file
from blindtune.core.validation import show_value
from blindtune.datasets.eeg.errors import UnusableRecording

SUFFIXES = (".csv_bi", ".tse_bi", ".csv", ".tse")
SEIZURES = frozenset(["seiz", "fnsz", "gnsz", "spsz", "cpsz", "absz", "tnsz", "cnsz", "tcsz", "atsz", "mysz"])
NON_EPILEPTIC = "nesz"
#: Labels of the corpus for events that are not seizures.
OTHERS = frozenset(["bckg", "null", "spsw", "gped", "pled", "eybl", "artf"])
#: How far beyond the end of a recording an annotation may end, in seconds: the corpus rounds to whole records.
SLACK = 1.0

Interval = tuple[float, float]


@dataclass(frozen=True)
class Annotations:
    """The content of one annotation file, in seconds from the start of the recording.

    Attributes:
        seizures: intervals in which any channel had a seizure; in order, without overlap.
        non_epileptic: the same for seizures that are not epileptic.
        end: end of the last row of any label; 0 if there is none.
    """

    seizures: list[Interval]
    non_epileptic: list[Interval]
    end: float

    def within(self, seconds: float) -> "Annotations":
        """Return the same annotations, clipped to the length of the recording.

        Args:
            seconds: length of the recording.

        Raises:
            UnusableRecording: a row ends more than `SLACK` beyond the end of the recording.
        """
        if self.end > seconds + SLACK:
            raise UnusableRecording(f"is annotated up to {self.end:.4f} s but ends at {seconds:.4f} s")
        return Annotations(
            clip_intervals(self.seizures, seconds), clip_intervals(self.non_epileptic, seconds), min(self.end, seconds)
        )


def find_annotation(recording: Path) -> Path:
    """Return the annotation file of a recording.

    Raises:
        UnusableRecording: there is none.
    """
    for suffix in SUFFIXES:
        path = recording.with_suffix(suffix)
        if path.is_file():
            return path
    raise UnusableRecording(f"has no annotations next to it ({', '.join(SUFFIXES)})")


def list_annotations(folder: Path, file: str) -> list[str]:
    """Return all annotation files of a recording, as paths below the folder of the corpus.

    Args:
        folder: folder of the corpus.
        file: path of the recording below it.
    """
    path = PurePosixPath(file)
    return [path.with_suffix(s).as_posix() for s in SUFFIXES if (folder / path.with_suffix(s)).is_file()]


def read_annotations(path: Path) -> Annotations:
    """Return the content of an annotation file; the suffix decides the kind.

    Raises:
        UnusableRecording: the file is empty or unreadable, or a row is malformed; the text names the row.
        UserError: a label is unknown; the message names file and line.
    """
    try:
        text = read_regular_file(path).decode("utf-8-sig")
    except (UserError, UnicodeDecodeError) as error:
        raise UnusableRecording(f"{path.name} cannot be read ({error})") from error
    if not text.strip():
        raise UnusableRecording(f"{path.name} is empty")
    rows = _parse_csv(path.name, text) if path.suffix.startswith(".csv") else _parse_tse(path.name, text)
    found: dict[str, list[Interval]] = {"seizure": [], NON_EPILEPTIC: [], "other": []}
    for line, start, stop, label in rows:
        found[_class_of(path, line, label)].append(_parse_interval(path.name, line, start, stop))
    end = max((stop for intervals in found.values() for _, stop in intervals), default=0.0)
    return Annotations(merge_intervals(found["seizure"]), merge_intervals(found[NON_EPILEPTIC]), end)


def merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same times in order and without overlap; touching intervals are merged, empty ones are dropped."""
    merged: list[Interval] = []
    for start, stop in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def clip_intervals(intervals: Iterable[Interval], seconds: float) -> list[Interval]:
    """Return the parts of intervals within a recording.

    Args:
        intervals: any intervals.
        seconds: length of the recording.
    """
    return merge_intervals((max(0.0, start), min(seconds, stop)) for start, stop in intervals)


def _parse_tse(name: str, text: str) -> Iterator[tuple[int, str, str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith(("#", "version")):
            continue
        # Some files leave out the fourth field, the confidence.
        if len(fields) not in (3, 4):
            raise UnusableRecording(
                f"{name}, line {number}: has {len(fields)} fields; start, stop, label, confidence are expected"
            )
        yield number, fields[0], fields[1], fields[2]


def _parse_csv(name: str, text: str) -> Iterator[tuple[int, str, str, str]]:
    columns: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            fields = [field.strip() for field in next(csv.reader([line]))]
        except csv.Error as error:
            raise UnusableRecording(f"{name}, line {number}: is not valid CSV ({error})") from error
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


def _class_of(path: Path, line: int, label: str) -> str:
    label = label.lower()
    if label in SEIZURES:
        return "seizure"
    if label == NON_EPILEPTIC:
        return NON_EPILEPTIC
    if label in OTHERS:
        return "other"
    known = ", ".join(sorted(SEIZURES | OTHERS | {NON_EPILEPTIC}))
    raise UserError(f"{path}, line {line}: label {show_value(label)} is unknown; correct it. Known: {known}.")


def _parse_interval(name: str, line: int, start: str, stop: str) -> Interval:
    try:
        first, last = float(start), float(stop)
    except ValueError:
        raise UnusableRecording(
            f"{name}, line {line}: {show_value(start)} to {show_value(stop)} are not times"
        ) from None
    if not (math.isfinite(first) and math.isfinite(last) and 0 <= first <= last):
        raise UnusableRecording(f"{name}, line {line}: {start[:40]} to {stop[:40]} s is not an interval")
    return first, last

"""Annotations of TUSZ and of NEDC's tools, in files next to a recording and of the same name.

Four kinds are read: ``.tse`` and ``.tse_bi`` (TUSZ v1), ``.csv`` and ``.csv_bi`` (v2). Files whose suffix ends in
``_bi`` have two classes only and give the times of seizures. If there is a file with all types too, it says which
seizures are not epileptic, which two classes cannot say. Rows may be of single channels: a seizure lasts as long as it
does on any channel.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar

from blindtune.datasets.eeg.annotations.base import (
    SLACK,
    AnnotationReader,
    Annotations,
    Event,
    Interval,
    RecordingTimes,
    Unannotated,
    check_once,
    collect,
    compare_length,
    index_names,
    merge_intervals,
    parse_times,
    read_text,
    unknown_label,
)
from blindtune.datasets.eeg.annotations.labels import KNOWN_NEDC, LabelMap, nedc
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import name_of, split_suffix

#: Suffixes with two classes, and with all types; the first of each that exists is read.
TWO_CLASSES = (".csv_bi", ".tse_bi")
ALL_TYPES = (".csv", ".tse")
SUFFIXES = (*TWO_CLASSES, *ALL_TYPES)
_COLUMNS = ("start_time", "stop_time", "label")
#: A line such as ``annotator = TEST`` before the first row.
_HEAD_LINE = re.compile(r"#?\s*([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII)
_SECONDS = re.compile(r"(\d+(?:\.\d*)?)\s*(?:s|secs?|seconds)?", re.ASCII)

#: What labels mean without the user's ``event_labels``.
LABELS = LabelMap(None, nedc)

_Row = tuple[int, str, str, str]


class NedcReader(AnnotationReader):
    """Reads the annotations of TUSZ."""

    layout: ClassVar[str] = "TUSZ"
    looks_for: ClassVar[str] = "files next to the recordings (.csv_bi, .tse_bi, .csv, .tse)"

    @classmethod
    def find(cls, tree: Sequence[str], recordings: Sequence[str]) -> list[str]:
        """Return the annotation files next to the recordings, sorted.

        Args:
            tree: all files below the folder of the corpus.
            recordings: those of them that are recordings.
        """
        there = index_names(tree, SUFFIXES)
        return sorted({there[name] for file in recordings for name in _list_others(file) if name in there})

    def companions(self, file: str) -> list[str]:
        """Return the annotation files of a recording, as paths below the folder.

        Args:
            file: path of the recording below the folder.
        """
        return [self._names[name] for name in _list_others(file) if name in self._names]

    def list_lost(self, folder: PurePosixPath) -> list[str]:
        """Return the annotation files in a folder that are of no recording; of ``.csv`` those with the columns of one.

        Args:
            folder: a folder below that of the corpus.
        """
        here = [name for name in self._lost if PurePosixPath(name).parent == folder]
        return [name for name in here if not name.lower().endswith(".csv") or _is_annotation(self.folder / name)]

    @cached_property
    def _lost(self) -> list[str]:
        used = {name for file in self.recordings for name in _list_others(file)}
        return sorted(file for name, file in self._names.items() if name not in used)

    @cached_property
    def _names(self) -> dict[str, str]:
        return index_names(self.tree, SUFFIXES)

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path and length.

        Raises:
            Unannotated: there is no annotation next to it.
            UnusableRecording: its annotation cannot be used; the text names file and row.
        """
        others = [self._names.get(name, name) for name in _list_others(recording.file)]
        here = [name for name in others if (self.folder / name).is_file()]
        if not here:
            raise Unannotated(f"has no annotations next to it ({', '.join(SUFFIXES)})")
        labels = LabelMap(self.config.event_labels, nedc)
        notes = []
        for name in here if len(here) > 1 else ():
            # A table of something else may have the name of the recording.
            if name.lower().endswith(".csv") and not _is_annotation(self.folder / name):
                notes.append(f"{PurePosixPath(name).name} is not an annotation; not used")
                here = [other for other in here if other != name]
        first = next((name for name in here if name.lower().endswith(TWO_CLASSES)), here[0])
        typed = next((name for name in here if name.lower().endswith(ALL_TYPES)), None)
        found = read_file(self.folder / first, labels, recording)
        files = [first]
        if typed is not None and typed != first:
            found = _with_types(found, read_file(self.folder / typed, labels, recording), first, typed)
            files.append(typed)
        notes += [f"{PurePosixPath(name).name} is not read, since others are" for name in here if name not in files]
        return replace(found, files=tuple(files), notes=(*found.notes, *notes))


def read_file(path: Path, labels: LabelMap = LABELS, recording: RecordingTimes | None = None) -> Annotations:
    """Return the content of one annotation file; the suffix decides the kind.

    Args:
        path: the file.
        labels: what its labels mean.
        recording: what it must be of, by what it says of itself; None: not checked.

    Raises:
        UnusableRecording: the file is empty or unreadable, a row is malformed, a label is unknown, or it is of another
            recording; the text names the row.
    """
    text, notes = read_text(path)
    if recording is not None:
        _check_head(path.name, text, recording)
    is_csv = path.suffix.lower().startswith(".csv")
    rows = list(_parse_csv(path.name, text) if is_csv else _parse_tse(path.name, text))
    # Times first: of a malformed row, nothing else is to be believed.
    times = [parse_times(f"{path.name}, line {line}", start, stop) for line, start, stop, _ in rows]
    events = [_to_event(path.name, row, span, labels, rows) for row, span in zip(rows, times, strict=True)]
    return collect(events, [], notes)


def _list_others(file: str) -> list[str]:
    base, _ = split_suffix(file)
    return [base + suffix for suffix in SUFFIXES]


def _is_annotation(path: Path) -> bool:
    """Return whether a CSV file names the columns of an annotation, or is none that can be told from one."""
    try:
        text, _ = read_text(path)
    except UnusableRecording:
        return True
    head = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    names = {name.strip().strip('"') for name in head.split(",")}
    return not head or names.issuperset(_COLUMNS) or "# version" in text[:200]


def _with_types(found: Annotations, typed: Annotations, first: str, second: str) -> Annotations:
    """Return the seizures of a file with two classes, and what a file with all types says is not epileptic."""
    both = merge_intervals([*typed.seizures, *typed.non_epileptic])
    apart = _length(merge_intervals([*both, *found.seizures])) * 2 - _length(both) - _length(found.seizures)
    names = [PurePosixPath(name).name for name in (first, second)]
    notes = [*found.notes, *typed.notes]
    if apart > SLACK:
        notes.append(f"{names[0]} and {names[1]} differ by {apart:.1f} s in when there was a seizure; the first counts")
    later = typed if typed.end > found.end else found
    return replace(
        found,
        non_epileptic=merge_intervals([*found.non_epileptic, *typed.non_epileptic]),
        end=later.end,
        last=later.last,
        last_start=later.last_start,
        labels=dict(typed.labels),
        notes=tuple(notes),
    )


def _length(intervals: Sequence[Interval]) -> float:
    total = 0.0
    for start, stop in intervals:
        total += stop - start
    return total


def _check_head(name: str, text: str, recording: RecordingTimes) -> None:
    """Refuse a file that says that it is of another recording."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _HEAD_LINE.fullmatch(line.strip())
        if found is None and not line.lstrip().startswith("#"):
            return
        key, value = found.groups() if found else ("", "")
        if key == "bname" and value:
            said = PurePosixPath(value.replace("\\", "/")).name
            own = name_of(recording.file)
            if own.casefold() not in (said.casefold(), name_of(said).casefold()):
                raise UnusableRecording(f"{name}, line {number}: is of the recording {said[:80]} (bname), not of {own}")
        elif key == "duration" and (seconds := _SECONDS.fullmatch(value.strip())):
            compare_length(f"{name}, line {number}", float(seconds[1]), recording.seconds)


def _parse_tse(name: str, text: str) -> Iterator[_Row]:
    in_head = True
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith(("#", "version")) or (in_head and _HEAD_LINE.fullmatch(line.strip())):
            continue
        in_head = False
        # Some files leave out the fourth field, the confidence.
        if len(fields) not in (3, 4):
            raise UnusableRecording(
                f"{name}, line {number}: has {len(fields)} fields; start, stop, label, confidence are expected"
            )
        yield number, fields[0], fields[1], fields[2]


def _parse_csv(name: str, text: str) -> Iterator[_Row]:
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
            if missing := [wanted for wanted in _COLUMNS if wanted not in columns]:
                raise UnusableRecording(f"{name}, line {number}: names no column {', '.join(missing)}")
            check_once(f"{name}, line {number}", columns, _COLUMNS)
            continue
        if len(fields) != len(columns):
            raise UnusableRecording(f"{name}, line {number}: has {len(fields)} fields; the head has {len(columns)}")
        row = dict(zip(columns, fields, strict=True))
        yield number, row["start_time"], row["stop_time"], row["label"]
    if columns is None:
        raise UnusableRecording(f"{name} names no columns")


def _to_event(name: str, row: _Row, span: Interval, labels: LabelMap, rows: Sequence[_Row]) -> Event:
    number, _, _, label = row
    kind = labels.kind_of(label)
    if kind is None:
        raise unknown_label(f"{name}, line {number}", label, (one[3] for one in rows), KNOWN_NEDC)
    return Event(*span, label.lower(), f"{name}, line {number}", kind)

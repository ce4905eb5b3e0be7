"""Annotations of BIDS: ``sub-01_..._events.tsv`` next to ``sub-01_..._eeg.edf``.

The columns onset and duration are seconds. The label is in eventType (SzCORE: sz, sz_foc_ia, bckg, ...), or in
trial_type where that is missing or n/a; if a row has both, they must mean the same. The column recordingDuration, if
there is one, must fit the recording. By the inheritance of BIDS, a recording without a file of events takes the nearest
in its folder or above whose parts (``sub-01``, ``task-sz``) are all in its own name.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import ClassVar

from blindtune.core.validation import show_value
from blindtune.datasets.eeg.annotations.base import (
    AnnotationReader,
    Annotations,
    Event,
    RecordingTimes,
    Unannotated,
    check_once,
    check_times,
    collect,
    compare_length,
    explain_number,
    index_names,
    parse_number,
    read_text,
    unknown_label,
)
from blindtune.datasets.eeg.annotations.labels import KNOWN_WORDS, LabelMap, words
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import split_suffix

#: Columns of the label; the first with a label counts.
_LABELS = ("eventType", "trial_type")
_COLUMNS = ("onset", "duration", *_LABELS, "recordingDuration")
_MISSING = ("n/a", "")
_SUFFIX = "_events.tsv"
#: A part of a recording that was divided, but for the first.
_LATER_SPLIT = re.compile(r"_split-0*(?:[2-9]|1\d)")


class BidsReader(AnnotationReader):
    """Reads the events of BIDS."""

    layout: ClassVar[str] = "BIDS"
    looks_for: ClassVar[str] = "files *_events.tsv next to the recordings (BIDS)"

    @classmethod
    def find(cls, tree: Sequence[str], recordings: Sequence[str]) -> list[str]:
        """Return the files of events next to the recordings, sorted.

        Args:
            tree: all files below the folder of the corpus.
            recordings: those of them that are recordings.
        """
        names = _Names(tree)
        return sorted({name for file in recordings for name in names.find(file)})

    def companions(self, file: str) -> list[str]:
        """Return the file of events of a recording, as a path below the folder; several if it is not clear which.

        Args:
            file: path of the recording below the folder.
        """
        return self._names.find(file)

    def list_lost(self, folder: PurePosixPath) -> list[str]:
        """Return the files of events in a folder that apply to no recording.

        Args:
            folder: a folder below that of the corpus.
        """
        return [name for name in self._lost if PurePosixPath(name).parent == folder]

    @cached_property
    def _lost(self) -> list[str]:
        used = {name for file in self.recordings for name in self._names.find(file)}
        return [file for file in self._names.files if file not in used]

    @cached_property
    def _names(self) -> "_Names":
        return _Names(self.tree)

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path and length.

        Raises:
            Unannotated: there is no file of events.
            UnusableRecording: a row is malformed or has an unknown label, or is of another recording.
        """
        own, found = _events_of(recording.file), self.companions(recording.file)
        if len(found) > 1:
            raise UnusableRecording(f"may have the events of {' or of '.join(found[:2])}; name one {own}")
        name = found[0] if found else own
        if not (self.folder / name).is_file():
            raise Unannotated(f"has no {PurePosixPath(name).name} next to it")
        text, notes = read_text(self.folder / name)
        if name.lower() != own.lower():
            if _LATER_SPLIT.search(own):
                raise UnusableRecording(f"has no {own}, and the onsets of {name} count from the first part")
            notes.append(f"its events are those of {name}, by the inheritance of BIDS")
        short = PurePosixPath(name).name
        rows = _parse(short, text)
        labels = LabelMap(self.config.event_labels, words)
        met = [_label_of(f"{short}, line {number}", row, labels) for number, row in rows]
        events = []
        for (number, row), label in zip(rows, met, strict=True):
            where = f"{short}, line {number}"
            said = row.get("recordingDuration", "")
            if said not in _MISSING:
                compare_length(where, _number(where, "recordingDuration", said), recording.seconds)
            events.append(_to_event(where, row, label, labels, met))
        return collect(events, [name], notes)


class _Names:
    """The files of events of a tree, by the recordings that they apply to."""

    def __init__(self, tree: Iterable[str]) -> None:
        self._names = index_names(tree, [_SUFFIX])
        self._by_folder: dict[PurePosixPath, list[tuple[frozenset[str], str]]] = {}
        for name, file in self._names.items():
            path = PurePosixPath(name)
            parts = frozenset(path.name.removesuffix(_SUFFIX).split("_"))
            self._by_folder.setdefault(path.parent, []).append((parts, file))

    @property
    def files(self) -> list[str]:
        """All files of events, sorted."""
        return sorted(self._names.values())

    def find(self, file: str) -> list[str]:
        """Return the file of events of a recording, or those of the nearest folder that it may inherit."""
        own = _events_of(file)
        if own in self._names:
            return [self._names[own]]
        parts = frozenset(PurePosixPath(own).name.removesuffix(_SUFFIX).split("_"))
        for folder in PurePosixPath(own).parents:
            if found := sorted(name for needed, name in self._by_folder.get(folder, []) if needed <= parts):
                return found
        return []


def _events_of(file: str) -> str:
    base, _ = split_suffix(file)
    stem = base[:-4] if base.lower().endswith("_eeg") else base
    return f"{stem}{_SUFFIX}"


def _parse(name: str, text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the rows with their lines, by the names of the columns."""
    columns: list[str] | None = None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            fields = [field.strip() for field in next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE))]
        except csv.Error as error:
            raise UnusableRecording(f"{name}, line {number}: is not valid TSV ({error})") from error
        if columns is None:
            columns = fields
            if missing := [wanted for wanted in ("onset", "duration") if wanted not in columns]:
                raise UnusableRecording(f"{name}, line {number}: names no column {', '.join(missing)}")
            check_once(f"{name}, line {number}", columns, _COLUMNS)
            continue
        if len(fields) != len(columns):
            raise UnusableRecording(f"{name}, line {number}: has {len(fields)} fields; the head has {len(columns)}")
        found.append((number, dict(zip(columns, fields, strict=True))))
    return found


def _label_of(where: str, row: dict[str, str], labels: LabelMap) -> str:
    """Return the label of a row: of the first column that has one.

    Raises:
        UnusableRecording: there is no column of labels, or two labels mean different things.
    """
    there = [column for column in _LABELS if column in row]
    if not there:
        raise UnusableRecording(f"{where}: there is no column {' or '.join(_LABELS)}")
    given = [column for column in there if row[column] not in _MISSING] or there[:1]
    label = row[given[0]]
    for column in given[1:]:
        # Another column may have words of another kind, such as a task, which say nothing here.
        kinds = labels.kind_of(label), labels.kind_of(row[column])
        if None not in kinds and kinds[0] != kinds[1]:
            raise UnusableRecording(
                f"{where}: {given[0]} is {show_value(label)}, {column} {show_value(row[column])}; correct one of them"
            )
    return label


def _to_event(where: str, row: dict[str, str], label: str, labels: LabelMap, met: list[str]) -> Event:
    """Return the event of a row; one that is no seizure may lack a duration."""
    onset = _number(where, "onset", row["onset"])
    if row["duration"] in _MISSING and labels.kind_of(label) in ("other", None):
        duration = 0.0
    else:
        duration = _number(where, "duration", row["duration"])
    start, stop = check_times(where, onset, onset + duration)
    kind = labels.kind_of(label)
    if kind is None:
        raise unknown_label(where, label, met, KNOWN_WORDS)
    return Event(start, stop, label, where, kind)


def _number(where: str, column: str, text: str) -> float:
    try:
        return parse_number(text)
    except ValueError:
        raise UnusableRecording(f"{where}: {column} {show_value(text)} is not a number{explain_number(text)}") from None

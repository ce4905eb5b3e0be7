"""Annotations of BIDS: ``sub-01_..._events.tsv`` next to ``sub-01_..._eeg.edf``.

The columns onset and duration are seconds. The label is in eventType (SzCORE: sz, sz_foc_ia, bckg, ...) or in
trial_type. The column recordingDuration, if there is one, must fit the recording.
"""

import csv
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import ClassVar

from blindtune.core.validation import show_value
from blindtune.datasets.eeg.annotations.base import (
    AnnotationReader,
    Annotations,
    Event,
    RecordingTimes,
    Unannotated,
    check_times,
    collect,
    compare_length,
    parse_number,
    read_text,
    unknown_label,
)
from blindtune.datasets.eeg.annotations.labels import KNOWN_WORDS, LabelMap, words
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import split_suffix

#: Columns of the label; the first that there is counts.
_LABELS = ("eventType", "trial_type")
_MISSING = ("n/a", "")


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
        there = set(tree)
        return sorted({name for file in recordings if (name := _events_of(file)) in there})

    def companions(self, file: str) -> list[str]:
        """Return the file of events of a recording, as a path below the folder.

        Args:
            file: path of the recording below the folder.
        """
        return [name] if (name := _events_of(file)) in self.tree else []

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path and length.

        Raises:
            Unannotated: there is no file of events.
            UnusableRecording: a row is malformed or has an unknown label, or is of another recording.
        """
        name = _events_of(recording.file)
        if not (self.folder / name).is_file():
            raise Unannotated(f"has no {PurePosixPath(name).name} next to it")
        text, notes = read_text(self.folder / name)
        short = PurePosixPath(name).name
        rows = _parse(short, text)
        column = next((column for column in _LABELS if not rows or column in rows[0][1]), None)
        labels = LabelMap(self.config.event_labels, words)
        events = []
        for number, row in rows:
            where = f"{short}, line {number}"
            if column is None:
                raise UnusableRecording(f"{where}: there is no column {' or '.join(_LABELS)}")
            said = row.get("recordingDuration", "")
            if said not in _MISSING:
                compare_length(where, _number(where, "recordingDuration", said), recording.seconds)
            events.append(_to_event(where, row, row[column], labels, [one[column] for _, one in rows]))
        return collect(events, [name], notes)


def _events_of(file: str) -> str:
    base, _ = split_suffix(file)
    stem = base[:-4] if base.lower().endswith("_eeg") else base
    return f"{stem}_events.tsv"


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
            continue
        if len(fields) != len(columns):
            raise UnusableRecording(f"{name}, line {number}: has {len(fields)} fields; the head has {len(columns)}")
        found.append((number, dict(zip(columns, fields, strict=True))))
    return found


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
        raise UnusableRecording(f"{where}: {column} {show_value(text)} is not a number") from None

"""Annotations inside of EDF+ files: free texts with onsets, which ``event_labels`` maps to classes.

A text may have a duration, or one text may mark the start and another the end of a seizure (``seizure_start``,
``seizure_stop``). Texts that ``event_labels`` does not name are no seizures: they are counted and shown.

They are parsed here and not by edfio, which passes over what its pattern does not match (a new line in a text, a
decimal comma, no end) and reads UTF-8 alone: a seizure that is passed over would be background.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from blindtune.core.validation import show_value
from blindtune.datasets.eeg.annotations.base import (
    MAX_BYTES,
    AnnotationReader,
    Annotations,
    Event,
    RecordingTimes,
    Unannotated,
    check_times,
    collect,
    count_labels,
)
from blindtune.datasets.eeg.annotations.labels import LabelMap, nothing
from blindtune.datasets.eeg.config import Kind
from blindtune.datasets.eeg.edf_header import ANNOTATIONS
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.recording_file import HEADER_ERRORS, RecordingFile, read_header

#: A record that holds its time stamp and nothing else, or nothing.
_STAMP_ALONE = re.compile(rb"(?:[+-]\d+(?:\.\d*)?\x14\x14)?\0*")
#: One list of annotations, without the NUL after it: onset, duration if there is one, and texts that each end in 0x14.
_LIST = re.compile(rb"([+-]\d{1,12}(?:\.\d{0,40})?)(?:\x15(\d{0,12}(?:\.\d{0,40})?))?\x14((?:[^\x14]*\x14)+)")
#: Bytes of a faulty annotation that a message shows.
_MAX_SHOWN = 60
_HEAD = 256
#: Signals that a header may have here; more would only be read of a damaged file.
_MAX_SIGNALS = 10_000

_Text = tuple[float, float | None, str]


class EdfPlusReader(AnnotationReader):
    """Reads the annotations inside of EDF+ files."""

    layout: ClassVar[str] = "EDF+"
    looks_for: ClassVar[str] = "annotations inside the recordings (EDF+)"

    @classmethod
    def find(cls, tree: Sequence[str], recordings: Sequence[str]) -> list[str]:
        """Return nothing: names of files do not tell.

        Args:
            tree: all files below the folder of the corpus.
            recordings: those of them that are recordings.
        """
        return []

    def companions(self, file: str) -> list[str]:
        """Return nothing: the recording itself has its annotations.

        Args:
            file: path of the recording below the folder.
        """
        return []

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path and length.

        Raises:
            Unannotated: it is not EDF+ with a signal of annotations.
            UnusableRecording: its annotations cannot be read, or a seizure has no valid times.
        """
        read = self._read_texts(recording)
        if read is None:
            raise Unannotated("has no annotations inside (it is not EDF+)")
        texts, notes = read
        labels = LabelMap(self.config.event_labels, nothing)
        unmapped: dict[str, int] = {}
        events = []
        for number, (onset, duration, text) in enumerate(sorted(texts, key=lambda one: one[0]), 1):
            where = f"annotation {number} ({text[:40]!r})"
            kind = labels.kind_of(text)
            if kind is None:
                unmapped[text] = unmapped.get(text, 0) + 1
            if kind in (None, "other"):
                # Its time does not matter, since it is not used.
                events.append(Event(0.0, 0.0, text, where, "other"))
                continue
            length = _length(where, kind, duration)
            events.append(Event(*check_times(where, onset, onset + length), text, where, kind))
        if unmapped:
            notes.append(f"texts that event_labels does not name: {count_labels(unmapped)}")
        return collect(_pair(events), [], notes)

    def _read_texts(self, recording: RecordingTimes) -> tuple[list[_Text], list[str]] | None:
        """Return the texts inside of a recording, which is opened if it is not open, and notes."""
        if recording.opened is not None:
            return read_texts(recording.opened)
        path = self.folder / recording.file
        if not has_annotations(path):
            return None
        file = RecordingFile(path)
        try:
            return read_texts(file)
        finally:
            file.close()


def read_texts(file: RecordingFile) -> tuple[list[_Text], list[str]] | None:
    """Return onset, duration (or None) and text of each annotation inside of a file, and notes; None if it holds none.

    Only the signals of annotations are read, and of them only the records that hold more than a time stamp are parsed.
    Onsets count from the time stamp of the first record. Texts that are not UTF-8 are read as Latin-1, with a note.

    Raises:
        UnusableRecording: a record holds anything that is not an annotation, the first begins with no time stamp, or
            the annotations are more than a year of events.
    """
    numbers = [number for number, label in enumerate(file.header.labels) if label in ANNOTATIONS]
    if not numbers:
        return None
    found: list[_Text] = []
    zero, latin = 0.0, 0
    for record, held in _annotated_records(file, numbers):
        for signal, content in enumerate(held):
            lists = _split_record(record, content)
            if signal == 0 and lists and lists[0][2][0] == b"":
                # The time stamp of the record: a first text without a letter.
                onset, duration, texts = lists[0]
                lists[0] = onset, duration, texts[1:]
                zero = onset if record == 0 else zero
            elif signal == 0 and record == 0:
                raise UnusableRecording("has no time stamp in record 1, from which its annotations count")
            for onset, duration, texts in lists:
                for text in texts:
                    decoded, is_latin = _decode(text)
                    latin += is_latin
                    found.append((round(onset - zero, 12), duration, decoded))
    notes = [f"{latin} texts inside are not UTF-8 but read as Latin-1"] if latin else []
    return sorted(found, key=lambda one: (one[0], -1.0 if one[1] is None else one[1], one[2])), notes


def _annotated_records(file: RecordingFile, numbers: Sequence[int]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield what some signals hold of each record with annotations, and of the first, whose time is the zero."""
    header, size = file.header, 0
    columns = [header.column(number) for number in numbers]
    for record in range(header.n_complete_records):
        at = header.head_bytes + record * header.record_bytes
        held = [file.peek(at + column.start, at + column.stop) for column in columns]
        if record and _STAMP_ALONE.fullmatch(held[0]) and not any(one.strip(b"\0") for one in held[1:]):
            continue
        size += sum(map(len, held))
        if size > MAX_BYTES:
            raise UnusableRecording(f"has more than {MAX_BYTES:,} bytes of annotations inside")
        yield record, held


def _split_record(record: int, content: bytes) -> list[tuple[float, float | None, list[bytes]]]:
    """Return onset, duration and texts of each list of annotations in one signal of a record."""
    found = []
    for part in content.split(b"\0"):
        if not part.strip():
            continue
        match = _LIST.fullmatch(part)
        if match is None or match[2] == b".":
            raise UnusableRecording(
                f"has annotations inside that cannot be read: record {record + 1} holds "
                f"{show_value(part[:_MAX_SHOWN].decode('latin-1'))}"
            )
        found.append((float(match[1]), float(match[2]) if match[2] else None, match[3][:-1].split(b"\x14")))
    return found


def _decode(text: bytes) -> tuple[str, bool]:
    """Return a text, and whether it is not UTF-8 but read as Latin-1, in which every byte is a letter."""
    try:
        return text.decode("utf-8"), False
    except UnicodeDecodeError:
        return text.decode("latin-1"), True


def has_annotations(path: Path) -> bool:
    """Return whether the header of a file names a signal of annotations; False if it cannot be read."""
    try:
        head = read_header(path)
        signals = min(int(head[_HEAD - 4 : _HEAD]), _MAX_SIGNALS)
    except HEADER_ERRORS:
        return False
    labels = head[_HEAD : _HEAD + 16 * signals].decode("latin-1")
    return any(labels[at : at + 16].strip() in ANNOTATIONS for at in range(0, len(labels), 16))


def _length(where: str, kind: Kind, duration: float | None) -> float:
    if kind in ("seizure", "non_epileptic") and not duration:
        raise UnusableRecording(
            f"{where}: has no duration; map the texts at start and end of seizures with seizure_start and seizure_stop "
            "in event_labels"
        )
    return 0.0 if duration is None or kind in ("seizure_start", "seizure_stop") else float(duration)


def _pair(events: Sequence[Event]) -> list[Event]:
    """Return the events with each start and the stop after it joined to a seizure.

    Of a start and a stop at the same time, that comes first which is due: one seizure may end where the next begins.
    """
    found = [one for one in events if one.kind not in ("seizure_start", "seizure_stop")]
    marks = [one for one in events if one.kind in ("seizure_start", "seizure_stop")]
    opened: Event | None = None
    for _, group in groupby(marks, key=lambda one: one.start):
        together = list(group)
        starts = deque(one for one in together if one.kind == "seizure_start")
        stops = deque(one for one in together if one.kind == "seizure_stop")
        while starts or stops:
            one = ((starts or stops) if opened is None else (stops or starts)).popleft()
            if one.kind == "seizure_start":
                if opened is not None:
                    raise UnusableRecording(f"{one.where}: starts a seizure before the one of {opened.where} has ended")
                opened = one
            else:
                if opened is None:
                    raise UnusableRecording(f"{one.where}: ends a seizure that did not start")
                found.append(Event(opened.start, one.start, opened.label, opened.where, "seizure"))
                opened = None
    if opened is not None:
        raise UnusableRecording(f"{opened.where}: starts a seizure that does not end")
    return found

"""Annotations inside of EDF+ files: free texts with onsets, which ``event_labels`` maps to classes.

A text may have a duration, or one text may mark the start and another the end of a seizure (``seizure_start``,
``seizure_stop``). Texts that ``event_labels`` does not name are no seizures: they are counted and shown.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from blindtune.datasets.eeg import edf_header
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
from blindtune.datasets.eeg.recording_file import RecordingFile

#: A record that holds its time stamp and nothing else, or nothing.
_STAMP_ALONE = re.compile(rb"(?:[+-]\d+(?:\.\d*)?\x14\x14)?\0*")
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
        texts = self._read_texts(recording)
        if texts is None:
            raise Unannotated("has no annotations inside (it is not EDF+)")
        labels = LabelMap(self.config.event_labels, nothing)
        unmapped: dict[str, int] = {}
        events = []
        for number, (onset, duration, text) in enumerate(sorted(texts, key=lambda one: one[0]), 1):
            where = f"annotation {number} ({text[:40]!r})"
            kind = labels.kind_of(text)
            if kind is None:
                unmapped[text] = unmapped.get(text, 0) + 1
                # Its time does not matter, since it is not used.
                events.append(Event(0.0, 0.0, text, where, "other"))
                continue
            length = _length(where, kind, duration)
            events.append(Event(*check_times(where, onset, onset + length), text, where, kind))
        notes = [f"texts that event_labels does not name: {count_labels(unmapped)}"] if unmapped else []
        return collect(_pair(events), [], notes)

    def _read_texts(self, recording: RecordingTimes) -> list[_Text] | None:
        """Return the texts inside of a recording, which is opened if it is not open."""
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


def read_texts(file: RecordingFile) -> list[_Text] | None:
    """Return onset, duration (or None) and text of each annotation inside of a file; None if it holds none.

    Only the signals of annotations are read, and of them only the records that hold more than a time stamp are kept.

    Raises:
        UnusableRecording: the annotations cannot be read, or are more than a year of events.
    """
    header = file.header
    numbers = [number for number, label in enumerate(header.labels) if label in ANNOTATIONS]
    if not numbers:
        return None
    # Only jobs of recordings with annotations inside need it.
    from edfio import read_bdf, read_edf

    records = _annotated_records(file, numbers)
    content = [edf_header.part_of_header(file.head, header, numbers, len(records)), *records]
    try:
        read = read_bdf if header.sample_bytes == 3 else read_edf
        edf = read(b"".join(content), header_encoding="latin-1")
        return [(float(one.onset), one.duration, one.text) for one in edf.annotations]
    except Exception as error:  # broken bytes can make edfio raise anything
        raise UnusableRecording(f"has annotations that edfio cannot read ({error})") from error


def _annotated_records(file: RecordingFile, numbers: Sequence[int]) -> list[bytes]:
    """Return what some signals hold of each record that has annotations, and of the first, whose time is the zero."""
    header, kept, size = file.header, list[bytes](), 0
    columns = [header.column(number) for number in numbers]
    for record in range(header.n_complete_records):
        at = header.head_bytes + record * header.record_bytes
        held = [file.peek(at + column.start, at + column.stop) for column in columns]
        if record and _STAMP_ALONE.fullmatch(held[0]) and not any(one.strip(b"\0") for one in held[1:]):
            continue
        kept.append(b"".join(held))
        size += len(kept[-1])
        if size > MAX_BYTES:
            raise UnusableRecording(f"has more than {MAX_BYTES:,} bytes of annotations inside")
    return kept


def has_annotations(path: Path) -> bool:
    """Return whether the header of a file names a signal of annotations; False if it cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            signals = min(int(head[252:256]), _MAX_SIGNALS)
            labels = stream.read(16 * signals).decode("latin-1")
    except (OSError, ValueError):
        return False
    return any(labels[at : at + 16].strip() in ANNOTATIONS for at in range(0, len(labels), 16))


def _length(where: str, kind: Kind, duration: float | None) -> float:
    if kind in ("seizure", "non_epileptic") and not duration:
        raise UnusableRecording(
            f"{where}: has no duration; map the texts at start and end of seizures with seizure_start and seizure_stop "
            "in event_labels"
        )
    return 0.0 if duration is None or kind in ("seizure_start", "seizure_stop") else float(duration)


def _pair(events: Sequence[Event]) -> list[Event]:
    """Return the events with each start and the stop after it joined to a seizure."""
    found: list[Event] = []
    opened: Event | None = None
    for one in events:
        if one.kind == "seizure_start":
            if opened is not None:
                raise UnusableRecording(f"{one.where}: starts a seizure before the one of {opened.where} has ended")
            opened = one
        elif one.kind == "seizure_stop":
            if opened is None:
                raise UnusableRecording(f"{one.where}: ends a seizure that did not start")
            found.append(Event(opened.start, one.start, opened.label, opened.where, "seizure"))
            opened = None
        else:
            found.append(one)
    if opened is not None:
        raise UnusableRecording(f"{opened.where}: starts a seizure that does not end")
    return found

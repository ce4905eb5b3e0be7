"""What all readers of annotations have in common: the times of a recording, and the rules for its events.

Rules for the events of all readers:

- times are seconds from the start of the recording: finite numbers, not before the start, and the stop not before the
  start of the event; else the recording is bad and the reason names the row;
- an event that ends up to `SLACK` after the end of the recording is cut, with a note; a later one makes the recording
  bad, because it is a sign of a truncated recording, a wrong pair or another unit;
- overlapping and touching events of one class are one;
- a seizure of no length makes the recording bad, because nobody knows how long it lasted and its time would be
  background; within or at the edge of another one it is left out, with a note;
- background is every time that is not annotated as a seizure: rows of the background are not needed;
- what an annotation says of itself, the name and the length of its recording, must fit the recording.
"""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file
from blindtune.core.validation import show_value
from blindtune.datasets.eeg.config import EegConfig, Kind
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import RECORDINGS, split_suffix
from blindtune.datasets.eeg.recording_file import RecordingFile

#: How far beyond the end of a recording an annotation may end, in seconds: the corpus rounds to whole records.
SLACK = 1.0
#: Size of the largest annotation file, in bytes: a year of events.
MAX_BYTES = 64_000_000
#: Labels that one message names.
_MAX_NAMED = 12
#: Seconds from which on a message shows no parts of one.
_LONG = 1e12
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)

Interval = tuple[float, float]


class Unannotated(UnusableRecording):
    """Why a recording has no annotation; the config says what it is then."""


@dataclass(frozen=True)
class Event:
    """One event of an annotation.

    Attributes:
        start: start in seconds from the start of the recording.
        stop: end in seconds.
        label: the label as written.
        where: file and row, for messages.
        kind: what the label means.
    """

    start: float
    stop: float
    label: str
    where: str
    kind: Kind


@dataclass(frozen=True)
class RecordingTimes:
    """What is known of a recording when its annotation is read.

    Attributes:
        file: path below the folder of the corpus.
        seconds: length in seconds.
        start: time of the day at its start by its header, in seconds; None if it is not valid.
        opened: the recording itself, for annotations inside; None: it is not open.
    """

    file: str
    seconds: float
    start: float | None = None
    opened: RecordingFile | None = None


@dataclass(frozen=True)
class Annotations:
    """The annotations of one recording, in seconds from its start.

    Attributes:
        seizures: intervals in which any channel had a seizure; in order, without overlap.
        non_epileptic: the same for seizures that are not epileptic.
        end: end of the last row of any label; 0 if there is none.
        last: file and row of it.
        last_start: start of it; 0 if its times are those of the day, which have one unit.
        labels: number of events of each label that was met.
        files: the files that were read, as paths below the folder of the corpus.
        notes: what was accepted, in words.
    """

    seizures: list[Interval]
    non_epileptic: list[Interval]
    end: float
    last: str = ""
    last_start: float = 0.0
    labels: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def within(self, seconds: float) -> "Annotations":
        """Return the same annotations, clipped to the length of the recording.

        Args:
            seconds: length of the recording.

        Raises:
            UnusableRecording: a row ends more than `SLACK` beyond the end of the recording.
        """
        if self.end > seconds + SLACK:
            where = f" ({self.last})" if self.last else ""
            # A start within the recording is in seconds.
            is_milliseconds = self.last_start > seconds and 1000 <= self.end <= 1000 * (seconds + SLACK)
            unit = "; are its times milliseconds?" if is_milliseconds else ""
            end = f"{self.end:.4f}" if self.end < _LONG else f"{self.end:g}"
            raise UnusableRecording(f"is annotated up to {end} s{where} but ends at {seconds:.4f} s{unit}")
        late = f"annotated up to {self.end:.4f} s, cut to the recording"
        return replace(
            self,
            seizures=clip_intervals(self.seizures, seconds),
            non_epileptic=clip_intervals(self.non_epileptic, seconds),
            end=min(self.end, seconds),
            notes=(*self.notes, late) if self.end > seconds else self.notes,
        )


class AnnotationReader:
    """Base class of the readers of annotations; each reads one layout.

    `find` is called while the workflow is planned, with the names of all files: it opens none. A reader is created from
    the same names, while planning and in each job. `companions` names the annotation files of a recording; `read` is
    called by the job that surveys it.

    Attributes:
        layout: what the reader reads, in words.
        looks_for: which files it looks for, in words.
    """

    layout: ClassVar[str]
    looks_for: ClassVar[str]

    def __init__(self, folder: Path, tree: Sequence[str], config: EegConfig) -> None:
        """Keep where to look.

        Args:
            folder: folder of the corpus.
            tree: all files below it, with slashes.
            config: the config of the dataset.
        """
        self.folder, self.tree, self.config = folder, frozenset(tree), config

    @classmethod
    def find(cls, tree: Sequence[str], recordings: Sequence[str]) -> list[str]:
        """Return the annotation files of this layout, sorted.

        Args:
            tree: all files below the folder of the corpus.
            recordings: those of them that are recordings.
        """
        raise NotImplementedError

    def companions(self, file: str) -> list[str]:
        """Return the annotation files that may say something about a recording, as paths below the folder.

        Args:
            file: path of the recording below the folder.
        """
        raise NotImplementedError

    def list_lost(self, folder: PurePosixPath) -> list[str]:
        """Return the annotation files in a folder that are of no recording; called for one without an annotation.

        One of them may be its own under a misspelt name. None are known, unless a subclass overrides this method.

        Args:
            folder: a folder below that of the corpus.
        """
        return []

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path, length and start.

        Raises:
            Unannotated: there is no annotation of it.
            UnusableRecording: its annotation cannot be used; the text names file and row.
        """
        raise NotImplementedError

    @cached_property
    def recordings(self) -> list[str]:
        """All files of the tree with the suffix of a recording, whether they count as one or not; sorted."""
        return [file for file in sorted(self.tree) if split_suffix(file)[1] in RECORDINGS]


class FolderReader(AnnotationReader):
    """Base class of readers whose files list the recordings of a folder; `find` needs no recordings."""

    def nearest(self, file: str) -> list[str]:
        """Return the annotation files in the folder of a recording, else in the nearest folder above; sorted.

        Args:
            file: path of the recording below the folder of the corpus.
        """
        return next((self._by_folder[above] for above in PurePosixPath(file).parents if above in self._by_folder), [])

    @cached_property
    def _by_folder(self) -> dict[PurePosixPath, list[str]]:
        # Once for a reader: each recording asks, and a corpus has thousands.
        found: dict[PurePosixPath, list[str]] = {}
        for name in self.find(sorted(self.tree), ()):
            found.setdefault(PurePosixPath(name).parent, []).append(name)
        return found


def index_names(tree: Iterable[str], endings: Sequence[str]) -> dict[str, str]:
    """Return files by their names with the ending in lower case: capitals of an ending do not matter.

    Args:
        tree: files, as paths below the folder of the corpus.
        endings: endings of names in lower case, such as ``.csv_bi``; files with others are left out.
    """
    found: dict[str, str] = {}
    for file in sorted(tree):
        lower = file.lower()
        for ending in endings:
            if lower.endswith(ending):
                name = file[: -len(ending)] + ending
                # The name in lower case counts, if there are both.
                found[name] = file if file == name else found.get(name, file)
    return found


def collect(events: Iterable[Event], files: Sequence[str], notes: Sequence[str] = ()) -> Annotations:
    """Return the events of a recording as annotations.

    Args:
        events: all of them, of any kind but starts and stops, which `pair_events` joins.
        files: the files that were read.
        notes: what was accepted, in words.

    Raises:
        UnusableRecording: a seizure has no length, and is at no other of its kind.
    """
    found = list(events)
    last = max(found, key=lambda one: one.stop, default=None)
    seizures, more = _merge_kind(found, "seizure", "seizures")
    non_epileptic, others = _merge_kind(found, "non_epileptic", "non-epileptic seizures")
    return Annotations(
        seizures=seizures,
        non_epileptic=non_epileptic,
        end=last.stop if last else 0.0,
        last=last.where if last else "",
        last_start=last.start if last else 0.0,
        labels=dict(sorted(Counter(one.label for one in found).items())),
        files=tuple(files),
        notes=(*notes, *more, *others),
    )


def _merge_kind(events: Sequence[Event], kind: Kind, name: str) -> tuple[list[Interval], list[str]]:
    """Return the times of all events of a kind, and a note about those of no length within the others."""
    own = [one for one in events if one.kind == kind]
    merged = merge_intervals((one.start, one.stop) for one in own)
    empty = [one for one in own if one.start == one.stop]
    starts = [start for start, _ in merged]
    for one in empty:
        # The last that begins before or with it is the only one that it can be in: they do not touch each other.
        at = bisect_right(starts, one.start) - 1
        if at < 0 or merged[at][1] < one.start:
            raise UnusableRecording(
                f"{one.where}: {show_value(one.label)} at {one.start:g} s has no length, so nobody knows how long it "
                "lasted; give its end, or remove it"
            )
    return merged, [f"{len(empty)} {name} of no length within others, left out"] if empty else []


def read_text(path: Path) -> tuple[str, list[str]]:
    """Return the text of an annotation file, and notes about its encoding.

    Text that is not UTF-8 is read as Latin-1, in which every byte is a letter.

    Raises:
        UnusableRecording: the file cannot be read, is empty, or is not text.
    """
    try:
        content = read_regular_file(path, MAX_BYTES)
    except UserError as error:
        raise UnusableRecording(f"{path.name} cannot be read ({error})") from error
    notes = []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        notes.append(f"{path.name} is not UTF-8 but read as Latin-1")
    if "\0" in text:
        raise UnusableRecording(f"{path.name} cannot be read (it is not text, or text in UTF-16)")
    if not text.strip():
        raise UnusableRecording(f"{path.name} is empty")
    return text, notes


def parse_times(where: str, start: str, stop: str) -> Interval:
    """Return the times of a row.

    Args:
        where: file and row.
        start: start in seconds, as written.
        stop: end in seconds, as written.

    Raises:
        UnusableRecording: they are not numbers, not finite, before the recording, or in the wrong order.
    """
    try:
        times = parse_number(start), parse_number(stop)
    except ValueError:
        raise UnusableRecording(
            f"{where}: {show_value(start)} to {show_value(stop)} are not times in seconds{explain_number(start, stop)}"
        ) from None
    return check_times(where, *times)


def parse_number(text: str) -> float:
    """Return a number as written, which may be none that is finite.

    Args:
        text: digits of ASCII without underscores, both of which Python takes in other forms too.

    Raises:
        ValueError: it is not a number.
    """
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def explain_number(*texts: str) -> str:
    """Return what to change in texts that are no numbers, for the end of a message; nothing if it is not known.

    Args:
        texts: as written.
    """
    return (
        " (decimals have a point, not a comma)" if any(_DECIMAL_COMMA.fullmatch(one.strip()) for one in texts) else ""
    )


def check_times(where: str, start: float, stop: float) -> Interval:
    """Return the times of a row, which must be an interval after the start of the recording.

    Args:
        where: file and row.
        start: start in seconds.
        stop: end in seconds.

    Raises:
        UnusableRecording: they are not finite, before the recording, or in the wrong order.
    """
    if not (math.isfinite(start) and math.isfinite(stop) and 0 <= start <= stop):
        raise UnusableRecording(f"{where}: {start:g} to {stop:g} s is not an interval")
    return start, stop


def check_once(where: str, head: Sequence[str], columns: Iterable[str]) -> None:
    """Refuse a head that names a column twice, since only one of the two would be read.

    Args:
        where: file and row.
        head: names of all columns.
        columns: those that are read.

    Raises:
        UnusableRecording: one of them is there twice.
    """
    if twice := [name for name in columns if list(head).count(name) > 1]:
        raise UnusableRecording(f"{where}: names the column {twice[0]} twice")


def unknown_label(where: str, label: str, met: Iterable[str], known: str) -> UnusableRecording:
    """Return the fault of a label that is not known; the message shows which labels were met.

    Args:
        where: file and row.
        label: the label as written.
        met: the labels of all rows of the file.
        known: the labels that are known, in words.
    """
    return UnusableRecording(
        f"{where}: label {show_value(label)} is unknown; correct it, or say what it is in event_labels. Met: "
        f"{count_labels(Counter(met))}. Known: {known}"
    )


def count_labels(labels: Mapping[str, int]) -> str:
    """Return labels with their numbers for a message; the most frequent first."""
    ranked = sorted(labels.items(), key=lambda one: (-one[1], one[0]))
    named = [f"{show_value(label)[1:-1]} ({count})" for label, count in ranked[:_MAX_NAMED]]
    more = [f"and {len(ranked) - _MAX_NAMED} more"] if len(ranked) > _MAX_NAMED else []
    return ", ".join([*named, *more])


def compare_length(where: str, said: float, seconds: float) -> None:
    """Refuse an annotation of a recording of another length.

    Args:
        where: file and row.
        said: length of the recording by its annotation, in seconds.
        seconds: length of the recording.

    Raises:
        UnusableRecording: they differ by more than `SLACK`.
    """
    if not abs(said - seconds) <= SLACK:
        raise UnusableRecording(f"{where}: is of a recording of {said:.4f} s, but this one has {seconds:.4f} s")


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

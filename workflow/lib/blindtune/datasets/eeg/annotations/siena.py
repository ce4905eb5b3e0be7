"""Annotations of the Siena scalp EEG database (PhysioNet): ``Seizures-list-PN00.txt``, with times of the day.

A block names the recording, the start of the registration, and start and end of each seizure: ``19.58.36``. A seizure
is as many seconds after the start of the recording as its time is after that of the registration; one that is before
it was after midnight. Rules for what the lists contradict:

- a block must have the times of as many seizures as it has headings (``Seizure n 1``), and no other line with a time;
- each seizure counts from the registration of its own block, or from the one before it of the same file;
- if the recording starts at another time by its header, that counts if the seizures are within the recording by it and
  not by the registration, or if the two are up to `NEAR` apart; if both fit and are further apart, it is bad;
- a seizure of more than `MAX_SEIZURE`, or of nearly the whole recording, is a slip, and so is a recording of more than
  a day, in which a time of the day is not one time: the recording is bad.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import ClassVar

from blindtune.core.validation import show_value
from blindtune.datasets.eeg.annotations.base import (
    SLACK,
    Annotations,
    Event,
    FolderReader,
    RecordingTimes,
    Unannotated,
    check_times,
    collect,
    read_text,
)
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import name_of

#: Seconds that the registration and the header may differ in for the header to count without a doubt, and by which a
#: seizure may begin and end within a recording and still be all of it.
NEAR = 60
#: Seconds of the longest seizure: an end before the start is nearly a day later.
MAX_SEIZURE = 43_200
#: Share of the recording that one seizure cannot be.
_WHOLE = 0.9
_PREFIX = "seizures-list"
_FILE = re.compile(r"file\s*name\s*:?\s*(\S+).*", re.IGNORECASE)
_HEADING = re.compile(r"seizure\s*n\W*\d+.*", re.IGNORECASE)
_TIME = re.compile(r"(registration\s+|seizure\s+)?(start|end)\s*time\s*:?(.*)", re.IGNORECASE)
# The real lists have a space within a time, 1 6.49.25, and remarks after one, 15.18.26 (CLINICAL ONSET).
_CLOCK = re.compile(r"\s*(\d\s?\d?)\s*[.:]\s*(\d\s?\d)\s*[.:]\s*(\d\s?\d)\s*(?:\([^()\d]*\)\s*)?", re.ASCII)
#: What a line holds that must be understood: a time, or the name of a recording.
_HAS_CLOCK = re.compile(r"(?<!\d)\d{1,2}\s*[.:]\s*\d\d\s*[.:]\s*\d\d(?!\d)", re.ASCII)
_HAS_FILE = re.compile(r"(\S+\.(?:edf|bdf))\b", re.IGNORECASE)
_DAY = 86_400


@dataclass(frozen=True)
class _Time:
    """A start or an end of a seizure, as a time of the day in seconds, and the registration that it counts from."""

    edge: str
    clock: float
    where: str
    registration: float | None


@dataclass
class _Block:
    """What a list says of one recording: times of the day in seconds, each with its place."""

    where: str
    registration: float | None = None
    times: list[_Time] = field(default_factory=list)
    headings: int = 0
    is_bare: bool = False
    fault: str | None = None

    def set_fault(self, text: str) -> None:
        """Keep the first fault."""
        self.fault = self.fault or text


@dataclass(frozen=True)
class _Seizure:
    start: _Time
    end: _Time


class SienaReader(FolderReader):
    """Reads the lists of seizures of Siena."""

    layout: ClassVar[str] = "Siena"
    looks_for: ClassVar[str] = "files Seizures-list-*.txt in the folders of the recordings (Siena)"

    @classmethod
    def find(cls, tree: Sequence[str], recordings: Sequence[str]) -> list[str]:
        """Return the lists, sorted.

        Args:
            tree: all files below the folder of the corpus.
            recordings: those of them that are recordings.
        """
        return sorted(file for file in tree if _is_list(PurePosixPath(file).name))

    def companions(self, file: str) -> list[str]:
        """Return the lists that may name a recording: those of its own folder, else of a folder above.

        Args:
            file: path of the recording below the folder.
        """
        return self.nearest(file)

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path, length and start.

        Raises:
            Unannotated: no list names it.
            UnusableRecording: what the list says of it is malformed.
        """
        files = self.companions(recording.file)
        if not files:
            raise Unannotated("has no Seizures-list-*.txt in its folder or above")
        listed: dict[str, _Block] = {}
        notes = list[str]()
        for file in files:
            text, more = read_text(self.folder / file)
            notes += more
            _ListParser(PurePosixPath(file).name, listed).parse(text)
        short = ", ".join(PurePosixPath(file).name for file in files)
        block = listed.get(_key(recording.file))
        if block is None:
            block = self._by_start(recording, listed, short)
            notes.append(f"{block.where}: names no file of the folder; its registration starts with this recording")
        if block.fault is not None:
            raise UnusableRecording(block.fault)
        seizures = _pair(block)
        if recording.seconds > _DAY + SLACK:
            raise UnusableRecording(
                f"lasts {recording.seconds:.0f} s, more than a day, in which the times of the day of {block.where} are "
                "not one time each; cut it, or annotate it in a table"
            )
        events, more = _place(block, seizures, recording)
        for one in events:
            _check_length(one, recording.seconds)
        # Times of the day have no unit that may be another one.
        return replace(collect(events, files, [*notes, *more]), last_start=0.0)

    def _by_start(self, recording: RecordingTimes, listed: dict[str, _Block], lists: str) -> _Block:
        """Return the block of a misspelt name, if its start is that of a recording that no block names."""
        folder = PurePosixPath(recording.file).parent
        there = {_key(file) for file in self.tree if PurePosixPath(file).parent == folder}
        lost = {name: block for name, block in listed.items() if name not in there}
        if not lost:
            raise Unannotated(f"is not listed in {lists}")
        same = [
            block
            for block in lost.values()
            if recording.start is not None
            and block.registration is not None
            and _apart(block.registration, recording.start) <= SLACK
        ]
        if len(same) != 1:
            # It may be the misspelt one, so it is not known to be without a seizure.
            first = next(iter(lost.values()))
            raise UnusableRecording(
                f"is not listed in {lists}, which lists {', '.join(sorted(lost))} without such a file ({first.where}); "
                "correct the name"
            )
        return same[0]


def _is_list(name: str) -> bool:
    return name.lower().startswith(_PREFIX) and name.lower().endswith(".txt")


def _key(file: str) -> str:
    """Return a name by which recordings are compared: the real lists have the letter O for a zero."""
    return name_of(file).upper().replace("O", "0")


class _ListParser:
    """Parses a list into blocks, by the names of their recordings."""

    def __init__(self, name: str, listed: dict[str, _Block]) -> None:
        self._name, self._listed = name, listed
        self._block: _Block | None = None
        #: Headings since the last name of a file: it comes after its heading, or before all headings of it.
        self._headings = 0

    def parse(self, text: str) -> None:
        """Add the blocks of a list."""
        for number, raw in enumerate(text.splitlines(), 1):
            line, where = raw.strip(), f"{self._name}, line {number}"
            if match := _FILE.fullmatch(line):
                self._open(_key(match[1]), where)
            elif _HEADING.fullmatch(line):
                self._add_headings()
                self._headings = 1
            elif match := _TIME.fullmatch(line):
                self._take_time(match, where)
            elif self._block is None and not self._headings:
                continue
            elif match := _HAS_FILE.search(line):
                self._open(_key(match[1]), where).set_fault(f"{where}: {show_value(line)} is not understood")
            elif _HAS_CLOCK.search(line):
                self._current(where).set_fault(f"{where}: {show_value(line)} is not understood")
        if self._headings:
            self._current(f"{self._name}, at its end")
            self._add_headings()

    def _open(self, key: str, where: str) -> _Block:
        self._block = self._listed.setdefault(key, _Block(where))
        self._add_headings()
        return self._block

    def _add_headings(self) -> None:
        if self._block is not None:
            self._block.headings += self._headings
            self._headings = 0

    def _current(self, where: str) -> _Block:
        """Return the block of a line, which is one without a name if no name came before."""
        return self._block or self._open(f"(no name, {where})", where)

    def _take_time(self, match: re.Match[str], where: str) -> None:
        what, edge, written = (match[1] or "").strip().lower(), match[2].lower(), match[3]
        if what == "registration" and edge == "start" and self._headings:
            # Another registration begins without a name of its recording.
            self._open(f"(no name, {where})", where)
        block = self._current(where)
        clock = _parse_clock(written)
        if clock is None:
            block.set_fault(f"{where}: {written.strip()[:40]!r} is not a time of the day")
        elif what == "registration":
            block.registration = clock if edge == "start" else block.registration
        else:
            if what and block.is_bare:
                block.set_fault(
                    f"{where}: is of a seizure, so the times before it without 'Seizure' or 'Registration' may be of "
                    "the registration; say so"
                )
            block.is_bare |= not what and block.registration is None
            block.times.append(_Time(edge, clock, where, block.registration))


def _parse_clock(text: str) -> float | None:
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (int("".join(part.split())) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds if hours < 24 and minutes < 60 and seconds < 60 else None


def _pair(block: _Block) -> list[_Seizure]:
    """Return the seizures of a block, of which each must have a start and the end after it."""
    starts, ends = ([one for one in block.times if one.edge == edge] for edge in ("start", "end"))
    if len(starts) != len(ends) or not starts:
        raise UnusableRecording(f"{block.where}: has {len(starts)} starts and {len(ends)} ends of seizures")
    found = [_Seizure(*pair) for pair in zip(block.times[::2], block.times[1::2], strict=True)]
    for one in found:
        if (one.start.edge, one.end.edge) != ("start", "end"):
            raise UnusableRecording(f"{one.start.where}: has no start and end of a seizure in turn")
    if len(found) < block.headings:
        raise UnusableRecording(
            f"{block.where}: has {block.headings} headings of seizures (Seizure n) and the times of {len(found)}"
        )
    return found


def _place(block: _Block, seizures: Sequence[_Seizure], recording: RecordingTimes) -> tuple[list[Event], list[str]]:
    """Return the seizures in seconds from the start of the recording, and notes; see the module for the rules."""
    header = recording.start
    first = block.registration if seizures[0].start.registration is None else seizures[0].start.registration
    if first is None:
        first = header
    if first is None:
        raise UnusableRecording(f"{block.where}: has no start of the registration, and neither has the recording")
    zeros = [first if one.start.registration is None else one.start.registration for one in seizures]
    other = max(zeros, key=lambda zero: _apart(zero, first))
    by_list = [_to_event(one, zero) for one, zero in zip(seizures, zeros, strict=True)]
    conflict = f"{block.where}: has two starts of the registration, {_text(first)} and {_text(other)}; correct one"
    is_unclear = _apart(first, other) > SLACK
    if header is None:
        if is_unclear:
            raise UnusableRecording(conflict)
        return by_list, []
    furthest = max(zeros, key=lambda zero: _apart(zero, header))
    off = _apart(furthest, header)
    if off <= SLACK:
        return by_list, []
    text = (
        f"{block.where}: the registration starts at {_text(furthest)}, the recording at {_text(header)} by its header"
    )
    by_header = [_to_event(one, header) for one in seizures]
    fits_list, fits_header = (
        max(one.stop for one in events) <= recording.seconds + SLACK for events in (by_list, by_header)
    )
    if fits_header and (off <= NEAR or not fits_list):
        return by_header, [f"{text}; the header counts"]
    if fits_header:
        raise UnusableRecording(f"{text}; the seizures are within the recording by both, so correct the list")
    if is_unclear:
        raise UnusableRecording(conflict)
    return by_list, [f"{text}; the list counts"]


def _to_event(seizure: _Seizure, zero: float) -> Event:
    where, start = seizure.start.where, (seizure.start.clock - zero) % _DAY
    length = (seizure.end.clock - seizure.start.clock) % _DAY
    if length > MAX_SEIZURE:
        raise UnusableRecording(
            f"{where}: the seizure starts at {_text(seizure.start.clock)} and ends at {_text(seizure.end.clock)}, "
            f"{length / 3600:.1f} h later; at most {MAX_SEIZURE // 3600} h are read, so correct one of them"
        )
    return Event(*check_times(where, start, start + length), "seizure", where, "seizure")


def _check_length(event: Event, seconds: float) -> None:
    """Refuse a seizure that is all of the recording, which will be the registration."""
    is_all = event.start <= NEAR and event.stop >= seconds - NEAR
    if is_all and event.stop - event.start >= _WHOLE * seconds:
        raise UnusableRecording(
            f"{event.where}: the seizure is the whole recording; if it is the registration, write 'Registration start "
            "time' and 'Registration end time'"
        )


def _apart(one: float, other: float) -> float:
    return min((one - other) % _DAY, (other - one) % _DAY)


def _text(clock: float) -> str:
    return f"{int(clock) // 3600:02}.{int(clock) // 60 % 60:02}.{int(clock) % 60:02}"

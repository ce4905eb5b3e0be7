"""Annotations of the Siena scalp EEG database (PhysioNet): ``Seizures-list-PN00.txt``, with times of the day.

A block names the recording, the start of the registration, and start and end of each seizure: ``19.58.36``. A seizure
is as many seconds after the start of the recording as its time is after that of the registration; one that is before
it was after midnight.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import ClassVar

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

_PREFIX = "seizures-list"
_FILE = re.compile(r"file\s*name\s*:?\s*(\S+).*", re.IGNORECASE)
_TIME = re.compile(r"(registration\s+|seizure\s+)?(start|end)\s*time\s*:?(.*)", re.IGNORECASE)
# The real lists have a space within a time: 1 6.49.25.
_CLOCK = re.compile(r"\s*(\d\s?\d?)\s*[.:]\s*(\d\s?\d)\s*[.:]\s*(\d\s?\d)\s*", re.ASCII)
_DAY = 86_400


@dataclass
class _Block:
    """What a list says of one recording: times of the day in seconds, each with its place."""

    where: str
    registration: float | None = None
    starts: list[tuple[float, str]] = field(default_factory=list)
    ends: list[tuple[float, str]] = field(default_factory=list)
    fault: str | None = None


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
            _parse(PurePosixPath(file).name, text, listed)
        short = ", ".join(PurePosixPath(file).name for file in files)
        block = listed.get(_key(recording.file))
        if block is None:
            block = self._by_start(recording, listed, short)
            notes.append(f"{block.where}: names no file of the folder; its registration starts with this recording")
        if block.fault is not None:
            raise UnusableRecording(block.fault)
        zero = block.registration if block.registration is not None else recording.start
        if zero is None:
            raise UnusableRecording(f"{block.where}: has no start of the registration, and neither has the recording")
        if recording.start is not None and _apart(zero, recording.start) > SLACK:
            notes.append(
                f"{block.where}: the registration starts at {_text(zero)}, the recording at {_text(recording.start)}"
            )
        return collect(_events(block, zero), files, notes)

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


def _parse(name: str, text: str, listed: dict[str, _Block]) -> None:
    """Add the blocks of a list, by the names of their recordings."""
    block: _Block | None = None
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}, line {number}"
        if match := _FILE.fullmatch(line.strip()):
            block = listed.setdefault(_key(match[1]), _Block(where))
        elif block is not None and (match := _TIME.fullmatch(line.strip())):
            what, edge, written = (match[1] or "").strip().lower(), match[2].lower(), match[3]
            clock = _parse_clock(written)
            if clock is None:
                block.fault = block.fault or f"{where}: {written.strip()[:40]!r} is not a time of the day"
            elif what == "registration":
                block.registration = clock if edge == "start" else block.registration
            else:
                (block.starts if edge == "start" else block.ends).append((clock, where))


def _parse_clock(text: str) -> float | None:
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (int("".join(part.split())) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds if hours < 24 and minutes < 60 and seconds < 60 else None


def _events(block: _Block, zero: float) -> list[Event]:
    if len(block.starts) != len(block.ends) or not block.starts:
        raise UnusableRecording(f"{block.where}: has {len(block.starts)} starts and {len(block.ends)} ends of seizures")
    found = []
    for (start, where), (end, _) in zip(block.starts, block.ends, strict=True):
        first = (start - zero) % _DAY
        last = first + (end - start) % _DAY
        found.append(Event(*check_times(where, first, last), "seizure", where, "seizure"))
    return found


def _apart(one: float, other: float) -> float:
    return min((one - other) % _DAY, (other - one) % _DAY)


def _text(clock: float) -> str:
    return f"{int(clock) // 3600:02}.{int(clock) // 60 % 60:02}.{int(clock) % 60:02}"

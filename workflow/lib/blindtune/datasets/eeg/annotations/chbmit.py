"""Annotations of CHB-MIT (PhysioNet): ``chb01-summary.txt``, which lists the recordings of a child.

A recording has a block that begins with ``File Name: chb01_03.edf``. It says how many seizures there are, and for each
``Seizure Start Time: 2996 seconds`` or ``Seizure 1 Start Time: 2996 seconds``. A recording with a block and without
seizures is annotated: it is background. Names may have a folder, and differ in case and suffix (``.edf.gz``). A
recording without a block is bad if there is a block with seizures of no recording, which may be its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    collect,
    parse_times,
    read_text,
)
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import name_of

_SUFFIX = "-summary.txt"
_FILE = re.compile(r"file name\s*:\s*(.+)", re.IGNORECASE)
_COUNT = re.compile(r"number of seizures(?: in file)?\s*:\s*(\S+)", re.IGNORECASE)
_TIME = re.compile(r"seizure\s*(?:\d+\s*)?(start|end)\s*time\s*:\s*(\S+?)\s*(?:s|secs?|seconds)?\.?", re.IGNORECASE)
# Any other line of a block that is about a time of a seizure.
_ABOUT_SEIZURE = re.compile(r"seiz.*\d.*", re.IGNORECASE)
_CLOCK = re.compile(r"file (start|end) time\s*:\s*(\d{1,4}):(\d\d):(\d\d)", re.IGNORECASE)
_DAY = 86_400


@dataclass
class _Block:
    """What a summary says of one recording: rows, each with its place."""

    where: str
    count: str | None = None
    starts: list[tuple[str, str]] = field(default_factory=list)
    ends: list[tuple[str, str]] = field(default_factory=list)
    clock: dict[str, int] = field(default_factory=dict)
    fault: str | None = None

    @property
    def has_seizures(self) -> bool:
        """Whether it has seizures, or may have some."""
        return bool(self.starts or self.ends or self.fault or self.count != "0")


class ChbMitReader(FolderReader):
    """Reads the summaries of CHB-MIT."""

    layout: ClassVar[str] = "CHB-MIT"
    looks_for: ClassVar[str] = "files *-summary.txt in the folders of the recordings (CHB-MIT)"

    @classmethod
    def find(cls, tree: Sequence[str], recordings: Sequence[str]) -> list[str]:
        """Return the summaries, sorted.

        Args:
            tree: all files below the folder of the corpus.
            recordings: those of them that are recordings.
        """
        return sorted(file for file in tree if file.lower().endswith(_SUFFIX))

    def companions(self, file: str) -> list[str]:
        """Return the summaries that may list a recording, as paths below the folder.

        These are those of its own folder, else of a folder above; of several in one folder, those that the name of the
        recording begins with.

        Args:
            file: path of the recording below the folder.
        """
        name, here = PurePosixPath(file).name.lower(), self.nearest(file)
        own = [one for one in here if name.startswith(PurePosixPath(one).name.lower()[: -len(_SUFFIX)])]
        return own or here

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path and length.

        Raises:
            Unannotated: no summary lists it.
            UnusableRecording: what the summary says of it is malformed.
        """
        files = self.companions(recording.file)
        if not files:
            raise Unannotated(f"has no summary (*{_SUFFIX}) in its folder or above")
        notes, listed = list[str](), list[tuple[str, _Block]]()
        for file in files:
            text, more = read_text(self.folder / file)
            notes += more
            listed += _parse(PurePosixPath(file).name, text)
        blocks = [block for name, block in listed if _same(name, recording.file)]
        if not blocks:
            raise self._explain_unlisted(recording.file, files, listed)
        spans = [_spans(block) for block in blocks]
        if any(other != spans[0] for other in spans[1:]):
            raise UnusableRecording(f"{blocks[1].where}: lists it again, with other seizures than {blocks[0].where}")
        events = [Event(start, stop, "seizure", where, "seizure") for start, stop, where in _events(blocks[0])]
        return collect(events, files, [*notes, *_compare_clock(blocks[0], recording.seconds)])

    def _explain_unlisted(
        self, file: str, files: Sequence[str], listed: Sequence[tuple[str, _Block]]
    ) -> UnusableRecording:
        """Return why a recording without a block has no annotation, which one of another name may be."""
        short = ", ".join(PurePosixPath(one).name for one in files)
        folders = {PurePosixPath(file).parent, *(PurePosixPath(one).parent for one in files)}
        there = {_key(one) for one in self.recordings if not folders.isdisjoint(PurePosixPath(one).parents)}
        for name, block in listed:
            if there.isdisjoint(_keys(name)) and block.has_seizures:
                return UnusableRecording(
                    f"is not listed in {short}, which lists seizures of {name[:80]} without such a file "
                    f"({block.where}); correct the name"
                )
        return Unannotated(f"is not listed in {short}")


def _key(file: str) -> str:
    """Return a name by which recordings are compared, without folder and suffix."""
    return name_of(file).casefold()


def _keys(listed: str) -> set[str]:
    """Return the names that a listed file may have: its suffix may be missing, and a name may have a dot."""
    path = listed.replace("\\", "/")
    return {_key(path), path.rpartition("/")[2].casefold()}


def _same(listed: str, file: str) -> bool:
    return _key(file) in _keys(listed)


def _parse(name: str, text: str) -> list[tuple[str, _Block]]:
    """Return the blocks of a summary, each with the name of its recording."""
    found: list[tuple[str, _Block]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line, where = raw.strip(), f"{name}, line {number}"
        if match := _FILE.fullmatch(line):
            found.append((match[1].strip(), _Block(where)))
        elif not found:
            continue
        elif match := _COUNT.fullmatch(line):
            found[-1][1].count = match[1]
        elif match := _TIME.fullmatch(line):
            (found[-1][1].starts if match[1].lower() == "start" else found[-1][1].ends).append((match[2], where))
        elif match := _CLOCK.fullmatch(line):
            hours, minutes, seconds = map(int, match.groups()[1:])
            found[-1][1].clock[match[1].lower()] = hours * 3600 + minutes * 60 + seconds
        elif _ABOUT_SEIZURE.fullmatch(line) and found[-1][1].fault is None:
            found[-1][1].fault = f"{where}: {show_value(line)} is not understood"
    return found


def _events(block: _Block) -> list[tuple[float, float, str]]:
    if block.fault is not None:
        raise UnusableRecording(block.fault)
    if len(block.starts) != len(block.ends):
        raise UnusableRecording(f"{block.where}: has {len(block.starts)} starts and {len(block.ends)} ends of seizures")
    if block.count is None or not (block.count.isascii() and block.count.isdigit()):
        raise UnusableRecording(f"{block.where}: does not say how many seizures the file has")
    if int(block.count[:9]) != len(block.starts):
        raise UnusableRecording(
            f"{block.where}: says {block.count[:9]} seizures and has the times of {len(block.starts)}"
        )
    return [
        (*parse_times(where, start, stop), where)
        for (start, where), (stop, _) in zip(block.starts, block.ends, strict=True)
    ]


def _spans(block: _Block) -> list[tuple[float, float]]:
    return [(start, stop) for start, stop, _ in _events(block)]


def _compare_clock(block: _Block, seconds: float) -> list[str]:
    """Return a note if the times of the day give another length: the real summaries have such errors."""
    if len(block.clock) < 2:
        return []
    said = (block.clock["end"] - block.clock["start"]) % _DAY
    if abs(said - seconds % _DAY) <= SLACK:
        return []
    return [f"{block.where}: lasts {said} s by its start and end, {seconds:.0f} s by the recording"]

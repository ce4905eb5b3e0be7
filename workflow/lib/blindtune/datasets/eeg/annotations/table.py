"""Annotations of all recordings in one table: rows ``file,start,stop,label``, in seconds.

The file is the path of a recording below the folder, or its name, with or without the suffix. In a table of file, start
and stop alone each row is a seizure; any other column must be known or next to one of labels, because it may be one. A
row that names no recording, or a copy that is not used, stops the run, because its seizure would pass for background. A
line that begins with # is a comment, unless it is a row of a recording whose name does.
"""

import csv
import difflib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import dropwhile
from pathlib import Path, PurePosixPath
from typing import ClassVar

from blindtune.core.errors import UserError
from blindtune.core.validation import show_value
from blindtune.datasets.eeg.annotations.base import (
    AnnotationReader,
    Annotations,
    Event,
    RecordingTimes,
    Unannotated,
    collect,
    index_names,
    parse_times,
    read_text,
    unknown_label,
)
from blindtune.datasets.eeg.annotations.labels import KNOWN_WORDS, LabelMap, words
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.discovery import sort_files
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import split_suffix

#: Names of a table that `find` takes, at the top of the folder.
NAMES = ("annotations.csv", "annotations.tsv")
_COLUMNS = {
    "file": ("file", "filename", "file_name", "recording"),
    "start": ("start", "onset", "start_time"),
    "stop": ("stop", "end", "stop_time", "end_time"),
    "label": (
        "label", "class", "event", "eventtype", "event_type", "trial_type", "type", "description", "annotation",
    ),
}  # fmt: skip
#: Columns that a message names.
_MAX_NAMED = 12


class TableReader(AnnotationReader):
    """Reads one table for all recordings."""

    layout: ClassVar[str] = "table"
    looks_for: ClassVar[str] = "one table for all recordings, annotations.csv at the top of the folder"

    def __init__(self, folder: Path, tree: Sequence[str], config: EegConfig) -> None:
        """Find the table; it is read when it is needed.

        Args:
            folder: folder of the corpus.
            tree: all files below it, with slashes.
            config: the config of the dataset.
        """
        super().__init__(folder, tree, config)
        given = config.annotation_table
        there = self.find(sorted(self.tree), ())
        self._path = Path(given) if given is not None else folder / (there[0] if there else NAMES[0])
        inside = Path(os.path.relpath(self._path, folder)).as_posix()
        self._name = self._path.absolute().as_posix() if inside.startswith("..") else inside

    @classmethod
    def find(cls, tree: Sequence[str], recordings: Sequence[str]) -> list[str]:
        """Return the tables at the top of the folder.

        Args:
            tree: all files below the folder of the corpus.
            recordings: those of them that are recordings.
        """
        there = index_names(tree, NAMES)
        return [there[name] for name in NAMES if name in there]

    def companions(self, file: str) -> list[str]:
        """Return the table, which is that of all recordings.

        Args:
            file: path of the recording below the folder.
        """
        return [self._name]

    def check(self) -> None:
        """Refuse a table that is missing or cannot be read, or a row that names no recording or an unused copy.

        Raises:
            UserError: the message names the row, and the recording with the nearest name.
        """
        if not self._path.is_file():
            if self.config.annotation_table is None:
                raise UserError(
                    f"annotations: table: {self.folder} holds no {NAMES[0]}. Write it there, or set annotation_table."
                )
            raise UserError(f"annotation_table: there is no file {self._path}. Correct the path.")
        _ = self._rows

    def read(self, recording: RecordingTimes) -> Annotations:
        """Return the annotations of a recording, not yet clipped to it.

        Args:
            recording: its path and length.

        Raises:
            Unannotated: the table has no row of it.
            UnusableRecording: a row of it is malformed or has an unknown label.
        """
        rows = self._rows.get(recording.file, [])
        if not rows:
            raise Unannotated(f"has no row in {self._path.name}")
        labels = LabelMap(self.config.event_labels, words)
        events = []
        for number, row in rows:
            where = f"{self._path.name}, line {number}"
            label = row.get("label", "seizure")
            times = parse_times(where, row["start"], row["stop"])
            kind = labels.kind_of(label)
            if kind is None:
                raise unknown_label(where, label, (one["label"] for _, one in rows), KNOWN_WORDS)
            events.append(Event(*times, label, where, kind))
        return collect(events, [self._name])

    @cached_property
    def _rows(self) -> dict[str, list[tuple[int, dict[str, str]]]]:
        """The rows of each recording, with their lines."""
        by_name: dict[str, set[str]] = defaultdict(set)
        for file in self.recordings:
            for name in (file, split_suffix(file)[0]):
                by_name[name].add(file)
                by_name[PurePosixPath(name).name].add(file)
        try:
            text, _ = read_text(self._path)
            rows = _parse(self._path.name, text, lambda name: _plain(name) in by_name)
        except UnusableRecording as error:
            reason = str(error).removeprefix(f"{self._path.name} ")
            raise UserError(f"annotation_table: {self._path}: {reason}. Fix it.") from error
        tree = sort_files(self.folder, sorted(self.tree), self.config) if by_name else None
        copies, nameless = (tree.copies, tree.nameless) if tree else ({}, {})
        found: dict[str, list[tuple[int, dict[str, str]]]] = defaultdict(list)
        for number, row in rows:
            listed = by_name.get(_plain(row["file"]), set())
            # Without a suffix, it is a name of the copies too.
            listed = listed - copies.keys() or listed
            if len(listed) != 1:
                raise UserError(self._explain(number, row["file"], listed, list(by_name)))
            (file,) = listed
            if file in copies:
                raise UserError(
                    f"annotation_table: {self._path}, line {number}: {file} is not used, since it is a copy of "
                    f"{copies[file]} by its name. Name that one, or remove the row."
                )
            # A recording without a patient is not used, and the list of ignored files says so.
            if file not in nameless:
                found[file].append((number, row))
        return dict(found)

    def _explain(self, number: int, name: str, listed: set[str], known: list[str]) -> str:
        where = f"annotation_table: {self._path}, line {number}: {name[:80]!r}"
        if listed:
            return f"{where} is the name of {len(listed)} recordings, such as {min(listed)}. Give the path."
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        return f"{where} is not a recording below {self.folder}{hint}. Correct or remove the row."


def _plain(name: str) -> str:
    """Return the path or name of a row as recordings have it."""
    return name.strip().replace("\\", "/").removeprefix("./")


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _parse(name: str, text: str, is_recording: Callable[[str], bool]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their lines, by the names of `_COLUMNS`.

    Args:
        name: name of the table, for messages.
        text: its text.
        is_recording: whether a text is the name of a recording.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = list(dropwhile(lambda one: _is_comment(one[1]), lines))
    if not lines:
        raise UnusableRecording("names no columns")
    delimiter = max(",;\t", key=lines[0][1].count)
    first = lines[0][0]
    head = [field.lower() for field in _split(*lines[0], delimiter)]
    columns = _find_columns(f"line {first}", head)
    rows, found = [], []
    for number, line in lines[1:]:
        if _is_comment(line) and not any(map(is_recording, line.split(delimiter)[columns["file"] :][:1])):
            continue
        fields = _split(number, line, delimiter)
        rows.append(fields)
        if len(fields) != len(head):
            raise UnusableRecording(f"line {number}: has {len(fields)} fields; the head has {len(head)}")
        found.append((number, {key: fields[at] for key, at in columns.items()}))
    if "label" not in columns:
        _check_unused(f"line {first}", head, rows, set(columns.values()))
    return found


def _split(number: int, line: str, delimiter: str) -> list[str]:
    """Return the fields of a line."""
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error as error:
        raise UnusableRecording(f"line {number}: is not valid CSV ({error})") from error


def _find_columns(where: str, head: Sequence[str]) -> dict[str, int]:
    """Return where the columns of `_COLUMNS` are; that of labels may be missing.

    Raises:
        UnusableRecording: a column is missing, or it is not clear which one is meant.
    """
    if twice := sorted({name for name in head if name and head.count(name) > 1}):
        raise UnusableRecording(f"{where}: names the column {show_value(twice[0])} twice")
    columns = {}
    for key, names in _COLUMNS.items():
        # A column of the plain name is meant, next to others.
        there = ["label"] if key == "label" and "label" in head else [name for name in names if name in head]
        if len(there) > 1:
            raise UnusableRecording(
                f"{where}: has the columns {' and '.join(there)}, of which only one can be the {key}; name it {key} "
                "and take the others out or rename them"
            )
        if there:
            columns[key] = head.index(there[0])
    if missing := [key for key in ("file", "start", "stop") if key not in columns]:
        raise UnusableRecording(f"{where}: names no column {', '.join(missing)}, but {', '.join(head)[:200]}")
    return columns


def _check_unused(where: str, head: Sequence[str], rows: Sequence[Sequence[str]], used: set[int]) -> None:
    """Refuse a table without a known column of labels that has other columns, one of which may be that."""
    unused = [
        show_value(name)[1:-1] or f"column {at + 1} without a name"
        for at, name in enumerate(head)
        if at not in used and (name or any(fields[at] for fields in rows))
    ]
    if unused:
        raise UnusableRecording(
            f"{where}: names no column label, and {', '.join(unused[:_MAX_NAMED])} are not known. If one of them says "
            "what each row is, name it label; if each row is a seizure, leave only file, start and stop"
        )

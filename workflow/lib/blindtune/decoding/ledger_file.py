"""The file of the ledger: a chain of JSON lines, read whole and checked at each use, and appended to under a lock."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from blindtune.core.claims import Claim, claim
from blindtune.core.errors import UserError
from blindtune.core.files import canonical_json, read_json, read_regular_file, write_json
from blindtune.core.jsonl import append_line, repair_last_line
from blindtune.decoding import chain
from blindtune.decoding.chain import ADOPTED, Head
from blindtune.decoding.entries import Entry, describe_writer, now, parse_entry

#: Seconds to wait for another process that writes to the ledger or decodes the same model.
_WAIT = 7 * 24 * 3600.0


@contextmanager
def _created_as(folder: Path) -> Iterator[None]:
    """Let the group read and write what is created meanwhile, if it may write to a folder, under any umask."""
    try:
        shared = bool(folder.stat().st_mode & stat.S_IWGRP)
    except OSError:
        shared = False
    before = os.umask(0o022)
    os.umask(before & ~stat.S_IRWXG if shared else before)
    try:
        yield
    finally:
        os.umask(before)


@dataclass(frozen=True)
class LedgerContent:
    """What the file of a ledger holds, read once.

    Attributes:
        lines: its whole lines.
        entries: the entry of each line, under the present names.
    """

    lines: list[str]
    entries: list[Entry]

    @property
    def head(self) -> Head:
        """The head of the chain."""
        return chain.head_of(self.lines)

    @property
    def taken_over(self) -> list[int]:
        """The numbers of the entries that took the ledger over after its end may have been lost."""
        return [line for line, entry in enumerate(self.entries, 1) if entry["event"] == ADOPTED and "lost" in entry]

    def holds(self, head: Head) -> bool:
        """Return whether a head of before is that of an entry, or of one that is known to be lost."""
        if head.sha256 is None or (
            head.entries <= len(self.lines) and chain.digest_line(self.lines[head.entries - 1]) == head.sha256
        ):
            return True
        return any(head.sha256 in self.entries[line - 1]["lost"] for line in self.taken_over)


class LedgerFile:
    """The lines of a ledger and the head of their chain.

    Attributes:
        seen: the head of the chain when it was last read or written here; None: not yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ledger.jsonl"
        self.seen: Head | None = None
        self._claims: list[Claim] = []

    @property
    def path(self) -> Path:
        """The file of the entries."""
        return self._path

    def entries(self) -> list[Entry]:
        """Return every entry, under the present names.

        Raises:
            UserError: a line is not an entry, or the chain is broken. Decodes must not be forgotten, so nothing goes
                on.
        """
        return self.read().entries

    def verify(self) -> Head:
        """Check the chain of the ledger and return its head.

        Raises:
            UserError: as `entries`; the message names the line that was changed, removed, doubled or moved.
        """
        return self.read().head

    def find_line(self, head: str) -> int:
        """Return the number of the entry that was the head of the chain once.

        Args:
            head: the sha256 of its line, as a report or the end of a run has it.

        Raises:
            UserError: as `entries`; or it is no sha256, or no entry is the one of this head.
        """
        head = head.strip().lower()
        if not re.fullmatch("[0-9a-f]{64}", head):
            raise UserError(
                f"{head[:80]!r}: is not the sha256 of a head, which has 64 digits from 0 to f. Give all of them, as "
                "the report or the end of the run has them."
            )
        digests = [chain.digest_line(line) for line in self.read().lines]
        if head not in digests:
            raise UserError(
                f"{self._path}: no entry has the sha256 {head}. If it was copied as it is, this is not the ledger of "
                "which it was the head, or an entry was changed or removed since and the chain was written again: "
                "restore it from a backup."
            )
        return digests.index(head) + 1

    def read(self, *, without_head: bool = False) -> LedgerContent:
        """Read all lines and check their chain.

        Args:
            without_head: whether the file of the head may be missing.

        Raises:
            UserError: as `entries`.
        """
        head = self._read_head()  # before the lines: another process may append in between
        # The head is written after its line: a kill that tears a line leaves the head of the line before.
        lines = self._read_lines()
        rows = [self._parse(line, row) for row, line in enumerate(lines, 1)]
        fault = chain.find_fault(lines, rows, head)
        if fault is not None:
            raise UserError(
                f"{self._path}, {fault.lines}: {fault.what}. The ledger is not used as it is: restore it from a backup "
                f"('blindtune ledger verify {self._folder}' checks it). Without a backup, move the folder away and say "
                "so when you report results: what was decoded before is then unknown."
            )
        content = LedgerContent(lines, rows)
        if not without_head and self.lacks_head(content):
            raise UserError(self.explain_missing_head())
        self.seen = content.head
        return content

    def lacks_head(self, content: LedgerContent) -> bool:
        """Return whether the file of the head is missing, though a kill cannot have left the ledger so."""
        return not self._head_path.exists() and chain.count_chained(content.entries) > 1

    def explain_missing_head(self) -> str:
        """Return what to say of a ledger without the file of its head."""
        return (
            f"{self._head_path}: is missing, so that entries that were cut off at the end would not be seen. Restore "
            f"it from a backup. Without a backup, see what is left ('blindtune ledger verify {self._folder}'), then "
            f"go on from there ('blindtune ledger adopt {self._folder}'): the entry that this writes is in every later "
            "report."
        )

    @contextmanager
    def _locked(
        self, name: str = "lock", what: str = "the ledger", notify: Callable[[str], None] = lambda line: None
    ) -> Iterator[None]:
        """Hold one of the locks of the ledger; every locked section of the ledger is entered here.

        Args:
            name: of the lock: `lock` for the file of the entries.
            what: names what is locked, for messages.
            notify: takes a line if another process holds it, or has ended while it held it.
        """
        path = self._folder / (name if name == "lock" else f"locks/{name}")
        # A claim, not flock: that fails or does nothing on some file systems that clusters share.
        with ExitStack() as stack:
            with _created_as(self._folder):
                held = stack.enter_context(claim(path, what, wait_seconds=_WAIT, notify=notify))
            if name == "lock":  # what is written under another lock, results of a decode, is not of the ledger
                stack.enter_context(_created_as(self._folder))
            self._claims.append(held)
            try:
                yield
            finally:
                self._claims.remove(held)

    def _append(self, entry: Entry, content: LedgerContent) -> Head:
        """Append an entry to what was read under the same lock; return the new head."""
        torn = repair_last_line(self._path, self._is_entry)
        if torn:
            self._write_head(content.lines)
        if not chain.is_chained(content.entries):
            content = self._append_line(chain.adopt(content.lines), content)
        return self._append_line(entry | ({"torn": torn.name} if torn else {}), content).head

    def _append_line(self, entry: Entry, content: LedgerContent) -> LedgerContent:
        place = chain.place_in_chain(content.lines)
        line = canonical_json(entry | describe_writer() | place | {"time": now()})
        for held in self._claims:  # who was suspended and lost the ledger meanwhile must not write
            held.check()
        # The file is opened to write, which asks the server of a network file system: what was read may have been a
        # copy of before, which this machine had kept.
        size = sum(len(old.encode("utf-8", errors="surrogateescape")) + 1 for old in content.lines)
        append_line(self._path, f"{line}\n".encode(), "a decode", expected_size=size)
        # After the line: a kill leaves the head of the entry before, never one of an entry that was not written.
        self._write_head([*content.lines, line])
        return LedgerContent([*content.lines, line], [*content.entries, self._parse(line, len(content.lines) + 1)])

    def _write_head(self, lines: list[str]) -> None:
        self.seen = chain.head_of(lines)
        write_json(self._head_path, vars(self.seen))

    def _read_lines(self) -> list[str]:
        """Return the whole lines."""
        if not self._path.exists():
            return []
        content = read_regular_file(self._path)
        *lines, rest = content.decode("utf-8", errors="surrogateescape").split("\n")
        # A kill leaves part of a line. It holds no decode: a model answers eval after a whole line only.
        return [*lines, rest] if self._is_entry(rest) else lines

    @property
    def _head_path(self) -> Path:
        return self._folder / "head.json"

    def _read_head(self) -> Head | None:
        if not self._head_path.exists():
            return None
        try:
            content = read_json(self._head_path)
        except UserError as error:
            raise UserError(f"{self._head_path}: cannot be read. {self._head_advice}") from error
        if not isinstance(content, dict) or not isinstance(content.get("entries"), int) or content["entries"] < 0:
            raise UserError(f"{self._head_path}: is not the head of a ledger. {self._head_advice}")
        return Head(content["entries"], content.get("sha256"))

    @property
    def _head_advice(self) -> str:
        return (
            f"Restore it from a backup. Without a backup, remove it and run 'blindtune ledger adopt {self._folder}', "
            "which writes an entry that every later report shows."
        )

    def _is_entry(self, line: str) -> bool:
        try:
            self._parse(line, 0)
        except UserError:
            return False
        return True

    def _parse(self, line: str, row: int) -> Entry:
        return parse_entry(line, f"{self._path}, line {row}")

"""The chain of the ledger: every line holds its number and the sha256 of the line before it.

A line that is changed, removed, doubled or moved breaks the chain at a line that can be named. If the end is cut off,
what is left is a whole chain; only the head, which is kept in a file of its own, shows the cut, so a ledger without
that file is not used. None of this stops someone who writes the chain again: the head that a report printed is what
gives that away.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: The event of the entry that takes over a ledger as it is: one of before the chain, or one whose end may be lost.
ADOPTED = "adopted"


@dataclass(frozen=True)
class Head:
    """The end of a chain.

    Attributes:
        entries: number of lines up to it.
        sha256: of the last of them; None if there is none.
    """

    entries: int
    sha256: str | None


@dataclass(frozen=True)
class ChainFault:
    """What is wrong with a chain.

    Attributes:
        lines: where, for the message: ``line 7``.
        what: what happened there.
    """

    lines: str
    what: str


def digest_line(line: str) -> str:
    """Return the sha256 of a line without its line feed."""
    return hashlib.sha256(line.encode("utf-8", errors="surrogateescape")).hexdigest()


def head_of(lines: Sequence[str]) -> Head:
    """Return the head of the chain of ``lines``."""
    return Head(len(lines), digest_line(lines[-1]) if lines else None)


def place_in_chain(lines: Sequence[str]) -> dict[str, Any]:
    """Return the fields that the next entry must have: its number, and the sha256 of the line before it."""
    return {"number": len(lines) + 1, "previous": head_of(lines).sha256}


def adopt(lines: Sequence[str]) -> dict[str, Any]:
    """Return the entry that takes over lines as they are; it holds the digest of all of them."""
    return {"event": ADOPTED, "before": _digest_lines(lines)}


def is_chained(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a ledger has a chain, or needs none since it is empty."""
    return not entries or any(_has_place(entry) for entry in entries)


def count_chained(entries: Sequence[Mapping[str, Any]]) -> int:
    """Return how many entries have a place in the chain."""
    return sum(_has_place(entry) for entry in entries)


def find_fault(lines: Sequence[str], entries: Sequence[Mapping[str, Any]], head: Head | None) -> ChainFault | None:
    """Find the first fault of a chain.

    Args:
        lines: of the ledger, without line feeds.
        entries: what the lines hold.
        head: of the chain when it was last written; None if it is unknown.

    Returns:
        The fault; None if every line is as it was written.
    """
    chain = _Chain(lines, entries, head)
    return chain.fault_of_older_lines() or chain.fault_of_a_line() or chain.fault_at_the_end()


class _Chain:
    """The lines of a ledger, with their digests."""

    def __init__(self, lines: Sequence[str], entries: Sequence[Mapping[str, Any]], head: Head | None) -> None:
        self._lines, self._entries, self._head = lines, entries, head
        self._digests = [digest_line(line) for line in lines]
        rows = (row for row, entry in enumerate(entries) if _has_place(entry))
        self._first = next(rows, len(entries))

    def fault_of_older_lines(self) -> ChainFault | None:
        """Check what comes before the first line of the chain: nothing, or the lines that it took over."""
        first, entries = self._first, self._entries
        if first == len(entries):
            return None
        if entries[first]["event"] != ADOPTED:
            if first and entries[first].get("number") == first + 1:
                return _at(first, "has no place in the chain: it was changed")
            return None  # the loop over the lines names what is missing
        right = entries[first].get("number") == first + 1
        if right and entries[first].get("before") == _digest_lines(self._lines[:first]):
            return None
        if self._is_vouched_for(first) is False:
            return _at(first + 1, "was changed after it was written")
        return ChainFault(
            f"lines 1 to {max(first, 1)}",
            "are not those that the ledger was taken over with: a line was changed, added or removed",
        )

    def fault_of_a_line(self) -> ChainFault | None:
        """Check the number of each line of the chain and what it holds of the line before."""
        for row in range(self._first, len(self._entries)):
            entry, before = self._entries[row], self._digests[row - 1] if row else None
            right_number, right_place = entry.get("number") == row + 1, entry.get("previous", "") == before
            if right_number and right_place:
                continue
            if not _has_place(entry):
                return _at(row + 1, "has no place in the chain: it was changed, or added by other means than decode")
            if not right_number:
                return _at(row + 1, self._describe_number(row, right_place))
            # The line before was changed, unless what follows shows that this one was.
            changed = row if row and self._is_vouched_for(row) is not False else row + 1
            return _at(changed, "was changed after it was written")
        return None

    def fault_at_the_end(self) -> ChainFault | None:
        """Compare the end with the head that was kept."""
        head, count = self._head, len(self._lines)
        if head is None:
            return None
        if head.entries > count:
            missing = head.entries - count
            what = "entry is" if missing == 1 else f"{missing} entries are"
            return _at(count + 1, f"the last {what} missing: the ledger had {head.entries} entries")
        if head.entries and self._digests[head.entries - 1] != head.sha256:
            return _at(head.entries, "was changed after it was written")
        return None

    def _describe_number(self, row: int, right_place: bool) -> str:
        """Say what happened to a line with a wrong number."""
        number = self._entries[row].get("number")
        if right_place:
            return "was changed after it was written"
        if self._digests[row] in self._digests[:row]:
            return f"is a copy of line {self._digests.index(self._digests[row]) + 1}"
        later = [entry.get("number") for entry in self._entries[row + 1 :]]
        if row + 1 in later:
            return f"is out of order: it is entry {number}"
        if later[:1] == [row + 2]:
            return "was changed after it was written"
        return f"is entry {number}: an entry before it was removed"

    def _is_vouched_for(self, row: int) -> bool | None:
        """Return whether a line is what the next line or the head has recorded; None if neither says."""
        if row + 1 < len(self._entries):
            return bool(self._entries[row + 1].get("previous") == self._digests[row])
        if self._head is not None and self._head.entries == row + 1:
            return self._head.sha256 == self._digests[row]
        return None


def _has_place(entry: Mapping[str, Any]) -> bool:
    return "number" in entry or "previous" in entry


def _digest_lines(lines: Sequence[str]) -> str:
    total = hashlib.sha256()
    for line in lines:
        total.update(line.encode("utf-8", errors="surrogateescape") + b"\n")
    return total.hexdigest()


def _at(line: int, what: str) -> ChainFault:
    return ChainFault(f"line {line}", what)

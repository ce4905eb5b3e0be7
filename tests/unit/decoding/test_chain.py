"""The chain of the ledger: the message names the line that was changed, in any way."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from blindtune.core.files import canonical_json
from blindtune.decoding import chain

VALUES = st.one_of(st.none(), st.integers(-2, 12), st.text(max_size=4), st.booleans(), st.just("0" * 64))


def make_lines(count: int, old: int = 0) -> list[str]:
    """Return a chained ledger of ``count`` lines; the first ``old`` are of before, taken over by the next one."""
    lines = [canonical_json({"event": "begun", "study": f"old {number}"}) for number in range(old)]
    for number in range(old, count):
        entry = chain.adopt(lines) if old and number == old else {"event": "begun", "study": f"new {number}"}
        lines.append(canonical_json(entry | chain.place_in_chain(lines)))
    return lines


def name_fault(lines: list[str], head: chain.Head | None) -> str | None:
    """Return the lines that a fault names."""
    entries = [{"event": "begun"} | json.loads(line) for line in lines]
    fault = chain.find_fault(lines, entries, head)
    return None if fault is None else fault.lines


@given(st.integers(0, 8), st.integers(0, 4))
def test_find_fault_passes_a_whole_chain(count: int, old: int) -> None:
    """A chain as it was written has no fault, with its head, an earlier head or none."""
    lines = make_lines(count, min(old, max(count - 1, 0)))
    for head in (None, chain.head_of(lines), chain.head_of(lines[:-1])):
        assert name_fault(lines, head) is None


@given(st.integers(1, 8), st.data())
def test_find_fault_names_an_edited_line(count: int, data: st.DataObject) -> None:
    """A line of which any field is changed, added or removed is named."""
    lines = make_lines(count)
    head, at = chain.head_of(lines), data.draw(st.integers(0, count - 1))
    entry = json.loads(lines[at])
    field = data.draw(st.sampled_from(["study", "number", "previous", "more", "event"]))
    if data.draw(st.booleans()) and field in entry and field != "event":
        del entry[field]
    else:
        entry[field] = data.draw(VALUES)
    assume(canonical_json(entry) != lines[at])
    lines[at] = canonical_json(entry)
    assert name_fault(lines, head) == f"line {at + 1}"


@given(st.integers(1, 8), st.data())
def test_find_fault_names_a_line_with_other_spaces(count: int, data: st.DataObject) -> None:
    """A line is what was written, byte by byte."""
    lines = make_lines(count)
    head, at = chain.head_of(lines), data.draw(st.integers(0, count - 1))
    lines[at] = lines[at].replace(":", ": ")
    assert name_fault(lines, head) == f"line {at + 1}"


@given(st.integers(1, 8), st.data())
def test_find_fault_names_a_removed_line(count: int, data: st.DataObject) -> None:
    """A removed line is named by its number, the last one too."""
    lines = make_lines(count)
    head, at = chain.head_of(lines), data.draw(st.integers(0, count - 1))
    del lines[at]
    assert name_fault(lines, head) == f"line {at + 1}"


@given(st.integers(2, 8), st.data())
def test_find_fault_names_the_first_of_two_swapped_lines(count: int, data: st.DataObject) -> None:
    """Of two lines that changed places, the first is named."""
    lines = make_lines(count)
    head = chain.head_of(lines)
    one, other = sorted(data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True)))
    lines[one], lines[other] = lines[other], lines[one]
    assert name_fault(lines, head) == f"line {one + 1}"


@given(st.integers(1, 8), st.data())
def test_find_fault_names_a_doubled_line(count: int, data: st.DataObject) -> None:
    """A copy of a line is named where it was put; next to the line, it is the second of both."""
    lines = make_lines(count)
    head, at = chain.head_of(lines), data.draw(st.integers(0, count - 1))
    to = data.draw(st.integers(0, count))
    lines.insert(to, lines[at])
    assert name_fault(lines, head) == f"line {at + 2 if to == at else to + 1}"


@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_find_fault_names_the_lines_of_before(old: int, more: int, data: st.DataObject) -> None:
    """Lines of before the chain are known as a whole: an edited or removed one is named by their range."""
    lines = make_lines(old + more, old)
    head, at = chain.head_of(lines), data.draw(st.integers(0, old - 1))
    if data.draw(st.booleans()):
        lines[at] = canonical_json({"event": "begun", "study": "another"})
        assert name_fault(lines, head) == f"lines 1 to {old}"
    else:
        del lines[at]
        assert name_fault(lines, head) in (f"lines 1 to {old - 1}", "lines 1 to 1")


@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_find_fault_names_a_line_after_those_of_before(old: int, more: int, data: st.DataObject) -> None:
    """An edited or removed line of the chain is named in a ledger that was taken over, its first line too."""
    lines = make_lines(old + more, old)
    head, at = chain.head_of(lines), data.draw(st.integers(old, old + more - 1))
    if data.draw(st.booleans()):
        lines[at] = canonical_json(json.loads(lines[at]) | {"study": "another"})
    else:
        del lines[at]
    assert name_fault(lines, head) == f"line {at + 1}"


@pytest.mark.parametrize("count", [1, 3])
def test_find_fault_names_a_cut_off_end(count: int) -> None:
    """An end that is missing is named with what is known of it."""
    lines = make_lines(5)
    entries = [json.loads(line) for line in lines[:-count]]
    fault: Any = chain.find_fault(lines[:-count], entries, chain.head_of(lines))
    assert fault.lines == f"line {6 - count}" and "the ledger had 5 entries" in fault.what


def test_find_fault_names_a_chain_that_was_stripped() -> None:
    """A ledger from which the chain was removed does not pass for one of before, if its head is known."""
    lines = make_lines(3)
    bare = [canonical_json({"event": "begun", "study": json.loads(line)["study"]}) for line in lines]
    assert name_fault(bare, chain.head_of(lines)) == "line 3"

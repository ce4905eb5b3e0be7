"""Lines of the ledger that are wrong in a way that only one check sees, and entries that another entry explains."""

import json
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import canonical_json
from blindtune.decoding import chain
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.ledger import Ledger
from blindtune.records.decode_result import DecodeResult
from support.decode_lab import DecodeLab

RESULT = DecodeResult(
    study="a/b/c/1",
    frozen_sha256="f1",
    eval_sha256="e",
    samples=4,
    error=0.5,
    wrong=None,
    confusion=None,
    estimates={"closed_loop": 0.5},
    blind=True,
    predictions_sha256=None,
    decoded="then",
)
EVAL = EvalIdentity("e")


def make_lines(count: int, old: int = 0) -> list[dict[str, Any]]:
    """Return the entries of a chained ledger; the first ``old`` are of before, taken over by the next one."""
    lines: list[str] = []
    for number in range(count):
        place = {} if number < old else chain.place_in_chain(lines)
        entry = chain.adopt(lines) if old and number == old else {"event": "begun", "study": f"new {number}"}
        lines.append(canonical_json(entry | place))
    return [json.loads(line) for line in lines]


def find_fault(entries: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Return what the chain finds in entries that were written as they are now."""
    lines = [canonical_json(entry) for entry in entries]
    fault = chain.find_fault(lines, entries, None)
    return None if fault is None else (fault.lines, fault.what)


def without_place(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry that has no place in a chain."""
    return {name: value for name, value in entry.items() if name not in ("number", "previous")}


def test_find_fault_names_a_first_line_without_its_place() -> None:
    """A ledger that was a chain from its first line does not pass for one that was taken over."""
    first, *others = make_lines(3)
    assert find_fault([without_place(first), *others]) == ("line 1", "has no place in the chain: it was changed")


def test_find_fault_names_a_line_without_its_place() -> None:
    """A line in the middle that lost its place was changed, or was never written by a decode."""
    first, middle, last = make_lines(3)
    expected = "has no place in the chain: it was changed, or added by other means than decode"
    assert find_fault([first, without_place(middle), last]) == ("line 2", expected)


def test_find_fault_names_a_changed_line_that_took_over() -> None:
    """Whoever edits the entry that took the older lines over is found by the line after it, not by the older lines."""
    entries = make_lines(4, old=2)
    assert find_fault(entries) is None
    entries[2]["before"] = "0" * 64
    assert find_fault(entries) == ("line 3", "was changed after it was written")


def test_find_fault_names_a_line_with_another_number_and_place() -> None:
    """A line whose number and place were both changed is no removed entry: the number after it is right."""
    entries = make_lines(4)
    entries[1] |= {"number": 9, "previous": "0" * 64}
    assert find_fault(entries) == ("line 2", "was changed after it was written")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("study", 3, "a field is not a text"),
        ("model_sha256", ["m"], "model_sha256 is not a text"),
        ("card_sha256", 3, "card_sha256 is not a text"),
        ("eval_content_sha256", "../" * 3, "eval_content_sha256 is not a sha256"),
        ("eval_origins_sha256", 3, "eval_origins_sha256 is not a sha256"),
        ("frozen", "f", "frozen is not a list of texts"),
        ("lost", [3], "lost is not a list of texts"),
    ],
)
def test_ledger_refuses_a_field_of_another_type(tmp_path: Path, field: str, value: Any, reason: str) -> None:
    """A field that is a part of a path or of an identity is what it must be, though the entry need not have it."""
    Ledger(tmp_path).begin("a/b/c/1", "f", EVAL, allow_repeats=False)
    path = tmp_path / "ledger.jsonl"
    entry = json.loads(path.read_text(encoding="utf-8")) | {field: value}
    path.write_text(canonical_json(entry) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"ledger\.jsonl, line 1: is not a ledger entry \({reason}\)"):
        Ledger(tmp_path).entries()


def test_ledger_refuses_the_result_of_another_decode(lab: DecodeLab) -> None:
    """An entry whose result is of another study is refused, also in a ledger without a chain."""
    folder = lab.freeze()
    result, _ = lab.decode(folder)

    def change(text: str) -> str:
        entries = [json.loads(line) for line in text.splitlines()]
        entries[1]["result"]["study"] = "another/one/knn/1"
        return "".join(f"{canonical_json(entry)}\n" for entry in entries)

    lab.forget_chain(change)
    with pytest.raises(UserError, match=r"line 2: its result is of another decode than the entry"):
        lab.decode(folder)
    assert result.study != "another/one/knn/1"


def test_ledger_records_a_card_that_was_written_again(lab: DecodeLab) -> None:
    """Asking again for a recorded decode leaves a line if the card is another one, and none if it is the same."""
    folder = lab.freeze()
    result, _ = lab.decode(folder)
    ledger = Ledger(lab.ledger)
    for _ in range(2):
        ledger.note_records(result, {"card_sha256": "0" * 64}, ledger.read())
    assert lab.events() == ["begun", "done", "recorded"]
    assert ledger.entries()[-1]["card_sha256"] == "0" * 64
    # The card itself is as it was when it was decoded, so this is another line again.
    lab.decode(folder)
    lab.decode(folder)
    assert lab.events() == ["begun", "done", "recorded", "recorded"]


def test_is_blind_knows_a_model_by_all_its_names(tmp_path: Path) -> None:
    """Models that were confirmed to be one, in a row, are that one model; any other one is a second look."""
    ledger = Ledger(tmp_path)
    ledger.begin(RESULT.study, "f1", EVAL, allow_repeats=False)
    similar = ledger.finish(RESULT, None)
    for frozen_sha256 in ("f2", "f3"):
        ledger.note_comparison(similar, frozen_sha256, EVAL)
        similar = ledger.confirm(similar, frozen_sha256, None, EVAL)
    for frozen_sha256 in ("f1", "f2", "f3"):
        assert ledger.is_blind(RESULT.study, frozen_sha256, EVAL, allow_repeats=False)
    with pytest.raises(RepeatedDecodeError):
        ledger.is_blind(RESULT.study, "f4", EVAL, allow_repeats=False)
    assert not ledger.is_blind(RESULT.study, "f4", EVAL, allow_repeats=True)

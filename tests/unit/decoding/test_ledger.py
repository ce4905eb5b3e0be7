"""The ledger: no decode is forgotten after a kill, a torn line or a race, and old ledgers are still known."""

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.arrays import write_npz
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.decoding.ledger import Ledger
from support.decode_lab import DecodeLab


@pytest.mark.parametrize("keep", ["half", "all but the line feed"])
def test_ledger_survives_a_torn_line(lab: DecodeLab, keep: str) -> None:
    """A line that a kill tore neither blocks the same model nor lets another model pass."""
    first, second = lab.freeze(3), lab.freeze(5)
    result, _ = lab.decode(first)

    def cut(text: str) -> str:
        begun, done, _ = text.split("\n")
        return f"{begun}\n{done[: len(done) // 2] if keep == 'half' else done}"

    lab.change_ledger(cut)
    with pytest.raises(RepeatedDecodeError):
        lab.decode(second)
    again, _ = lab.decode(first)
    assert again.error == result.error and again.blind
    assert lab.decode(second, allow_repeats=True)[0].blind is False
    text = (lab.ledger / "ledger.jsonl").read_text(encoding="utf-8")
    assert all(isinstance(json.loads(line), dict) for line in text.removesuffix("\n").split("\n"))
    torn = [path.name for path in lab.ledger.glob("ledger.jsonl.torn*")]
    assert torn == (["ledger.jsonl.torn-1"] if keep == "half" else [])
    assert ("ledger.jsonl.torn-1" in text) == (keep == "half")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"event":"begun","time":"now","eval_sha256":"0"}',
        '{"event":"done","time":"now","eval_sha256":"0","study":"s","frozen_sha256":"f"}',
    ],
)
def test_ledger_refuses_a_broken_line(lab: DecodeLab, line: str) -> None:
    """A line in the middle that is not an entry stops everything, and the message names it."""
    folder = lab.freeze()
    lab.decode(folder)
    lab.change_ledger(lambda text: text.replace("\n", f"\n{line}\n", 1))
    with pytest.raises(
        UserError, match=r"ledger\.jsonl, line 2: is not a ledger entry \(.*\)\. Restore it from a backup"
    ):
        lab.decode(folder)
    with pytest.raises(UserError, match="line 2"):
        Ledger(lab.ledger).begin("a/b/c/1", "f", "e", allow_repeats=False)


@pytest.mark.parametrize("damage", ["gone", "changed", "cut", "empty"])
def test_ledger_refuses_lost_or_changed_predictions(lab: DecodeLab, damage: str) -> None:
    """Predictions that are missing or not those that were recorded are refused."""
    folder = lab.freeze()
    result, predictions = lab.decode(folder)
    path = Ledger(lab.ledger).predictions_path(result)
    match damage:
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:60])
        case _:
            write_npz(path, predictions | {"wrong": ~predictions["wrong"]})
    with pytest.raises(UserError, match="Restore it from a backup"):
        lab.decode(folder)
    assert lab.events() == ["begun", "done"]


def make_old(lab: DecodeLab) -> None:
    """Give the ledger the names of version 1, and a line about samples for a figure."""

    def rename(text: str) -> str:
        begun, done, _ = text.split("\n")
        entry = json.loads(done)
        old = entry.pop("result")
        old["looked"], old["answers_sha256"] = old.pop("decoded"), old.pop("predictions_sha256")
        del old["schema_version"]
        pictured = {"event": "pictured", "dataset": "toy", "eval_sha256": "e", "time": "then"}
        return "".join(f"{line}\n" for line in (begun, json.dumps(entry | {"look": old}), json.dumps(pictured)))

    lab.forget_chain(rename)
    (lab.ledger / "predictions").rename(lab.ledger / "answers")


def test_ledger_of_version_1_is_still_known(lab: DecodeLab) -> None:
    """A decode that was recorded under the old names is answered as it was, and another model is refused."""
    first, second = lab.freeze(3), lab.freeze(5)
    result, predictions = lab.decode(first)
    make_old(lab)
    lab.hide_eval()
    again, same = lab.decode(first)
    assert again == result
    assert all((same[name] == predictions[name]).all() for name in predictions)
    assert lab.events() == ["begun", "done", "sampled"]
    with pytest.raises(RepeatedDecodeError):
        lab.decode(second)


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_ledger_of_version_1_refuses_lost_predictions(lab: DecodeLab, damage: str) -> None:
    """Predictions of an old ledger are checked as those of a new one."""
    folder = lab.freeze()
    result, _ = lab.decode(folder)
    make_old(lab)
    path = lab.ledger / "answers" / Ledger(lab.ledger).predictions_path(result).name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match="Restore it from a backup"):
        lab.decode(folder)


def test_ledger_without_a_file_has_no_entries(tmp_path: Path) -> None:
    """A ledger that was never written has no entries and no results."""
    ledger = Ledger(tmp_path / "none")
    assert ledger.entries() == [] and ledger.find_result("s", "f", "e") is None


def _begin(folder: str, writer: int, count: int) -> None:
    for number in range(count):
        Ledger(Path(folder)).begin(f"a/b/{writer}_{number}/1", "f", "e", allow_repeats=False)


def test_ledger_loses_nothing_to_concurrent_writers(tmp_path: Path) -> None:
    """Two processes that write at the same time leave every line of both."""
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_begin, args=(str(tmp_path), writer, 40)) for writer in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    found = [entry["study"] for entry in Ledger(tmp_path).entries()]
    assert sorted(found) == sorted(f"a/b/{writer}_{number}/1" for writer in range(2) for number in range(40))


class _SlowLedger(Ledger):
    """Waits between reading and writing, so that only the lock can keep two processes apart."""

    def _decodes(self, study: str, eval_sha256: str) -> list[dict[str, Any]]:
        found = super()._decodes(study, eval_sha256)
        time.sleep(0.3)
        return found


def _claim(folder: str, frozen_sha256: str, results: Any) -> None:
    try:
        results.put(_SlowLedger(Path(folder)).begin("a/b/c/1", frozen_sha256, "e", allow_repeats=False))
    except RepeatedDecodeError:
        results.put(None)


def test_ledger_lets_one_of_two_concurrent_models_begin(tmp_path: Path) -> None:
    """Of two models of a study that begin at the same time, one is refused."""
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    rivals = [fork.Process(target=_claim, args=(str(tmp_path), frozen, results)) for frozen in "fg"]
    for rival in rivals:
        rival.start()
    outcomes = [results.get(timeout=60) for _ in rivals]
    for rival in rivals:
        rival.join(60)
    assert sorted(outcomes, key=str) == [None, True]
    assert len(Ledger(tmp_path).entries()) == 1

"""The ledger: no decode is forgotten after a kill, a torn line or a race, and old ledgers are still known."""

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.arrays import write_npz
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.decoding.chain import digest_line
from blindtune.decoding.head import describe_head
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.ledger import Ledger
from blindtune.records.decode_result import DecodeResult
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
    if keep == "half":  # the head is written after the line, so that of the line before is there
        line = (lab.ledger / "ledger.jsonl").read_text(encoding="utf-8").split("\n")[0]
        head = {"entries": 1, "sha256": digest_line(line)}
        (lab.ledger / "head.json").write_text(json.dumps(head), encoding="utf-8")
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
        Ledger(lab.ledger).begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)


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
        Ledger(Path(folder)).begin(f"a/b/{writer}_{number}/1", "f", EvalIdentity("e"), allow_repeats=False)


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

    def _decodes_of_same_eval(self, *arguments: Any) -> list[dict[str, Any]]:
        found = super()._decodes_of_same_eval(*arguments)
        time.sleep(0.3)
        return found


def _claim(folder: str, frozen_sha256: str, results: Any) -> None:
    try:
        results.put(_SlowLedger(Path(folder)).begin("a/b/c/1", frozen_sha256, EvalIdentity("e"), allow_repeats=False))
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


def begin_three(folder: Path) -> tuple[Ledger, Path]:
    """Return a ledger of three entries, and its file."""
    ledger = Ledger(folder)
    for number in range(3):
        ledger.begin(f"a/b/c{number}/1", "f", EvalIdentity("e"), allow_repeats=False)
    return ledger, folder / "ledger.jsonl"


def uses_of(ledger: Ledger, result: DecodeResult) -> dict[str, Any]:
    """Return every use of a ledger, by name."""
    return {
        "entries": ledger.entries,
        "verify": ledger.verify,
        "evals": ledger.evals,
        "find_result": lambda: ledger.find_result("s", "f", "e"),
        "is_blind": lambda: ledger.is_blind("s", "f", EvalIdentity("e"), allow_repeats=False),
        "begin": lambda: ledger.begin("s", "f", EvalIdentity("e"), allow_repeats=True),
        "finish": lambda: ledger.finish(result, None),
        "note_sample_splits": lambda: ledger.note_sample_splits("d", EvalIdentity("e")),
    }


ESTIMATE = DecodeResult(
    study="a/b/c/1",
    frozen_sha256="f",
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


@pytest.mark.parametrize("use", uses_of(Ledger(Path()), ESTIMATE))
@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [lines[0].replace("/c0/", "/c9/"), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [*lines, lines[0]], 4),
        (lambda lines: lines[:2], 3),
        (lambda lines: [*lines[:2], lines[2].replace("/c2/", "/c9/")], 3),
    ],
    ids=["edited", "removed", "reordered", "doubled", "cut off", "last edited"],
)
def test_ledger_refuses_a_broken_chain(tmp_path: Path, use: str, change: Any, line: int) -> None:
    """Every use of a ledger with a broken chain is refused: file, line and what to do are named, nothing is written."""
    ledger, path = begin_three(tmp_path)
    lines = change(path.read_text(encoding="utf-8").splitlines())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with pytest.raises(
        UserError, match=rf"ledger\.jsonl, line {line}: .*restore it from a backup.*move the folder away"
    ):
        uses_of(ledger, ESTIMATE)[use]()
    assert path.read_text(encoding="utf-8").splitlines() == lines


def test_ledger_works_again_as_its_message_says(tmp_path: Path) -> None:
    """With the backup, or without the folder, a ledger that was refused works again."""
    ledger, path = begin_three(tmp_path / "ledger")
    backup = path.read_text(encoding="utf-8")
    path.write_text(backup.replace("/c1/", "/c9/"), encoding="utf-8")
    with pytest.raises(UserError):
        ledger.verify()
    path.write_text(backup, encoding="utf-8")
    assert ledger.begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)
    path.write_text(backup.replace("/c1/", "/c9/"), encoding="utf-8")
    (tmp_path / "ledger").rename(tmp_path / "away")
    assert ledger.begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False) and ledger.verify().entries == 1


def test_ledger_takes_over_one_without_a_chain(tmp_path: Path) -> None:
    """The first entry after lines without a chain holds the digest of all of them; then no old line can be changed."""
    path = tmp_path / "ledger.jsonl"
    old = '{"event": "begun", "time": "then", "eval_sha256": "e", "study": "a/b/c/1", "frozen_sha256": "f"}\n'
    path.write_text(old * 2, encoding="utf-8")
    ledger = Ledger(tmp_path)
    assert [entry["event"] for entry in ledger.entries()] == ["begun", "begun"]
    assert path.read_text(encoding="utf-8") == old * 2, "reading changes nothing"
    with pytest.raises(RepeatedDecodeError):
        ledger.begin("a/b/c/1", "g", EvalIdentity("e"), allow_repeats=False)
    ledger.begin("a/b/d/1", "f", EvalIdentity("e"), allow_repeats=False)
    entries = ledger.entries()
    assert [entry["event"] for entry in entries] == ["begun", "begun", "adopted", "begun"]
    assert [entry.get("number") for entry in entries] == [None, None, 3, 4]
    path.write_text(path.read_text(encoding="utf-8").replace("then", "now", 1), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"ledger\.jsonl, lines 1 to 2: are not those that the ledger was taken over with"
    ):
        ledger.verify()


@pytest.mark.parametrize("use", uses_of(Ledger(Path()), ESTIMATE))
def test_ledger_without_its_head_is_refused(tmp_path: Path, use: str) -> None:
    """Without its head a cut end would not be seen: every use is refused, and the message says what to do."""
    ledger, path = begin_three(tmp_path)
    before = path.read_bytes()
    (tmp_path / "head.json").unlink()
    with pytest.raises(UserError, match=r"head\.json: is missing.*'blindtune ledger adopt "):
        uses_of(ledger, ESTIMATE)[use]()
    assert path.read_bytes() == before and not (tmp_path / "head.json").exists()


def test_ledger_without_its_head_is_adopted(tmp_path: Path) -> None:
    """The command that the message names goes on with what is there, by an entry that says so, and only if needed."""
    ledger, _ = begin_three(tmp_path)
    with pytest.raises(UserError, match="There is nothing to adopt"):
        ledger.adopt([])
    (tmp_path / "head.json").unlink()
    head = ledger.adopt([])
    assert head == ledger.verify() and head.entries == 4 and ledger.read().taken_over == [4]
    assert ledger.begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)
    with pytest.raises(RepeatedDecodeError):
        ledger.begin("a/b/c1/1", "g", EvalIdentity("e"), allow_repeats=False)


def test_ledger_of_one_entry_needs_no_head(tmp_path: Path) -> None:
    """A kill between the first line and its head leaves a ledger that goes on."""
    ledger = Ledger(tmp_path)
    ledger.begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)
    (tmp_path / "head.json").unlink()
    assert ledger.begin("a/b/d/1", "f", EvalIdentity("e"), allow_repeats=False) and ledger.verify().entries == 2


@pytest.mark.parametrize("head", ["abc", "0" * 63, "g" * 64, "", "0" * 65])
def test_ledger_says_that_a_head_is_no_sha256(tmp_path: Path, head: str) -> None:
    """A short or mistyped head is no sign of another ledger; spaces and capital letters do not count."""
    ledger, _ = begin_three(tmp_path)
    with pytest.raises(UserError, match="is not the sha256 of a head, which has 64 digits"):
        ledger.find_line(head)
    assert ledger.find_line(f" {str(ledger.verify().sha256).upper()}\n") == 3
    with pytest.raises(UserError, match=r"no entry has the sha256 0{64}\. If it was copied as it is"):
        ledger.find_line("0" * 64)


def test_ledger_is_read_once_for_each_of_its_entries(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decode reads the ledger at its start and once for each entry; one that is answered reads it once."""
    folder, reads = lab.freeze(), []
    read = Ledger.read

    def counted(self: Ledger, **given: bool) -> Any:
        reads.append(1)
        return read(self, **given)

    monkeypatch.setattr(Ledger, "read", counted)
    lab.decode(folder)
    assert len(reads) == 3
    lab.decode(folder)
    assert len(reads) == 4


def test_ledger_after_a_kill_before_its_head(tmp_path: Path) -> None:
    """A head that names the last entry but one, as after a kill, is no fault."""
    ledger, _ = begin_three(tmp_path)
    head = (tmp_path / "head.json").read_text(encoding="utf-8")
    ledger.begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)
    (tmp_path / "head.json").write_text(head, encoding="utf-8")
    assert ledger.verify().entries == 4


@pytest.mark.parametrize("content", ["{", "[]", '{"entries": "3"}', '{"entries": -1}'])
def test_ledger_refuses_a_damaged_head(tmp_path: Path, content: str) -> None:
    """A file of the head that holds something else is named."""
    ledger, _ = begin_three(tmp_path)
    (tmp_path / "head.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"head\.json: (is not|cannot be read).* Restore it from a backup.*ledger adopt"
    ):
        ledger.entries()


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe", b'{"event":"begun\xff"}', b"\0", b"[" * 100_000, b'{"event": ["begun"]}', b'{"event": 3}'],
    ids=["not UTF-8", "not UTF-8 in a text", "zero", "deep", "a list as event", "a number as event"],
)
def test_ledger_refuses_bytes_that_are_no_entry(tmp_path: Path, line: bytes) -> None:
    """Bytes that are not UTF-8, zeros and deep nesting are named by file and line."""
    ledger, path = begin_three(tmp_path)
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + line + b"\n" + rest)
    with pytest.raises(UserError, match=r"ledger\.jsonl, line 2: is not a ledger entry"):
        ledger.entries()


def test_ledger_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    """A folder in which no lock can be made is named, without a traceback."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot be claimed .*Make room or allow writing"):
        Ledger(tmp_path / "file" / "ledger").begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)


def test_ledger_needs_no_flock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where flock fails, as on some shared file systems, the ledger is written all the same, and leaves no lock."""

    def fail(*arguments: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", fail)
    ledger = Ledger(tmp_path)
    assert ledger.begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)
    assert [entry["event"] for entry in ledger.entries()] == ["begun"]
    assert not list(tmp_path.glob(".lock.claim*"))


def test_finish_keeps_the_first_of_two_results(tmp_path: Path) -> None:
    """A second result of one decode is not recorded: an equal one is the first, another one is refused."""
    ledger = Ledger(tmp_path)
    ledger.begin("a/b/c/1", "f", EvalIdentity("e"), allow_repeats=False)
    assert ledger.finish(ESTIMATE, None) == ESTIMATE
    assert ledger.finish(ESTIMATE.model_copy(update={"decoded": "later"}), None) == ESTIMATE
    with pytest.raises(UserError, match="another process has decoded the same model at then with another result"):
        ledger.finish(ESTIMATE.model_copy(update={"error": 0.1}), None)
    assert [entry["event"] for entry in ledger.entries()] == ["begun", "done"]


def test_describe_head_names_the_head_or_the_fault(tmp_path: Path) -> None:
    """The sentence at the end of a run has the head of the chain or, if it is broken, what is wrong."""
    assert describe_head(tmp_path / "none").endswith("ledger.jsonl has no entry.")
    ledger, path = begin_three(tmp_path)
    assert f"has 3 entries; the head of its chain is {ledger.verify().sha256}" in describe_head(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("/c1/", "/c9/"), encoding="utf-8")
    assert describe_head(tmp_path).startswith("blindtune: ") and "line 2" in describe_head(tmp_path)

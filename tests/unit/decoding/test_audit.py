"""`blindtune ledger`: it checks a ledger with all that refers to it, and shows who decoded which eval."""

import getpass
import json
import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.cli import main
from blindtune.core.errors import UserError
from blindtune.core.files import write_json
from blindtune.datasets.content import digest_content
from blindtune.decoding.chain import digest_line
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.known_heads import keep_head
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sample_splits import sample_splits
from support.decode_lab import DecodeLab


@pytest.fixture
def decoded(lab: DecodeLab) -> DecodeLab:
    """A ledger of two decodes and drawn samples, and the result of the first below results/test."""
    lab.decode_to_files(lab.freeze(3), result_path(lab).parent)
    sample_splits(lab.places.open(), lab.places.seal, Ledger(lab.ledger), 10)
    lab.decode(lab.freeze(5), allow_repeats=True)
    return lab


def result_path(lab: DecodeLab) -> Path:
    return lab.folder / "test/decodes/toy/it/42/result.json"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command; return its status, output and errors."""
    status = main(["ledger", *map(str, arguments)])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_verify_prints_the_head(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole ledger is verified with its results; its head is printed, and nothing is changed."""
    before = {path: path.read_bytes() for path in decoded.ledger.rglob("*") if path.is_file()}
    status, out, err = run(capsys, "verify", decoded.ledger)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{decoded.ledger}/ledger.jsonl: 5 entries, the chain is whole",
        f"head of the chain: {Ledger(decoded.ledger).verify().sha256}",
        "2 decodes with their predictions and 1 files of results are as they were recorded",
    ]
    assert {path: path.read_bytes() for path in decoded.ledger.rglob("*") if path.is_file()} == before


def test_ledger_is_found_by_a_config(
    decoded: DecodeLab, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder, config.yaml names the ledger; a config file may be given in its place."""
    monkeypatch.chdir(tmp_path)
    whole = run(capsys, "show", decoded.ledger)
    Path("mine.yml").write_text(f"ledger: {decoded.ledger}\n", encoding="utf-8")
    assert run(capsys, "show", "mine.yml") == whole
    status, _, err = run(capsys, "show")
    assert (status, "results/ledger" in err) == (1, True)
    Path("config.yaml").write_text(f"ledger: {decoded.ledger}\n", encoding="utf-8")
    assert run(capsys, "show") == whole
    Path("config.yaml").write_text("ledger: [1]\n", encoding="utf-8")
    assert "config.yaml: ledger: [1] is not the path" in run(capsys, "show")[2]


def test_verify_finds_the_head_of_a_report(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """The head of a report is found in the ledger that has grown since, and not in one that was written again."""
    head = Ledger(decoded.ledger).verify().sha256
    decoded.decode(decoded.freeze(3, system="other"))
    status, out, _ = run(capsys, "verify", decoded.ledger, "--head", head)
    assert status == 0 and "the given head is entry 5: nothing up to it was changed since" in out
    decoded.forget_chain(lambda text: text.replace("toy/it", "toy/at"))
    decoded.decode(decoded.freeze(3, system="another"))
    status, _, err = run(capsys, "verify", decoded.ledger, "--head", head)
    assert status == 1 and f"no entry has the sha256 {head}" in err


def test_verify_names_a_broken_chain(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """A removed entry is named by its line, in one message."""
    decoded.change_ledger(lambda text: "".join(text.splitlines(keepends=True)[1:]))
    status, out, err = run(capsys, "verify", decoded.ledger)
    assert (status, out) == (1, "")
    assert err.startswith("blindtune: ") and "ledger.jsonl, line 1: is entry 2: an entry before it was removed" in err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("predictions", "predictions/"),
        ("eval", "evals/"),
        ("result", "recorded: 'error' is 0.0, not 0."),
        ("other", "result.json: is not in the ledger"),
        ("json", "result.json: is not valid JSON"),
    ],
)
def test_verify_names_what_is_not_as_it_was_recorded(
    decoded: DecodeLab, capsys: pytest.CaptureFixture[str], damage: str, message: str
) -> None:
    """Predictions, digests of eval and results that are not those of the ledger are named."""
    path = result_path(decoded)
    result = json.loads(path.read_text(encoding="utf-8"))
    match damage:
        case "predictions":
            next((decoded.ledger / "predictions").iterdir()).unlink()
        case "eval":
            np.save(next((decoded.ledger / "evals").iterdir()), np.array([b"0" * 16]))
        case "result":
            path.write_text(json.dumps(result | {"error": 0.0}), encoding="utf-8")
        case "other":
            path.write_text(json.dumps(result | {"frozen_sha256": "0" * 64}), encoding="utf-8")
        case _:
            path.write_text("{", encoding="utf-8")
    status, out, err = run(capsys, "verify", decoded.ledger)
    assert (status, out) == (1, "") and err.startswith("blindtune: ") and message in err
    if damage in ("result", "other", "json"):
        elsewhere = decoded.folder / "elsewhere"
        keep_head(elsewhere / "other" / "report", Ledger(decoded.ledger).verify())
        assert run(capsys, "verify", decoded.ledger, "--results", elsewhere)[0] == 0


@pytest.mark.parametrize("command", ["verify", "adopt"])
@pytest.mark.parametrize(
    ("results", "message"),
    [("none", "does not exist"), ("file", "is not a folder"), ("empty", "holds no result of a decode, and no report")],
)
def test_ledger_commands_need_the_results_that_are_given(
    decoded: DecodeLab, capsys: pytest.CaptureFixture[str], command: str, results: str, message: str
) -> None:
    """A folder of results without results is an error: nothing would be compared with the ledger."""
    (decoded.folder / "file").write_text("", encoding="utf-8")
    (decoded.folder / "empty").mkdir()
    path = decoded.folder / results
    status, out, err = run(capsys, command, decoded.ledger, "--results", path)
    assert (status, out) == (1, "")
    advice = "Give the folder of the results of all configs, such as results."
    assert err.startswith(f"blindtune: {path}: {message}") and advice in err


@pytest.mark.parametrize(("ledger", "message"), [("none/ledger.jsonl", "does not exist"), ("file", "is not a folder")])
def test_adopt_needs_a_ledger_unless_results_have_seen_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ledger: str, message: str
) -> None:
    """What is not a ledger is not adopted, and no folder is made for it."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    status, out, err = run(capsys, "adopt", tmp_path / ledger.partition("/")[0])
    assert (status, out) == (1, "") and f"{tmp_path / ledger}: {message}. Give the folder of a ledger" in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_verify_says_what_it_cannot_see(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its head, and without a chain, a ledger is verified with a remark."""
    decoded.forget_chain()
    status, out, _ = run(capsys, "verify", decoded.ledger)
    assert status == 0 and "head.json is missing" in out and "before it was a chain" in out


def test_show_lists_the_uses_of_each_eval(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Each eval has its decodes and drawn samples in order, and the evals that it shares samples with."""
    ledger = Ledger(decoded.ledger)
    content = str(ledger.entries()[0]["eval_content_sha256"])
    digests = np.concatenate([ledger.evals().read(content)[:10], [b"z" * 16]])
    ledger.begin("b/part/c/1", "f", EvalIdentity("e", f"{'c0ffee' * 10}c0de", digests), allow_repeats=False)
    (decoded.ledger / "evals" / f"{'c0ffee' * 10}c0de.npy").unlink()
    status, out, err = run(capsys, "show", decoded.ledger)
    assert (status, err) == (0, "")
    first, second = out.split("\n\n")[1:]
    title, columns, *rows = first.splitlines()
    assert title == f"eval {content[:12]} of toy: 2 models of 1 system decoded, drawn once"
    names = ["line", "begun", "(UTC)", "config", "dataset", "system", "seed", "model", "decode", "by"]
    assert columns.split() == names
    by = f"  {getpass.getuser()}@{socket.gethostname()}"
    assert all(row.endswith(by) for row in rows)
    rows = [row.removesuffix(by).rstrip() for row in rows]
    assert [row.split()[0] for row in rows] == ["1", "3", "4"]
    assert rows[0].endswith("  blind") and rows[1].endswith("samples drawn") and rows[2].endswith("not blind")
    assert second.startswith("eval c0ffeec0ffee of part: 1 model of 1 system decoded, not drawn")
    assert second.rstrip().removesuffix(by).endswith("begun, not done")


def test_show_says_what_evals_share(lab: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Evals that share samples say how many."""
    ledger = Ledger(lab.ledger)
    for name, digests in (("a", np.array([b"1", b"2", b"3"])), ("b", np.array([b"2", b"3", b"4", b"5"]))):
        identity = EvalIdentity(name, digest_content(digests), digests)
        ledger.begin(f"c/{name}/s/1", "f", identity, allow_repeats=False)
    out = run(capsys, "show", lab.ledger)[1]
    assert "  shares 2 of its 3 samples with eval" in out and "  shares 2 of its 4 samples with eval" in out


@pytest.mark.parametrize("command", ["verify", "show"])
def test_ledger_commands_need_a_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """A folder without a ledger ends in one message that says what to give."""
    status, out, err = run(capsys, command, tmp_path)
    assert (status, out) == (1, "")
    assert err == f"blindtune: {tmp_path}/ledger.jsonl: does not exist. Give the folder of a ledger, such as " + (
        "results/ledger.\n"
    )


def cut_end(lab: DecodeLab, lines: int) -> None:
    """Cut the last lines of the ledger off, and write the head that fits what is left."""
    lab.change_ledger(lambda text: "".join(text.splitlines(keepends=True)[:-lines]))
    left = (lab.ledger / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    write_json(lab.ledger / "head.json", {"entries": len(left), "sha256": digest_line(left[-1])})


def test_a_cut_end_is_named_by_the_heads_of_results(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """A decode keeps the head in its folder; later decodes and the command refuse a ledger that has lost it."""
    root, later = decoded.folder / "test", decoded.folder / "test/decodes/toy/late/42"
    decoded.decode_to_files(decoded.freeze(3, system="late"), later, root)
    cut_end(decoded, 2)
    (later / "result.json").unlink()
    status, _, err = run(capsys, "verify", decoded.ledger)
    assert status == 1 and "late/42/ledger_head.json: " in err and "had 7 entries then" in err
    before = (decoded.ledger / "ledger.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"ledger_head\.json: .* had 7 entries then.*'blindtune ledger adopt "):
        decoded.decode_to_files(decoded.freeze(3, system="last"), root / "decodes/toy/last/42", root)
    assert (decoded.ledger / "ledger.jsonl").read_bytes() == before
    status, out, _ = run(capsys, "adopt", decoded.ledger)
    assert status == 0 and "taken over as it is by entry 6" in out
    decoded.decode_to_files(decoded.freeze(3, system="last"), root / "decodes/toy/last/42", root)
    status, out, _ = run(capsys, "verify", decoded.ledger)
    assert status == 0 and "entry 6 took the ledger over as it was" in out
    status, _, err = run(capsys, "adopt", decoded.ledger)
    assert status == 1 and "There is nothing to adopt" in err


def test_verify_says_what_is_left_without_a_head(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its head, a ledger is shown as it is, the last entry is named, and the advice works."""
    (decoded.ledger / "head.json").unlink()
    status, _, err = run(capsys, "verify", decoded.ledger)
    assert (
        status == 1 and "head.json: is missing" in err and "Its last entry is 5: 'done' of test/toy/it/42 at 20" in err
    )
    assert run(capsys, "show", decoded.ledger)[0] == 0
    assert run(capsys, "adopt", decoded.ledger)[0] == 0 and run(capsys, "verify", decoded.ledger)[0] == 0


def test_a_ledger_that_was_moved_away_is_adopted(decoded: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Results whose ledger is gone need a word before further models of them are decoded."""
    root = decoded.folder / "test"
    decoded.ledger.rename(decoded.folder / "away")
    other = decoded.freeze(3, system="other")
    with pytest.raises(UserError, match="or it is not the ledger of these results"):
        decoded.decode_to_files(other, root / "decodes/toy/other/42", root)
    assert run(capsys, "adopt", decoded.ledger)[0] == 0
    decoded.decode_to_files(other, root / "decodes/toy/other/42", root)
    assert decoded.events() == ["adopted", "begun", "done"]


def test_show_names_a_few_of_many_overlaps(lab: DecodeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many evals that share samples, those that share most are named, and the others are counted."""
    ledger = Ledger(lab.ledger)
    for count in range(1, 9):
        digests = np.array([f"{number:02d}".encode() for number in range(count)] + [f"x{count}".encode()])
        identity = EvalIdentity(f"e{count}", digest_content(digests), digests)
        ledger.begin(f"c/d{count}/s{count}/1", "f", identity, allow_repeats=True)
    first = run(capsys, "show", lab.ledger)[1].split("\n\n")[-1]
    assert re.findall(r"shares (\d) of its 9", first) == ["7", "6", "5", "4", "3"]
    assert first.rstrip().endswith("shares samples with 2 other evals too")


def test_heads_that_another_decode_writes_meanwhile_are_no_loss(
    decoded: DecodeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decode that ends between this one's reading of the ledger and its check is not taken for a lost entry."""
    root, read = decoded.folder / "test", Ledger.read
    other, last = decoded.freeze(3, system="other"), decoded.freeze(3, system="last")

    def read_and_wait(self: Ledger, **given: bool) -> Any:
        content = read(self, **given)
        monkeypatch.setattr(Ledger, "read", read)
        decoded.decode_to_files(other, root / "decodes/toy/other/42", root)
        return content

    monkeypatch.setattr(Ledger, "read", read_and_wait)
    decoded.decode_to_files(last, root / "decodes/toy/last/42", root)
    assert decoded.events()[-4:] == ["begun", "done"] * 2

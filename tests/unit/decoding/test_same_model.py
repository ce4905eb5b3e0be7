"""A frozen model that differs from a decoded one in code alone: its answers say whether it is the same model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.systems import Bayes, ClosedLoop, Knn
from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.claims import LostClaimError
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import canonical_json
from blindtune.decoding import decode as decode_module
from blindtune.decoding import frozen_model
from blindtune.decoding.history import read_history
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.recorded_results import parse_result
from blindtune.records.model_card import read_card
from blindtune.study import identity
from support.decode_lab import DecodeLab

LOOP = ClosedLoop(n_neighbors=3, n_estimators=5)
SYSTEMS = {"knn": Knn(kind="knn", n_neighbors=[3]), "bayes": Bayes(kind="bayes", train=LOOP, dev=LOOP, eval=LOOP)}


def change_code(monkeypatch: pytest.MonkeyPatch, digest: str = "c" * 64) -> None:
    """Let the code that computes answers have another digest."""
    for module in (identity, frozen_model):
        monkeypatch.setattr(module, "digest_model_code", lambda system, source: digest)


def change_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the view change samples of eval and of no other split."""
    make_view = frozen_model.make_view

    def view(config: Any, data: Any, inputs: Any) -> Any:
        function = make_view(config, data, inputs)

        def is_open(x: Any) -> bool:
            return any(np.array_equal(x, split.x) for split in (data.train, data.dev))

        return lambda x: function(x) if is_open(x) else -np.asarray(function(x))

    monkeypatch.setattr(frozen_model, "make_view", view)


def write_ledger_of_before(lab: DecodeLab, card: Any, wrong: bool = False) -> None:
    """Rewrite the ledger as it was before it had a chain and before identities held view and code.

    Args:
        lab: its ledger holds one decode.
        card: of the decoded model.
        wrong: whether the recorded answers are others than those of the model.
    """
    ledger = Ledger(lab.ledger)
    lines = []
    for entry in ledger.entries():
        old = {name: value for name, value in entry.items() if name in ("event", "time", "study", "eval_sha256")}
        old["frozen_sha256"] = card.former_sha256()
        if entry["event"] == "done":
            result = dict(entry["result"]) | {"frozen_sha256": card.former_sha256()}
            if result["predictions_sha256"] is not None:
                stored = np.load(next((lab.ledger / "predictions").iterdir()), allow_pickle=False)
                predictions = {name: stored[name] for name in ("predicted", "wrong")}
                result.pop("details_sha256")
                if wrong:
                    predictions["predicted"] = 1 - predictions["predicted"]
                    predictions["wrong"] = ~predictions["wrong"]
                    count = int(predictions["wrong"].sum())
                    (a, b), (c, d) = result["confusion"]
                    result |= {"wrong": count, "error": count / result["samples"], "confusion": [[b, a], [d, c]]}
                    result["predictions_sha256"] = digest_arrays(predictions)
                parsed = parse_result(ledger.path, entry | {"result": entry["result"]}, 2).model_copy(
                    update={"frozen_sha256": card.former_sha256()}
                )
                write_npz(ledger.predictions_path(parsed), predictions)
            old["result"] = result
        lines.append(canonical_json(old))
    (lab.ledger / "ledger.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (lab.ledger / "head.json").unlink()


def outcomes(lab: DecodeLab) -> list[tuple[str, str]]:
    """Return the decodes that the history of the eval has: identity and outcome of each."""
    ledger = Ledger(lab.ledger)
    (history,) = read_history(ledger.entries(), ledger.evals())
    return [(decode.frozen_sha256, decode.outcome) for decode in history.decodes]


@pytest.mark.parametrize("kind", SYSTEMS)
def test_decode_knows_the_same_model_under_other_code(
    lab: DecodeLab, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Code that changed no answer leaves the one decode as it was, blind, under the new identity."""
    folder = lab.freeze(settings=SYSTEMS[kind])
    first, predictions = lab.decode(folder)
    change_code(monkeypatch)
    folder = lab.freeze(settings=SYSTEMS[kind])
    again, same = lab.decode(folder)
    assert again.frozen_sha256 == read_card(folder / "card.json").frozen_sha256() != first.frozen_sha256
    assert again == first.model_copy(update={"frozen_sha256": again.frozen_sha256})
    assert again.blind
    assert outcomes(lab) == [(again.frozen_sha256, "blind")]
    assert (same is None) == (predictions is None)
    assert lab.events() == ["begun", "done", "compared", "confirmed"]
    assert "same model, decoded once" in lab.lines[-1]
    lab.hide_eval()
    assert lab.decode(folder)[0] == again
    assert lab.events() == ["begun", "done", "compared", "confirmed"]


@pytest.mark.parametrize("allowed", [False, True])
def test_decode_refuses_other_answers_of_other_code(
    lab: DecodeLab, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    """Code that changes answers makes another model, which is refused or not blind."""
    first, _ = lab.decode(lab.freeze())
    change_code(monkeypatch)
    change_answers(monkeypatch)
    folder = lab.freeze()
    if allowed:
        result, _ = lab.decode(folder, allow_repeats=True)
        assert not result.blind and result.predictions_sha256 != first.predictions_sha256
        assert lab.events() == ["begun", "done", "compared", "begun", "done"]
        return
    with pytest.raises(RepeatedDecodeError, match="a second decode would not be blind") as refusal:
        lab.decode(folder)
    assert "%" not in str(refusal.value) and not any("%" in line for line in lab.lines[1:])
    assert lab.events() == ["begun", "done", "compared"]
    assert [outcome for _, outcome in outcomes(lab)] == ["blind", "compared, other answers"]


@pytest.mark.parametrize("kind", SYSTEMS)
def test_decode_knows_the_model_of_a_ledger_of_before(lab: DecodeLab, kind: str) -> None:
    """A decode that was recorded under the former identity stays the one decode of the model."""
    folder = lab.freeze(settings=SYSTEMS[kind])
    first, _ = lab.decode(folder)
    card = read_card(folder / "card.json")
    write_ledger_of_before(lab, card)
    again, _ = lab.decode(folder)
    assert again == first.model_copy(update={"details_sha256": None}), "no details were recorded then"
    assert lab.events() == ["begun", "done", "adopted", "compared", "confirmed"]


def test_decode_refuses_another_model_of_a_ledger_of_before(lab: DecodeLab) -> None:
    """The former identity left out the view: a model with other answers is another one."""
    folder = lab.freeze()
    lab.decode(folder)
    write_ledger_of_before(lab, read_card(folder / "card.json"), wrong=True)
    with pytest.raises(RepeatedDecodeError):
        lab.decode(folder)
    assert lab.events() == ["begun", "done", "adopted", "compared"]


def test_decode_refuses_code_that_the_model_was_not_frozen_with(
    lab: DecodeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model is decoded by the code that is in its identity, or not at all."""
    folder = lab.freeze()
    change_code(monkeypatch)
    with pytest.raises(UserError, match=r"was frozen with other code than runs now\. Remove its card and run again"):
        lab.decode(folder)
    assert lab.events() == []
    (folder / "card.json").unlink()
    lab.decode(lab.freeze())
    assert lab.events() == ["begun", "done"]


def test_decode_refuses_view_inputs_of_another_preparation(lab: DecodeLab) -> None:
    """What the view takes of the dataset must be what the card says."""
    folder = lab.freeze()
    content = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card = read_card(folder / "card.json")
    changed = card.model_copy(update={"preprocessing": {"source": {"sfreq": 1}, "statistics": None}})
    assert content["frozen_sha256"] == card.frozen_sha256() != changed.frozen_sha256()
    model = frozen_model.FrozenModel(changed, Path(folder), lab.places.open())
    with pytest.raises(UserError, match="other settings of the preparation"):
        model.check_data()


def test_decode_knows_the_same_model_after_two_changes_of_code(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the code changes, the model has one decode, and samples drawn of it mark nothing."""
    first, _ = lab.decode(lab.freeze())
    for digest in ("c" * 64, "d" * 64):
        change_code(monkeypatch, digest)
        again, _ = lab.decode(lab.freeze())
    assert again.blind
    assert outcomes(lab) == [(again.frozen_sha256, "blind")]
    ledger = Ledger(lab.ledger)
    (history,) = read_history(ledger.entries(), ledger.evals())
    assert len(history.decodes[0].names) == 3 and first.frozen_sha256 in history.decodes[0].names


def test_decode_that_was_killed_is_finished_under_other_code(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decode that was begun and never done has shown nothing: after a change of code the model is still blind."""
    folder = lab.freeze()
    with monkeypatch.context() as patch:
        patch.setattr(decode_module, "_score", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lab.decode(folder)
    assert lab.events() == ["begun"]
    change_code(monkeypatch)
    result, _ = lab.decode(lab.freeze())
    assert result.blind
    with pytest.raises(RepeatedDecodeError):
        lab.decode(lab.freeze(5))


def test_ledger_refuses_to_write_after_its_claim_was_lost(lab: DecodeLab) -> None:
    """A process that was suspended while it held the ledger, and lost it, appends nothing."""
    lab.decode(lab.freeze())
    ledger = Ledger(lab.ledger)
    before = ledger.path.read_bytes()
    with ledger._locked():
        for claim_file in lab.ledger.glob(".lock.claim-*"):
            claim_file.unlink()
        with pytest.raises(LostClaimError):
            ledger._append({"event": "sampled", "dataset": "toy", "eval_sha256": "e"}, ledger.read())
    assert ledger.path.read_bytes() == before

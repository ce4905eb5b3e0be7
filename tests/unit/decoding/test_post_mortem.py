"""Post-mortems: after the last look alone, in the ledger before any score, and never twice."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.decoding.audit import audit, show
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.post_mortem import estimate_cross_chosen
from blindtune.decoding.sealed_split import Seal
from blindtune.metrics.base import Answers
from blindtune.records.decode_result import parse_decode_result
from blindtune.records.post_mortem import read_post_mortem
from blindtune.records.trial import TrialLog
from blindtune.study.restore import RestoredTrial, TrialRestorer
from blindtune.training.base import Model
from support.builders import ROOT
from support.post_mortem_lab import SYSTEMS, PostMortemLab

NEAR = {"kind": "knn", "n_neighbors": [3]}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of which every model was decoded; tests copy it."""
    folder = tmp_path_factory.mktemp("done")
    lab = PostMortemLab(folder)
    lab.run()
    lab.decode()
    return folder


@pytest.fixture
def lab(done: Path, tmp_path: Path) -> PostMortemLab:
    """Results of which every model was decoded."""
    shutil.copytree(done / "results", tmp_path / "results")
    return PostMortemLab(tmp_path)


def refuse(lab: PostMortemLab, words: str, **arguments: Any) -> None:
    """Check that a post-mortem is refused with some words, before eval is opened and before the ledger says so."""
    before = lab.events()
    lab.hide_eval()
    with pytest.raises(UserError, match=words):
        lab.analyse(**arguments)
    assert lab.events() == before
    assert not lab.file().exists()


def test_post_mortem_evaluates_every_trial_of_a_search(lab: PostMortemLab) -> None:
    """Each completed trial is restored with its own weights and evaluated; the chosen one as it was decoded."""
    found = lab.analyse()
    trials = TrialLog(Path(lab.paths.study("toy", "search", 42)) / "trials.jsonl").read()
    assert [trial.trial for trial in found.trials] == [0, 1, 2, 3]
    completed = [trial.number for trial in trials if trial.status == "completed"]
    assert completed and [trial.trial for trial in found.trials if trial.error is not None] == completed
    for record, analysed in zip(trials, found.trials, strict=True):
        assert (analysed.status, analysed.dev_error, analysed.n_parameters) == (
            record.status,
            record.score,
            record.n_parameters,
        )
        assert analysed.error is None or (analysed.same_weights and analysed.restored_dev_error == record.score)
        assert (analysed.error is None) == (analysed.reason is not None)
    assert {trial.restored for trial in found.trials if trial.error is not None} == {"kept", "retrained"}
    decode = parse_decode_result(json.loads(lab.result("search").read_text()), "it")
    assert found.trials[found.chosen].wrong == decode.wrong
    assert read_post_mortem(lab.file(), "") == found


def test_post_mortem_evaluates_candidates_of_a_reference_model(lab: PostMortemLab) -> None:
    """A reference model is fitted again for each of its candidates."""
    found = lab.analyse("near")
    assert [trial.restored for trial in found.trials] == ["refitted"] * 3
    decode = parse_decode_result(json.loads(lab.result("near").read_text()), "it")
    assert found.trials[found.chosen].wrong == decode.wrong


def test_workers_change_no_score(lab: PostMortemLab) -> None:
    """Two workers give what one gives."""
    two = lab.analyse(workers=2)
    assert two.trials == decode_again(lab).analyse().trials


def decode_again(lab: PostMortemLab) -> PostMortemLab:
    """Return the lab with a ledger in which nothing was analysed, but everything was decoded."""
    shutil.rmtree(lab.ledger)
    shutil.rmtree(lab.root / "decodes")
    shutil.rmtree(lab.root / "post_mortems")
    lab.decode()
    return lab


def test_ledger_says_so_before_eval_is_opened_and_before_scores_are_shown(
    lab: PostMortemLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry ``analysing`` is there when eval is opened, ``analysed`` when the file is written."""
    seen = []
    open_eval = Seal.open

    def opened(seal: Seal) -> Split:
        seen.append(lab.events()[-1])
        return open_eval(seal)

    monkeypatch.setattr(Seal, "open", opened)
    monkeypatch.setattr(
        "blindtune.decoding.post_mortem.write_post_mortem", lambda path, found: seen.append(lab.events()[-1])
    )
    lab.analyse()
    assert seen == ["analysing", "analysed"]


def test_post_mortem_is_refused_without_a_decode(lab: PostMortemLab) -> None:
    """One decode that is missing refuses it, by name."""
    lab.result("expert").unlink()
    refuse(lab, "toy/expert/42 has not been decoded yet")


def test_post_mortem_is_refused_without_a_frozen_model(lab: PostMortemLab) -> None:
    """A study without a card refuses it."""
    Path(lab.paths.card("toy", "near", 42)).unlink()
    refuse(lab, "toy/near/42 is not frozen yet")


def test_post_mortem_is_refused_with_a_decode_of_another_model(lab: PostMortemLab) -> None:
    """A decode of a model that was frozen before refuses it."""
    lab.run_study("near", NEAR)
    refuse(lab, "is the decode of another model")


def test_post_mortem_is_refused_with_a_decode_that_the_ledger_lacks(lab: PostMortemLab) -> None:
    """A result whose entry is in no ledger refuses it: whoever wrote it, it was no decode."""
    shutil.rmtree(lab.ledger)
    shutil.copytree(lab.root / "decodes", lab.root / "copy")
    shutil.rmtree(lab.root / "decodes")
    lab.decode("near", "search")
    shutil.copytree(lab.root / "copy" / "toy" / "expert", lab.root / "decodes" / "toy" / "expert")
    (lab.root / "decodes/toy/expert/42/ledger_head.json").unlink()
    refuse(lab, "is not in the ledger")


def test_post_mortem_is_refused_with_a_changed_decode(lab: PostMortemLab) -> None:
    """A result that says something else than the ledger refuses it."""
    content = json.loads(lab.result("near").read_text())
    lab.result("near").write_text(json.dumps(content | {"wrong": content["wrong"] + 1}))
    refuse(lab, "is not what the ledger")


def test_post_mortem_is_refused_with_damaged_predictions(lab: PostMortemLab) -> None:
    """Predictions in the ledger that are damaged refuse it."""
    for path in (lab.ledger / "predictions").iterdir():
        path.write_bytes(b"damaged")
    refuse(lab, "Restore it from a backup")


def test_post_mortem_by_hand_needs_the_looks_of_other_studies_too(lab: PostMortemLab) -> None:
    """Whoever names fewer systems than were run is refused: the study that is left out would see eval after it."""
    lab.run_study("late", NEAR)
    refuse(lab, "toy/late/42 has not been decoded yet", systems=["near", "expert", "search"])


BY_HAND = """
import runpy, sys
from types import SimpleNamespace as Given
root, script, *systems = sys.argv[1:]
given = Given(
    wildcards=Given(dataset="toy", system="search", seed="42"),
    params=Given(root=f"{root}/results/test", ledger=f"{root}/results/ledger", systems=systems, seeds=[42]),
    log=[f"{root}/log"],
    output=[f"{root}/results/test/post_mortems/toy/search/42/post_mortem.json"],
    config={},
    threads=1,
)
runpy.run_path(script, {"snakemake": given}, "__main__")
"""


def test_script_by_hand_is_refused_before_the_last_look(lab: PostMortemLab, tmp_path: Path) -> None:
    """Who runs the script without Snakemake, and names only what was decoded, is refused all the same."""
    lab.result("expert").unlink()
    before = lab.events()
    lab.hide_eval()
    ended = subprocess.run(
        [sys.executable, "-c", BY_HAND, str(tmp_path), str(ROOT / "workflow/scripts/post_mortem.py"), "near", "search"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 65
    assert "toy/expert/42 has not been decoded yet" in ended.stderr
    assert lab.events() == before and not lab.file().exists()


def test_post_mortem_passes_over_superseded_records(lab: PostMortemLab) -> None:
    """Records that a later study has replaced are no look that is missing."""
    lab.run_study("late", NEAR)
    folder = Path(lab.paths.study("toy", "late", 42))
    folder.rename(folder.with_name("42.superseded-1"))
    assert lab.analyse().trials


def test_second_run_is_answered_from_the_ledger(lab: PostMortemLab) -> None:
    """A deleted result is written again from the ledger: no new entry, and eval stays closed."""
    found, before = lab.analyse(), lab.events()
    lab.file().unlink()
    lab.hide_eval()
    assert lab.analyse() == found
    assert read_post_mortem(lab.file(), "") == found
    assert lab.events() == before
    assert "answered from the ledger" in lab.lines[-1]


def test_interrupted_post_mortem_starts_over(lab: PostMortemLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A post-mortem that was interrupted leaves no score, and its second start no second beginning."""

    def interrupt(restorer: TrialRestorer) -> Iterator[RestoredTrial]:
        yield from list(restore(restorer))[:2]
        raise KeyboardInterrupt

    restore = TrialRestorer.restore
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TrialRestorer, "restore", interrupt)
        lab.analyse()
    assert lab.events()[-1] == "analysing" and not lab.file().exists()
    assert not (lab.ledger / "post_mortems").exists()
    lab.analyse()
    assert lab.events()[-2:] == ["analysing", "analysed"]


def test_post_mortem_that_was_recorded_and_not_written_is_not_made_again(
    lab: PostMortemLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill after the entry and before the file loses nothing."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("blindtune.decoding.post_mortem.keep_head", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        lab.analyse()
    assert lab.events()[-1] == "analysed"
    lab.hide_eval()
    assert len(lab.analyse().trials) == 4


def test_scores_that_were_kept_and_not_recorded_are_made_again(
    lab: PostMortemLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the ledger's copy of the scores and their entry leaves no entry; the next run makes it."""

    def interrupt(ledger: Ledger, entry: dict[str, Any], *rest: Any) -> Any:
        if entry["event"] == "analysed":
            raise KeyboardInterrupt
        return append(ledger, entry, *rest)

    append = Ledger._append
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Ledger, "_append", interrupt)
        lab.analyse()
    assert lab.events()[-1] == "analysing" and len(list((lab.ledger / "post_mortems").iterdir())) == 1
    found = lab.analyse()
    assert lab.events()[-2:] == ["analysing", "analysed"]
    assert read_post_mortem(lab.file(), "") == found
    assert len(list((lab.ledger / "post_mortems").iterdir())) == 1


def test_damaged_copy_in_the_ledger_is_refused(lab: PostMortemLab) -> None:
    """The scores that the ledger keeps must be those that it recorded."""
    lab.analyse()
    [path] = (lab.ledger / "post_mortems").iterdir()
    path.write_text(path.read_text().replace('"wrong": ', '"wrong": 1'))
    with pytest.raises(UserError, match="was changed after it was written"):
        lab.analyse()
    with pytest.raises(UserError, match="was changed after it was written"):
        audit(lab.ledger, None)


def test_trial_that_cannot_be_restored_is_named_and_not_evaluated(
    lab: PostMortemLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model with another dev error than was recorded is not that of the trial: it says so, and has no eval error."""

    def swap(restorer: TrialRestorer) -> Iterator[RestoredTrial]:
        for found in restore(restorer):
            wrong = Model(lambda x: Answers(np.full(len(x), 7)))
            yield replace(found, model=wrong) if found.trial.number == 1 else found

    restore = TrialRestorer.restore
    monkeypatch.setattr(TrialRestorer, "restore", swap)
    found = lab.analyse().trials[1]
    assert (found.error, found.wrong, found.restored_dev_error) == (None, None, 1.0)
    assert "restored, it has a dev error of 100.0000%" in str(found.reason)


def test_new_system_after_a_post_mortem_is_not_blind(lab: PostMortemLab) -> None:
    """A model that is decoded after a post-mortem is marked; those that were decoded before stay blind."""
    lab.analyse()
    lab.run_study("late", NEAR)
    lab.decode("late", "near", "search")
    results = {
        name: parse_decode_result(json.loads(lab.result(name).read_text()), name) for name in ("late", "near", "search")
    }
    assert {name: result.blind for name, result in results.items()} == {"late": False, "near": True, "search": True}
    assert any("test/toy/late/42: not blind, since a post-mortem of test/toy/search/42" in line for line in lab.lines)


def test_another_ledger_after_a_post_mortem_is_refused(lab: PostMortemLab) -> None:
    """Who names a ledger that holds no post-mortem does not get a blind decode in the same results."""
    lab.analyse()
    lab.run_study("late", NEAR)
    lab.ledger = lab.ledger.with_name("other")
    with pytest.raises(UserError, match="it is not the ledger of these results"):
        lab.decode("late")
    assert not lab.result("late").exists()


def test_new_seed_and_the_same_eval_in_another_order_are_not_blind(lab: PostMortemLab) -> None:
    """A later seed of the same search, and a later model on the same samples by another name, are marked."""
    lab.analyse()
    lab.run_study("search", SYSTEMS["search"], seed=43)
    lab.decode("search", seed=43)
    path = Path(lab.paths.decode("toy", "search", 43)) / "result.json"
    assert not parse_decode_result(json.loads(path.read_text()), "it").blind
    identity = Seal(lab.places.seal.parent, json.loads(lab.places.seal.read_text())["sha256"]).identity
    shuffled = replace(identity, sha256="9" * 64)
    assert not Ledger(lab.ledger).begin("late/renamed/it/1", "e" * 64, shuffled, allow_repeats=False)


def test_model_whose_decode_had_begun_before_a_post_mortem_stays_blind(lab: PostMortemLab) -> None:
    """Of another config, a decode that was killed in between: its model was frozen before."""
    ledger = Ledger(lab.ledger)
    identity = Seal(lab.places.seal.parent, json.loads(lab.places.seal.read_text())["sha256"]).identity
    assert ledger.begin("other/toy/it/1", "f" * 64, identity, allow_repeats=False)
    lab.analyse()
    assert ledger.begin("other/toy/it/1", "f" * 64, identity, allow_repeats=False)
    assert not ledger.begin("other/toy/it/1", "e" * 64, identity, allow_repeats=True)


def test_audit_and_show_know_post_mortems(lab: PostMortemLab) -> None:
    """``ledger verify`` compares their files, and ``ledger show`` lists them."""
    lab.analyse()
    assert any("1 post-mortem" in line for line in audit(lab.ledger, None))
    lines = show(lab.ledger)
    assert any(line.endswith("not drawn, 1 post-mortem") for line in lines)
    assert sum("post-mortem" in line and "search" in line for line in lines) == 1
    content = json.loads(lab.file().read_text())
    lab.file().write_text(json.dumps(content | {"samples": 7}))
    with pytest.raises(UserError, match="was changed after it was written"):
        audit(lab.ledger, None)


def test_post_mortem_keeps_the_head_of_the_ledger(lab: PostMortemLab) -> None:
    """A ledger whose end was cut off after a post-mortem is refused."""
    lab.analyse()
    lines = (lab.ledger / "ledger.jsonl").read_text().splitlines(keepends=True)
    (lab.ledger / "ledger.jsonl").write_text("".join(lines[:-1]))
    (lab.ledger / "head.json").unlink()
    with pytest.raises(UserError, match="is missing"):
        lab.analyse()
    with pytest.raises(UserError, match=r"post_mortems/toy/search/42/ledger_head\.json"):
        audit(lab.ledger, None)


def test_more_trials_are_another_post_mortem(lab: PostMortemLab) -> None:
    """A search that goes on has other trials: its post-mortem is made again, with an entry of its own."""
    lab.analyse("near")
    lab.systems = SYSTEMS | {"near": {"kind": "knn", "n_neighbors": [1, 5, 9, 11]}}
    shutil.rmtree(Path(lab.paths.study("toy", "near", 42)))
    lab.run("near")
    lab.decode("near")
    assert len(lab.analyse("near").trials) == 4
    assert lab.events().count("analysed") == 2


def test_cross_chosen_error_has_no_luck() -> None:
    """Among many trials that only guess, the lowest is lower than a guess by luck; half against half it is a guess."""
    random = np.random.default_rng(1)
    wrong = list(random.random((300, 400)) < 0.5)
    assert min(trial.mean() for trial in wrong) < 0.45
    assert estimate_cross_chosen(wrong, None, "it") == pytest.approx(0.5, abs=0.02)


def test_cross_chosen_error_of_one_good_trial_is_its_error() -> None:
    """A trial that is best on every half counts with its own error."""
    wrong = np.ones((3, 100), dtype=bool)
    wrong[1, ::4] = False
    assert estimate_cross_chosen(list(wrong), None, "it") == pytest.approx(0.75, abs=0.01)


def test_cross_chosen_error_halves_groups() -> None:
    """Samples of a patient are in one half: a trial that is right on one patient alone gains nothing by it."""
    wrong = np.ones((3, 40), dtype=bool)
    wrong[0, :20] = wrong[1, 20:] = False
    group = np.repeat([7, 9], 20)
    assert estimate_cross_chosen(list(wrong), group, "it") == 1.0
    assert estimate_cross_chosen(list(wrong), np.zeros(40, np.int64), "it") is None
    assert estimate_cross_chosen(list(wrong[:1]), None, "it") is None

"""Studies: complete records, the same records after any interruption, and no halt on a bad set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.systems import Bayes, ClosedLoop, Knn, Manual, RandomForest, Tuned
from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.study import search
from blindtune.study import setup as plans
from blindtune.training.base import Outcome
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from support.builders import prepare_toy, prepared
from support.curve_trainer import KNN, StudyRunner

#: Keras Tuner asks for the name of its thread in an old way, at every call.
pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")


@pytest.fixture
def runner(data: Prepared, tmp_path: Path) -> StudyRunner:
    return StudyRunner(data, tmp_path / "study")


def test_run_study_chooses_the_best_candidate(runner: StudyRunner) -> None:
    """A list of candidates is a study: every one is recorded, and the best on dev is frozen."""
    card = runner()
    records = runner.outcomes()
    assert [record["hyperparameters"] for record in records] == [{"neighbours": k} for k in KNN.n_neighbors]
    scores = [float(str(record["score"])) for record in records]
    assert (card.trial, card.dev_error) == (int(np.argmin(scores)), min(scores))
    assert card.hyperparameters == records[card.trial]["hyperparameters"]
    assert (card.statuses, card.spent.trials, card.budget) == ({"completed": 4}, 4, None)
    assert card.study == "test/toy/it/42" and card.weights is None and card.weights_sha256
    assert read_card(runner.folder / "card.json") == card
    assert any("goes on" in line for line in runner.said) is False


def test_run_study_runs_no_finished_trial_again(runner: StudyRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished study trains nothing when it is run again."""
    first = runner()
    log = runner.log()
    monkeypatch.setattr(search.Search, "_train_and_record", None)
    again = runner()
    assert runner.log() == log
    assert again == first


def test_killed_study_ends_the_same(runner: StudyRunner) -> None:
    """Cut after any record or within one, a study ends with the same records and the same model."""
    card, outcomes, log = runner(), runner.outcomes(), runner.log()
    ends = [place + 1 for place, byte in enumerate(log) if byte == ord("\n")]
    for cut in [0, *ends, 1, ends[0] - 1, ends[0] + 1, ends[1] + 200, ends[-1] - 1]:
        (runner.folder / "trials.jsonl").write_bytes(log)
        runner.cut(cut)
        again = runner()
        assert runner.outcomes() == outcomes
        assert again.frozen_sha256() == card.frozen_sha256()
        kept = max([0, *(end for end in ends if end <= cut)])
        assert runner.log()[:kept] == log[:kept], "no record was rewritten"
        if cut not in [0, *ends]:
            assert any("unfinished last record was set aside" in line for line in runner.said)


def test_run_study_follows_a_changed_budget(runner: StudyRunner, monkeypatch: Any) -> None:
    """A raised budget goes on from the records; a lowered one uses the first of them and loses none."""
    system = cheap_tuner(monkeypatch)
    runner(system, budget={"trials": 3})
    first = runner.log()
    raised = runner(system, budget={"trials": 6})
    assert raised.spent.trials == 6 and runner.log().startswith(first)
    fresh = StudyRunner(runner.data, runner.folder.with_name("fresh"))
    fresh.files = runner.files
    straight = fresh(system, budget={"trials": 6})
    assert fresh.outcomes() == runner.outcomes()
    assert straight.frozen_sha256() == raised.frozen_sha256()
    all_six = runner.log()
    lowered = runner(system, budget={"trials": 3})
    assert lowered.spent.trials == 3 and lowered.trial is not None and lowered.trial < 3
    assert runner.log() == all_six, "no record is lost"
    assert runner(system, budget={"trials": 6}).frozen_sha256() == raised.frozen_sha256()


class FakeTrainer:
    """Scores a set by its hyperparameters alone; says which were trained."""

    supports_resume = False

    def __init__(self, fail: Callable[[dict[str, Any]], Exception | None]) -> None:
        self.fail = fail

    def train(self, task: Any, train: Any, dev: Any, session: Any) -> Outcome:
        error = self.fail(task.hyperparameters)
        if error is not None:
            raise error
        from blindtune.records.trial import EpochMetrics

        label = int(task.seed) % 2
        score = float(np.mean(dev.y != label))
        weights = {"label": np.array([label, task.seed])}
        curve = [EpochMetrics(train_loss=1.0, train_error=score, dev_loss=1.0, dev_error=score)]
        return Outcome("completed", None, curve, 1, 10, weights)

    def rebuild(self, task: Any, weights: Any, train: Any) -> Any:
        return lambda x: np.full(len(x), weights["label"][0])

    def versions(self) -> dict[str, str]:
        return {"fake": "1"}


def cheap_tuner(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[dict[str, Any]], Exception | None] = lambda values: None
) -> Tuned:
    """Keras Tuner with a trainer that costs nothing."""
    monkeypatch.setattr(plans, "create_trainer", lambda settings, workers: FakeTrainer(fail))
    return tuned()


def tuned(**changes: Any) -> Tuned:
    keras_tuner = KerasTunerConfig(library="keras-tuner", algorithm="random")
    parts = {"kind": "tuner", "tuner": keras_tuner, "space": "mlp", "training": Training(epochs=2, batch_size=20)}
    return Tuned(**(parts | changes))


@pytest.fixture(autouse=True)
def space(runner: StudyRunner, tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text("layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 0, high: 9, repeat: layers}\n")
    runner.files = {"space": path}
    return path


def test_other_settings_move_the_old_records_away(runner: StudyRunner) -> None:
    """Other settings start a new study; the old records are moved to a folder of their own."""
    runner()
    old = runner.log()
    runner(Knn(kind="knn", n_neighbors=[1, 3]))
    aside = runner.folder.with_name("study.superseded-1")
    assert (aside / "trials.jsonl").read_bytes() == old and (aside / "card.json").exists()
    assert len(runner.outcomes()) == 2
    assert any(str(aside) in line and "changed" in line for line in runner.said)


def test_earlier_settings_get_their_records_back(runner: StudyRunner) -> None:
    """Records that were moved away are used again with the settings that made them."""
    first = runner()
    old = runner.log()
    runner(Knn(kind="knn", n_neighbors=[1, 3]))
    runner.said.clear()
    assert runner().frozen_sha256() == first.frozen_sha256()
    assert runner.log() == old and any(
        "goes on from 1 recorded" in line or "goes on from its" in line for line in runner.said
    )
    assert (runner.folder.with_name("study.superseded-2") / "trials.jsonl").exists()


def test_protocol_has_code_data_files_and_score_epoch(runner: StudyRunner, space: Path, tmp_path: Path) -> None:
    """Other code, data, files or scoring rules start a new study; comments and what is kept do not."""
    runner()
    runner(code="other code")
    runner(code="other code", score_epoch="best")
    space.write_text(space.read_text().replace("high: 9", "high: 8"))
    runner(code="other code", score_epoch="best")
    runner.data = prepared(tmp_path / "other", seed=5)
    runner(code="other code", score_epoch="best")
    assert len(list(runner.folder.parent.glob("study.superseded-*"))) == 4
    space.write_text(space.read_text() + "# a comment\n")
    runner(code="other code", score_epoch="best", keep_best=3)
    assert len(list(runner.folder.parent.glob("study.superseded-*"))) == 4


def test_run_study_refuses_trials_without_a_protocol(runner: StudyRunner) -> None:
    """Trials in a folder without a protocol are never used."""
    runner()
    (runner.folder / "protocol.json").unlink()
    with pytest.raises(UserError, match=r"holds trials but no protocol\.json"):
        runner()


def test_run_study_uses_no_record_that_the_tuner_does_not_propose(runner: StudyRunner) -> None:
    """A record after the last proposal stays in the log and is no trial of the study."""
    card = runner()
    lines = runner.log().decode().splitlines()
    better = json.loads(lines[-1]) | {"number": len(lines), "score": 0.0}
    (runner.folder / "trials.jsonl").write_text("\n".join([*lines, json.dumps(better), ""]), encoding="utf-8")
    assert runner().trial == card.trial


def test_run_study_refuses_records_of_another_tuner(runner: StudyRunner) -> None:
    """Recorded sets that the tuner does not propose are refused."""
    runner()
    text = runner.log().decode().replace('"neighbours":3', '"neighbours":4')
    (runner.folder / "trials.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="trial 2 was recorded with other hyperparameters"):
        runner()


def test_run_study_refuses_a_changed_score(runner: StudyRunner) -> None:
    """A score that was changed by hand is found when the model is rebuilt."""
    card = runner()
    lines = [json.loads(line) for line in runner.log().decode().splitlines()]
    lines[(int(str(card.trial)) + 1) % 4]["score"] = 0.0
    (runner.folder / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(UserError, match="rebuilt from its record"):
        runner()


def test_invalid_sets_are_recorded(runner: StudyRunner, monkeypatch: Any) -> None:
    """An invalid set is recorded with its reason, and the search goes on."""
    card = runner(cheap_tuner(monkeypatch), budget={"trials": 30})
    records = runner.outcomes()
    wrong = [record for record in records if record["status"] == "invalid"]
    assert len(records) == 30 and 0 < len(wrong) < 30
    assert card.statuses == {"invalid": len(wrong), "completed": 30 - len(wrong)}
    for record in wrong:
        assert 0 in record["hyperparameters"].values()  # type: ignore[attr-defined]
        assert ": 0 units" in str(record["reason"])
        assert (record["score"], record["epochs"], record["curve"]) == (None, 0, [])


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError(), "failed", "ValueError"),
        (ValueError("\n\nfirst line\nsecond"), "failed", "first line"),
        (RuntimeError("out of luck\nmore"), "failed", "RuntimeError: out of luck"),
        (KeyError("units"), "failed", "KeyError: 'units'"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
        (MemoryError("no room"), "failed", "MemoryError: no room"),
        (OverflowError("too large"), "failed", "OverflowError: too large"),
    ],
)
def test_errors_of_a_set_are_recorded(
    runner: StudyRunner, monkeypatch: Any, error: Exception, status: str, reason: str
) -> None:
    """Any error of one set becomes the reason in its record, and a killed study ends the same."""
    card = runner(
        cheap_tuner(monkeypatch, lambda values: error if values["layers"] == 2 else None), budget={"trials": 12}
    )
    records = [record for record in runner.outcomes() if record["status"] == status]
    assert records and all(str(record["reason"]).startswith(reason) for record in records)
    assert card.spent.trials == 12
    outcomes = runner.outcomes()
    runner.cut(len(runner.log()) // 2)
    assert (
        runner(cheap_tuner(monkeypatch, lambda v: error if v["layers"] == 2 else None), budget={"trials": 12})
        is not None
    )
    assert runner.outcomes() == outcomes


def test_refused_training_settings_are_invalid(runner: StudyRunner, space: Path, monkeypatch: Any) -> None:
    """A set whose training settings are refused is invalid, with a plain reason."""
    space.write_text(
        "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 4, high: 9}\n"
        "batch_size: {type: int, low: 0, high: 1}\n"
    )
    runner(cheap_tuner(monkeypatch), budget={"trials": 12})
    reasons = {str(record["reason"]) for record in runner.outcomes() if record["status"] == "invalid"}
    assert reasons and all("validation error" not in reason for reason in reasons)
    assert any(reason.startswith("batch_size: ") and "(got 0)" in reason for reason in reasons)


def test_disk_errors_end_a_study(runner: StudyRunner, space: Path, monkeypatch: Any) -> None:
    """Without disk space the study ends; no record is written."""
    space.write_text(space.read_text().replace("low: 0", "low: 1"))
    for error in (UserError("disk full"), OSError(28, "No space left on device")):
        with pytest.raises(UserError):
            runner(cheap_tuner(monkeypatch, lambda values, error=error: error), budget={"trials": 2})
    assert runner.outcomes() == []


def test_study_of_invalid_sets_ends_with_a_message(runner: StudyRunner, space: Path, monkeypatch: Any) -> None:
    """A study without a completed trial ends with one message and no card."""
    space.write_text("layers: {type: int, low: 1, high: 1}\nunits: {type: int, low: -9, high: 0}\n")
    with pytest.raises(UserError, match=r"none of its 4 trials completed \(invalid: layer 1 \(dense\): .* units\)"):
        runner(cheap_tuner(monkeypatch), budget={"trials": 4})
    assert len(runner.outcomes()) == 4
    assert not (runner.folder / "card.json").exists()


def test_card_says_that_the_space_is_exhausted(runner: StudyRunner, space: Path, monkeypatch: Any) -> None:
    """A space with fewer sets than the budget is exhausted, and the card says so."""
    space.write_text("layers: {type: int, low: 1, high: 1}\nunits: {type: int, low: 4, high: 5}\n")
    card = runner(cheap_tuner(monkeypatch), budget={"trials": 50})
    assert card.exhausted and card.spent.trials == len(runner.outcomes()) <= 2
    assert card.budget == Budget(trials=50)


def test_run_study_keeps_the_weights_of_the_best(runner: StudyRunner, monkeypatch: Any) -> None:
    """The weights of the best trials are kept, and those of the frozen model are restored if they are lost."""
    system = cheap_tuner(monkeypatch)
    card = runner(system, budget={"trials": 8}, keep_best=3)
    names = sorted(path.name for path in (runner.folder / "weights").iterdir())
    scored = [(r["score"], r["number"]) for r in runner.outcomes() if r["score"] is not None]
    assert names == sorted(f"{number:05d}.safetensors" for _, number in sorted(scored)[:3])
    assert card.weights == f"weights/{card.trial:05d}.safetensors"
    for path in (runner.folder / "weights").iterdir():
        path.unlink()
    again = runner(system, budget={"trials": 8}, keep_best=3)
    assert again.frozen_sha256() == card.frozen_sha256()
    assert (runner.folder / str(card.weights)).exists()


def test_run_study_removes_weights_beyond_keep_best(runner: StudyRunner, monkeypatch: Any) -> None:
    """Keeping fewer weights removes the others, and files that a kill left."""
    system = cheap_tuner(monkeypatch)
    card = runner(system, budget={"trials": 8}, keep_best=3)
    (runner.folder / "weights" / "00099.safetensors").touch()
    assert runner(system, budget={"trials": 8}, keep_best=1) == card
    assert [path.name for path in (runner.folder / "weights").iterdir()] == [f"{card.trial:05d}.safetensors"]


def test_seeds_do_not_depend_on_the_order(runner: StudyRunner) -> None:
    """The seed of a trial follows from its hyperparameters, not from its number."""
    runner()
    seeds = {str(record["hyperparameters"]): record["seeds"] for record in runner.outcomes()}
    other = StudyRunner(runner.data, runner.folder.with_name("other"))
    other(Knn(kind="knn", n_neighbors=[25, 1]))
    for record in other.outcomes():
        assert record["seeds"] == seeds[str(record["hyperparameters"])]


def test_estimate_uses_each_split_alone(runner: StudyRunner) -> None:
    """An estimate has values for train and dev, each from its own samples, and no trials."""
    loop = ClosedLoop(n_neighbors=3, n_estimators=5)
    card = runner(Bayes(kind="bayes", train=loop, dev=loop, eval=loop))
    assert set(card.estimates) == {"train", "dev"}
    assert card.train_error == card.estimates["train"]["closed_loop"]
    assert (card.trial, card.architecture, card.spent.trials) == (None, None, 0)
    assert runner(Bayes(kind="bayes", train=loop, dev=loop, eval=loop)).frozen_sha256() == card.frozen_sha256()


def test_random_forest_study_resumes(runner: StudyRunner) -> None:
    """A study of random forests goes on after a kill to the same model."""
    system = RandomForest(kind="random_forest", n_estimators=[5], max_depth=[2, 0])
    card = runner(system)
    assert card.spent.trials == 2
    runner.cut(len(runner.log()) - 10)
    assert runner(system).frozen_sha256() == card.frozen_sha256()


def test_keras_study_resumes_to_the_same_model(data: Prepared, tmp_path: Path, space: Path) -> None:
    """The real thing, small: three trials of two epochs."""
    one = StudyRunner(data, tmp_path / "one")
    one.files = {"space": space}
    card, outcomes = one(tuned(), budget={"trials": 3}), one.outcomes()
    assert card.weights and (one.folder / card.weights).exists()
    one.cut(one.log().index(b"\n") + 50)
    assert one(tuned(), budget={"trials": 3}).frozen_sha256() == card.frozen_sha256()
    assert one.outcomes() == outcomes


def test_manual_study_rebuilds_to_the_same_model(data: Prepared, tmp_path: Path) -> None:
    """A manual model is one trial, and running the study again gives the same card."""
    path = tmp_path / "model.yaml"
    path.write_text("layers: [{kind: dense, units: 4, activation: relu}]\ntraining: {epochs: 2, batch_size: 20}\n")
    one = StudyRunner(data, tmp_path / "one")
    one.files = {"model": path}
    card = one(Manual(kind="manual", model=str(path)))
    assert (card.kind, card.n_parameters, card.spent.trials) == ("manual", 2 * 4 + 4 + 4 * 2 + 2, 1)
    assert one(Manual(kind="manual", model=str(path))) == card


def test_read_card_refuses_a_changed_card(runner: StudyRunner) -> None:
    """A card that was changed by hand is refused."""
    runner()
    path = runner.folder / "card.json"
    good = json.loads(path.read_text(encoding="utf-8"))
    for change in ({"dev_error": 0.0}, {"model_seed": 1}, {"paper_row": "MLP-M"}, {"frozen_sha256": "0"}):
        path.write_text(json.dumps(good | change), encoding="utf-8")
        with pytest.raises(UserError, match=r"card\.json: was changed after it was written"):
            read_card(path)
    path.write_text(json.dumps(good | {"extra": 1}), encoding="utf-8")
    with pytest.raises(UserError, match=r"card\.json does not fit"):
        read_card(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match=r"card\.json"):
        read_card(path)


def test_frozen_sha256_follows_from_the_predictions(runner: StudyRunner) -> None:
    """The identity of a frozen model depends on what it predicts with and on nothing else."""
    card = runner()
    frozen = card.frozen_sha256()
    identity = {
        "study": "test/toy/other/42",
        "kind": "manual",
        "hyperparameters": {"neighbours": 99},
        "weights_sha256": "0",
        "data_sha256": "0",
        "model_seed": 1,
        "settings": card.settings | {"view": {"kind": "features"}},
        "preprocessing": {"source": {"sfreq": 50}, "statistics": None},
        "code_sha256": "0",
    }
    for name, value in identity.items():
        assert card.model_copy(update={name: value}).frozen_sha256() != frozen, name
    for name, value in {
        "dev_error": 0.5,
        "paper_row": "KNN",
        "versions": {},
        "budget": Budget(trials=9),
        "exhausted": True,
    }.items():
        assert card.model_copy(update={name: value}).frozen_sha256() == frozen, name


def test_run_study_needs_no_sealed_data(tmp_path: Path) -> None:
    """A study runs without the sealed folder."""
    places = prepare_toy(tmp_path)
    places.seal.parent.rename(tmp_path / "elsewhere")
    runner = StudyRunner(places.open(), tmp_path / "study")
    assert runner().trial is not None


def test_more_neighbors_than_samples_are_invalid(data: Prepared, runner: StudyRunner) -> None:
    """A k above the number of samples of train is recorded as invalid, never as if it had been used."""
    count = len(data.train.y)
    runner(Knn(kind="knn", n_neighbors=[1, count, count + 1]))
    trials = TrialLog(runner.folder / "trials.jsonl").read()
    assert [trial.status for trial in trials] == ["completed", "completed", "invalid"]
    assert (
        trials[2].reason
        == f"n_neighbors: {len(data.train.y) + 1} is more than the {len(data.train.y)} samples of train"
    )


def test_estimate_refuses_more_neighbors_than_samples(data: Prepared, runner: StudyRunner) -> None:
    """An estimate has no trial to mark: it is refused, for eval too, whose size the manifest tells."""
    few, many = ClosedLoop(n_neighbors=1, n_estimators=2), ClosedLoop(n_neighbors=10_000, n_estimators=2)
    with pytest.raises(UserError, match=r"eval\.n_neighbors: 10000 is more than the \d+ samples of eval"):
        runner(Bayes(kind="bayes", train=few, dev=few, eval=many))

"""The models of all trials of a search are restored as they were: kept, trained again, or fitted again."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from blindtune.config.study import Study
from blindtune.config.systems import System
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import Trial, TrialLog
from blindtune.study.restore import RestoredTrial, TrialRestorer
from blindtune.study.run import run_study
from blindtune.training.pytorch import PyTorchTrainer
from blindtune.views.apply import apply_view
from support.builders import prepared, study

HYPERBAND = {
    "kind": "tuner",
    "tuner": {"library": "keras-tuner", "algorithm": "hyperband", "max_epochs": 4, "factor": 2},
    "space": "mlp",
    "trainer": "pytorch",
    "training": {"epochs": 4},
}
STOPPING = {
    "kind": "tuner",
    "tuner": {"library": "optuna", "algorithm": "random"},
    "space": "mlp_dropout",
    "trainer": "fused",
    "training": {"epochs": 8, "early_stopping": 1, "learning_rate": 0.1},
}


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    """A dataset of two features."""
    return prepared(tmp_path, train=80, dev=40)


def run(content: dict[str, Any], data: Prepared, folder: Path, **changes: Any) -> tuple[Study, list[Trial]]:
    """Run a study; return it and its trials."""
    settings: Any = TypeAdapter[Any](System).validate_python(content)
    it = study(settings, **({"budget": {"trials": 12}} | changes))
    run_study(it, data, files=settings.files(), code="code", folder=folder, job_log=JobLog())
    return it, TrialLog(folder / "trials.jsonl").read()


def restore(it: Study, data: Prepared, folder: Path, trials: list[Trial]) -> dict[int, RestoredTrial]:
    """Restore the trials of a study; return them by number."""
    own = apply_view(it.settings.view, data)
    return {one.trial.number: one for one in TrialRestorer(it, own, folder, trials).restore()}


def check_all(found: dict[int, RestoredTrial], trials: list[Trial], data: Prepared) -> None:
    """Every trial with a score is there, with its weights and its dev error."""
    scored = [trial for trial in trials if trial.score is not None]
    assert sorted(found) == [trial.number for trial in scored]
    for trial in scored:
        one = found[trial.number]
        assert one.model is not None and one.same_weights and one.reason is None
        assert (one.model.predict(data.dev.x) != data.dev.y).mean() == trial.score


def test_continued_trials_are_trained_after_those_that_they_continue(data: Prepared, tmp_path: Path) -> None:
    """Trials that Hyperband promoted go on from the state of an earlier one, at any depth."""
    it, trials = run(HYPERBAND, data, tmp_path / "study")
    continued = [trial for trial in trials if trial.trained_before]
    assert any(trials[trial.parent or 0].trained_before for trial in continued), "none was promoted twice"
    check_all(restore(it, data, tmp_path / "study", trials), trials, data)


def test_trials_that_stopped_early_are_trained_as_far_as_they_came(data: Prepared, tmp_path: Path) -> None:
    """Early stopping, dropout and a fused group change nothing."""
    it, trials = run(STOPPING, data, tmp_path / "study", budget={"trials": 6})
    assert len({trial.epochs for trial in trials if trial.score is not None}) > 1, "all ran to the same epoch"
    check_all(restore(it, data, tmp_path / "study", trials), trials, data)


def test_kept_weights_are_used_and_damaged_ones_are_trained_again(data: Prepared, tmp_path: Path) -> None:
    """All weights may be kept; a damaged file costs a training and nothing else."""
    it, trials = run(STOPPING, data, tmp_path / "study", budget={"trials": 4}, keep_best=4)
    files = sorted((tmp_path / "study" / "weights").iterdir())
    files[0].write_bytes(b"damaged")
    found = restore(it, data, tmp_path / "study", trials)
    check_all(found, trials, data)
    assert [found[number].restored for number in sorted(found)].count("retrained") == 1
    assert sum(one.restored == "kept" for one in found.values()) == len(files) - 1


def test_other_weights_are_said(data: Prepared, tmp_path: Path) -> None:
    """A training that gives other weights than were recorded says so: its dev error decides what it is worth."""
    it, trials = run(STOPPING, data, tmp_path / "study", budget={"trials": 3})
    for path in (tmp_path / "study" / "weights").iterdir():
        path.unlink()
    changed = [trial.model_copy(update={"weights_sha256": "0" * 64}) for trial in trials]
    found = restore(it, data, tmp_path / "study", changed)
    assert found and all(one.same_weights is False and one.model is not None for one in found.values())


def test_training_that_fails_now_has_no_model(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that cannot be trained again is named with the reason, and those that continue it too."""
    it, trials = run(HYPERBAND, data, tmp_path / "study")
    for path in (tmp_path / "study" / "weights").iterdir():
        path.unlink()
    child = next(trial for trial in trials if trial.trained_before)
    train = PyTorchTrainer.train

    def fail(trainer: Any, task: Any, *rest: Any) -> Any:
        if rest[-1].name == f"trial {(child.parent or 0) + 1}":
            raise ValueError("no such luck")
        return train(trainer, task, *rest)

    monkeypatch.setattr(PyTorchTrainer, "train", fail)
    found = restore(it, data, tmp_path / "study", trials)
    assert found[child.parent or 0].reason == "trained again, it was failed: no such luck"
    assert "which it continues, could not be trained again" in str(found[child.number].reason)
    assert found[child.number].model is None is found[child.number].restored

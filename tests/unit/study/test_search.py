"""The search loop: promotion, pruning, folds and budgets, and the same records wherever it was interrupted."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog
from blindtune.core.seeds import derive
from blindtune.core.weights import load_weights, load_with_metadata, write_weights
from blindtune.datasets.prepared import Prepared
from blindtune.models import mlp
from blindtune.records.trial import Trial, TrialLog, find_best
from blindtune.search_space import Hyperparameters
from blindtune.study.checkpoints import WeightStore
from blindtune.study.context import StudyContext
from blindtune.study.search import SILENT_SECONDS, Search, SearchCallbacks, describe_trial, log_progress
from blindtune.study.setup import SearchSetup
from blindtune.training.base import EpochMetrics, TrainingTask
from blindtune.training.pytorch import PyTorchTrainer
from blindtune.tuners.base import FixedListTuner, Fold, Proposal, Tuner
from support.builders import RecordingConsole, study
from support.curve_trainer import KNN


class ListLog(JobLog):
    """Keeps every message."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)


def build_task(values: Hyperparameters) -> TrainingTask:
    training = Training(epochs=int(values.get("epochs", 4)), batch_size=20, learning_rate=0.02)
    seed = derive("trial", values)
    return TrainingTask(mlp.build_architecture(values, (2,), 2), training, values, seed, 2)


class HalvingTuner(Tuner):
    """Three sets for one epoch; the best of them until epoch 2; and that again until epoch 4."""

    def __init__(self) -> None:
        self.told: list[Trial] = []
        self.reported: list[tuple[int, float]] = []

    def ask(self) -> Proposal | None:
        number = len(self.told)
        if number < 3:
            return Proposal({"layers": 1, "units": 3 + number, "dropout_rate": 0.2}, epochs=1)
        parent = min(self.told[:3], key=lambda trial: trial.objective_value()) if number == 3 else self.told[-1]
        values: Any = parent.hyperparameters
        return Proposal(values, parent=parent.number, epochs=2 * (number - 2)) if number < 5 else None

    def report(self, epoch: int, dev_error: float) -> str | None:
        self.reported.append((epoch, dev_error))
        return None

    def tell(self, trial: Trial) -> None:
        self.told.append(trial)


def run_search(
    data: Prepared,
    folder: Path,
    tuner: Tuner,
    budget: Budget | None = None,
    keep_best: int = 1,
    callbacks: SearchCallbacks | None = None,
    job_log: JobLog | None = None,
) -> Search:
    setup = SearchSetup(tuner, PyTorchTrainer(), build_task, budget or Budget(trials=99), resumes_trials=True)
    log, weights = TrialLog(folder / "trials.jsonl"), WeightStore(folder, keep_best)
    context = StudyContext(study=study(KNN), data=data, preprocessing={}, folder=folder, job_log=job_log or JobLog())
    search = Search(context, setup, log, weights, callbacks)
    search.run()
    return search


def outcomes(search: Search) -> list[dict[str, object]]:
    return [trial.reproducible_fields() for trial in search.trials]


def test_long_training_is_not_silent(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch is a line only if none was written for a minute; after it, the next minute begins."""
    log, now = RecordingConsole(), [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    context = StudyContext(study=study(KNN), data=data, preprocessing={}, folder=tmp_path, job_log=log)
    setup = SearchSetup(HalvingTuner(), PyTorchTrainer(), build_task, Budget(trials=9), resumes_trials=True)
    after_epoch = log_progress(context, setup).after_epoch
    for epoch, seconds in enumerate((0.0, SILENT_SECONDS + 1, 1.0, SILENT_SECONDS, SILENT_SECONDS)):
        now[0] += seconds
        error = None if epoch == 3 else 0.25
        after_epoch(2, epoch + 1, EpochMetrics(train_loss=0.5, train_error=0.2, dev_loss=None, dev_error=error))
    name = context.name
    assert log.said == [
        f"{name}: trial 3 is training, epoch 2, dev error 25.00%",
        f"{name}: trial 3 is training, epoch 4",
    ]


def test_search_resumes_promoted_trials(data: Prepared, tmp_path: Path) -> None:
    """A promoted trial starts at its parent's last epoch, and together they are one whole training."""
    tuner = HalvingTuner()
    trials = run_search(data, tmp_path, tuner).trials
    assert [(trial.parent, trial.trained_before, trial.epochs) for trial in trials[:3]] == [(None, 0, 1)] * 3
    assert [(trial.trained_before, trial.epochs) for trial in trials[3:]] == [(1, 1), (2, 2)]
    assert (trials[4].parent, trials[4].scored_epoch) == (3, 4)
    assert [epoch for epoch, _ in tuner.reported] == [1, 1, 1, 2, 3, 4]
    whole = PyTorchTrainer().train(build_task(trials[4].hyperparameters), data.train, data.dev, create_options())
    parent = trials[int(str(trials[3].parent))]
    assert whole.curve == [*parent.curve, *trials[3].curve, *trials[4].curve]


def create_options() -> Any:
    from blindtune.training.base import TrainingOptions

    return TrainingOptions("last")


@pytest.mark.parametrize("states", ["kept", "lost"])
def test_search_cut_anywhere_ends_the_same(data: Prepared, tmp_path: Path, states: str) -> None:
    """A lost state costs the training of its trial once more, nothing else."""
    whole = run_search(data, tmp_path / "whole", HalvingTuner())
    lines = (tmp_path / "whole" / "trials.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for cut in range(len(lines)):
        folder = tmp_path / f"{states}-{cut}"
        folder.mkdir()
        (folder / "trials.jsonl").write_text("".join(lines[:cut]), encoding="utf-8")
        if states == "kept":
            (folder / "states").symlink_to(tmp_path / "whole" / "states")
        assert outcomes(run_search(data, folder, HalvingTuner())) == outcomes(whole)


def damage(path: Path, how: str, other: Path) -> None:
    """Damage the file of a state in one of the ways that a disk or a person can."""
    content = path.read_bytes()
    if how == "a bit of its arrays":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "cut off":
        path.write_bytes(content[:-5])
    elif how == "that of another trial":
        path.write_bytes(other.read_bytes())
    elif how == "without a digest":
        write_weights(path, load_weights(path, ""))
    else:
        arrays, described = load_with_metadata(path, "")
        write_weights(path, load_weights(other, ""), described)
        assert arrays.keys() == load_weights(other, "").keys()


@pytest.mark.parametrize(
    "how", ["a bit of its arrays", "cut off", "that of another trial", "without a digest", "other arrays"]
)
def test_search_never_resumes_from_a_damaged_state(data: Prepared, tmp_path: Path, how: str) -> None:
    """A state that is not the recorded trial's is named and not used; the records are those of an undisturbed run."""
    whole = run_search(data, tmp_path / "whole", HalvingTuner())
    lines = (tmp_path / "whole" / "trials.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    parent = int(str(whole.trials[3].parent))
    folder = tmp_path / "cut"
    shutil.copytree(tmp_path / "whole" / "states", folder / "states")
    (folder / "trials.jsonl").write_text("".join(lines[:3]), encoding="utf-8")
    path = folder / "states" / f"{parent:05d}.safetensors"
    damage(path, how, folder / "states" / f"{(parent + 1) % 3:05d}.safetensors")
    log = ListLog()
    assert outcomes(run_search(data, folder, HalvingTuner(), job_log=log)) == outcomes(whole)
    (line,) = [line for line in log.lines if str(path) in line]
    assert line.endswith("It is not used: the trial is trained again")


def test_train_again_repeats_the_ancestors_first(data: Prepared, tmp_path: Path) -> None:
    """Without states, a promoted trial is trained again after its ancestors; other weights are refused."""
    search = run_search(data, tmp_path, HalvingTuner())
    WeightStore(tmp_path, 1).remove_states()
    assert not (tmp_path / "states").exists()
    last = search.trials[4]
    assert search.retrainer.train_again(last).curve == last.curve
    wrong = last.model_copy(update={"weights_sha256": "0"})
    with pytest.raises(UserError, match="trial 4, trained again, gives other weights"):
        search.retrainer.train_again(wrong)


def test_search_charges_promotions_their_own_epochs(data: Prepared, tmp_path: Path) -> None:
    """A budget in epochs is never overdrawn, and a promotion costs only the epochs that it adds."""
    for limit, trials in ((3, 3), (4, 4), (5, 4), (6, 5)):
        search = run_search(data, tmp_path / str(limit), HalvingTuner(), Budget(epochs=limit))
        assert len(search.trials) == trials, "promotion costs only what it adds"
        assert sum(trial.epochs for trial in search.trials) <= limit


def test_search_counts_seconds_of_earlier_sessions(data: Prepared, tmp_path: Path) -> None:
    """A budget in seconds ends the search after the running trial, and counts earlier sessions."""
    sets: Any = [{"layers": 1, "units": units} for units in range(2, 40)]
    first = run_search(data, tmp_path, FixedListTuner(sets), Budget(seconds=1e-6))
    assert len(first.trials) == 1, "the trial that is under way is finished"
    assert len(run_search(data, tmp_path, FixedListTuner(sets), Budget(seconds=1e-6)).trials) == 1


class PruningTuner(FixedListTuner):
    """Stops every set of more than three units at its second epoch."""

    def __init__(self) -> None:
        super().__init__([{"layers": 1, "units": units} for units in (3, 4, 5)])
        self.units = 0
        self.reported: list[tuple[int, int]] = []

    def ask(self) -> Proposal | None:
        proposal = super().ask()
        self.units = int(proposal.hyperparameters["units"]) if proposal else 0
        return proposal

    def report(self, epoch: int, dev_error: float) -> str | None:
        self.reported.append((self.units, epoch))
        return "too wide" if self.units > 3 and epoch == 2 else None


def test_search_records_pruned_trials(data: Prepared, tmp_path: Path) -> None:
    """A pruned trial has no score, its epochs count, and a replay reports the same epochs."""
    search = run_search(data, tmp_path, PruningTuner(), keep_best=3)
    assert [(t.status, t.reason, t.epochs) for t in search.trials] == [
        ("completed", None, 4),
        ("pruned", "too wide", 2),
        ("pruned", "too wide", 2),
    ]
    assert [trial.score is None for trial in search.trials] == [False, True, True]
    assert find_best(search.trials) == search.trials[0]
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["00000.safetensors"]
    again = PruningTuner()
    run_search(data, tmp_path, again)
    assert again.reported == [(3, 1), (3, 2), (3, 3), (3, 4), (4, 1), (4, 2), (5, 1), (5, 2)], (
        "reported again, as it was"
    )


class FoldTuner(Tuner):
    """Two folds of one set, then the set on the whole of train."""

    def __init__(self, samples: int) -> None:
        self.n_asked = 0
        self.samples = samples

    def ask(self) -> Proposal | None:
        self.n_asked += 1
        places = np.arange(self.samples)
        values: Hyperparameters = {"layers": 1, "units": 4, "epochs": 2}
        if self.n_asked <= 2:
            odd = places % 2 == self.n_asked - 1
            return Proposal(values, fold=Fold(self.n_asked - 1, places[odd], places[~odd]))
        return Proposal(values) if self.n_asked == 3 else None


def test_search_scores_folds_within_train(data: Prepared, tmp_path: Path) -> None:
    """A trial on a fold is scored within train, is never chosen, and its weights are not kept."""
    search = run_search(data, tmp_path, FoldTuner(len(data.train.y)), keep_best=9)
    trials = search.trials
    assert [trial.fold for trial in trials] == [0, 1, None]
    half = len(data.train.y) // 2
    assert all((float(str(trial.score)) * half).is_integer() for trial in trials[:2])
    chosen = find_best([*trials[:2], trials[2].model_copy(update={"score": 1.0})])
    assert chosen is not None and chosen.number == 2
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["00002.safetensors"]
    assert "error on fold 2" in describe_trial(trials[1]) and "dev error" in describe_trial(trials[2])
    lines = (tmp_path / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    content = json.loads(lines[1]) | {"fold": 0}
    (tmp_path / "trials.jsonl").write_text(f"{lines[0]}\n{json.dumps(content)}\n", encoding="utf-8")
    with pytest.raises(UserError, match="trial 2 was recorded with other hyperparameters"):
        run_search(data, tmp_path, FoldTuner(len(data.train.y)))


def test_search_calls_back_after_epochs_and_trials(data: Prepared, tmp_path: Path) -> None:
    """The callbacks are called after every epoch and every trial, in order."""
    epochs: list[tuple[int, int]] = []
    trials: list[int] = []

    def epoch(trial: int, number: int, measures: EpochMetrics) -> None:
        epochs.append((trial, number))

    note_count: Callable[[list[Trial]], None] = lambda found: trials.append(len(found))  # noqa: E731
    run_search(data, tmp_path, HalvingTuner(), callbacks=SearchCallbacks(epoch, note_count))
    assert epochs == [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3), (4, 4)] and trials == [1, 2, 3, 4, 5]

"""The pool: the same records for any number of workers, also if workers die."""

import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import Trial
from blindtune.study import setup
from blindtune.training.base import BatchTrainer, Outcome, TrainingOptions, TrainingTask, train_each
from blindtune.training.pool import launcher
from blindtune.training.pool.trainer import Pool
from support import pool_trainers
from support.builders import prepared
from support.curve_trainer import BatchCurveTrainer, CurveTrainer, StudyRunner

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")]


#: As in test_groups; a fifth of the sets is invalid.
SPACE = """\
layers: {type: int, low: 1, high: 1}
learning_rate: {type: float, low: 0.01, high: 0.4, step: 0.01}
units: {type: int, low: 0, high: 4}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def worker_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers find the trainers of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(pool_trainers.__file__).parents[1]))


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that gets the process of every worker that is started."""
    started: list[Any] = []
    popen = launcher.subprocess.Popen

    def begin(command: list[str], **more: Any) -> Any:
        process = popen(command, **more)
        # Python itself starts programs, too, to find out what machine this is.
        if "blindtune.training.pool.worker" in command:
            started.append(process)
        return process

    monkeypatch.setattr(launcher.subprocess, "Popen", begin)
    return started


Study = Callable[..., StudyRunner]


@pytest.fixture
def run(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: list[Any]) -> Study:
    """Return a function that runs a study in a new folder, with a trainer that workers create too."""
    space = tmp_path / "space.yaml"
    space.write_text(SPACE, encoding="utf-8")

    def call(make: Any, number: int, tuner: dict[str, Any] | None = None, **changes: Any) -> StudyRunner:
        runner = StudyRunner(data, tmp_path / str(len(list(tmp_path.iterdir()))))
        runner.files = {"space": space}
        monkeypatch.setattr(setup, "create_trainer", make)
        try:
            runner(tuned(**(tuner or {})), workers=number, **({"budget": {"trials": 20}} | changes))
        finally:
            assert all(process.returncode is not None for process in workers), "no worker outlives the study"
        return runner

    return call


def tuned(**tuner: Any) -> Tuned:
    content = {
        "kind": "tuner",
        "tuner": {"library": "optuna", "algorithm": "random"} | tuner,
        "space": "mlp",
        "trainer": "pytorch",
        "training": Training(epochs=9, batch_size=20),
    }
    return Tuned.model_validate(content)


TUNERS: dict[str, dict[str, Any]] = {
    "random": {},
    "pruner": {"pruner": {"algorithm": "median"}, "algorithm": "tpe"},
    "hyperband": {"library": "keras-tuner", "algorithm": "hyperband"},
    "folds": {"library": "scikit-learn", "algorithm": "randomized-search", "folds": 3},
}


@pytest.mark.parametrize("name", TUNERS)
def test_any_number_of_workers_gives_the_same_records(run: Study, workers: list[Any], name: str) -> None:
    """Two and three workers give the records of none, for tuners of all kinds."""
    alone = run(pool_trainers.create_curves, 1, TUNERS[name])
    assert workers == []
    for number in (2, 3):
        workers.clear()
        pooled = run(pool_trainers.create_curves, number, TUNERS[name])
        assert pooled.outcomes() == alone.outcomes()
        assert len(workers) == (1 if name == "pruner" else number)
        trained = [trial for trial in pooled.trials() if trial.status == "completed"]
        assert all(trial.seconds.keys() == {"suggest", "save"} for trial in trained), "what a worker waited is no part"
    assert ("pruned" in {outcome["status"] for outcome in alone.outcomes()}) == (name == "pruner")
    assert any(trial.trained_before for trial in alone.trials()) == (name == "hyperband")


@pytest.mark.parametrize("name", ["random", "hyperband"])
def test_groups_are_divided_among_workers(run: Study, workers: list[Any], name: str) -> None:
    """Groups of a batch trainer are divided among workers, and give the same records."""
    alone = run(pool_trainers.create_curves, 1, TUNERS[name])
    assert run(pool_trainers.create_batch_curves, 2, TUNERS[name]).outcomes() == alone.outcomes()
    assert len(workers) == 2


def test_finished_study_starts_no_worker(run: Study, workers: list[Any]) -> None:
    """A study that is finished starts no worker."""
    runner = run(pool_trainers.create_curves, 2)
    workers.clear()
    runner(tuned(), budget={"trials": 20}, workers=2)
    assert workers == []


def test_pool_is_used_only_if_workers_help() -> None:
    """A pool is created for several workers and a trainer that benefits from them, or to limit each trial."""
    trainer = BatchCurveTrainer(8)
    assert isinstance(trainer, BatchTrainer)
    assert setup.count_workers(trainer, Budget(trials=1), 2) == 2
    assert setup.count_workers(trainer, Budget(trials=1), 1) == 0
    assert setup.count_workers(trainer, Budget(trials=1, trial_seconds=9), 1) == 1, "a hang ends with its process"
    trainer.benefits_from_workers = False
    assert setup.count_workers(trainer, Budget(trials=1), 2) == 0
    assert setup.count_workers(trainer, Budget(trials=1, trial_seconds=9), 2) == 1


def list_retries(trials: list[Trial]) -> dict[int, list[str]]:
    """Return the retries of each trial that has some, by its number."""
    return {trial.number: trial.retries for trial in trials if trial.retries}


@pytest.mark.parametrize(("how", "words"), [(-9, "was killed by SIGKILL"), (3, "ended with exit code 3")])
def test_dead_worker_costs_a_retry(run: Study, workers: list[Any], tmp_path: Path, how: int, words: str) -> None:
    """If a worker dies, its trial is retried and its record says so."""
    alone = run(pool_trainers.create_curves, 1)
    (tmp_path / "deaths").mkdir()
    workers.clear()
    pooled = run(partial(pool_trainers.create_dying, str(tmp_path / "deaths"), 3, 1, how), 2)
    assert pooled.outcomes() == alone.outcomes()
    dead = [trial.number for trial in pooled.trials() if trial.hyperparameters["units"] == 3]
    assert dead and list_retries(pooled.trials()) == {number: [f"its worker {words}; trained again"] for number in dead}
    assert len(workers) == 2 + len(dead)


def test_trial_fails_after_two_dead_workers(run: Study, tmp_path: Path) -> None:
    """A trial of which two workers die has failed."""
    alone = run(pool_trainers.create_curves, 1)
    (tmp_path / "deaths").mkdir()
    pooled = run(partial(pool_trainers.create_dying, str(tmp_path / "deaths"), 3, 9, -11), 2)
    for trial, same in zip(pooled.trials(), alone.trials(), strict=True):
        if trial.hyperparameters["units"] == 3:
            assert (trial.status, trial.reason) == ("failed", "two workers died of it; the last was killed by SIGSEGV")
            assert trial.retries == ["its worker was killed by SIGSEGV; trained again"]
            assert (trial.score, trial.curve) == (None, [])
        else:
            assert trial.reproducible_fields() == same.reproducible_fields() and not trial.retries


def test_group_of_a_dead_worker_continues_in_halves(run: Study, tmp_path: Path, workers: list[Any]) -> None:
    """A group whose worker dies continues in halves, down to the trial that kills workers."""
    alone = run(pool_trainers.create_curves, 1)
    (tmp_path / "deaths").mkdir()
    workers.clear()
    pooled = run(partial(pool_trainers.create_dying_batch, str(tmp_path / "deaths"), 3, 1, -9), 2)
    assert pooled.outcomes() == alone.outcomes()
    lines = {line for trial in pooled.trials() for line in trial.retries}
    assert any("which trained" in line for line in lines)
    (tmp_path / "others").mkdir()
    always = run(partial(pool_trainers.create_dying_batch, str(tmp_path / "others"), 3, 99, -9), 2)
    for trial, same in zip(always.trials(), alone.trials(), strict=True):
        if trial.hyperparameters["units"] == 3:
            assert trial.status == "failed" and len(trial.retries) >= 2
        else:
            assert trial.reproducible_fields() == same.reproducible_fields()


SPLITS = [Split(np.zeros((6, 2), np.float32), np.arange(6) % 2)] * 2


def create_task(units: int) -> TrainingTask:
    return TrainingTask(None, Training(epochs=4), {"units": units}, 7 + units, 2)


def create_pool(make: Any) -> Any:
    return closing(Pool(CurveTrainer(), make, 2))


def test_retried_trial_reports_each_epoch_once(tmp_path: Path) -> None:
    """A trial that is trained again reports each epoch once."""
    (tmp_path / "deaths").mkdir()
    reported: list[int] = []
    options = TrainingOptions("last", after_epoch=lambda epoch, metrics: reported.append(epoch))  # type: ignore[func-returns-value]
    make = partial(pool_trainers.create_dying, str(tmp_path / "deaths"), 3, 1, -9, None)
    with create_pool(make) as pool:
        [(_, outcome)] = train_each(pool, [(create_task(3), options)], *SPLITS)
    assert isinstance(outcome, Outcome)
    assert reported == [1, 2, 3, 4] and outcome.retries
    assert datetime.fromisoformat(outcome.started).tzinfo is UTC


def test_workers_that_cannot_start_end_the_study(run: Study, workers: list[Any], capfd: Any) -> None:
    """Workers that die before they train end the study with an error."""
    with pytest.raises(UserError, match="ended with exit code 1 before it could train, as 5 others did before it"):
        run(pool_trainers.create_broken, 2)
    assert "half of the library is missing" in capfd.readouterr().err
    assert 6 <= len(workers) <= 8


@pytest.mark.parametrize("kind", ["unpicklable", "runtime", "memory", "unwritable"])
def test_trial_error_is_recorded_as_without_workers(run: Study, kind: str) -> None:
    """An error of a trial gives the record that it gives without workers."""
    make = partial(pool_trainers.create_failing, kind)
    outcomes = run(make, 1).outcomes()
    assert {"failed", "completed"} <= {outcome["status"] for outcome in outcomes}
    assert run(make, 2).outcomes() == outcomes


@pytest.mark.parametrize("kind", ["user", "disk"])
@pytest.mark.parametrize("workers_used", [1, 2])
def test_disk_errors_end_the_study(run: Study, kind: str, workers_used: int) -> None:
    """Without disk space the study ends: the next set would meet the same."""
    with pytest.raises(UserError, match=r"disk full|No space left on device.*run again"):
        run(partial(pool_trainers.create_failing, kind), workers_used)


def test_pool_can_be_used_after_an_early_exit() -> None:
    """A batch that is left early ends its workers; the pool trains the next batch."""
    with create_pool(partial(pool_trainers.create_curves, None)) as pool:
        jobs = [(create_task(units), TrainingOptions("last")) for units in range(9)]
        outcomes = pool.train_batch(jobs, *SPLITS)
        next(outcomes)
        outcomes.close()
        assert not any(process.part for process in pool._processes)
        ended = dict(pool.train_batch(jobs, *SPLITS))
        assert sorted(ended) == list(range(9))
        for idle in pool._processes:
            os.kill(idle.launched.process.pid, 9)
        again = dict(pool.train_batch(jobs, *SPLITS))
        assert sorted(again) == list(range(9))
        assert not any(outcome.retries for outcome in again.values()), "nothing was trained there"

"""Trials in processes: the same records for any number of workers, whatever becomes of a worker."""

import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from pickle import loads
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.arrays import open_array
from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import Trial
from blindtune.study import setup as plans
from blindtune.training.base import BatchTrainer, TrainingOptions, TrainingTask
from blindtune.training.pool import shared_arrays as pool_arrays
from blindtune.training.pool import worker_process as pool_process
from blindtune.training.pool.scheduling import SLACK, balanced, cost_of
from blindtune.training.pool.shared_arrays import Mapped
from blindtune.training.pool.trainer import Pool
from blindtune.views.samples import StoredSamples
from support import pool_trainers
from support.builders import prepared
from support.curve_trainer import CurveTrainer, ManyCurves, Runner

pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")

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
def modules_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find the trainers of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(pool_trainers.__file__).parents[1]))


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every worker that is started."""
    started: list[Any] = []
    popen = pool_process.subprocess.Popen

    def begin(command: list[str], **more: Any) -> Any:
        process = popen(command, **more)
        # Python itself starts programs, too, to find out what machine this is.
        if "blindtune.training.pool.worker" in command:
            started.append(process)
        return process

    monkeypatch.setattr(pool_process.subprocess, "Popen", begin)
    return started


Study = Callable[..., Runner]


@pytest.fixture
def run(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: list[Any]) -> Study:
    """Runs a study in a folder of its own, with a trainer that is made as its workers make it."""
    space = tmp_path / "space.yaml"
    space.write_text(SPACE, encoding="utf-8")

    def call(make: Any, number: int, tuner: dict[str, Any] | None = None, **changes: Any) -> Runner:
        runner = Runner(data, tmp_path / str(len(list(tmp_path.iterdir()))))
        runner.files = {"space": space}
        monkeypatch.setattr(plans, "trainer_for", make)
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
    alone = run(pool_trainers.curves, 1, TUNERS[name])
    assert workers == []
    for number in (2, 3):
        workers.clear()
        many = run(pool_trainers.curves, number, TUNERS[name])
        assert many.outcomes() == alone.outcomes()
        assert len(workers) == (1 if name == "pruner" else number)
        trained = [trial for trial in many.trials() if trial.status == "completed"]
        assert all(trial.seconds.keys() == {"suggest", "save"} for trial in trained), "what a worker waited is no part"
    assert ("pruned" in {outcome["status"] for outcome in alone.outcomes()}) == (name == "pruner")
    assert any(trial.trained_before for trial in alone.trials()) == (name == "hyperband")


@pytest.mark.parametrize("name", ["random", "hyperband"])
def test_groups_are_dealt_to_workers(run: Study, workers: list[Any], name: str) -> None:
    alone = run(pool_trainers.curves, 1, TUNERS[name])
    assert run(pool_trainers.many_curves, 2, TUNERS[name]).outcomes() == alone.outcomes()
    assert len(workers) == 2


def test_a_study_that_is_done_starts_no_worker(run: Study, workers: list[Any]) -> None:
    runner = run(pool_trainers.curves, 2)
    workers.clear()
    runner(tuned(), budget={"trials": 20}, workers=2)
    assert workers == []


def test_one_device_for_all_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = ManyCurves(8)
    assert isinstance(trainer, BatchTrainer)
    assert isinstance(plans._spread(trainer, tuned(), 2), Pool)
    assert plans._spread(trainer, tuned(), 1) is trainer
    trainer.benefits_from_workers = False
    assert plans._spread(trainer, tuned(), 2) is trainer


def retried(trials: list[Trial]) -> dict[int, list[str]]:
    return {trial.number: trial.retries for trial in trials if trial.retries}


@pytest.mark.parametrize(("how", "words"), [(-9, "was killed by SIGKILL"), (3, "ended with exit code 3")])
def test_a_worker_that_dies_costs_its_trial_a_retry(
    run: Study, workers: list[Any], tmp_path: Path, how: int, words: str
) -> None:
    alone = run(pool_trainers.curves, 1)
    (tmp_path / "deaths").mkdir()
    workers.clear()
    many = run(partial(pool_trainers.dying, str(tmp_path / "deaths"), 3, 1, how), 2)
    assert many.outcomes() == alone.outcomes()
    dead = [trial.number for trial in many.trials() if trial.hyperparameters["units"] == 3]
    assert dead and retried(many.trials()) == {number: [f"its worker {words}; trained again"] for number in dead}
    assert len(workers) == 2 + len(dead)


def test_a_trial_of_which_workers_die_fails(run: Study, tmp_path: Path) -> None:
    alone = run(pool_trainers.curves, 1)
    (tmp_path / "deaths").mkdir()
    many = run(partial(pool_trainers.dying, str(tmp_path / "deaths"), 3, 9, -11), 2)
    for trial, same in zip(many.trials(), alone.trials(), strict=True):
        if trial.hyperparameters["units"] == 3:
            assert (trial.status, trial.reason) == ("failed", "two workers died of it; the last was killed by SIGSEGV")
            assert trial.retries == ["its worker was killed by SIGSEGV; trained again"]
            assert (trial.score, trial.curve) == (None, [])
        else:
            assert trial.reproducible_fields() == same.reproducible_fields() and not trial.retries


def test_a_part_whose_worker_dies_goes_on_in_halves(run: Study, tmp_path: Path, workers: list[Any]) -> None:
    alone = run(pool_trainers.curves, 1)
    (tmp_path / "deaths").mkdir()
    workers.clear()
    many = run(partial(pool_trainers.many_dying, str(tmp_path / "deaths"), 3, 1, -9), 2)
    assert many.outcomes() == alone.outcomes()
    lines = {line for trial in many.trials() for line in trial.retries}
    assert any("which trained" in line for line in lines)
    (tmp_path / "others").mkdir()
    always = run(partial(pool_trainers.many_dying, str(tmp_path / "others"), 3, 99, -9), 2)
    for trial, same in zip(always.trials(), alone.trials(), strict=True):
        if trial.hyperparameters["units"] == 3:
            assert trial.status == "failed" and len(trial.retries) >= 2
        else:
            assert trial.reproducible_fields() == same.reproducible_fields()


def test_what_a_trial_begins_again_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "deaths").mkdir()
    heard: list[int] = []
    session = TrainingOptions("last", after_epoch=lambda epoch, measures: heard.append(epoch))  # type: ignore[func-returns-value]
    make = partial(pool_trainers.dying, str(tmp_path / "deaths"), 3, 1, -9, None)
    with _pool(make) as pool:
        [(_, outcome)] = pool.train_batch([(_task(3), session)], *SPLITS)
    assert heard == [1, 2, 3, 4] and outcome.retries
    assert datetime.fromisoformat(outcome.started).tzinfo is UTC


def _task(units: int) -> TrainingTask:
    return TrainingTask(None, Training(epochs=4), {"units": units}, 7 + units, 2)


SPLITS = [Split(np.zeros((6, 2), np.float32), np.arange(6) % 2)] * 2


def _pool(make: Any) -> Any:
    return closing(Pool(CurveTrainer(), make, 2))


def test_workers_that_never_come_to_train_end_the_study(run: Study, workers: list[Any], capfd: Any) -> None:
    with pytest.raises(RuntimeError, match="ended with exit code 1 before it could train, as 5 others did before it"):
        run(pool_trainers.broken, 2)
    assert "half of the library is missing" in capfd.readouterr().err
    assert 6 <= len(workers) <= 8


@pytest.mark.parametrize("kind", ["unpicklable", "runtime"])
def test_an_error_of_a_trial_is_its_record_as_without_workers(run: Study, kind: str) -> None:
    make = partial(pool_trainers.failing, kind)
    outcomes = run(make, 1).outcomes()
    assert {"failed", "completed"} <= {outcome["status"] for outcome in outcomes}
    assert run(make, 2).outcomes() == outcomes


@pytest.mark.parametrize(("kind", "error"), [("memory", MemoryError), ("user", UserError)])
def test_memory_and_disk_end_a_study_instead(run: Study, kind: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"no room|disk full"):
        run(partial(pool_trainers.failing, kind), 2)


def test_a_pool_that_is_left_early_ends_what_is_under_way_and_goes_on() -> None:
    with _pool(partial(pool_trainers.curves, None)) as pool:
        jobs = [(_task(units), TrainingOptions("last")) for units in range(9)]
        course = pool.train_batch(jobs, *SPLITS)
        next(course)
        course.close()
        assert not any(process.part for process in pool._processes)
        ended = dict(pool.train_batch(jobs, *SPLITS))
        assert sorted(ended) == list(range(9))
        for idle in pool._processes:
            os.kill(idle._process.pid, 9)
        again = dict(pool.train_batch(jobs, *SPLITS))
        assert sorted(again) == list(range(9))
        assert not any(outcome.retries for outcome in again.values()), "nothing was trained there"


# --- what is sent


def test_a_mapped_array_travels_as_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(400_000, dtype=np.int16).reshape(-1, 4))
    x = open_array(tmp_path / "x.npy")
    sent = Mapped((Split(StoredSamples(x, (4,)), x[:, 0].copy()), x))
    assert len(sent.pickled) < 2_000_000, "labels and the rows that are seen, but no samples"
    split, again = loads(sent.pickled)
    assert isinstance(again, np.memmap) and not again.flags.writeable and again.filename == x.filename
    assert isinstance(split.x.stored, np.memmap)
    rows = np.array([5, 3])
    assert np.array_equal(split.x[rows].eval_batch(slice(0, 2)), x[rows].astype(np.float32))


def test_a_part_of_a_map_is_no_map(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(600_000, dtype=np.float64))
    x = open_array(tmp_path / "x.npy")
    for part in (x[1000:], x[::2], x[::-1]):
        sent = Mapped(part)
        assert len(sent.pickled) < 1000
        assert np.array_equal(loads(sent.pickled), part)
        sent.close()


def test_what_is_mapped_outlives_what_was_written() -> None:
    whole = np.arange(300_000, dtype=np.int64)
    sent = Mapped({"one": whole, "two": whole, "few": whole[:10]})
    again = loads(sent.pickled)
    assert again["one"] is again["two"] and type(again["few"]) is np.ndarray
    sent.close()
    assert np.array_equal(again["one"], whole) and not again["one"].flags.writeable
    with pytest.raises(FileNotFoundError):
        loads(sent.pickled)


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        st.sampled_from([np.int8, np.int64, np.float32, np.float64, np.bool_]),
        arrays.array_shapes(max_dims=4, max_side=5),
    ),
    st.booleans(),
)
def test_every_array_arrives_as_it_was(array: Any, turned: bool) -> None:
    value = array.T if turned else array
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_arrays, "LEAST", 0)
        sent = Mapped(value)
    again = loads(sent.pickled)
    sent.close()
    assert isinstance(again, np.memmap) and again.dtype == value.dtype
    assert np.array_equal(again, value, equal_nan=value.dtype.kind == "f")


def test_no_room_for_what_is_shared_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_arrays.tempfile, "TemporaryFile", lambda: Path("/dev/full").open("wb"))  # noqa: SIM115
    with pytest.raises(UserError, match=r"MiB that workers share cannot be written .* Set TMPDIR"):
        Mapped(np.zeros(2**18))


# --- what is dealt


@given(
    st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=12), min_size=1, max_size=8),
    st.integers(1, 5),
)
def test_parts_are_halved_until_no_worker_waits_long(groups: list[list[int]], workers: int) -> None:
    costs = [cost for group in groups for cost in group]
    places = iter(range(len(costs)))
    parts = [[next(places) for _ in group] for group in groups]
    dealt = balanced(parts, costs, workers)
    assert sorted(place for part in dealt for place in part) == list(range(len(costs)))
    assert all(any(set(part) <= set(whole) for whole in parts) for part in dealt)
    sums = [sum(costs[place] for place in part) for part in dealt]
    assert sums == sorted(sums, reverse=True)
    ends = [0] * workers
    for cost in sums:
        ends[ends.index(min(ends))] += cost
    least = max(sum(costs) / workers, *costs)
    assert max(ends) <= SLACK * least or all(len(part) == 1 for part in dealt)


def test_parts_stay_whole_where_they_keep_workers_busy() -> None:
    assert balanced([[0, 1], [2, 3]], [1] * 4, 2) == [[0, 1], [2, 3]]
    assert balanced([[0, 1, 2, 3]], [1] * 4, 2) == [[0, 1], [2, 3]]
    assert balanced([[0, 1], [2]], [1, 1, 9], 2) == [[2], [0, 1]], "one long job is not helped by dividing others"
    assert balanced([[0, 1, 2]], [1, 1, 1], 1) == [[0, 1, 2]]


def test_a_promoted_trial_costs_what_it_adds() -> None:
    from blindtune.models.mlp import build_architecture
    from blindtune.training.base import State

    task = TrainingTask(build_architecture({"layers": 1, "units": 3}, (2,), 2), Training(epochs=5), {}, 1, 2)
    assert cost_of(task, TrainingOptions("last")) == 5 * (2 * 3 + 3 + 3 * 2 + 2)
    assert cost_of(task, TrainingOptions("last", state=State(3, {}))) == 2 * 17

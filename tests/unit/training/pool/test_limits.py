"""Workers that hang, stop or grow: limits of seconds, notices and replacement."""

import os
import re
import signal
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.training import Training
from blindtune.core import timing
from blindtune.datasets.base import Split
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.pool import trainer as pools
from blindtune.training.pool import worker_process
from blindtune.training.pool.trainer import Pool
from support import pool_trainers
from support.curve_trainer import BatchCurveTrainer, CurveTrainer

pytestmark = pytest.mark.slow

SPLITS = [Split(np.zeros((6, 2), np.float32), np.arange(6) % 2)] * 2


@pytest.fixture(autouse=True)
def worker_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers find the trainers of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(pool_trainers.__file__).parents[1]))


def create_jobs(*units: int, limit: float | None = None) -> list[Any]:
    return [
        (TrainingTask(None, Training(epochs=4), {"units": one}, 7 + one, 2), TrainingOptions("last", limit=limit))
        for one in units
    ]


@pytest.mark.parametrize("how", ["sleep", "stop"])
def test_hanging_training_is_ended_at_its_limit(how: str) -> None:
    """A training that hangs or stops in its second epoch has failed at its limit, with its epochs; others complete."""
    make = partial(pool_trainers.create_stuck, how, 0.0, None)
    with closing(Pool(CurveTrainer(), make, 1)) as pool:
        jobs = create_jobs(2, 3, 4, limit=1.5)
        ended = dict(pool.train_batch(jobs, *SPLITS))
    assert [ended[index].status for index in range(3)] == ["completed", "failed", "completed"]
    stuck = ended[1]
    assert (stuck.reason, len(stuck.curve), stuck.weights) == ("too long (more than 1.5 s)", 2, {})
    assert jobs[1][1].clock.spent() >= 1.5, "the budget is charged what it took"


def test_slow_training_ends_after_an_epoch() -> None:
    """A training whose epochs go on ends by itself once it is over its limit, and its worker goes on."""
    make = partial(pool_trainers.create_stuck, "slow", 0.6, None)
    with closing(Pool(CurveTrainer(), make, 1)) as pool:
        first = dict(pool.train_batch(create_jobs(2, limit=1.0), *SPLITS))[0]
        [process] = pool._processes
        dict(pool.train_batch(create_jobs(4, limit=100.0), *SPLITS))
        assert pool._processes == [process]
    assert (first.status, first.reason) == ("failed", "too long (more than 1 s)")
    assert 2 <= len(first.curve) <= 3


def test_stopped_worker_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that a signal has stopped is named with its number and its trial, once, and may go on."""
    monkeypatch.setattr(pools, "STOPPED_AFTER", 0.3)
    notices: list[str] = []

    def notice(line: str) -> None:
        notices.append(line)
        os.kill(int(re.findall(r"kill -CONT (\d+)", line)[0]), signal.SIGCONT)

    make = partial(pool_trainers.create_stuck, "stop", 0.0, None)
    with closing(Pool(CurveTrainer(), make, 1, notice)) as pool:
        [(task, options)] = create_jobs(3)
        options = TrainingOptions("last", name="trial 12")
        ended = dict(pool.train_batch([(task, options)], *SPLITS))
    assert ended[0].status == "completed" and len(notices) == 1
    assert re.fullmatch(r"worker \d+, which trains trial 12, is stopped .* since \d+ s\. .*trial_seconds.*", notices[0])


def test_advice_about_a_worker_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command in the message ends the worker, twice; its trial has failed, and the others complete."""
    monkeypatch.setattr(pools, "STOPPED_AFTER", 0.3)
    advised: list[int] = []

    def follow(line: str) -> None:
        advised.append(int(re.findall(r"kill -KILL (\d+) ends it", line)[0]))
        os.kill(advised[-1], signal.SIGKILL)

    make = partial(pool_trainers.create_stuck, "stop", 0.0, None)
    with closing(Pool(CurveTrainer(), make, 1, follow)) as pool:
        ended = dict(pool.train_batch(create_jobs(2, 3, 4), *SPLITS))
    assert [ended[index].status for index in range(3)] == ["completed", "failed", "completed"]
    assert len(set(advised)) == 2


def test_workers_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections are closed before one worker is waited for, and all share the time in which they must end."""
    events: list[Any] = []
    monkeypatch.setattr(worker_process.time, "monotonic", lambda: 4.0 * len(events))

    class Stopped:
        killed = False

        def __init__(self) -> None:
            self.channel = self.launched = self.process = self

        def close(self) -> None:
            events.append("close")

        def kill(self) -> None:
            self.killed = True

        def reap(self) -> None:
            self.wait()

        def wait(self, timeout: float = 0.0) -> None:
            events.append(timeout)
            if not self.killed:
                raise subprocess.TimeoutExpired("worker", timeout)

    workers: Any = [Stopped() for _ in range(3)]
    worker_process.end_together(workers)
    assert events[:3] == ["close"] * 3
    assert events[3:6] == [10.0, 6.0, 2.0]
    assert all(worker.killed for worker in workers)


def test_pool_that_was_stopped_blames_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is not late for the time in which the pool could not listen to it."""
    clock = timing.AwakeClock()
    monkeypatch.setattr(worker_process, "AWAKE", clock)
    monkeypatch.setattr(timing.AwakeClock, "_keep_looking", lambda self: None)
    clock.watch()
    worker = object.__new__(worker_process.WorkerProcess)
    worker.touch()
    clock._last -= 600.0
    clock._last_cpu -= 0.0
    assert worker.silent < 60.0


def test_silent_worker_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that runs but finishes no epoch is named once, after a longer time."""
    monkeypatch.setattr(pools, "STOPPED_AFTER", 0.2)
    monkeypatch.setattr(pools, "SILENT_AFTER", 0.8)
    notices: list[str] = []
    make = partial(pool_trainers.create_stuck, "sleep", 0.0, None)
    with closing(Pool(CurveTrainer(), make, 1, notices.append)) as pool:
        ended = dict(pool.train_batch(create_jobs(3, limit=4.0), *SPLITS))
    assert ended[0].status == "failed"
    assert len([line for line in notices if "which trains job 1, has not finished an epoch since" in line]) == 1


def test_worker_is_replaced_after_its_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has trained as often as its trainer allows is replaced; outcomes are the same."""
    started: list[Any] = []
    create = worker_process.WorkerProcess.__init__

    def counted(self: Any, launched: Any, factory: Any) -> None:
        started.append(self)
        create(self, launched, factory)

    monkeypatch.setattr(worker_process.WorkerProcess, "__init__", counted)
    jobs = create_jobs(*range(7))
    with closing(Pool(CurveTrainer(), partial(pool_trainers.create_curves, None), 1, max_trainings=3)) as pool:
        ended = dict(pool.train_batch(jobs, *SPLITS))
    assert len(started) == 3
    for index, (task, options) in enumerate(create_jobs(*range(7))):
        assert ended[index].curve == CurveTrainer().train(task, *SPLITS, options).curve
        assert not ended[index].retries


def test_group_over_its_limit_continues_in_halves() -> None:
    """A group whose trials together are over their limits goes on in halves, down to the one that hangs."""
    make = partial(pool_trainers.create_stuck_batch, None)
    with closing(Pool(BatchCurveTrainer(8), make, 1)) as pool:
        ended = dict(pool.train_batch(create_jobs(2, 3, 4, limit=0.8), *SPLITS))
    assert [ended[index].status for index in range(3)] == ["completed", "failed", "completed"]
    assert ended[1].reason == "too long (more than 0.8 s)"
    assert any("took longer than its trials may" in line for line in ended[1].retries)

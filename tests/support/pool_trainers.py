"""Trainers whose workers die or fail, as a worker imports them: a function with plain arguments creates each.

The last arguments of each function are those of `blindtune.training.registry.create_trainer`.
"""

import errno
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from support.curve_trainer import BatchCurveTrainer, CurveTrainer


def create_curves(name: str, workers: int = 1) -> CurveTrainer:
    return CurveTrainer()


def create_batch_curves(name: str, workers: int = 1) -> BatchCurveTrainer:
    return BatchCurveTrainer(5, seed=os.getpid())


def create_broken(name: str, workers: int = 1) -> CurveTrainer:
    """Fail in a worker, so that none comes as far as to train."""
    if sys.argv[0].endswith("worker.py"):
        raise ImportError("half of the library is missing")
    return CurveTrainer()


def _die(signal_or_code: int) -> None:
    if signal_or_code < 0:
        os.kill(os.getpid(), -signal_or_code)
        time.sleep(60)
    os._exit(signal_or_code)


class _Killer:
    """Ends the process in the second epoch of each set with `units`, `times` times; files in `folder` count them."""

    def __init__(self, folder: str, units: int, times: int, how: int) -> None:
        self._folder, self._units, self._times, self._how = Path(folder), units, times, how

    def __call__(self, task: Any, epoch: int) -> None:
        if task.hyperparameters["units"] != self._units or epoch != 2:
            return
        for number in range(self._times):
            path = self._folder / f"{task.seed}-{number}"
            if not path.exists():
                path.touch()
                _die(self._how)


class DyingTrainer(CurveTrainer):
    def __init__(self, killer: _Killer) -> None:
        super().__init__()
        self._killer = killer

    def train(self, task: Any, train: Any, dev: Any, options: Any) -> Any:
        return super().train(task, train, dev, _with_killer(self._killer, task, options))


class DyingBatchTrainer(BatchCurveTrainer):
    def __init__(self, killer: _Killer) -> None:
        super().__init__(9)
        self._killer = killer

    def train(self, task: Any, train: Any, dev: Any, options: Any) -> Any:
        return super().train(task, train, dev, _with_killer(self._killer, task, options))


def _with_killer(killer: _Killer, task: Any, options: Any) -> Any:
    def after_epoch(epoch: int, metrics: Any) -> str | None:
        reason: str | None = options.after_epoch(epoch, metrics)
        killer(task, epoch)
        return reason

    return replace(options, after_epoch=after_epoch)


def create_dying(folder: str, units: int, times: int, how: int, name: str, workers: int = 1) -> CurveTrainer:
    return DyingTrainer(_Killer(folder, units, times, how))


def create_dying_batch(folder: str, units: int, times: int, how: int, name: str, workers: int = 1) -> CurveTrainer:
    return DyingBatchTrainer(_Killer(folder, units, times, how))


class UnpicklableError(ValueError):
    """An error as some libraries raise them: its attributes are not its arguments."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")
        self.lock = lambda: None


class UnwritableError(RuntimeError):
    """An error whose message cannot be made."""

    def __str__(self) -> str:
        raise TypeError("no message")


class FailingTrainer(CurveTrainer):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def train(self, task: Any, train: Any, dev: Any, options: Any) -> Any:
        if task.hyperparameters["units"] == 3:
            raise {
                "unpicklable": UnpicklableError("no", "luck"),
                "runtime": RuntimeError("out of luck\nmore"),
                "memory": MemoryError("no room"),
                "user": UserError("disk full"),
                "disk": OSError(errno.ENOSPC, "No space left on device"),
                "unwritable": UnwritableError(),
            }[self._kind]
        return super().train(task, train, dev, options)


def create_failing(kind: str, name: str, workers: int = 1) -> CurveTrainer:
    return FailingTrainer(kind)


class StuckTrainer(CurveTrainer):
    """Sleeps, or stops its process, in the second epoch of each set with three units; every epoch takes `pause`."""

    def __init__(self, how: str, pause: float) -> None:
        super().__init__()
        self._how, self._pause = how, pause

    def train(self, task: Any, train: Any, dev: Any, options: Any) -> Any:
        def after_epoch(epoch: int, metrics: Any) -> str | None:
            reason: str | None = options.after_epoch(epoch, metrics)
            with options.clock.measure("train"):
                time.sleep(self._pause)
                if task.hyperparameters["units"] == 3 and epoch == 2:
                    if self._how == "stop":
                        os.kill(os.getpid(), signal.SIGSTOP)
                    elif self._how == "sleep":
                        time.sleep(120)
            return reason

        return super().train(task, train, dev, replace(options, after_epoch=after_epoch))


def create_stuck(how: str, pause: float, name: str, workers: int = 1) -> CurveTrainer:
    return StuckTrainer(how, pause)


class StuckBatchTrainer(BatchCurveTrainer):
    """Hangs in each batch with a set of three units, before any set of the batch ends."""

    def train_batch(self, jobs: Any, train: Any, dev: Any) -> Any:
        if any(task.hyperparameters["units"] == 3 for task, _ in jobs):
            time.sleep(120)
        yield from super().train_batch(jobs, train, dev)


def create_stuck_batch(name: str, workers: int = 1) -> BatchCurveTrainer:
    return StuckBatchTrainer(8)

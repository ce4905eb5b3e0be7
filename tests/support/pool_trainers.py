"""Trainers whose workers die or fail, as a worker imports them: each is made by a function, from plain arguments."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from support.curve_trainer import CurveTrainer, ManyCurves


def curves(settings: Any, workers: int = 1) -> CurveTrainer:
    return CurveTrainer()


def many_curves(settings: Any, workers: int = 1) -> ManyCurves:
    return ManyCurves(5, seed=os.getpid())


def broken(settings: Any, workers: int = 1) -> CurveTrainer:
    """No worker comes as far as to train."""
    if sys.argv[0].endswith("worker.py"):
        raise ImportError("half of the library is missing")
    return CurveTrainer()


def _die(signal_or_code: int) -> None:
    if signal_or_code < 0:
        os.kill(os.getpid(), -signal_or_code)
        time.sleep(60)
    os._exit(signal_or_code)


class _Dies:
    """Dies in its second epoch of each set with ``units``, as often as ``times`` says; ``folder`` counts."""

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


class DyingCurves(CurveTrainer):
    def __init__(self, dies: _Dies) -> None:
        super().__init__()
        self._dies = dies

    def train(self, task: Any, train: Any, dev: Any, session: Any) -> Any:
        return super().train(task, train, dev, _dying(self._dies, task, session))


class ManyDyingCurves(ManyCurves):
    def __init__(self, dies: _Dies) -> None:
        super().__init__(9)
        self._dies = dies

    def train(self, task: Any, train: Any, dev: Any, session: Any) -> Any:
        return super().train(task, train, dev, _dying(self._dies, task, session))


def _dying(dies: _Dies, task: Any, session: Any) -> Any:
    from dataclasses import replace

    def after_epoch(epoch: int, measures: Any) -> str | None:
        finished_trial: str | None = session.after_epoch(epoch, measures)
        dies(task, epoch)
        return finished_trial

    return replace(session, after_epoch=after_epoch)


def dying(folder: str, units: int, times: int, how: int, settings: Any, workers: int = 1) -> CurveTrainer:
    return DyingCurves(_Dies(folder, units, times, how))


def many_dying(folder: str, units: int, times: int, how: int, settings: Any, workers: int = 1) -> CurveTrainer:
    return ManyDyingCurves(_Dies(folder, units, times, how))


class Unpicklable(ValueError):
    """An error as some libraries have them: what it is made of is not what it keeps."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")
        self.lock = lambda: None


class FailingCurves(CurveTrainer):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def train(self, task: Any, train: Any, dev: Any, session: Any) -> Any:
        if task.hyperparameters["units"] == 3:
            raise {
                "unpicklable": Unpicklable("no", "luck"),
                "runtime": RuntimeError("out of luck\nmore"),
                "memory": MemoryError("no room"),
                "user": UserError("disk full"),
            }[self._kind]
        return super().train(task, train, dev, session)


def failing(kind: str, settings: Any, workers: int = 1) -> CurveTrainer:
    return FailingCurves(kind)

"""Small studies of real trainers with several workers, and functions that find and kill a worker."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil

from blindtune.config.systems import Tuned
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.study import run as runs
from support.builders import study
from support.kill_studies import SPACE, TRAINING


def _study(trainer: str, library: str, algorithm: str, trials: int, **arguments: Any) -> dict[str, Any]:
    tuner = {"library": library, "algorithm": algorithm} | arguments
    return {"trainer": trainer, "tuner": tuner, "budget": {"trials": trials}}


#: By name: trainers with tuners that prune, promote, or score on folds; fused trains groups. Workers with TensorFlow
#: take long to start, so one study has them.
STUDIES: dict[str, dict[str, Any]] = {
    "keras, hyperband": _study("keras", "keras-tuner", "hyperband", 14),
    "pytorch, pruner": _study("pytorch", "optuna", "tpe", 14, pruner={"algorithm": "median"}),
    "pytorch, hyperband": _study("pytorch", "keras-tuner", "hyperband", 22),
    "skorch, folds": _study("skorch", "scikit-learn", "randomized-search", 9, folds=3),
    "fused": _study("fused", "optuna", "random", 40),
    "fused, hyperband": _study("fused", "keras-tuner", "hyperband", 22),
}


def run(name: str, data: Prepared, folder: Path, workers: int, job_log: JobLog | None = None) -> None:
    """Run one of `STUDIES` in `folder`."""
    entry = STUDIES[name]
    space = folder.parent / "space.yaml"
    space.write_text(SPACE, encoding="utf-8")
    settings = Tuned.model_validate(
        {
            "kind": "tuner",
            "space": str(space),
            "training": TRAINING,
            "tuner": entry["tuner"],
            "trainer": entry["trainer"],
        }
    )
    one = study(settings, budget=entry["budget"], keep_best=2)
    runs.run_study(
        one, data, files=settings.files(), code="code", folder=folder, job_log=job_log or JobLog(), workers=workers
    )


def workers_of(process: int) -> list[psutil.Process]:
    """Return the workers of a process."""
    return [
        child for child in psutil.Process(process).children() if "blindtune.training.pool.worker" in child.cmdline()
    ]


class WorkerKiller(JobLog):
    """Kills all workers at the epoch ``number`` that is reported, while one of them waits for the decision."""

    def __init__(self, number: int) -> None:
        self._left = number

    def detail(self, line: str) -> None:
        self._left -= 1
        if self._left == 0:
            for worker in workers_of(os.getpid()):
                worker.send_signal(signal.SIGKILL)

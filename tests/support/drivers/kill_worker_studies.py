"""Kills studies with two workers, resumes them, and prints their files as JSON.

``python kill_worker_studies.py FOLDER NAME...``, with names of `worker_studies.STUDIES` that need no TensorFlow.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil

from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.training.keras.backend import load_triton_first
from support import builders
from support.killing import child, ended, left, print_result
from support.worker_studies import run, workers_of

#: Seconds after which a worker without a study is an orphan.
PATIENCE = 20


class StudyKiller(JobLog):
    """Writes the ids of the workers to a file, and kills this process at a certain epoch."""

    def __init__(self, number: int, note: Path) -> None:
        self._left = number
        self._note = note

    def detail(self, line: str) -> None:
        self._left -= 1
        if self._left == 0:
            self._note.write_text(" ".join(str(worker.pid) for worker in workers_of(os.getpid())))
            os.kill(os.getpid(), signal.SIGKILL)


def kill_study(name: str, data: Prepared, root: Path) -> dict[str, Any]:
    """Run a study with one worker, and with two workers and kills at several epochs; return what both left."""
    alone, many, note = root / "alone", root / "many", root / "workers"
    root.mkdir()
    assert ended(child(lambda folder: run(name, data, folder, 1), alone))
    found: list[int] = []
    orphans: list[int] = []
    for number in (5, 15, 15):
        assert not ended(child(lambda folder, at=number: run(name, data, folder, 2, StudyKiller(at, note)), many))
        pids = [int(pid) for pid in note.read_text().split()]
        found.append(len(pids))
        orphans += [worker.pid for worker in _alive(pids)]
    assert ended(child(lambda folder: run(name, data, folder, 2), many))
    return {"alone": left(alone), "killed": left(many), "workers": found, "orphans": orphans}


def _alive(pids: list[int]) -> list[psutil.Process]:
    """Return those that are still there when they must have ended."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    # A zombie has ended; its parent is gone.
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def main(root: Path, names: list[str]) -> None:
    load_triton_first()  # Keras Tuner loads TensorFlow here, and PyTorch trains in the same process
    data = builders.prepare_toy(root, train=200, dev=100).open()
    # In this process, so that what libraries import at their first use is there in every child.
    (root / "warm").mkdir()
    run(names[0], data, root / "warm" / "study", 1)
    print_result({name: kill_study(name, data, root / name.replace(", ", "-")) for name in names})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

"""Run studies in child processes and kill them: children are forks, so that a kill hits the study, not imports."""

import gc
import json
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.core.timing import Stopwatch
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.study import search

Run = Callable[[Path], None]

#: The part of a trial in which a child may be killed; "" is between the measured parts.
PARTS = ["", "suggest", "build", "train", "evaluate", "save"]

#: Shared with the children: the index in PARTS of what the running child does.
_CURRENT_PART = mmap.mmap(-1, 1)


class _ReportingStopwatch(Stopwatch):
    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        around, _CURRENT_PART[0] = _CURRENT_PART[0], PARTS.index(part)
        try:
            with super().measure(part):
                yield
        finally:
            _CURRENT_PART[0] = around


search.Stopwatch = _ReportingStopwatch


def child(run: Run, folder: Path, before: Callable[[], None] = lambda: None) -> int:
    """Fork a child that runs a study; return its process id.

    Args:
        run: runs the study in a folder.
        folder: of the study.
        before: called in the child first.
    """
    _CURRENT_PART[0] = 0
    process = os.fork()
    if process:
        return process
    try:
        before()
        run(folder)
        os._exit(0)
    except BaseException as error:
        print(f"{folder.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def ended(process: int) -> bool:
    """Wait for a child; return whether it finished, not was killed."""
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


def left(folder: Path) -> dict[str, Any]:
    """Return what must not depend on any kill: records, frozen model and files, without torn records."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return {
        "outcomes": [trial.reproducible_fields() for trial in TrialLog(folder / "trials.jsonl").read()],
        "frozen_sha256": read_card(folder / "card.json").frozen_sha256(),
        "chosen": read_card(folder / "card.json").trial,
        "spent": read_card(folder / "card.json").spent.epochs,
        "files": sorted(name for name in files if ".torn-" not in name),
    }


def undisturbed(run: Run, folder: Path) -> tuple[dict[str, Any], float]:
    """Run a study without a kill; return what it leaves, and its seconds."""
    # A fork need not look through what is there already, and copies fewer pages.
    gc.collect()
    gc.freeze()
    begun = time.monotonic()
    assert ended(child(run, folder))
    return left(folder), time.monotonic() - begun


def at_random(run: Run, root: Path, seconds: float, n_kills: int) -> dict[str, Any]:
    """Kill studies at random moments, until enough kills have hit a running one.

    Args:
        run: runs the study in a folder.
        root: gets the folders of the studies.
        seconds: that an undisturbed study takes.
        n_kills: number of kills that must hit a running study.

    Returns:
        ``kills``: for each kill, the number of trials recorded before it and the part that it hit. ``rounds``: what
        each study left.
    """
    moments, attempts = np.random.default_rng(7), 0
    kills: list[tuple[int, str]] = []
    rounds: list[dict[str, Any]] = []
    while len(kills) < n_kills:
        folder = root / f"random-{len(rounds)}"
        log = folder / "trials.jsonl"
        while True:
            before = _count_lines(log)
            process = child(run, folder)
            if len(kills) < n_kills:
                attempts += 1
                # Every other kill follows a further record: on a busy machine all may else fall into one trial.
                if attempts % 2 == 0:
                    _wait_for(process, lambda log=log, before=before: _count_lines(log) > before)
                    time.sleep(moments.uniform(0, 0.1 * seconds))
                else:
                    time.sleep(moments.uniform(0, 0.6 * seconds))
                os.kill(process, signal.SIGKILL)
            if ended(process):
                break
            kills.append((_count_lines(log), PARTS[_CURRENT_PART[0]]))
        rounds.append(left(folder))
    return {"kills": kills, "rounds": rounds}


def _count_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def _wait_for(process: int, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds or a child has ended, which is not collected."""
    while not condition() and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.001)


def die(*_: Any) -> None:
    """Kill the current process."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_points(run: Run, folder: Path, points: dict[str, Callable[[], None]]) -> dict[str, Any]:
    """Kill one study at each of the points in turn.

    Args:
        run: runs the study in a folder.
        folder: of the study.
        points: for each point, what makes the child kill itself there.

    Returns:
        What the study left, the points that it did not reach, and its torn files.
    """
    missed = [name for name, inject in points.items() if ended(child(run, folder, inject))]
    assert ended(child(run, folder))
    return {"left": left(folder), "missed": missed, "torn": sorted(path.name for path in folder.glob("*.torn*"))}


def print_result(result: dict[str, Any]) -> None:
    """Print a result as one line of JSON."""
    print(f"\n{json.dumps(result)}")

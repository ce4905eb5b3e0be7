"""Sides of a comparison, each in a process of its own that may use so many cores, with the peak of its memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from blindtune.core.threads import ONE_THREAD

#: Seconds between two looks at the memory of a side; more looks would take time from what is measured.
_PAUSE = 0.2

#: CPU seconds that idle processes, together, stay below in a second.
_IDLE = 0.05


def answer_of(script: Path, arguments: Sequence[str], cores: int) -> dict[str, Any]:
    """Run a script on the first ``cores`` of the cores that are here.

    Returns:
        The object that the last line of its output holds as JSON, and ``peak``, in bytes: the most that it and its
        children had together.
    """
    here = sorted(os.sched_getaffinity(0))
    if cores > len(here):
        raise SystemExit(f"{cores} cores are asked for, but {len(here)} are here")
    environment = os.environ | dict.fromkeys(ONE_THREAD, str(cores))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        # A process inherits the cores of the one that starts it; libraries look at them when they are loaded.
        os.sched_setaffinity(0, here[:cores])
        try:
            process = subprocess.Popen([sys.executable, str(script), *arguments], stdout=said, env=environment)
        finally:
            os.sched_setaffinity(0, here)
        peak = peak_of(process)
        if process.returncode:
            raise SystemExit(f"{script.name} {' '.join(arguments)} ended with {process.returncode}")
        said.seek(0)
        answer: dict[str, Any] = json.loads(said.read().splitlines()[-1])
    return answer | {"peak": peak}


def peak_of(process: "subprocess.Popen[Any]", pause: float = _PAUSE) -> int:
    """Wait for a process; the highest sum of the resident sets of it and its children, in bytes.

    Shared pages count once a process, so it errs upwards.
    """
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(pause)
    return peak


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children, running or ended."""
    me = psutil.Process()
    total = 0.0
    for process in _family(me):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def settle() -> None:
    """Wait until the children of this process have nothing to do: some may still import what they need."""
    while True:
        before = cpu_seconds()
        time.sleep(1)
        if cpu_seconds() - before < _IDLE:
            return


def _resident(pid: int) -> int:
    total = 0
    try:
        family = _family(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # ended since it was listed
    return total


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]

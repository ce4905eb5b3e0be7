"""Run the sides of a comparison, each in a separate process with a limited number of cores; measure peak memory."""

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

#: Seconds between two samples of the memory of a side; more samples would take time from what is measured.
_PAUSE = 0.2

#: Idle processes use less CPU time than this together, in CPU seconds per second.
_IDLE = 0.05


def run_script(script: Path, arguments: Sequence[str], cores: int) -> dict[str, Any]:
    """Run a script on the first ``cores`` of the cores of this process.

    Args:
        script: The Python script; the last line of its output is a JSON object.
        arguments: Its arguments.
        cores: How many cores and threads it may use.

    Returns:
        The JSON object, and ``peak``: the peak memory of the script and its children together, in bytes.
    """
    here = sorted(os.sched_getaffinity(0))
    if cores > len(here):
        raise SystemExit(f"{cores} cores are required, but {len(here)} are available")
    environment = os.environ | dict.fromkeys(ONE_THREAD, str(cores))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        # A process inherits the cores of its parent; libraries read their number when they are loaded.
        os.sched_setaffinity(0, here[:cores])
        try:
            process = subprocess.Popen([sys.executable, str(script), *arguments], stdout=output, env=environment)
        finally:
            os.sched_setaffinity(0, here)
        peak = wait_for_peak(process)
        if process.returncode:
            raise SystemExit(f"{script.name} {' '.join(arguments)} ended with {process.returncode}")
        output.seek(0)
        answer: dict[str, Any] = json.loads(output.read().splitlines()[-1])
    return answer | {"peak": peak}


def wait_for_peak(process: "subprocess.Popen[Any]", pause: float = _PAUSE) -> int:
    """Wait for a process and return its peak memory with its children, in bytes.

    Memory is the sum of the resident sets. Shared pages count once per process, so the result is an upper bound.

    Args:
        process: The process.
        pause: Seconds between two samples.
    """
    peak = 0
    while process.poll() is None:
        peak = max(peak, _sum_resident(process.pid))
        time.sleep(pause)
    return peak


def family_cpu_seconds() -> float:
    """Return the CPU seconds of this process and its children, running or ended."""
    me = psutil.Process()
    total = 0.0
    for process in _with_children(me):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def wait_until_idle() -> None:
    """Wait until the children of this process are idle: some may still import libraries."""
    while True:
        before = family_cpu_seconds()
        time.sleep(1)
        if family_cpu_seconds() - before < _IDLE:
            return


def _sum_resident(pid: int) -> int:
    total = 0
    try:
        family = _with_children(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended after it was listed
    return total


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]

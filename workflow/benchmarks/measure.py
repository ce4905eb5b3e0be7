"""Measure calls in turns, calls in several processes, and peak memory, for the other scripts of this folder."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import blindtune.core.single_thread  # noqa: F401  in each process, as in the jobs of the workflow; before NumPy

CORES = len(os.sched_getaffinity(0))


def time_in_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Time every call once per round.

    A disturbance of one round affects all calls of the round, and only ever adds time.

    Args:
        calls: What is called, by name.
        rounds: How often each is called.

    Returns:
        Wall and CPU seconds of each call, by name, in the order of the rounds.
    """
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            took[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return took


class WarmProcesses:
    """Processes that have loaded their libraries and share nothing, like the jobs of the workflow."""

    def __init__(self, processes: int, warm: Callable[[], object]) -> None:
        """Start the processes.

        Args:
            processes: How many.
            warm: Called once in each process.
        """
        self._processes = processes
        self._pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
        # Each call waits a little, so that no process takes two of them.
        list(self._pool.map(_warm, [warm] * processes, chunksize=1))

    def call(self, function: Callable[..., object], items: Sequence[Any]) -> None:
        """Call ``function(item)`` for every item."""
        for _ in self._pool.map(_call_without_result, [function] * len(items), items, chunksize=1):
            pass

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()


def measure_peak(function: Callable[..., object], *arguments: Any) -> float:
    """Return the peak memory of a call in a new process, in MiB, without the libraries that its script loads.

    Args:
        function: What is called.
        *arguments: Its arguments.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure_growth, function, arguments).result()


def peak_memory() -> int:
    """Return the peak memory of this process so far, in bytes; `getrusage` would include its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _warm(warm: Callable[[], object]) -> None:
    warm()
    time.sleep(0.5)


def _call_without_result(function: Callable[..., object], item: Any) -> None:
    function(item)  # the result would have to be sent


def _measure_growth(function: Callable[..., object], arguments: Sequence[Any]) -> float:
    before = peak_memory()
    function(*arguments)
    return (peak_memory() - before) / 2**20

"""What the scripts beside this measure with: calls in turns, calls side by side, and the peak of the memory."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import blindtune.core.single_thread  # noqa: F401  for each process, as the workflow's jobs have it; before NumPy

CORES = len(os.sched_getaffinity(0))


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Call every way once a round; seconds of wall and CPU of each call.

    What disturbs one round disturbs all ways in it, and only ever adds to them.
    """
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way()
            took[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return took


class SideBySide:
    """Processes that have loaded their libraries, for calls that share nothing, as jobs of the workflow do."""

    def __init__(self, processes: int, warm: Callable[[], object]) -> None:
        """Start them; each calls ``warm`` once."""
        self._processes = processes
        self._pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
        # Each waits for the others, so that none takes two of them.
        list(self._pool.map(_warm, [warm] * processes, chunksize=1))

    def call(self, way: Callable[..., object], items: Sequence[Any]) -> None:
        """``way(item)`` for every item."""
        for _ in self._pool.map(_quiet, [way] * len(items), items, chunksize=1):
            pass

    def close(self) -> None:
        """End them."""
        self._pool.shutdown()


def peak_of(way: Callable[..., object], *arguments: Any) -> float:
    """MiB that a call takes at its peak, above the libraries that its script loads, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_grown, way, arguments).result()


def peak() -> int:
    """The most memory that this program had so far, in bytes; `getrusage` would count what it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _warm(warm: Callable[[], object]) -> None:
    warm()
    time.sleep(0.5)


def _quiet(way: Callable[..., object], item: Any) -> None:
    way(item)  # what it returns would have to be sent


def _grown(way: Callable[..., object], arguments: Sequence[Any]) -> float:
    before = peak()
    way(*arguments)
    return (peak() - before) / 2**20

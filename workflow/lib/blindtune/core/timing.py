"""Measure wall and CPU time by named parts; the time in which this process was stopped can be left out."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from pydantic import BaseModel


class CpuWallTime(BaseModel):
    """Wall and CPU seconds of one part of a trial."""

    wall: float = 0.0
    cpu: float = 0.0


def total_wall_seconds(seconds: Mapping[str, CpuWallTime]) -> float:
    """Return the sum of the wall seconds of all parts."""
    return sum(part.wall for part in seconds.values())


#: Seconds between two looks at the clock of a process that may be stopped.
_TICK = 0.5

#: Seconds without a look after which the process may have been stopped: a busy machine makes a thread wait too.
_STOPPED = 5.0

#: Share of such a gap that a process which was not stopped computes at least.
_BUSY = 0.1


class AwakeClock:
    """Counts the seconds in which this process was not stopped (by Ctrl-Z, by SIGSTOP or with its machine).

    A thread looks at the clock all the time. If it could not for some seconds, and the process did not compute either,
    these seconds do not count. Until `watch` is called, every second counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched = False
        self._left_out = 0.0
        self._last = self._last_cpu = 0.0

    def watch(self) -> None:
        """Leave out from now on what this process is stopped; may be called again."""
        with self._lock:
            if self._watched:
                return
            self._watched = True
            self._last, self._last_cpu = time.perf_counter(), time.process_time()
        threading.Thread(target=self._keep_looking, name="awake clock", daemon=True).start()

    def now(self) -> float:
        """Return seconds since some moment; only differences have a meaning."""
        if not self._watched:
            return time.perf_counter()
        with self._lock:
            now, cpu = time.perf_counter(), time.process_time()
            gap = now - self._last
            if gap > _STOPPED and cpu - self._last_cpu < _BUSY * gap:
                self._left_out += gap
            self._last, self._last_cpu = now, cpu
            return now - self._left_out

    def _keep_looking(self) -> None:
        while True:
            time.sleep(_TICK)
            self.now()


#: The clock of this process.
AWAKE = AwakeClock()


class Stopwatch:
    """Adds up wall and CPU seconds of this process by named parts.

    Every second counts once: a part measured inside another one is subtracted from the outer one.

    Attributes:
        seconds: The sums so far, by part.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, CpuWallTime] = {}
        self._open: list[str] = []
        self._begun = 0.0

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the time spent inside the ``with`` block to ``part``."""
        wall, cpu = AWAKE.now(), time.process_time()
        if not self._open:
            self._begun = wall
        self._open.append(part)
        try:
            yield
        finally:
            wall, cpu = AWAKE.now() - wall, time.process_time() - cpu
            self._open.pop()
            self.add(part, wall, cpu)
            if self._open:
                self.add(self._open[-1], -wall, -cpu)

    def add(self, part: str, wall: float, cpu: float) -> None:
        """Add seconds to a part.

        Args:
            part: Its name.
            wall: Wall seconds; negative ones are subtracted.
            cpu: CPU seconds; negative ones are subtracted.
        """
        spent = self.seconds.setdefault(part, CpuWallTime())
        spent.wall += wall
        spent.cpu += cpu

    def spent(self, without: Sequence[str] = ()) -> float:
        """Return the wall seconds so far, with those of a part that is being measured.

        Args:
            without: Parts that do not count.
        """
        running = AWAKE.now() - self._begun if self._open else 0.0
        return running + sum(spent.wall for part, spent in self.seconds.items() if part not in without)

    def scale(self, factor: float) -> Self:
        """Return a new stopwatch with the seconds of every part multiplied by ``factor``."""
        scaled = type(self)()
        for name, spent in self.seconds.items():
            scaled.add(name, factor * spent.wall, factor * spent.cpu)
        return scaled

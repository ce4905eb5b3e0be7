"""Wall and CPU time, split into named parts."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from pydantic import BaseModel


class CpuWallTime(BaseModel):
    """Wall and CPU seconds of one part of a trial."""

    wall: float = 0.0
    cpu: float = 0.0


def wall_of(seconds: Mapping[str, CpuWallTime]) -> float:
    """Wall seconds of all parts together."""
    return sum(part.wall for part in seconds.values())


class Stopwatch:
    """Adds up wall and CPU seconds of this process by the name of what was done.

    Every second counts once: what is measured inside another part is taken from that part.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, CpuWallTime] = {}
        self._open: list[str] = []

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Count the time spent inside towards ``part``."""
        self._open.append(part)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            self._open.pop()
            self.add(part, wall, cpu)
            if self._open:
                self.add(self._open[-1], -wall, -cpu)

    def add(self, part: str, wall: float, cpu: float) -> None:
        """Count ``wall`` and ``cpu`` seconds towards ``part``; negative ones take away."""
        spent = self.seconds.setdefault(part, CpuWallTime())
        spent.wall += wall
        spent.cpu += cpu

    def share(self, part: float) -> Self:
        """A stopwatch that stands at this share of every part."""
        shared = type(self)()
        for name, spent in self.seconds.items():
            shared.add(name, part * spent.wall, part * spent.cpu)
        return shared

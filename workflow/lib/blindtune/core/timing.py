"""Measure wall and CPU time by named parts."""

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
        wall, cpu = time.perf_counter(), time.process_time()
        if not self._open:
            self._begun = wall
        self._open.append(part)
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
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
        running = time.perf_counter() - self._begun if self._open else 0.0
        return running + sum(spent.wall for part, spent in self.seconds.items() if part not in without)

    def scale(self, factor: float) -> Self:
        """Return a new stopwatch with the seconds of every part multiplied by ``factor``."""
        scaled = type(self)()
        for name, spent in self.seconds.items():
            scaled.add(name, factor * spent.wall, factor * spent.cpu)
        return scaled

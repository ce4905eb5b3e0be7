"""Remember which trials are trained in this process: one that kills it must not end its study for ever.

A set may need more memory than there is, or crash a library: then the system ends the process without a word, and
every later start would end at the same trial. ``training.json`` in the folder of the study says which trials are
being trained. A start that finds it beyond the records knows that the process died there. A kill by a user or by a
scheduler looks the same, and must change no record. So after the second death at the same trials, or the first when
memory ran out, they are trained one by one in a worker process: if that dies, this process records it. A trial is given
up only if the system counts that memory ran out each time that it was trained alone and this process died with it.

With workers, this process only builds trials, continues them and keeps their outcomes. Memory may run out in it all the
same, and is then treated alike; any other death is taken for a kill.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file

#: Deaths at one trial, when memory ran out, after which it is not trained again.
MAX_DEATHS = 2

#: Deaths at the same trials after which they are trained in a worker process, though memory did not run out.
_SUSPICIOUS = 2

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GROUPS = Path("/proc/self/cgroup")
_GROUP_FILES = Path("/sys/fs/cgroup")


class Attempts:
    """The trials that are being trained, and how often the process died at them.

    Attributes:
        deaths: how often the process died at the first trial without a record.
        careful_until: number of the last trial that must be trained alone, in a worker process; -1: none must.
    """

    def __init__(self, folder: Path, recorded: int, *, has_workers: bool = False) -> None:
        """Read what an earlier process left.

        Args:
            folder: the folder of the study.
            recorded: number of recorded trials.
            has_workers: whether this process trains no trial itself.
        """
        self._has_workers = has_workers
        self._path = folder / "training.json"
        self._first = recorded
        self.deaths = self._memory_deaths = 0
        self.careful_until = -1
        left = self._read()
        if left["last"] >= recorded:
            self._count(left)

    def begin(self, numbers: Sequence[int]) -> None:
        """Say which trials are trained from now on; called before they are.

        Nothing waits for the disk: the death of a process loses nothing that it wrote.

        Args:
            numbers: of the trials, in order.
        """
        same = numbers[0] == self._first
        content = {
            "first": numbers[0],
            "last": numbers[-1],
            "deaths": self.deaths if same else 0,
            "memory_deaths": self._memory_deaths if same else 0,
            "system": _count_memory_kills(),
        }
        part = self._part
        # A disk that refuses is found at the next record, with a message that names it.
        with suppress(OSError):
            part.write_text(json.dumps(content), encoding="utf-8")
            part.replace(self._path)
            return
        with suppress(OSError):
            part.unlink()

    def clear(self) -> None:
        """Say that nothing is trained any more."""
        for path in (self._path, self._part):
            with suppress(OSError):
                path.unlink()

    @property
    def _part(self) -> Path:
        return self._path.with_name(f".{self._path.name}.part")

    def reason_to_give_up(self, number: int) -> str | None:
        """Return why a trial is not trained again; None if it is."""
        if number != self._first or self._memory_deaths < MAX_DEATHS:
            return None
        return f"the process died {self._memory_deaths} times while it was trained, when memory ran out"

    def _count(self, left: dict[str, Any]) -> None:
        same = left["first"] == self._first
        before, now = left["system"], _count_memory_kills()
        memory = bool(before and now and before[0] == now[0] and now[1] > before[1])
        alone = max(left["first"], self._first) == left["last"]
        self.deaths = 1 + (left["deaths"] if same else 0)
        self._memory_deaths = (left["memory_deaths"] if same else 0) + (memory and alone)
        if memory or self._memory_deaths or (self.deaths >= _SUSPICIOUS and not self._has_workers):
            self.careful_until = left["last"]

    def _read(self) -> dict[str, Any]:
        nothing = {"first": -1, "last": -1, "deaths": 0, "memory_deaths": 0, "system": None}
        try:
            content = json.loads(read_regular_file(self._path))
            numbers = {key: int(content[key]) for key in ("first", "last", "deaths", "memory_deaths")}
            system = content["system"]
            return numbers | {"system": (str(system[0]), int(system[1])) if system else None}
        except (UserError, ValueError, TypeError, KeyError, IndexError, RecursionError):
            return nothing  # without it a trial is only tried once more


def _count_memory_kills() -> tuple[str, int] | None:
    """Return this group of processes and how many of it were killed for memory; None if the system does not tell.

    The count of the whole machine would not do: what others do in the time between two starts is nothing to a trial.
    """
    with suppress(OSError, ValueError, IndexError):
        boot = _BOOT.read_text(encoding="ascii").strip()
        groups = [line[3:] for line in _GROUPS.read_text(encoding="utf-8").splitlines() if line.startswith("0::")]
        events = _GROUP_FILES / groups[0].lstrip("/") / "memory.events"
        for line in events.read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return f"{boot}{groups[0]}", int(line.split()[1])
    return None

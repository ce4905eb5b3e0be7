"""Which part of a search a job trains, and the name of its file."""

import re
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from blindtune.core.bounds import MAX_SHARDS
from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths

#: The trials of a search that has no rungs, by their numbers.
_ALL: Sequence[int] = range(sys.maxsize)


@dataclass(frozen=True)
class Shard:
    """One part of a search, or of one rung of a search.

    Attributes:
        number: from 1.
        n_shards: number of parts.
        rung: number of the rung, from 1; None: the search is divided as a whole.
        trials: numbers of the trials that are divided, in rising order.
    """

    number: int
    n_shards: int
    rung: int | None = None
    trials: Sequence[int] = field(default=_ALL, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a part that there is not."""
        if not 1 <= self.number <= self.n_shards <= MAX_SHARDS or (self.rung is not None and self.rung < 1):
            raise UserError(f"there is no {self}; the most shards are {MAX_SHARDS}")

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the shard of a file.

        Args:
            name: of the file, without its suffix.

        Raises:
            UserError: it is not the name of a shard.
        """
        found = re.fullmatch(r"(?:rung([0-9]{1,9})-)?([0-9]{1,9})-of-([0-9]{1,9})", name)
        if found is None:
            raise UserError(f"{name!r} is not the name of a shard, such as 1-of-4 or rung2-1-of-4")
        rung, number, n_shards = found.groups()
        return cls(int(number), int(n_shards), None if rung is None else int(rung))

    @property
    def name(self) -> str:
        """The name of its file, without the suffix."""
        return f"{'' if self.rung is None else f'rung{self.rung}-'}{self.number}-of-{self.n_shards}"

    def trial_number(self, position: int) -> int:
        """Return the number in the whole search of a trial of the shard, by its position in the shard, from 0."""
        return self.trials[self.number - 1 + position * self.n_shards]

    def position(self, trial_number: int) -> int | None:
        """Return the position of a trial of the whole search in the shard; None: it belongs to another one."""
        index = bisect_left(self.trials, trial_number)
        if index == len(self.trials) or self.trials[index] != trial_number:
            return None
        position, rest = divmod(index - self.number + 1, self.n_shards)
        return None if rest else position

    def __str__(self) -> str:
        """Return ``shard 1 of 4``, and the rung if there is one."""
        return f"shard {self.number} of {self.n_shards}{'' if self.rung is None else f' of rung {self.rung}'}"


def shard_file(paths: ResultPaths, dataset: str, system: str, seed: int | str, name: str) -> str:
    """Return the file of one shard of a study's search; its own records are in the folder of that name.

    It is not in `blindtune.core.paths`, which is in the digest of every frozen model.

    Args:
        paths: the places of results.
        dataset: of the study.
        system: of the study.
        seed: of the study.
        name: of the shard, see `Shard.name`.
    """
    return f"{paths.root}/shards/{dataset}/{system}/{seed}/{name}.jsonl"

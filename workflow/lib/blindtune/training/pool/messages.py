"""What a pool and its workers say to each other.

A worker is sent a `Make` first; then, whenever it has said that it is `Ready`, perhaps `Data`, and a list of `Job`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from blindtune.core.timing import CpuWallTime
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Outcome, Scoring, State, Trainer, TrainingTask

#: Makes the trainer that a worker trains with; a function that pickle finds by its name, perhaps with its arguments.
Make = Callable[[], Trainer]


@dataclass(frozen=True)
class Data:
    """Train and dev of the jobs that follow, pickled by `blindtune.training.pool.shared_arrays.Mapped`."""

    pickled: bytes


@dataclass(frozen=True)
class Job:
    """A task and what a worker needs of its `blindtune.training.base.TrainingOptions`; ``place`` names it."""

    place: int
    task: TrainingTask
    scoring: Scoring
    state: State | None
    keep_state: bool


@dataclass(frozen=True)
class Answer:
    """To a `Measured`: why the training is to be stopped, or None."""

    reason: str | None


@dataclass(frozen=True)
class Ready:
    """A worker has nothing to do."""


@dataclass(frozen=True)
class Begun:
    """A worker has taken its jobs: what becomes of it from now on may be their doing."""


@dataclass(frozen=True)
class Measured:
    """An epoch of a job; the worker waits for the `Answer`."""

    place: int
    epoch: int
    measures: EpochMetrics


@dataclass(frozen=True)
class Ended:
    """What became of a job: its outcome, or the error that ends the search; and its seconds."""

    place: int
    outcome: Outcome | Exception
    seconds: dict[str, CpuWallTime]

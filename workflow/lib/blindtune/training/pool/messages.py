"""The messages between a pool and its workers.

The pool first sends a worker a `TrainerFactory`. Then, each time that the worker has sent `Ready`, the pool sends a
list of `Job`, with a `Data` before it if the data changed. The worker answers with `JobsAccepted`, one `EpochReport`
for each epoch, to which the pool sends a `PruneDecision`, and one `JobFinished` for each job.
"""

from collections.abc import Callable
from dataclasses import dataclass

from blindtune.config.training import ScoreEpoch
from blindtune.core.timing import CpuWallTime
from blindtune.metrics.registry import ERROR
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Outcome, State, Trainer, TrainingTask

#: Creates the trainer of a worker; pickle must find the function by its name. It may be a partial with arguments.
TrainerFactory = Callable[[], Trainer]


@dataclass(frozen=True)
class Data:
    """Train and dev of the jobs that follow.

    Attributes:
        pickled: by `blindtune.training.pool.shared_arrays.SharedPickle`.
    """

    pickled: bytes


@dataclass(frozen=True)
class Job:
    """A task and what a worker needs of its `blindtune.training.base.TrainingOptions`.

    Attributes:
        index: of the job in the batch; identifies it in every message.
        task: what to train.
        score_epoch: which epoch is scored.
        state: where to resume; None: train from the start.
        keep_state: whether the outcome holds the state after the last epoch.
        limit: seconds after which the training has failed; None: no limit.
        metric: what dev is ranked by.
    """

    index: int
    task: TrainingTask
    score_epoch: ScoreEpoch
    state: State | None
    keep_state: bool
    limit: float | None = None
    metric: str = ERROR


@dataclass(frozen=True)
class PruneDecision:
    """The answer to an `EpochReport`.

    Attributes:
        reason: why the trial is pruned; None: it goes on.
    """

    reason: str | None


@dataclass(frozen=True)
class Ready:
    """A worker has nothing to do."""


@dataclass(frozen=True)
class JobsAccepted:
    """A worker has received its jobs: if it dies from now on, they may be the cause."""


@dataclass(frozen=True)
class EpochReport:
    """An epoch of a job; the worker waits for the `PruneDecision`.

    Attributes:
        index: of the job.
        epoch: its number, counted from the start of the training.
        metrics: of the epoch.
        spent: seconds of the training so far, as its limit counts them.
    """

    index: int
    epoch: int
    metrics: EpochMetrics
    spent: float = 0.0


@dataclass(frozen=True)
class JobFinished:
    """The result of a job.

    Attributes:
        index: of the job.
        outcome: its outcome, or the error that ends the search.
        seconds: by the name of what was done.
    """

    index: int
    outcome: Outcome | Exception
    seconds: dict[str, CpuWallTime]

"""Proposals on their way to a record, and what becomes of those that fail."""

from dataclasses import dataclass, replace

from blindtune.core.timing import Stopwatch
from blindtune.training.base import TrainingTask
from blindtune.tuners.base import Proposal


@dataclass(frozen=True)
class PendingTrial:
    """A proposal on its way to a record.

    Attributes:
        number: of the trial that it becomes.
        task, problem: what it trains, or why it cannot be built.
        clock: its seconds.
    """

    number: int
    proposal: Proposal
    task: TrainingTask | None
    problem: Exception | None
    clock: Stopwatch


def with_epochs(task: TrainingTask, epochs: int | None) -> TrainingTask:
    """``task``, trained for so many epochs; None: for its own number."""
    if epochs is None or epochs == task.training.epochs:
        return task
    return replace(task, training=task.training.model_copy(update={"epochs": epochs}))

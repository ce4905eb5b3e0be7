"""Proposals on their way to a record, and what becomes of those that fail."""

from dataclasses import dataclass, replace

from pydantic import ValidationError

from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.models.layers import Invalid
from blindtune.training.base import Outcome, TrainingTask
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


def outcome_from_error(error: Exception) -> Outcome:
    """What an error makes of a trial; raises it where the search cannot go on."""
    if isinstance(error, MemoryError | UserError):
        raise error
    if isinstance(error, Invalid):
        return Outcome("invalid", reason(error), [], None, None)
    name = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return Outcome("failed", f"{name}{reason(error)}", [], None, None)


def with_epochs(task: TrainingTask, epochs: int | None) -> TrainingTask:
    """``task``, trained for so many epochs; None: for its own number."""
    if epochs is None or epochs == task.training.epochs:
        return task
    return replace(task, training=task.training.model_copy(update={"epochs": epochs}))


def reason(error: Exception | None) -> str:
    """What an error says, on one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__

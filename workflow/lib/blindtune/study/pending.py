"""Pending trials: proposals that have no record yet. Here it is decided that a proposal is invalid.

What happens to one that cannot be built or trained is decided by `blindtune.training.base.outcome_from_error`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from blindtune.core.files import canonical_json
from blindtune.core.timing import Stopwatch
from blindtune.models.layers import InvalidModelError, Layer
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters
from blindtune.training.base import Outcome, TrainingTask, describe_error, outcome_from_error
from blindtune.tuners.base import Proposal


@dataclass(frozen=True)
class PendingTrial:
    """A proposal that has no record yet.

    Attributes:
        number: number of the trial that it becomes.
        proposal: what the tuner proposed.
        task: what it trains; None if nothing can be made of the hyperparameters.
        refused: the outcome of a trial that is invalid or cannot be built; None: it is trained.
        clock: adds up the seconds of the trial.
    """

    number: int
    proposal: Proposal
    task: TrainingTask | None
    refused: Outcome | None
    clock: Stopwatch

    @property
    def is_trained(self) -> bool:
        """Whether it is trained, not refused before."""
        return self.task is not None and self.refused is None

    def epochs(self, trained_before: int) -> int:
        """Return the epochs that the trial needs; one that is not trained is charged one epoch.

        Args:
            trained_before: epochs of its parent that it continues.
        """
        if self.task is None or not self.is_trained:
            return 1
        return self.task.training.epochs - trained_before


def build_pending(
    number: int, proposal: Proposal, build_task: Callable[[Hyperparameters], TrainingTask], clock: Stopwatch
) -> PendingTrial:
    """Build the task of a proposal, and decide whether the proposal is invalid.

    Args:
        number: number of the trial.
        proposal: what the tuner proposed.
        build_task: from hyperparameters to a task; raises ValueError if nothing can be made of them.
        clock: adds up the seconds of the trial.

    Raises:
        UserError: the search cannot continue.
    """
    task = None
    try:
        task = with_epochs(build_task(proposal.hyperparameters), proposal.epochs)
        if task.model is not None:
            task.model.check_buildable(task.classes)
    except InvalidModelError as error:
        return PendingTrial(number, proposal, task, _invalid(error), clock)
    except Exception as error:  # of a library, or no memory, on this set: the search goes on
        refused = _invalid(error) if isinstance(error, ValueError) and task is None else outcome_from_error(error)
        return PendingTrial(number, proposal, None, refused, clock)
    return PendingTrial(number, proposal, task, None, clock)


def is_record_of(recorded: Trial, proposal: Proposal, layers: Sequence[Layer] | None = None) -> bool:
    """Return whether a record is that of a proposal.

    Args:
        recorded: the record.
        proposal: what the tuner proposed.
        layers: of a manual model; None for any other system.
    """
    fold = proposal.fold.number if proposal.fold else None
    proposed = (canonical_json(proposal.hyperparameters), layers, proposal.parent, fold)
    return proposed == (canonical_json(recorded.hyperparameters), recorded.layers, recorded.parent, recorded.fold)


def _invalid(error: Exception) -> Outcome:
    return Outcome("invalid", describe_error(error), [], None, None)


def with_epochs(task: TrainingTask, epochs: int | None) -> TrainingTask:
    """Return a task with another number of epochs.

    Args:
        task: what to train.
        epochs: the number; None: the task's own.
    """
    if epochs is None or epochs == task.training.epochs:
        return task
    model = None if task.model is None else task.model.with_epochs(epochs)
    return replace(task, model=model, training=task.training.until(epochs))

"""The interface of a tuner: it proposes hyperparameters and hears scores, and does nothing else.

A tuner is one module of this package with a pydantic model derived from `TunerConfig`. Its state is
never stored: after a kill it takes up the recorded trials one by one, and so is brought to where it was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from blindtune.core.budget import Budget
from blindtune.core.validation import Strict
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation on train.

    Attributes:
        number: from 0.
        fitted, held_out: places of the samples in train, (samples,).
    """

    number: int
    fitted: "NDArray[np.int64]"
    held_out: "NDArray[np.int64]"


@dataclass(frozen=True)
class Proposal:
    """One hyperparameter set to try.

    Attributes:
        hyperparameters: the active values.
        parent: number of the trial from which this one is promoted; None for a new one.
        epochs: where training ends, counted from its start; None: where the hyperparameters say.
        fold: train and score within train; None: train on train, score on dev.
    """

    hyperparameters: Hyperparameters
    parent: int | None = None
    epochs: int | None = None
    fold: Fold | None = None


class Tuner:
    """What the study asks of a tuner, with the answers of one that prunes nothing."""

    def ask(self) -> Proposal | None:
        """The next proposal, or None where the tuner has no more."""
        raise NotImplementedError

    def ask_batch(self, most: int) -> list[Proposal]:
        """Up to ``most`` proposals that depend on no score of each other; none where the tuner has no more.

        They are those that `ask` would give one after another. Everything that was proposed before has been told;
        what comes back is told in the same order.
        """
        proposal = self.ask()
        return [] if proposal is None else [proposal]

    def replay(self, recorded: Trial) -> Proposal | None:
        """What `ask` gave when ``recorded`` was tried, while a study goes on from its records.

        A tuner whose proposals are slow may take the recorded one for its own instead of computing it again.
        """
        return self.ask()

    def report(self, epoch: int, dev_error: float) -> str | None:
        """Hear of an epoch of the proposal asked for last; a text that comes back is why it is to be pruned.

        One that prunes gives its proposals one at a time.
        """
        return None

    def tell(self, trial: Trial) -> None:
        """The record of the first proposal not told yet; `Trial.objective_value` is the error it is to be ranked by."""


@dataclass(frozen=True)
class TunerContext:
    """What a tuner begins with.

    Attributes:
        space: the search space.
        budget: what the search may spend.
        seed: seeds the proposals.
        epochs: epochs of one whole training.
        labels: of train, (samples,).
        groups: of train, (samples,): patient, slide or the like; None where samples are independent.
    """

    space: Space
    budget: Budget
    seed: int
    epochs: int
    labels: "NDArray[np.int64]"
    groups: "NDArray[np.int64] | None" = None


class TunerConfig(Strict):
    """The config of a tuner: what every one has in common."""

    @property
    def depends_on_budget(self) -> bool:
        """Whether what is proposed depends on the budget, so that another budget makes another study."""
        return False

    @property
    def resumes_trials(self) -> bool:
        """Whether trials are promoted, so that where each one's training stands must be kept."""
        return False

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse, while the study is planned, what the library cannot express.

        Args:
            space: the search space.
            budget: what the search may spend.
            epochs: epochs of one whole training.

        Raises:
            ValueError: the message names the dimension or the key.
        """

    def create(self, start: TunerContext) -> Tuner:
        """A fresh tuner."""
        raise NotImplementedError


class FixedListTuner(Tuner):
    """Proposes the sets of a list, in order: manual models, candidates of a baseline, lists of scikit-learn."""

    def __init__(self, sets: Iterable[Hyperparameters]) -> None:
        self._waiting: Iterator[Hyperparameters] = iter(sets)

    def ask(self) -> Proposal | None:
        """The next set of the list."""
        values = next(self._waiting, None)
        return None if values is None else Proposal(values)

    def ask_batch(self, most: int) -> list[Proposal]:
        """The next sets of the list."""
        return list(islice(iter(self.ask, None), most))


def check_grid(space: Space) -> None:
    """Refuse dimensions without a list of values, which no grid can hold; raises ValueError naming the first."""
    for name, dimension in space.root.items():
        if dimension.values() is None or getattr(dimension, "log", False):
            raise ValueError(f"{name}: a grid needs a list of values; give it a step or use a choice")


def check_fidelity(space: Space, what: str) -> None:
    """Refuse a searched number of epochs where the tuner itself gives epochs out; raises ValueError."""
    if "epochs" in space.root:
        raise ValueError(f"epochs: {what} gives out the epochs itself; take the dimension out of the space")

"""Interface of a tuner: it proposes hyperparameters and receives scores, nothing else.

A tuner is a config (a pydantic model derived from `TunerConfig`) and a function that creates a `Tuner` from it; both
are named by an entry of `blindtune.tuners.registry`. The state of a tuner is never stored: a study that goes on after
a kill replays the recorded trials into a new tuner.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self

from blindtune.core.budget import Budget
from blindtune.core.validation import Strict
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.rungs import BracketRung

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation on train.

    Attributes:
        number: counted from 0.
        train_indices: samples of train to fit on, (n_train_samples,).
        held_out_indices: samples of train to score on, (n_held_out_samples,).
    """

    number: int
    train_indices: "NDArray[np.int64]"
    held_out_indices: "NDArray[np.int64]"


@dataclass(frozen=True)
class Proposal:
    """One hyperparameter set to try.

    Attributes:
        hyperparameters: the active values.
        parent: number of the trial from which this one is promoted; None for a new one.
        epochs: epoch at which training ends, counted from its start; None: the hyperparameters decide.
        fold: train and score within train; None: train on train, score on dev.
    """

    hyperparameters: Hyperparameters
    parent: int | None = None
    epochs: int | None = None
    fold: Fold | None = None


class Tuner:
    """Base class of all tuners: proposes hyperparameter sets and learns from their scores.

    The study (`blindtune.study.search`) calls every method, in one thread:

    1. `replay` and `tell`, once for each recorded trial, in order, when a study goes on from its records.
    2. `ask_batch` (or `ask`), whenever every earlier proposal has been told and the budget is not spent.
       The search ends when it returns nothing.
    3. `report`, after each epoch with a finite dev error. The study stops training when a reason comes back.
       Recorded epochs are reported too, between `replay` and `tell`.
    4. `tell`, once for each proposal, in the order of the proposals, after its record was written.

    A tuner must be deterministic: given the same `TunerContext` and told the same trials, it proposes the same sets.
    A tuner needs `ask`; one that learns from scores needs `tell` too.

    Examples:
        >>> class Climber(Tuner):
        ...     def __init__(self) -> None:
        ...         self.units, self.best_units, self.best_error = 8, 8, 1.0
        ...     def ask(self) -> Proposal:
        ...         self.units = 2 * self.best_units
        ...         return Proposal({"units": self.units})
        ...     def tell(self, trial: Trial) -> None:
        ...         if trial.objective_value() < self.best_error:
        ...             self.best_units, self.best_error = self.units, trial.objective_value()
        >>> tuner = Climber()
        >>> for score in (0.25, 0.5, None):  # None: the trial failed
        ...     [proposal] = tuner.ask_batch(4)
        ...     print(proposal.hyperparameters, tuner.report(1, 0.5))
        ...     tuner.tell(Trial.model_construct(score=score))
        {'units': 16} None
        {'units': 32} None
        {'units': 32} None
    """

    def ask(self) -> Proposal | None:
        """Return the next proposal, or None if the tuner has no more.

        `ask_batch` calls this method unless a tuner overrides it. Every earlier proposal has been told.
        """
        raise NotImplementedError

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return at most `n` proposals that do not depend on each other's scores.

        The study calls this method when every earlier proposal has been told. It tells the proposals in the order in
        which they are returned. They are those that consecutive calls of `ask` would return.

        Args:
            n: largest number of proposals, from 1.

        Returns:
            The proposals; an empty list if the tuner has no more.
        """
        proposal = self.ask()
        return [] if proposal is None else [proposal]

    def replay(self, recorded: Trial) -> Proposal | None:
        """Return what `ask` returned when `recorded` was tried.

        The study calls this method instead of `ask_batch`, once for each recorded trial, when it goes on from its
        records. A tuner whose proposals are slow to compute may adopt the recorded set instead.

        Args:
            recorded: the next trial of the log.

        Returns:
            The proposal; the study checks that its hyperparameters are the recorded ones.
        """
        return self.ask()

    def report(self, epoch: int, dev_error: float) -> str | None:
        """Return a reason to prune the trial that is training, or None to go on.

        The study calls this method after each epoch of the earliest proposal that has not been told. A tuner that
        prunes returns one proposal at a time from `ask_batch`.

        Args:
            epoch: counted from 1, from the start of the training.
            dev_error: what is minimised on dev after this epoch: the share of wrong samples, from 0 to 1, or the
                value of another `metric` of the comparison.

        Returns:
            The reason, which goes into the trial's record; None: the training goes on.
        """
        return None

    def tell(self, trial: Trial) -> None:
        """Receive the record of the earliest proposal that has not been told.

        The study calls this method once for each proposal, after the record was written. `Trial.objective_value` is
        the error to minimise; it is the worst error for a trial without a score.
        """


@dataclass(frozen=True)
class TunerContext:
    """What a tuner needs besides its config.

    Attributes:
        space: the search space.
        budget: what the search may spend.
        seed: seed of the proposals.
        epochs: epochs of one complete training.
        labels: class of each sample of train, (n_samples,).
        groups: patient, slide or the like of each sample of train, (n_samples,); None: samples are independent.
    """

    space: Space
    budget: Budget
    seed: int
    epochs: int
    labels: "NDArray[np.int64]"
    groups: "NDArray[np.int64] | None" = None


#: What a library makes of `when` and `repeat`. Exact: it knows which hyperparameters are active; flattened: it proposes
#: all, and those that are not active are dropped, so that they are noise to it; refused: by `TunerConfig.check`.
Conditions = Literal["exact", "flattened", "refused"]


class TunerConfig(Strict):
    """Base class of the config of a tuner.

    A subclass narrows both fields to a `Literal`, adds the arguments of its library, and gives `library` the name of
    its entry in the registry. It holds data and checks only; what it describes is created by the entry.

    Attributes:
        library: name of the tuner's entry in `blindtune.tuners.registry`.
        algorithm: how the library proposes.
    """

    library: str
    algorithm: str

    @property
    def depends_on_budget(self) -> bool:
        """Whether the proposals depend on the budget, so that another budget makes another study."""
        return False

    @property
    def resumes_trials(self) -> bool:
        """Whether trials are promoted, so that the study must keep the state of each training."""
        return False

    @property
    def promotes_trials(self) -> bool:
        """Whether good sets are tried again with more epochs, on folds too."""
        return False

    @property
    def epoch_allocator(self) -> str | None:
        """What decides how many epochs a trial is trained, for messages; None: every training is complete."""
        return None

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal, or an early end of its training, may depend on the scores of earlier trials.

        If not, several jobs can train parts of the proposals at the same time (``shards``). A proposal that ends a
        cross-validation on folds, the best set for all of train, does not count. Tests compare what a tuner proposes
        with and without scores.
        """
        return True

    @property
    def plans_rungs(self) -> bool:
        """Whether proposals need scores between rungs alone, which `list_rungs` knows before the search begins.

        Then several jobs can train parts of a rung at the same time (``shards``). What a bracket begins with must
        depend on no score. Tests compare `list_rungs` with what a tuner proposes.
        """
        return False

    def list_rungs(self, space: Space, budget: Budget, epochs: int) -> Iterable[BracketRung]:
        """List the rungs of all brackets, in the order in which their sets are proposed; may have no end.

        Called if `plans_rungs`. A set that ends a cross-validation, the best on all of train, is not among them.

        Args:
            space: the search space.
            budget: what the search may spend.
            epochs: epochs of one complete training.

        Raises:
            ValueError: the budget does not cover one set.
        """
        raise NotImplementedError

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether `Tuner.ask_batch` never gives more than one proposal, so that a second worker would have nothing."""
        return False

    @property
    def engine(self) -> str | None:
        """The optional engine that proposes, a key of `blindtune.tuners.engines.ENGINES`; None: there is none."""
        return None

    @property
    def conditions(self) -> Conditions | None:
        """What the library makes of dimensions that depend on others; None: nothing is said of it in the report."""
        return None

    @property
    def minimizes_parameters(self) -> bool:
        """Whether the number of parameters is minimised too, which only a network has."""
        return False

    def without_resuming(self) -> Self:
        """Return the config of the same tuner for models that are trained from the start when they are promoted."""
        return self

    def with_folds(self, n_folds: int) -> "TunerConfig | None":
        """Return the config of the same tuner that divides train into folds itself; None: it does not.

        Args:
            n_folds: number of folds.
        """
        return None

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse what the library cannot express; called for every study while the workflow is planned.

        Args:
            space: the search space.
            budget: what the search may spend.
            epochs: epochs of one complete training.

        Raises:
            ValueError: the message names the dimension or the key.
        """


class RungTuner(Tuner):
    """A tuner that fills rungs and promotes the best sets of each, for a library that gives one set at a time."""

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return at most `n` sets of the current rung.

        A batch never goes beyond the rung: there a library would not wait for scores, but begin another bracket.
        """
        first = self.ask()
        if first is None:
            return []
        return [first, *islice(iter(self.ask, None), min(n - 1, self.count_remaining_of_rung()))]

    def count_remaining_of_rung(self) -> int:
        """Count the sets still to come of the rung to which the last set belongs."""
        raise NotImplementedError


class FixedListTuner(Tuner):
    """A tuner that proposes the sets of a list, in order: manual models, candidates of a baseline, grids."""

    def __init__(self, sets: Iterable[Hyperparameters]) -> None:
        self._remaining: Iterator[Hyperparameters] = iter(sets)

    def ask(self) -> Proposal | None:
        """Return the next set of the list."""
        values = next(self._remaining, None)
        return None if values is None else Proposal(values)

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return the next `n` sets of the list."""
        return list(islice(iter(self.ask, None), n))


def check_grid(space: Space) -> None:
    """Refuse a dimension without a list of values, which a grid cannot hold.

    Raises:
        ValueError: the message names the first such dimension.
    """
    for name, dimension in space.root.items():
        if dimension.values() is None or getattr(dimension, "log", False):
            raise ValueError(f"{name}: a grid needs a list of values; give it a step or use a choice")


def check_fidelity(space: Space, allocator: str) -> None:
    """Refuse a searched number of epochs where the tuner itself allocates the epochs.

    Args:
        space: the search space.
        allocator: the tuner or pruner, for the message.

    Raises:
        ValueError: the space has a dimension `epochs`.
    """
    if "epochs" in space.root:
        raise ValueError(f"epochs: {allocator} allocates the epochs itself; take the dimension out of the space")


def max_epochs(space: Space, epochs: int) -> int:
    """Return the epochs of the longest training that a space allows.

    Args:
        space: the search space.
        epochs: of a training whose set has no value of them.
    """
    if "epochs" not in space.root:
        return epochs
    dimension = space.root["epochs"]
    searched = [value for value in dimension.values() or [] if isinstance(value, int)]
    return max([*searched, epochs] if dimension.when or not searched else searched)

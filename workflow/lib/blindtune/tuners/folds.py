"""Cross-validation on train for any tuner: folds, and a tuner that scores each set of another tuner on all of them."""

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blindtune.core.budget import UNLIMITED, Budget
from blindtune.core.errors import UserError
from blindtune.core.sums import add_in_order
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Fold, Proposal, Tuner, TunerConfig, TunerContext, max_epochs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FoldPlan:
    """How a tuner's sets are scored on folds.

    Attributes:
        config: of the tuner; that of a searcher which divides train itself says so.
        budget: what the tuner may spend, as it counts: in sets, if a `FoldedTuner` scores them.
        n_sets: number of sets that a `FoldedTuner` scores; None: the tuner itself divides train, or scores on dev.
    """

    config: TunerConfig
    budget: Budget
    n_sets: int | None = None


def plan_folds(config: TunerConfig, space: Space, budget: Budget, n_folds: int | None, epochs: int) -> FoldPlan:
    """Return how the sets of a tuner are scored.

    Args:
        config: of the tuner.
        space: the search space.
        budget: what the study may spend.
        n_folds: number of folds of train; None: the tuner's own config decides.
        epochs: epochs of one complete training.

    Raises:
        ValueError: the tuner cannot be cross-validated, or the budget does not cover one set.
    """
    if n_folds is None:
        return FoldPlan(config, budget)
    if getattr(config, "folds", None) is not None:
        raise ValueError("tuner.folds: the system's own `folds` are given too; take one of the two out")
    own = config.with_folds(n_folds)
    if own is not None:
        return FoldPlan(own, budget)
    if config.epoch_allocator is not None:
        raise ValueError(
            f"folds: {config.epoch_allocator} compares trainings on dev; set `folds` to null or choose another "
            "algorithm"
        )
    if budget.seconds is not None:
        raise ValueError(
            "folds: the cross-validation ends with the training of its best set, which budget.seconds could cut "
            "off; give trials or epochs instead"
        )
    # Each set is trained on every fold, and the best one at the end on all of train.
    longest = max_epochs(space, epochs)
    affordable = min(budget.trials or UNLIMITED, (budget.epochs or UNLIMITED * longest) // longest)
    n_sets = (affordable - 1) // n_folds
    if n_sets < 1:
        least = n_folds + 1
        raise ValueError(
            f"budget: the search of a single set on {n_folds} folds and the whole of train takes {least} trials and "
            f"{least * longest} epochs; raise trials or epochs"
        )
    return FoldPlan(config, Budget(trials=n_sets), n_sets)


class FoldedTuner(Tuner):
    """Scores each set of another tuner on every fold, tells it the mean, and ends with the best set on all of train."""

    def __init__(self, inner: Tuner, folds: list[Fold], n_sets: int) -> None:
        """Score the sets of a tuner.

        Args:
            inner: proposes sets, and is told mean errors.
            folds: of train.
            n_sets: number of sets that it may propose.
        """
        self._inner = inner
        self._folds = folds
        self._n_sets_left = n_sets
        self._waiting: deque[Proposal] = deque()
        self._running: deque[Proposal] = deque()
        self._told: list[Trial] = []
        self._best: tuple[float, Hyperparameters] | None = None

    def ask(self) -> Proposal | None:
        """Return the next set and fold."""
        return next(iter(self.ask_batch(1)), None)

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return at most `n` pairs of a set and a fold; at last the best set for all of train."""
        if not self._waiting:
            n_sets = min(self._n_sets_left, max(1, n // len(self._folds)))
            self._fill(self._inner.ask_batch(n_sets) if n_sets else [])
        asked = [self._waiting.popleft() for _ in range(min(n, len(self._waiting)))]
        self._running.extend(asked)
        return asked

    def replay(self, recorded: Trial) -> Proposal | None:
        """Return what was asked for when a trial was recorded; the inner tuner may adopt its set."""
        if not self._waiting:
            # The best set at the end is not one of the inner tuner, which might adopt it.
            is_set = self._n_sets_left > 0 and recorded.fold is not None
            proposal = self._inner.replay(recorded) if is_set else None
            self._fill([] if proposal is None else [proposal])
        return self.ask()

    def tell(self, trial: Trial) -> None:
        """Collect the error of a fold; after the last one of a set, tell the inner tuner their mean."""
        if self._running.popleft().fold is None:
            return
        self._told.append(trial)
        if len(self._told) < len(self._folds):
            return
        told, self._told = self._told, []
        mean = add_in_order(one.objective_value() for one in told) / len(told)
        scored = next((one for one in told if one.score is not None), None)
        if scored is None:
            self._inner.tell(told[-1])
            return
        if self._best is None or mean < self._best[0]:
            self._best = mean, scored.hyperparameters
        self._inner.tell(scored.model_copy(update={"score" if scored.metric is None else "metric_value": mean}))

    def _fill(self, proposals: list[Proposal]) -> None:
        """Queue sets, each with every fold; without any, the best set for all of train, once."""
        self._n_sets_left -= len(proposals)
        self._waiting.extend(replace(proposal, fold=fold) for proposal in proposals for fold in self._folds)
        if not proposals and self._best is not None:
            self._waiting.append(Proposal(dict(self._best[1])))
            self._n_sets_left, self._best = 0, None


def make_folds(context: TunerContext, n_folds: int, key: str = "tuner.folds") -> list[Fold]:
    """Divide train into folds: classes as even as possible, no group in two folds.

    Args:
        context: train's labels and groups, and the seed.
        n_folds: number of folds.
        key: of the config, for messages.

    Raises:
        UserError: a class or the groups are too few, or a fold would leave a class without a sample to train on.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels, groups = context.labels, context.groups
    _check_count(np.bincount(labels), n_folds, "samples of a class", key)
    if groups is not None:
        _check_count(np.array([len(np.unique(groups))]), n_folds, "groups", key)
    splitter_class = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = splitter_class(n_splits=n_folds, shuffle=True, random_state=context.seed)
    splits = splitter.split(np.zeros(len(labels)), labels, groups)
    folds = [Fold(number, train, held_out) for number, (train, held_out) in enumerate(splits)]
    for fold in folds:
        if len(fold.held_out_indices) == 0 or len(np.unique(labels[fold.train_indices])) < len(np.unique(labels)):
            raise UserError(
                f"{key}: {n_folds} folds that keep groups together leave fold {fold.number + 1} without samples "
                "or without a class to train on. Give fewer folds, or null to score on dev."
            )
    return folds


def _check_count(counts: "NDArray[np.int64]", n_folds: int, what: str, key: str) -> None:
    if counts.min() < n_folds:
        raise UserError(f"{key}: train has only {counts.min()} {what}, too few for {n_folds} folds. Give fewer folds.")

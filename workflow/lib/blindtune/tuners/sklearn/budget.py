"""How many sets scikit-learn's searchers can try within a budget; they need the number before they begin."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log

from blindtune.core.budget import Budget


@dataclass(frozen=True)
class Rung:
    """One round of a search.

    Attributes:
        n_sets: number of sets that are tried.
        epochs: epoch at which the training of each ends, counted from its start.
    """

    n_sets: int
    epochs: int


def halving_rungs(n_sets: int, max_epochs: int, factor: int, min_epochs: int | None, aggressive: bool) -> list[Rung]:
    """Return the rungs of successive halving, counted as in scikit-learn 1.9 (``BaseSuccessiveHalving``).

    Args:
        n_sets: number of sets of the first rung.
        max_epochs: epochs of one complete training.
        factor: each rung has this share of the sets of the one before and this many times its epochs.
        min_epochs: epochs of the first rung; None: as many as let the last rung reach `max_epochs` (the library's
            "exhaust").
        aggressive: repeat the epochs of the first rung until fewer than `factor` sets are left for the last one.
    """
    n_required = 1 + floor(log(n_sets, factor))
    first = max(1, max_epochs // factor ** (n_required - 1)) if min_epochs is None else min_epochs
    n_possible = 1 + floor(log(max_epochs // first, factor))
    rungs = []
    for number in range(n_required if aggressive else min(n_required, n_possible)):
        power = max(0, number - n_required + n_possible) if aggressive else number
        rungs.append(Rung(n_sets, min(max_epochs, factor**power * first)))
        n_sets = -(-n_sets // factor)
    return rungs


@dataclass(frozen=True)
class SearchCost:
    """What a search spends if every training comes to its end.

    Attributes:
        trials: number of trials.
        epochs: epochs of all trials together.
    """

    trials: int
    epochs: int

    def is_within(self, budget: Budget) -> bool:
        """Return whether a budget covers it; seconds are not known beforehand."""
        return (budget.trials is None or self.trials <= budget.trials) and (
            budget.epochs is None or self.epochs <= budget.epochs
        )


def search_cost(rungs: list[Rung], folds: int | None, *, resumes: bool = True) -> SearchCost:
    """Return what a search costs.

    A rung that repeats the epochs of the one before costs nothing.

    Args:
        rungs: its rungs.
        folds: number of folds of the cross-validation, on which each rung trains from the start and after which the
            best set is trained once more, on all of train. None: without folds a promoted training is resumed.
        resumes: whether it can be; an estimator is fitted again in each rung.
    """
    trials, epochs, before = 0, 0, 0
    for rung in rungs:
        if rung.epochs > before:
            trials += rung.n_sets
            epochs += rung.n_sets * (rung.epochs if folds or not resumes else rung.epochs - before)
            before = rung.epochs
    if folds is None:
        return SearchCost(trials, epochs)
    return SearchCost(trials * folds + 1, epochs * folds + before)


def max_affordable_sets(
    budget: Budget, folds: int | None, limit: int, rungs: Callable[[int], list[Rung]], *, resumes: bool = True
) -> int:
    """Return the largest number of sets whose search the budget covers.

    Args:
        budget: limits trials, epochs or both.
        folds: number of folds of the cross-validation; None: dev is the single one.
        limit: number of sets that there are.
        rungs: from a number of sets to the rungs of its search.
        resumes: whether a promoted training is resumed where that is possible.

    Raises:
        ValueError: it does not cover one set.
    """
    # More sets do not always cost more: with one more rung the first begins with fewer epochs. So from above.
    for n_sets in range(min(limit, budget.max_trials() // (folds or 1)), 0, -1):
        if search_cost(rungs(n_sets), folds, resumes=resumes).is_within(budget):
            return n_sets
    least = search_cost(rungs(1), folds, resumes=resumes)
    with_folds = f" on {folds} folds and the whole of train" if folds else ""
    raise ValueError(
        f"budget: the search of a single set{with_folds} takes {least.trials} trials and {least.epochs} epochs; "
        "raise trials or epochs"
    )

"""How many sets scikit-learn's searchers can try within a budget: they want to know before they begin."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log

from blindtune.core.budget import Budget


@dataclass(frozen=True)
class Rung:
    """One round of a search.

    Attributes:
        sets: sets that are tried in it.
        epochs: where the training of each ends, counted from its start.
    """

    sets: int
    epochs: int


def halving_rungs(sets: int, most: int, factor: int, least: int | None, aggressive: bool) -> list[Rung]:
    """The rungs of successive halving, counted as scikit-learn 1.9 counts them (``BaseSuccessiveHalving``).

    Args:
        sets: sets of the first rung.
        most: epochs of one whole training.
        factor: each rung has this share of the sets of the one before and so many times its epochs.
        least: epochs of the first rung; None: as many as let the last rung reach ``most`` (the library's "exhaust").
        aggressive: repeat the first rung's epochs until fewer than ``factor`` sets are left for the last one.
    """
    required = 1 + floor(log(sets, factor))
    first = max(1, most // factor ** (required - 1)) if least is None else least
    possible = 1 + floor(log(most // first, factor))
    rungs = []
    for number in range(required if aggressive else min(required, possible)):
        power = max(0, number - required + possible) if aggressive else number
        rungs.append(Rung(sets, min(most, factor**power * first)))
        sets = -(-sets // factor)
    return rungs


@dataclass(frozen=True)
class Cost:
    """What a search spends when every training comes to its end."""

    trials: int
    epochs: int

    def within(self, budget: Budget) -> bool:
        """Whether a budget pays for it; seconds are not known beforehand."""
        return (budget.trials is None or self.trials <= budget.trials) and (
            budget.epochs is None or self.epochs <= budget.epochs
        )


def cost(rungs: list[Rung], folds: int | None) -> Cost:
    """What ``rungs`` cost.

    A rung that repeats the epochs of the one before costs nothing. Without folds a promoted training goes on;
    on folds each rung trains from the start, and the best set is trained once more, on the whole of train.
    """
    trials, epochs, before = 0, 0, 0
    for rung in rungs:
        if rung.epochs > before:
            trials += rung.sets
            epochs += rung.sets * (rung.epochs if folds else rung.epochs - before)
            before = rung.epochs
    if folds is None:
        return Cost(trials, epochs)
    return Cost(trials * folds + 1, epochs * folds + before)


def most_sets(budget: Budget, folds: int | None, limit: int, rungs: Callable[[int], list[Rung]]) -> int:
    """The largest number of sets, up to ``limit``, whose search the budget pays for.

    Args:
        budget: gives trials, epochs or both.
        folds: folds of the cross-validation; None: dev is the single one.
        limit: sets that there are.
        rungs: the rungs of a search with so many sets.

    Raises:
        ValueError: it does not pay for one set.
    """
    # More sets are not always dearer: with one more rung the first begins with fewer epochs. So from above.
    for sets in range(min(limit, budget.most_trials() // (folds or 1)), 0, -1):
        if cost(rungs(sets), folds).within(budget):
            return sets
    least = cost(rungs(1), folds)
    with_folds = f" on {folds} folds and the whole of train" if folds else ""
    raise ValueError(
        f"budget: the search of a single set{with_folds} takes {least.trials} trials and {least.epochs} epochs; "
        "raise trials or epochs"
    )

"""The rungs of a search, as they are known before it begins: which of its trials need the scores of which others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from blindtune.core.budget import Budget


@dataclass(frozen=True)
class BracketRung:
    """One rung of one bracket.

    Attributes:
        number: within its bracket, from 1; the sets of the first one need no score, those of any other the scores of
            the rungs before it.
        n_trials: number of trials.
        epochs: epoch at which the training of each ends, counted from its start.
    """

    number: int
    n_trials: int
    epochs: int


@dataclass(frozen=True)
class RungPlan:
    """The trials of a search by their rungs.

    Brackets do not wait for each other. So the trials of one rung are those of the rung of this number in all brackets.

    Attributes:
        rungs: for each trial, the number of its rung, from 1.
    """

    rungs: Sequence[int]

    @cached_property
    def trials(self) -> tuple[tuple[int, ...], ...]:
        """For each rung, the numbers of its trials."""
        found: list[list[int]] = [[] for _ in range(max(self.rungs, default=0))]
        for trial, rung in enumerate(self.rungs):
            found[rung - 1].append(trial)
        return tuple(map(tuple, found))

    @property
    def largest(self) -> int:
        """The number of trials of the largest rung."""
        return max(map(len, self.trials), default=0)


def plan_rungs(rungs: Iterable[BracketRung], budget: Budget, *, resumes: bool) -> RungPlan:
    """Return the trials that a budget covers if every training comes to its end.

    Args:
        rungs: of all brackets, in the order in which their sets are proposed; may have no end.
        budget: limits trials, epochs or both.
        resumes: whether a promoted training is resumed where the rung before has ended it.
    """
    found: list[int] = []
    epochs = before = 0
    for rung in rungs:
        cost = max(1, rung.epochs - (before if resumes and rung.number > 1 else 0))
        n_trials = min(rung.n_trials, budget.max_trials() - len(found))
        if budget.epochs is not None:
            n_trials = min(n_trials, (budget.epochs - epochs) // cost)
        found.extend([rung.number] * n_trials)
        epochs += n_trials * cost
        before = rung.epochs
        if n_trials < rung.n_trials:
            break
    return RungPlan(found)

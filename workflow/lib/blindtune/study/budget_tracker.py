"""Track what a search has spent of its budget."""

from blindtune.core.budget import UNLIMITED, Budget
from blindtune.core.timing import total_wall_seconds
from blindtune.records.trial import Trial


class BudgetTracker:
    """What a search has spent of its budget.

    Attributes:
        trials: number of trials so far.
        epochs: epochs so far; a trial without an epoch counts as one.
        seconds: wall seconds so far.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.trials = 0
        self.epochs = 0
        self.seconds = 0.0

    def add(self, trial: Trial) -> None:
        """Add a trial.

        A trial without an epoch, such as an invalid set, is charged one epoch. Otherwise a search that meets only
        invalid sets would never end.
        """
        self.trials += 1
        self.epochs += max(1, trial.epochs)
        self.seconds += total_wall_seconds(trial.seconds)

    def has_remaining(self) -> bool:
        """Return whether another trial of one epoch fits into the budget."""
        return self.can_afford(1)

    def can_afford(self, epochs: int, trials: int = 1) -> bool:
        """Return whether more trials fit into the budget.

        Seconds are not known beforehand: a trial that starts before they are spent is finished.

        Args:
            epochs: epochs of these trials together.
            trials: number of these trials.
        """
        budget = self._budget
        return (
            (budget.trials is None or self.trials + trials <= budget.trials)
            and (budget.epochs is None or self.epochs + epochs <= budget.epochs)
            and (budget.seconds is None or self.seconds < budget.seconds)
        )

    def max_remaining_trials(self) -> int:
        """Return the largest number of trials that may still fit, at least 1.

        A limit in seconds is divided by the mean seconds of the trials so far.
        """
        budget, limits = self._budget, [UNLIMITED]
        if budget.trials is not None:
            limits.append(budget.trials - self.trials)
        if budget.epochs is not None:
            limits.append(budget.epochs - self.epochs)
        if budget.seconds is not None:
            remaining = budget.seconds - self.seconds
            limits.append(int(remaining * self.trials / self.seconds) if self.seconds else 1)
        return max(1, min(limits))

    def fraction_spent(self) -> float:
        """Return the fraction of the budget that is spent, from 0 to 1; of several limits, the largest fraction."""
        budget = self._budget
        spent = (
            (self.trials, budget.trials),
            (self.epochs, budget.epochs),
            (self.seconds, budget.seconds),
        )
        return min(1.0, max(used / limit for used, limit in spent if limit is not None))

    def __str__(self) -> str:
        """Return ``trial 3 of 20``, with epochs and seconds if they are limited."""
        budget = self._budget
        parts = [f"trial {self.trials}{f' of {budget.trials}' if budget.trials else ''}"]
        if budget.epochs:
            parts.append(f"{self.epochs} of {budget.epochs} epochs")
        if budget.seconds:
            parts.append(f"{self.seconds:.0f} of {budget.seconds:.0f} s")
        return ", ".join(parts)

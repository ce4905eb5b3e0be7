"""Budgets are never overdrawn, and always spent in the end."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blindtune.core.budget import Budget
from blindtune.core.timing import CpuWallTime
from blindtune.study.budget_tracker import BudgetTracker


def trial(epochs: int = 3, seconds: float = 1.0) -> Any:
    return SimpleNamespace(epochs=epochs, seconds={"train": CpuWallTime(wall=seconds), "save": CpuWallTime(wall=0.0)})


def test_budget_needs_a_limit() -> None:
    """A budget without a limit, or with one that is not positive, is refused."""
    with pytest.raises(ValidationError, match="set trials, epochs or seconds"):
        Budget()
    for wrong in ({"trials": 0}, {"epochs": -1}, {"seconds": 0.0}, {"trials": 1.5}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Budget(**wrong)


@pytest.mark.parametrize(
    ("limits", "trials"),
    [({"trials": 4}, 4), ({"epochs": 10}, 3), ({"seconds": 2.5}, 3), ({"trials": 9, "epochs": 6}, 2)],
)
def test_tracker_ends_at_the_first_limit(limits: dict[str, Any], trials: int) -> None:
    """The first limit that is reached ends the search."""
    tracker = BudgetTracker(Budget(**limits))
    while tracker.can_afford(3):
        tracker.add(trial())
    assert tracker.trials == trials


def test_tracker_affords_only_epochs_that_fit() -> None:
    """A trial begins only if its epochs fit into the budget."""
    tracker = BudgetTracker(Budget(epochs=10))
    tracker.add(trial(8))
    assert tracker.has_remaining() and tracker.can_afford(2) and not tracker.can_afford(3)


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 40))
def test_tracker_never_overdraws_epochs_and_ends(costs: list[int], limit: int) -> None:
    """A set that costs nothing is charged one epoch, or a space of invalid sets would be searched for ever."""
    tracker, spent = BudgetTracker(Budget(epochs=limit)), 0
    for cost in [*costs, *[0] * limit]:
        if not tracker.can_afford(max(1, cost)):
            continue
        tracker.add(trial(cost))
        spent += cost
    assert spent <= limit and not tracker.has_remaining()
    assert tracker.trials <= Budget(epochs=limit).max_trials()

"""Budgets: equal for all, never overdrawn, and always spent in the end."""

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


def test_a_budget_without_a_limit_is_none() -> None:
    with pytest.raises(ValidationError, match="set trials, epochs or seconds"):
        Budget()
    for wrong in ({"trials": 0}, {"epochs": -1}, {"seconds": 0.0}, {"trials": 1.5}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Budget(**wrong)


@pytest.mark.parametrize(
    ("limits", "trials"),
    [({"trials": 4}, 4), ({"epochs": 10}, 3), ({"seconds": 2.5}, 3), ({"trials": 9, "epochs": 6}, 2)],
)
def test_the_first_limit_that_is_reached_ends_the_search(limits: dict[str, Any], trials: int) -> None:
    account = BudgetTracker(Budget(**limits))
    while account.can_afford(3):
        account.add(trial())
    assert account.trials == trials


def test_a_trial_begins_only_if_its_epochs_fit() -> None:
    account = BudgetTracker(Budget(epochs=10))
    account.add(trial(8))
    assert account.has_remaining() and account.can_afford(2) and not account.can_afford(3)


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 40))
def test_epochs_are_never_overdrawn_and_always_end(costs: list[int], limit: int) -> None:
    """A set that costs nothing is charged one epoch, or a space of invalid sets would be searched for ever."""
    account, spent = BudgetTracker(Budget(epochs=limit)), 0
    for cost in [*costs, *[0] * limit]:
        if not account.can_afford(max(1, cost)):
            continue
        account.add(trial(cost))
        spent += cost
    assert spent <= limit and not account.has_remaining()
    assert account.trials <= Budget(epochs=limit).max_trials()

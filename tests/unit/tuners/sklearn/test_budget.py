"""Searches of scikit-learn spend what was planned, and rungs are counted as the library counts them."""

from typing import Any

import pytest

from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.sklearn.budget import Rung, SearchCost, halving_rungs, max_affordable_sets, search_cost
from support.builders import build_tuner, check
from support.sklearn_searches import (
    HALVING,
    SEARCHES,
    SPACE,
    make_config,
    run_library_search,
    run_search,
    tuner,
)


@pytest.mark.parametrize("most", [1, 2, 9, 10, 27, 81])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("least", "aggressive"), [(None, False), (1, False), (1, True), (None, True)])
def test_halving_rungs_match_the_library(most: int, factor: int, least: int | None, aggressive: bool) -> None:
    """Rungs are counted as the library counts them."""
    for sets in (1, 2, 3, 8, 9, 16, 27, 28, 64):
        library = run_library_search(
            "halving-random-search",
            sets,
            None,
            max_resources=most,
            min_resources=least or "exhaust",
            factor=factor,
            aggressive_elimination=aggressive,
        )
        expected = [Rung(*rung) for rung in zip(library.n_candidates_, library.n_resources_, strict=True)]
        assert halving_rungs(sets, most, factor, least, aggressive) == expected


PLANNED = [(algorithm, folds) for algorithm in SEARCHES for folds in (None, 2, 5) if folds or algorithm in HALVING]


@pytest.mark.parametrize(("algorithm", "folds"), PLANNED)
@pytest.mark.parametrize(
    "budget",
    [Budget(trials=16), Budget(trials=50), Budget(epochs=120), Budget(epochs=400), Budget(trials=60, epochs=130)],
)
def test_planned_search_spends_exactly_its_plan(algorithm: str, folds: int | None, budget: Budget) -> None:
    """A planned search spends what was planned, and one more set would exceed the budget."""
    check(make_config(algorithm, folds=folds), SPACE, **budget.model_dump())
    proposals, _ = run_search(tuner(algorithm, budget=budget, folds=folds))
    epochs = 0
    for proposal in proposals:
        before = 0
        if proposal.parent is not None and proposal.fold is None:
            before = proposals[proposal.parent].epochs or 0
        epochs += (proposal.epochs or 9) - before
    spent = SearchCost(len(proposals), epochs)
    assert spent.is_within(budget)
    for sets in range(1, 400):
        rungs = halving_rungs(sets, 9, 3, None, False) if algorithm in HALVING else [Rung(sets, 9)]
        if search_cost(rungs, folds).is_within(budget):
            most = search_cost(rungs, folds)
    assert spent == most, "no more sets would have been within the budget"


def test_search_over_epochs_plans_by_longest() -> None:
    """A search over epochs is planned by the longest training."""
    space = Space.model_validate({**SPACE.model_dump(), "epochs": {"type": "int", "low": 2, "high": 20}})
    budget = Budget(epochs=100)
    made: Any = build_tuner(make_config("randomized-search", folds=2), space, 1, budget=budget)
    proposals, _ = run_search(made)
    assert len(proposals) == 2 * 2 + 1, "(2 sets x 2 folds + 1) x 20 epochs"


def test_max_affordable_sets_counts_from_above() -> None:
    """Sets are counted from above, because more sets can cost less."""

    def rungs(sets: int) -> list[Rung]:
        return halving_rungs(sets, 27, 3, None, False)

    assert search_cost(rungs(8), None).epochs > search_cost(rungs(9), None).epochs
    assert max_affordable_sets(Budget(epochs=search_cost(rungs(9), None).epochs), None, 100, rungs) == 9
    with pytest.raises(ValueError, match=r"^budget: the search of a single set takes 1 trials and 27 epochs"):
        max_affordable_sets(Budget(epochs=26), None, 100, rungs)

"""What tuners say of their rungs before a search is true: shards are planned by it, before any score is known."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.setup import SearchSetup
from blindtune.study.shard_proposals import list_rung
from blindtune.study.shards import RecordedTrial, RecordedTrials
from blindtune.training.base import TrainingTask
from blindtune.tuners.base import Tuner, TunerConfig
from blindtune.tuners.registry import list_algorithms
from blindtune.tuners.rungs import BracketRung, RungPlan, plan_rungs
from support.builders import build_tuner, trial, tuner
from support.engines import with_marks

pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::UserWarning")

WITH_RUNGS = sorted(pair for pair in list_algorithms() if tuner(*pair).plans_rungs)

SPACE = Space.model_validate(
    {
        "units": {"type": "int", "low": 4, "high": 400, "step": 4},
        "rate": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
    }
)
GRID = Space.model_validate({"units": {"type": "int", "low": 1, "high": 5}, "dropout": {"type": "bool"}})


def build_task(values: Hyperparameters) -> TrainingTask:
    """Fail if it is called: rungs need no task."""
    raise AssertionError("a task was built")


def search(one: Tuner, n_trials: int, seed: int) -> list[tuple[Any, Trial]]:
    """Return the proposals of a search whose scores are random, some of them missing or equal, and its records."""
    random = np.random.default_rng(derive("scores", seed))
    found: list[tuple[Any, Trial]] = []
    while len(found) < n_trials:
        asked = one.ask_batch(n_trials - len(found))
        if not asked:
            break
        for proposal in asked:
            score = None if random.random() < 0.2 else float(random.integers(5)) / 10
            fold = None if proposal.fold is None else proposal.fold.number
            fields = {"hyperparameters": dict(proposal.hyperparameters), "parent": proposal.parent, "fold": fold}
            record = trial(len(found), score, **fields)
            one.tell(record)
            found.append((proposal, record))
    return found


def depths(found: list[tuple[Any, Trial]]) -> list[int]:
    """Return the number of the rung of each proposal, by the trials that it continues."""
    numbers: list[int] = []
    for proposal, _ in found:
        numbers.append(1 if proposal.parent is None else numbers[proposal.parent] + 1)
    return numbers


def test_tuners_with_rungs_are_declared() -> None:
    """Those whose promotions follow from the scores of a bracket alone, in rungs that the config knows."""
    assert WITH_RUNGS == [
        ("keras-tuner", "hyperband"),
        ("nni", "hyperband"),
        ("scikit-learn", "halving-grid-search"),
        ("scikit-learn", "halving-random-search"),
    ]
    assert all(tuner(*pair).proposals_need_scores for pair in WITH_RUNGS)


CHANGES: dict[str, list[dict[str, Any]]] = {
    "keras-tuner": [{}, {"factor": 2}, {"factor": 4, "hyperband_iterations": 1}, {"max_epochs": 20}, {"max_epochs": 1}],
    "nni": [{}, {"eta": 2}, {"eta": 5}],
    "scikit-learn": [
        {},
        {"factor": 2},
        {"min_epochs": 4},
        {"min_epochs": 2, "aggressive_elimination": True},
        {"folds": 2, "factor": 2},
    ],
}


@pytest.mark.parametrize("pair", with_marks(WITH_RUNGS))
@given(seed=st.integers(1, 1000), n_trials=st.integers(8, 40), data=st.data())
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rungs_are_those_of_the_search(pair: tuple[str, str], seed: int, n_trials: int, data: st.DataObject) -> None:
    """Sizes, epochs and order are as planned; asked rung by rung, without other scores, a tuner proposes the same."""
    config = tuner(*pair, **data.draw(st.sampled_from(CHANGES[pair[0]])))
    space, budget = GRID if "grid" in pair[1] else SPACE, Budget(trials=n_trials)
    found = search(build_tuner(config, space, n_trials, seed), n_trials, seed)
    if getattr(config, "folds", None):
        found = found[:-1]  # the best set on all of train
    plan = plan_rungs(config.list_rungs(space, budget, 9), budget, resumes=False)
    assert list(plan.rungs) == depths(found)
    assert [proposal.epochs for proposal, _ in found] == list_epochs(config, space, budget, len(found))
    for rung, numbers in enumerate(plan.trials, 1):
        told = [RecordedTrial(record, None, 0) for _, record in found if plan.rungs[record.number] < rung]  # type: ignore[arg-type]
        setup = SearchSetup(build_tuner(config, space, n_trials, seed), None, build_task, budget)  # type: ignore[arg-type]
        listed = list_rung(setup, plan, rung, RecordedTrials(told))
        assert [describe(one) for one in listed] == [describe(found[number][0]) for number in numbers]


def list_epochs(config: TunerConfig, space: Space, budget: Budget, n_trials: int) -> list[int]:
    """Return the planned epochs of each trial."""
    rungs = config.list_rungs(space, budget, 9)
    return list(islice((rung.epochs for rung in rungs for _ in range(rung.n_trials)), n_trials))


def describe(proposal: Any) -> tuple[Any, ...]:
    """Return what identifies a proposal."""
    fold = None if proposal.fold is None else proposal.fold.number
    return dict(proposal.hyperparameters), proposal.parent, proposal.epochs, fold


def test_small_space_ends_a_search_before_its_plan() -> None:
    """Hyperband that has tried every set proposes no more, in a shard too."""
    config, budget = tuner("keras-tuner", "hyperband"), Budget(trials=60)
    found = search(build_tuner(config, GRID, 60), 60, 1)
    plan = plan_rungs(config.list_rungs(GRID, budget, 9), budget, resumes=True)
    assert len(found) < len(plan.rungs) == 60
    setup = SearchSetup(build_tuner(config, GRID, 60), None, build_task, budget)  # type: ignore[arg-type]
    listed = list_rung(setup, plan, 1, RecordedTrials())
    firsts = [proposal for proposal, _ in found if proposal.parent is None]
    assert [describe(one) for one in listed] == [describe(one) for one in firsts]


def test_list_rung_refuses_other_records() -> None:
    """A record of another set than the tuner proposes is never told."""
    config, budget = tuner("keras-tuner", "hyperband"), Budget(trials=20)
    plan = plan_rungs(config.list_rungs(SPACE, budget, 9), budget, resumes=True)
    others = [RecordedTrial(record, None, 0) for _, record in search(build_tuner(config, SPACE, 20, 7), 20, 1)]  # type: ignore[arg-type]
    setup = SearchSetup(build_tuner(config, SPACE, 20), None, build_task, budget)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"trial 1, whose score decides .* has another set than the tuner proposes now"):
        list_rung(setup, plan, 2, RecordedTrials(others))


BRACKETS = [BracketRung(1, 4, 1), BracketRung(2, 2, 3), BracketRung(1, 3, 3)]


@pytest.mark.parametrize(
    ("budget", "resumes", "expected"),
    [
        ({"trials": 99}, True, [1, 1, 1, 1, 2, 2, 1, 1, 1]),
        ({"trials": 5}, True, [1, 1, 1, 1, 2]),
        ({"epochs": 12}, True, [1, 1, 1, 1, 2, 2, 1]),
        ({"epochs": 12}, False, [1, 1, 1, 1, 2, 2]),
        ({"epochs": 5, "trials": 3}, True, [1, 1, 1]),
        ({"epochs": 5}, True, [1, 1, 1, 1]),
    ],
)
def test_plan_rungs_ends_with_the_budget(budget: dict[str, int], resumes: bool, expected: list[int]) -> None:
    """Trials and epochs count as if every training came to its end."""
    plan = plan_rungs(BRACKETS, Budget(**budget), resumes=resumes)
    assert list(plan.rungs) == expected
    assert plan.largest == expected.count(1)


def test_rungs_of_all_brackets_are_one() -> None:
    """The first rung of every bracket is the first rung."""
    assert plan_rungs(BRACKETS, Budget(trials=99), resumes=True).trials == ((0, 1, 2, 3, 6, 7, 8), (4, 5))
    assert RungPlan([]).trials == () and RungPlan([]).largest == 0

"""What a tuner declares of its need for scores is true: shards ask for all proposals before any score is known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.budget import Budget
from blindtune.core.seeds import derive
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.setup import SearchSetup
from blindtune.study.shard_proposals import list_proposals
from blindtune.training.base import TrainingTask
from blindtune.tuners.base import Tuner, TunerContext
from blindtune.tuners.folds import FoldedTuner, make_folds
from blindtune.tuners.optuna.config import OptunaConfig
from blindtune.tuners.registry import list_algorithms
from support.builders import build_tuner, trial, tuner
from support.engines import with_marks

#: Keras Tuner reads the name of its thread in an old way; Optuna calls two of its arguments experimental.
pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::UserWarning")

ALL = sorted(list_algorithms())
FREE = [pair for pair in ALL if not tuner(*pair).proposals_need_scores]

SPACE = Space.model_validate(
    {
        "units": {"type": "int", "low": 4, "high": 32, "step": 4},
        "rate": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
    }
)
N_TRIALS = 23
LABELS = np.arange(40, dtype=np.int64) % 2


def build_task(values: Hyperparameters) -> TrainingTask:
    """Fail if it is called: a budget in trials needs no task."""
    raise AssertionError("a task was built")


def create(pair: tuple[str, str], seed: int, folds: int | None) -> Tuner:
    """Return a new tuner, on folds if there are any."""
    if folds is None:
        return build_tuner(tuner(*pair), SPACE, N_TRIALS, seed, labels=LABELS)
    own = tuner(*pair).with_folds(folds)
    if own is not None:
        return build_tuner(own, SPACE, N_TRIALS, seed, labels=LABELS)
    n_sets = (N_TRIALS - 1) // folds
    context = TunerContext(SPACE, Budget(trials=n_sets), seed, 9, LABELS)
    return FoldedTuner(build_tuner(tuner(*pair), SPACE, n_sets, seed), make_folds(context, folds), n_sets)


def describe(proposal: Any) -> tuple[Any, ...]:
    """Return what identifies a proposal."""
    fold = None if proposal.fold is None else proposal.fold.number
    return dict(proposal.hyperparameters), proposal.parent, proposal.epochs, fold


def ask_and_tell(one: Tuner, batch: int, random: np.random.Generator) -> list[tuple[Any, ...]]:
    """Return what a tuner proposes that is told random scores, and no score of some trials."""
    found: list[tuple[Any, ...]] = []
    while len(found) < N_TRIALS:
        asked = one.ask_batch(min(batch, N_TRIALS - len(found)))
        if not asked:
            break
        for proposal in asked:
            score = None if random.random() < 0.2 else float(random.random())
            fold = None if proposal.fold is None else proposal.fold.number
            values = dict(proposal.hyperparameters)
            one.tell(trial(len(found), score, hyperparameters=values, fold=fold))
            found.append(describe(proposal))
    return found


def test_independent_tuners_are_declared() -> None:
    """Random search, lists and grids need no score; all others do."""
    assert {name for _, name in FREE} == {
        "random", "quasi-random", "grid", "default", "parameter-sampler", "parameter-grid", "randomized-search",
        "grid-search",
    }  # fmt: skip
    for name in ("median", "successive-halving", "hyperband"):
        pruned = OptunaConfig.model_validate(
            {"library": "optuna", "algorithm": "random", "pruner": {"algorithm": name}}
        )
        assert pruned.proposals_need_scores, "a pruner compares a trial with those before it"


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("pair", with_marks(FREE))
@given(seed=st.integers(1, 1000), batch=st.integers(1, 30))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_proposals_without_scores_are_those_with_scores(
    pair: tuple[str, str], folds: int | None, seed: int, batch: int
) -> None:
    """Asked for all proposals before any score, a tuner proposes what it proposes between the scores."""
    setup = SearchSetup(create(pair, seed, folds), None, build_task, Budget(trials=N_TRIALS))  # type: ignore[arg-type]
    listed = [describe(proposal) for proposal in list_proposals(setup)]
    random = np.random.default_rng(derive("scores", seed))
    told = ask_and_tell(create(pair, seed, folds), batch, random)
    # On folds, the best set for all of train follows from the scores.
    expected = told if folds is None else [one for one in told if one[-1] is not None]
    assert listed == expected
    assert len(told) - len(expected) == (folds is not None and any(one[-1] is None for one in told))
    assert pair[1] == "default" or len(listed) >= 20

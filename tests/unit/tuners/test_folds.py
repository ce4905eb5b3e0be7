"""Cross-validation of any tuner: each set on every fold, the mean told, the best set on all of train at the end."""

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from blindtune.core.budget import Budget
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import FixedListTuner, Proposal, TunerConfig, TunerContext
from blindtune.tuners.folds import FoldedTuner, make_folds, plan_folds
from blindtune.tuners.registry import tuner_config_type
from support.builders import tuner

SPACE = Space.model_validate({"units": {"type": "int", "low": 1, "high": 90}})
LABELS = np.arange(24) % 2
#: Errors by set and fold; None: the trial failed.
ERRORS: dict[int, tuple[float | None, ...]] = {
    1: (0.5, 0.3, 0.1),
    2: (0.1, 0.2, 0.3),
    3: (None, 0.0, 0.0),
    4: (None,) * 3,
}


class Recorder(FixedListTuner):
    """Proposes a list of sets and remembers what it is told."""

    def __init__(self, sets: list[Hyperparameters]) -> None:
        super().__init__(sets)
        self.told: list[tuple[Any, float | None]] = []
        self.replayed: list[Any] = []

    def tell(self, trial: Trial) -> None:
        """Remember the set and its score."""
        self.told.append((trial.hyperparameters["units"], trial.score))

    def replay(self, recorded: Trial) -> Proposal | None:
        """Remember that a recorded set was replayed."""
        self.replayed.append(recorded.hyperparameters["units"])
        return self.ask()


def create(n_sets: int = 9) -> tuple[FoldedTuner, Recorder]:
    """Return a tuner on three folds, and the tuner in it."""
    inner = Recorder([{"units": number} for number in ERRORS])
    context = TunerContext(SPACE, Budget(trials=9), 3, 1, LABELS)
    return FoldedTuner(inner, make_folds(context, 3), n_sets), inner


def answer(proposal: Proposal) -> Trial:
    """Return the record of a proposal."""
    units = int(proposal.hyperparameters["units"])
    score = 0.25 if proposal.fold is None else ERRORS[units][proposal.fold.number]
    return Trial.model_construct(
        hyperparameters=proposal.hyperparameters,
        score=score,
        fold=proposal.fold.number if proposal.fold else None,
        status="failed" if score is None else "completed",
    )


def run(folded: FoldedTuner, batch: int) -> list[tuple[Any, int | None]]:
    """Ask and tell to the end; return the sets and folds."""
    found = []
    while proposals := folded.ask_batch(batch):
        for proposal in proposals:
            found.append((proposal.hyperparameters["units"], proposal.fold.number if proposal.fold else None))
            folded.tell(answer(proposal))
    return found


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 100])
def test_each_set_is_scored_on_every_fold(batch: int) -> None:
    """For any size of batch, each set is tried on each fold, and the set with the lowest mean on all of train."""
    folded, inner = create()
    assert run(folded, batch) == [(units, fold) for units in ERRORS for fold in range(3)] + [(2, None)]
    # A fold without a score has the worst error; a set without any score has none.
    assert inner.told == [(1, pytest.approx(0.3)), (2, pytest.approx(0.2)), (3, pytest.approx(1 / 3)), (4, None)]


def test_number_of_sets_ends_the_search() -> None:
    """After its last set the best one is trained on all of train, though the inner tuner has more."""
    folded, _ = create(n_sets=1)
    assert run(folded, 100) == [(1, 0), (1, 1), (1, 2), (1, None)]


def test_search_without_a_score_ends_without_a_best_set() -> None:
    """If no set has a score, nothing is trained on all of train."""
    inner = Recorder([{"units": 4}])
    folded = FoldedTuner(inner, make_folds(TunerContext(SPACE, Budget(trials=9), 3, 1, LABELS), 3), 5)
    assert run(folded, 2) == [(4, 0), (4, 1), (4, 2)]


@pytest.mark.parametrize("recorded", range(14))
def test_replay_proposes_what_was_recorded(recorded: int) -> None:
    """A search that goes on from any number of records ends with the same trials."""
    expected = run(create()[0], 5)
    folded, inner = create()
    first, _ = create()
    for number in range(min(recorded, len(expected))):
        [proposal] = first.ask_batch(1)
        trial = answer(proposal)
        first.tell(trial)
        replayed = folded.replay(trial)
        assert replayed is not None and replayed.hyperparameters == proposal.hyperparameters
        fold = replayed.fold.number if replayed.fold else None
        assert (replayed.hyperparameters["units"], fold) == expected[number]
        folded.tell(trial)
    assert run(folded, 5) == expected[recorded:]
    assert len(inner.replayed) == min(-(-recorded // 3), len(ERRORS))


def test_plan_counts_what_the_budget_covers() -> None:
    """Each set costs as many trials as there are folds, and the best set one more."""
    random = tuner("optuna", "random")
    assert plan_folds(random, SPACE, Budget(trials=20), 3, 1).n_sets == 6
    assert plan_folds(random, SPACE, Budget(epochs=50), 3, 2).n_sets == 8
    assert plan_folds(random, SPACE, Budget(trials=20), None, 1).n_sets is None


def test_searchers_divide_train_themselves() -> None:
    """The searchers of scikit-learn do their own cross-validation; its lists of sets do not."""
    plan = plan_folds(tuner("scikit-learn", "randomized-search"), SPACE, Budget(trials=20), 3, 1)
    assert plan.n_sets is None and plan.config.folds == 3  # type: ignore[attr-defined]
    assert plan_folds(tuner("scikit-learn", "parameter-sampler"), SPACE, Budget(trials=20), 3, 1).n_sets == 6


@pytest.mark.parametrize(
    ("library", "algorithm", "keys", "budget", "message"),
    [
        ("keras-tuner", "hyperband", {}, {"trials": 9}, "folds: Keras Tuner's Hyperband compares trainings on dev"),
        ("optuna", "tpe", {"pruner": {"algorithm": "median"}}, {"trials": 9}, "folds: Optuna's median pruner compares"),
        ("scikit-learn", "grid-search", {"folds": 2}, {"trials": 9}, "tuner.folds: the system's own `folds` are given"),
        ("optuna", "tpe", {}, {"trials": 9, "seconds": 5.0}, "folds: the cross-validation ends with the training of"),
        ("optuna", "tpe", {}, {"trials": 3}, "budget: the search of a single set on 3 folds and the whole of train"),
    ],
)
def test_plan_refuses_what_folds_exclude(
    library: str, algorithm: str, keys: dict[str, Any], budget: dict[str, Any], message: str
) -> None:
    """What compares trainings on dev, or could end before the best set is trained, is refused by name."""
    config = TypeAdapter[TunerConfig](tuner_config_type()).validate_python(
        {"library": library, "algorithm": algorithm, **keys}
    )
    with pytest.raises(ValueError, match=f"^{message}"):
        plan_folds(config, SPACE, Budget.model_validate(budget), 3, 1)

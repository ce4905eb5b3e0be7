"""scikit-learn's searchers: they ask for what the library would try itself, within the budget, on honest folds."""

import gc
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

from blindtune.config.systems import ManualModel, Tuned
from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load
from blindtune.datasets.prepared import Prepared
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.models.architecture import check as check_architecture
from blindtune.records.trial import Trial, TrialLog
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.run import run
from blindtune.study.setup import with_output
from blindtune.tuners.base import Proposal, TunerContext
from blindtune.tuners.sklearn.budget import Rung, SearchCost, halving_rungs, max_affordable_sets, search_cost
from blindtune.tuners.sklearn.config import SklearnConfig
from blindtune.tuners.sklearn.grid import SpaceDistribution, list_grid
from blindtune.tuners.sklearn.search import EvaluationRequest, SearcherThread, SearcherTuner, make_folds
from support.builders import Heard, build_tuner, check, finished_trial, prepared, study

SEARCHES = ["randomized-search", "grid-search", "halving-random-search", "halving-grid-search"]
HALVING = SEARCHES[2:]

SPACE = Space.model_validate(
    {
        "layers": {"type": "int", "low": 1, "high": 2},
        "units": {"type": "int", "low": 4, "high": 40, "step": 3, "repeat": "layers"},
        "dropout_rate": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.0005},
    }
)


def settings(algorithm: str, **keys: Any) -> SklearnConfig:
    return SklearnConfig.model_validate({"library": "scikit-learn", "algorithm": algorithm, **keys})


def error_of(values: Hyperparameters, epochs: int | None, fold: int | None) -> float:
    """Some error that follows from what is trained, and falls with its epochs."""
    numbers = [float(value) for value in values.values()]
    return float(abs(np.sin(7 * sum(numbers) + len(numbers) + (fold or 0) / 9))) / (1 + (epochs or 9) / 50)


def searched(
    made: SearcherTuner, most: int = 10_000, invalid: Any = lambda values: False
) -> tuple[list[Proposal], list[float | None]]:
    """Everything that a tuner proposes, told `error_of` each, and those errors; None: the set was ``invalid``."""
    proposals: list[Proposal] = []
    errors: list[float | None] = []
    while len(proposals) < most and (proposal := made.ask()) is not None:
        fold = proposal.fold.number if proposal.fold else None
        proposals.append(proposal)
        values = proposal.hyperparameters
        errors.append(None if invalid(values) else error_of(values, proposal.epochs, fold))
        made.tell(finished_trial(errors[-1]))
    return proposals, errors


def tuner(algorithm: str, trials: int = 60, budget: Budget | None = None, **keys: Any) -> Any:
    return build_tuner(settings(algorithm, **keys), SPACE, trials, **({"budget": budget} if budget else {}))


class Plain(BaseEstimator):  # type: ignore[misc]
    """An estimator of known scores, as a user of the library would write it."""

    def __init__(self, hyperparameters: Any = None, epochs: int | None = None) -> None:
        self.hyperparameters = hyperparameters
        self.epochs = epochs

    def fit(self, x: Any, y: Any) -> "Plain":
        return self

    def score(self, x: Any, y: Any) -> float:
        # Each held-out sample is the number of its fold.
        return 1 - error_of(self.hyperparameters, self.epochs, int(x[0]) if x[0] >= 0 else None)


def by_the_library(algorithm: str, sets: int, folds: int | None, **keys: Any) -> Any:
    """The library's searcher over `Plain`, fitted, with the arguments that a user would write."""
    x = np.arange(40) % folds if folds else np.full(40, -1)
    parts = [(np.flatnonzero(x != fold), np.flatnonzero(x == fold)) for fold in range(folds or 0)]
    common = {"cv": parts or [(np.arange(40), np.arange(40))], "refit": False, "error_score": "raise"}
    halving = {"resource": "epochs", "max_resources": 9, "min_resources": "exhaust"} | keys
    draws = {"hyperparameters": SpaceDistribution(SPACE)}
    points = {"hyperparameters": list(list_grid(SPACE, sets))}
    made = {
        "randomized-search": lambda: RandomizedSearchCV(Plain(), draws, n_iter=sets, random_state=42, **common),
        "grid-search": lambda: GridSearchCV(Plain(), points, **common),
        "halving-random-search": lambda: HalvingRandomSearchCV(
            Plain(), draws, n_candidates=sets, random_state=42, **common, **halving
        ),
        "halving-grid-search": lambda: HalvingGridSearchCV(Plain(), points, random_state=42, **common, **halving),
    }[algorithm]()
    return made.fit(x, np.arange(40) % 2)


@pytest.mark.parametrize("folds", [None, 2])
@pytest.mark.parametrize(
    ("algorithm", "keys"),
    [
        ("randomized-search", {}),
        ("grid-search", {}),
        *((algorithm, {}) for algorithm in HALVING),
        *((algorithm, {"factor": 2}) for algorithm in HALVING),
        *((algorithm, {"min_epochs": 2}) for algorithm in HALVING),
        *((algorithm, {"min_epochs": 4, "aggressive_elimination": True}) for algorithm in HALVING),
    ],
)
def test_it_asks_for_what_the_library_would_try_itself(algorithm: str, keys: dict[str, Any], folds: int | None) -> None:
    proposals, _ = searched(tuner(algorithm, folds=folds, **keys))
    first = [proposal for proposal in proposals if proposal.parent is None and (folds is None or proposal.fold)]
    theirs = dict(keys)
    if "min_epochs" in theirs:
        theirs["min_resources"] = theirs.pop("min_epochs")
    library = by_the_library(algorithm, len(first) // (folds or 1), folds, **theirs)
    expected: list[tuple[Any, Any, Any]] = []
    for params in library.cv_results_["params"]:
        for fold in range(folds) if folds else [None]:
            expected.append((params["hyperparameters"], params.get("epochs"), fold))
    if folds:
        expected.append((library.best_params_["hyperparameters"], library.best_params_.get("epochs"), None))
    if keys.get("aggressive_elimination"):
        # The library tries a set again with the same epochs; the answer is known.
        assert len(library.n_candidates_) > len(set(library.n_resources_))
        last = expected.pop() if folds else None
        expected = [one for place, one in enumerate(expected) if one not in expected[:place]] + [last] * bool(folds)
    asked = [(p.hyperparameters, p.epochs, p.fold.number if p.fold else None) for p in proposals]
    assert asked == expected


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("algorithm", HALVING)
def test_a_set_of_a_later_rung_goes_on_from_its_own_trial(algorithm: str, folds: int | None) -> None:
    proposals, _ = searched(tuner(algorithm, trials=100, folds=folds))
    promoted = [proposal for proposal in proposals if proposal.parent is not None]
    assert len({proposal.epochs for proposal in promoted}) > 1
    for proposal in promoted:
        parent = proposals[proposal.parent or 0]
        assert parent.hyperparameters == proposal.hyperparameters
        assert (parent.fold and parent.fold.number) == (proposal.fold and proposal.fold.number)
        assert parent.epochs and proposal.epochs and parent.epochs < proposal.epochs
    assert max(Counter(proposal.parent for proposal in promoted).values()) == 1


def test_only_halving_without_folds_promotes_and_what_must_be_planned_depends_on_the_budget() -> None:
    for algorithm in SEARCHES:
        for folds in (None, 2):
            made = settings(algorithm, folds=folds)
            assert made.resumes_trials == (algorithm in HALVING and folds is None)
            assert made.depends_on_budget == (algorithm in HALVING or folds is not None)
    assert not settings("parameter-sampler").depends_on_budget


def test_randomized_search_draws_as_the_parameter_sampler() -> None:
    proposals, _ = searched(tuner("randomized-search", trials=12))
    sampler = build_tuner(settings("parameter-sampler"), SPACE, 12)
    asked = iter(sampler.ask, None)
    assert [p.hyperparameters for p in proposals] == [p.hyperparameters for p in asked if p is not None]


# --- budgets


@pytest.mark.parametrize("most", [1, 2, 9, 10, 27, 81])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("least", "aggressive"), [(None, False), (1, False), (1, True), (None, True)])
def test_rungs_are_counted_as_the_library_counts_them(
    most: int, factor: int, least: int | None, aggressive: bool
) -> None:
    for sets in (1, 2, 3, 8, 9, 16, 27, 28, 64):
        library = by_the_library(
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
def test_a_planned_search_spends_what_was_planned_and_no_more(
    algorithm: str, folds: int | None, budget: Budget
) -> None:
    check(settings(algorithm, folds=folds), SPACE, **budget.model_dump())
    proposals, _ = searched(tuner(algorithm, budget=budget, folds=folds))
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


def test_a_search_over_epochs_is_planned_by_the_longest() -> None:
    space = Space.model_validate({**SPACE.model_dump(), "epochs": {"type": "int", "low": 2, "high": 20}})
    budget = Budget(epochs=100)
    made: Any = build_tuner(settings("randomized-search", folds=2), space, 1, budget=budget)
    proposals, _ = searched(made)
    assert len(proposals) == 2 * 2 + 1, "(2 sets x 2 folds + 1) x 20 epochs"


def test_sets_are_counted_from_above_because_more_can_be_cheaper() -> None:
    def rungs(sets: int) -> list[Rung]:
        return halving_rungs(sets, 27, 3, None, False)

    assert search_cost(rungs(8), None).epochs > search_cost(rungs(9), None).epochs
    assert max_affordable_sets(Budget(epochs=search_cost(rungs(9), None).epochs), None, 100, rungs) == 9
    with pytest.raises(ValueError, match=r"^budget: the search of a single set takes 1 trials and 27 epochs"):
        max_affordable_sets(Budget(epochs=26), None, 100, rungs)


@pytest.mark.parametrize("algorithm", SEARCHES)
@pytest.mark.parametrize("folds", [None, 2])
def test_half_of_the_sets_invalid_spends_the_budget_and_ends(algorithm: str, folds: int | None) -> None:
    def invalid(values: Hyperparameters) -> bool:
        return int(values["units_1"]) % 2 == 0

    made = tuner(algorithm, trials=41, folds=folds)
    proposals, errors = searched(made, 41, invalid)
    assert len(proposals) >= 39, "what whole rungs and folds leave over is less than another set"
    wrong = [error is None for error in errors]
    assert 0.2 < np.mean(wrong) < 0.8
    if algorithm in HALVING or folds:
        assert made.ask() is None and made.ask() is None
    if algorithm in HALVING:
        assert not any(wrong[-2:]), "an invalid set is not promoted while others are there"


# --- folds


def beginning(groups: Any = None, labels: Any = None, seed: int = 42) -> TunerContext:
    labels = np.arange(120) % 3 if labels is None else np.asarray(labels)
    return TunerContext(SPACE, Budget(trials=50), seed, 9, labels.astype(np.int64), groups)


def test_folds_hold_out_each_sample_once_and_keep_classes_even() -> None:
    folds = make_folds(beginning(), 5)
    assert sorted(np.concatenate([fold.held_out_indices for fold in folds]).tolist()) == list(range(120))
    for fold in folds:
        assert (
            not set(fold.train_indices) & set(fold.held_out_indices)
            and len(fold.train_indices) + len(fold.held_out_indices) == 120
        )
        assert np.bincount(beginning().labels[fold.held_out_indices]).tolist() == [8, 8, 8]
    assert any(
        (a.held_out_indices != b.held_out_indices).any()
        for a, b in zip(folds, make_folds(beginning(seed=43), 5), strict=True)
    )


def test_no_group_stands_on_both_sides_of_a_fold() -> None:
    groups = np.repeat(np.arange(24), 5)
    for fold in make_folds(beginning(groups), 4):
        assert not set(groups[fold.train_indices]) & set(groups[fold.held_out_indices])
        assert len(np.unique(beginning().labels[fold.train_indices])) == 3 and len(fold.held_out_indices) > 0


def test_proposals_carry_the_folds_of_train() -> None:
    proposals, _ = searched(tuner("randomized-search", trials=10, folds=3))
    labels = np.arange(40, dtype=np.int64) % 2
    expected = make_folds(TunerContext(SPACE, Budget(trials=10), 42, 9, labels), 3)
    assert [p.fold.number if p.fold else None for p in proposals] == [0, 1, 2] * 3 + [None]
    for proposal in proposals[:-1]:
        assert proposal.fold is not None
        np.testing.assert_array_equal(proposal.fold.held_out_indices, expected[proposal.fold.number].held_out_indices)
        np.testing.assert_array_equal(proposal.fold.train_indices, expected[proposal.fold.number].train_indices)


@pytest.mark.parametrize(
    ("groups", "labels", "message"),
    [
        (None, [0] * 20 + [1] * 3, "only 3 samples of a class, too few for 4 folds"),
        (np.arange(24) // 8, [0, 1] * 12, "only 3 groups, too few for 4 folds"),
        (np.arange(24) // 4, [0] * 20 + [1] * 4, "without a class to train on"),
    ],
)
def test_data_that_cannot_be_parted_end_in_a_message(groups: Any, labels: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^tuner.folds: .*{message}"):
        make_folds(beginning(groups, labels), 4)


# --- refusals


@pytest.mark.parametrize(
    ("algorithm", "keys", "budget", "message"),
    [
        *((algorithm, {}, {"seconds": 9.0}, "^budget.seconds: .* give trials or epochs too") for algorithm in SEARCHES),
        ("grid-search", {"folds": 3}, {"trials": 9, "seconds": 9.0}, "^folds: "),
        ("grid-search", {"folds": 3}, {"trials": 3}, "^budget: .* on 3 folds .* takes 4 trials and 36 epochs"),
        ("randomized-search", {"folds": 3}, {"epochs": 35}, "^budget: .* takes 4 trials and 36 epochs"),
        ("halving-random-search", {}, {"epochs": 8}, "^budget: .* takes 1 trials and 9 epochs"),
        ("halving-grid-search", {"min_epochs": 10}, {"trials": 9}, "^min_epochs: 10 is above the 9 epochs"),
    ],
)
def test_a_budget_that_cannot_plan_a_search_is_refused_by_its_key(
    algorithm: str, keys: dict[str, Any], budget: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check(settings(algorithm, **keys), SPACE, **budget)


@pytest.mark.parametrize(
    ("algorithm", "key", "value"),
    [
        ("parameter-sampler", "folds", 2),
        ("parameter-grid", "factor", 4),
        ("randomized-search", "min_epochs", 2),
        ("grid-search", "aggressive_elimination", True),
    ],
)
def test_a_key_that_an_algorithm_does_not_take_is_refused(algorithm: str, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{key}: belongs to .*; {algorithm} does not take it"):
        settings(algorithm, **{key: value})


def test_the_default_set_is_that_of_the_library() -> None:
    from sklearn.neural_network import MLPClassifier

    library = MLPClassifier()
    model = load(ManualModel, RESOURCES / "models" / "scikit_default.yaml")
    [units] = library.hidden_layer_sizes
    assert [layer.model_dump() for layer in model.layers] == [
        {"kind": "flatten"},
        {"kind": "dense", "units": units, "activation": library.activation},
    ]
    training = model.training
    assert (training.optimizer, training.learning_rate) == (library.solver, library.learning_rate_init)
    assert (training.epochs, training.batch_size) == (library.max_iter, 200), "auto is 200, or all samples if fewer"
    vectors = Architecture(input_shape=(2,), layers=with_output(model.layers, 2))
    check_architecture(vectors, 2)
    assert count_parameters(vectors) == 3 * 100 + 101 * 2


# --- the thread


def test_what_goes_wrong_in_the_searcher_is_raised_where_it_is_asked() -> None:
    def search(score: Any) -> None:
        score([EvaluationRequest(None, None, None)])  # type: ignore[arg-type]
        raise ZeroDivisionError("in the thread")

    exchange = SearcherThread(search)
    assert exchange.next_requests() is not None
    exchange.answer([0.5])
    with pytest.raises(ZeroDivisionError, match="in the thread"):
        exchange.next_requests()
    assert exchange.next_requests() is None


def test_it_is_asked_and_told_in_turns() -> None:
    made = tuner("randomized-search")
    with pytest.raises(RuntimeError, match="told before a proposal was asked for"):
        made.tell(finished_trial(0.5))
    made.ask()
    with pytest.raises(RuntimeError, match="asked for before the score of the last one was told"):
        made.ask()


def test_no_thread_outlives_its_tuner() -> None:
    # Threads of earlier tests may end meanwhile: only the new ones count.
    before = set(threading.enumerate())
    made = tuner("halving-random-search")
    searched(made, 3)
    made.ask()
    assert len(set(threading.enumerate()) - before) == 1
    del made
    gc.collect()
    deadline = time.monotonic() + 20
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


# --- real studies


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("toy"))


def outcomes(folder: Path) -> list[Trial]:
    return TrialLog(folder / "trials.jsonl").read()


def real(algorithm: str, trainer: str, folder: Path, data: Prepared, **keys: Any) -> Any:
    """Runs a tiny study in ``folder``; a third of its sets is invalid."""
    path = folder.parent / "space.yaml"
    path.write_text(
        "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 0, high: 8, step: 4}\n"
        "learning_rate: {type: choice, options: [0.01, 0.1, 0.3]}\n",
        encoding="utf-8",
    )
    system = Tuned(
        kind="tuner",
        tuner=settings(algorithm, **keys),
        space=str(path),
        training=Training(epochs=4, batch_size=20),
        trainer=trainer,  # type: ignore[arg-type]
    )
    return run(study(system, budget={"trials": 13}), data, {"space": path}, "code", folder, Heard())


STUDIES = [(algorithm, "pytorch", {"folds": folds}) for algorithm in SEARCHES for folds in (None, 2)]
STUDIES += [("halving-random-search", "skorch", {"factor": 2}), ("halving-random-search", "scikeras", {"factor": 2})]


@pytest.mark.parametrize(("algorithm", "trainer", "keys"), STUDIES)
def test_a_study_cut_anywhere_goes_on_to_the_same_model(
    algorithm: str, trainer: str, keys: dict[str, Any], data: Prepared, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    card = real(algorithm, trainer, folder, data, **keys)
    trials = outcomes(folder)
    assert {trial.status for trial in trials} == {"completed", "invalid"}
    assert trials[card.trial].fold is None
    assert 11 <= len(trials) <= 13
    if algorithm in HALVING and not keys.get("folds"):
        continued = [trial for trial in trials if trial.trained_before]
        assert continued
        for trial in continued:
            parent = trials[trial.parent or 0]
            assert trial.trained_before == parent.trained_before + parent.epochs
    if keys.get("folds"):
        assert trials[-1].fold is None and card.trial == len(trials) - 1
        means: dict[str, list[float]] = {}
        for trial in trials[:-1]:
            means.setdefault(f"{trial.hyperparameters} {trial.epochs}", []).append(trial.objective_value())
        if algorithm not in HALVING:
            best = min(means.values(), key=np.mean)
            chosen = [t.objective_value() for t in trials[:-1] if t.hyperparameters == trials[-1].hyperparameters]
            assert np.mean(chosen[:2]) == np.mean(best)
    records = [trial.reproducible_fields() for trial in trials]
    lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)) if trainer == "pytorch" else [len(lines) - 2]:
        (folder / "trials.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][: kept % 3 * 40])
        (folder / "card.json").unlink()
        again = real(algorithm, trainer, folder, data, **keys)
        assert [trial.reproducible_fields() for trial in outcomes(folder)] == records
        assert again.frozen_sha256() == card.frozen_sha256()


def test_another_budget_is_another_study_where_it_plans(data: Prepared, tmp_path: Path) -> None:
    real("halving-random-search", "pytorch", tmp_path / "study", data)
    path = tmp_path / "space.yaml"
    system = Tuned(
        kind="tuner",
        tuner=settings("halving-random-search"),
        space=str(path),
        training=Training(epochs=4, batch_size=20),
        trainer="pytorch",
    )
    run(study(system, budget={"trials": 6}), data, {"space": path}, "code", tmp_path / "study", Heard())
    assert (tmp_path / "study.superseded-1").exists()

"""scikit-learn's searchers: they propose what the library would try, on proper folds, and resume."""

import gc
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import Trial, TrialLog
from blindtune.search_space import Hyperparameters
from blindtune.study.run import run_study
from blindtune.tuners.base import TunerContext
from blindtune.tuners.sklearn.search import EvaluationRequest, SearcherThread, make_folds
from support.builders import RecordingConsole, build_tuner, finished_trial, prepared, study
from support.sklearn_searches import (
    HALVING,
    SEARCHES,
    SPACE,
    make_config,
    run_library_search,
    run_search,
    tuner,
)


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
def test_ask_proposes_what_the_library_tries(algorithm: str, keys: dict[str, Any], folds: int | None) -> None:
    """The tuner proposes what the library's own searcher tries, in the same order."""
    proposals, _ = run_search(tuner(algorithm, folds=folds, **keys))
    first = [proposal for proposal in proposals if proposal.parent is None and (folds is None or proposal.fold)]
    theirs = dict(keys)
    if "min_epochs" in theirs:
        theirs["min_resources"] = theirs.pop("min_epochs")
    library = run_library_search(algorithm, len(first) // (folds or 1), folds, **theirs)
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
def test_later_rung_resumes_its_own_trial(algorithm: str, folds: int | None) -> None:
    """A set of a later rung resumes its own trial, once."""
    proposals, _ = run_search(tuner(algorithm, trials=100, folds=folds))
    promoted = [proposal for proposal in proposals if proposal.parent is not None]
    assert len({proposal.epochs for proposal in promoted}) > 1
    for proposal in promoted:
        parent = proposals[proposal.parent or 0]
        assert parent.hyperparameters == proposal.hyperparameters
        assert (parent.fold and parent.fold.number) == (proposal.fold and proposal.fold.number)
        assert parent.epochs and proposal.epochs and parent.epochs < proposal.epochs
    assert max(Counter(proposal.parent for proposal in promoted).values()) == 1


def test_randomized_search_draws_like_parameter_sampler() -> None:
    """Randomized search and the parameter sampler draw the same sets."""
    proposals, _ = run_search(tuner("randomized-search", trials=12))
    sampler = build_tuner(make_config("parameter-sampler"), SPACE, 12)
    asked = iter(sampler.ask, None)
    assert [p.hyperparameters for p in proposals] == [p.hyperparameters for p in asked if p is not None]


@pytest.mark.parametrize("algorithm", SEARCHES)
@pytest.mark.parametrize("folds", [None, 2])
def test_invalid_sets_spend_the_budget(algorithm: str, folds: int | None) -> None:
    """With half of the sets invalid, a search still spends its budget and ends."""

    def invalid(values: Hyperparameters) -> bool:
        return int(values["units_1"]) % 2 == 0

    made = tuner(algorithm, trials=41, folds=folds)
    proposals, errors = run_search(made, 41, invalid)
    assert len(proposals) >= 39, "what whole rungs and folds leave over is less than another set"
    wrong = [error is None for error in errors]
    assert 0.2 < np.mean(wrong) < 0.8
    if algorithm in HALVING or folds:
        assert made.ask() is None and made.ask() is None
    if algorithm in HALVING:
        assert not any(wrong[-2:]), "an invalid set is not promoted while others are there"


# --- folds


def make_context(groups: Any = None, labels: Any = None, seed: int = 42) -> TunerContext:
    labels = np.arange(120) % 3 if labels is None else np.asarray(labels)
    return TunerContext(SPACE, Budget(trials=50), seed, 9, labels.astype(np.int64), groups)


def test_make_folds_holds_out_each_sample_once() -> None:
    """Folds hold out each sample once and keep the classes even."""
    folds = make_folds(make_context(), 5)
    assert sorted(np.concatenate([fold.held_out_indices for fold in folds]).tolist()) == list(range(120))
    for fold in folds:
        assert (
            not set(fold.train_indices) & set(fold.held_out_indices)
            and len(fold.train_indices) + len(fold.held_out_indices) == 120
        )
        assert np.bincount(make_context().labels[fold.held_out_indices]).tolist() == [8, 8, 8]
    assert any(
        (a.held_out_indices != b.held_out_indices).any()
        for a, b in zip(folds, make_folds(make_context(seed=43), 5), strict=True)
    )


def test_make_folds_keeps_groups_together() -> None:
    """No group is on both sides of a fold."""
    groups = np.repeat(np.arange(24), 5)
    for fold in make_folds(make_context(groups), 4):
        assert not set(groups[fold.train_indices]) & set(groups[fold.held_out_indices])
        assert len(np.unique(make_context().labels[fold.train_indices])) == 3 and len(fold.held_out_indices) > 0


def test_proposals_carry_folds_of_train() -> None:
    """Proposals carry the folds of train."""
    proposals, _ = run_search(tuner("randomized-search", trials=10, folds=3))
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
def test_make_folds_refuses_data_it_cannot_divide(groups: Any, labels: Any, message: str) -> None:
    """Data that cannot be divided into folds end in a message."""
    with pytest.raises(UserError, match=f"^tuner.folds: .*{message}"):
        make_folds(make_context(groups, labels), 4)


# --- the thread


def test_thread_raises_errors_of_the_search() -> None:
    """An error in the searcher's thread is raised at the next question."""

    def search(score: Any) -> None:
        score([EvaluationRequest(None, None, None)])  # type: ignore[arg-type]
        raise ZeroDivisionError("in the thread")

    exchange = SearcherThread(search)
    assert exchange.next_requests() is not None
    exchange.answer([0.5])
    with pytest.raises(ZeroDivisionError, match="in the thread"):
        exchange.next_requests()
    assert exchange.next_requests() is None


def test_ask_and_tell_alternate() -> None:
    """The tuner refuses a tell before an ask, and an ask before a tell."""
    made = tuner("randomized-search")
    with pytest.raises(RuntimeError, match="told before a proposal was asked for"):
        made.tell(finished_trial(0.5))
    made.ask()
    with pytest.raises(RuntimeError, match="asked for before the score of the last one was told"):
        made.ask()


def test_thread_ends_with_its_tuner() -> None:
    """No thread outlives its tuner, even if the search is left early."""
    # Threads of earlier tests may end meanwhile: only the new ones count.
    before = set(threading.enumerate())
    made = tuner("halving-random-search")
    run_search(made, 3)
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


def read_trials(folder: Path) -> list[Trial]:
    return TrialLog(folder / "trials.jsonl").read()


def run_tiny_study(algorithm: str, trainer: str, folder: Path, data: Prepared, **keys: Any) -> Any:
    """Run a tiny study in `folder`; a third of its sets is invalid."""
    path = folder.parent / "space.yaml"
    path.write_text(
        "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 0, high: 8, step: 4}\n"
        "learning_rate: {type: choice, options: [0.01, 0.1, 0.3]}\n",
        encoding="utf-8",
    )
    system = Tuned(
        kind="tuner",
        tuner=make_config(algorithm, **keys),
        space=str(path),
        training=Training(epochs=4, batch_size=20),
        trainer=trainer,  # type: ignore[arg-type]
    )
    return run_study(
        study(system, budget={"trials": 13}),
        data,
        files={"space": path},
        code="code",
        folder=folder,
        job_log=RecordingConsole(),
    )


STUDIES = [(algorithm, "pytorch", {"folds": folds}) for algorithm in SEARCHES for folds in (None, 2)]


STUDIES += [("halving-random-search", "skorch", {"factor": 2}), ("halving-random-search", "scikeras", {"factor": 2})]


@pytest.mark.parametrize(("algorithm", "trainer", "keys"), STUDIES)
def test_study_resumes_to_the_same_model(
    algorithm: str, trainer: str, keys: dict[str, Any], data: Prepared, tmp_path: Path
) -> None:
    """A study that is cut anywhere goes on to the same records and the same model."""
    folder = tmp_path / "study"
    card = run_tiny_study(algorithm, trainer, folder, data, **keys)
    trials = read_trials(folder)
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
        again = run_tiny_study(algorithm, trainer, folder, data, **keys)
        assert [trial.reproducible_fields() for trial in read_trials(folder)] == records
        assert again.frozen_sha256() == card.frozen_sha256()


def test_another_budget_is_another_study(data: Prepared, tmp_path: Path) -> None:
    """Where the search is planned by the budget, another budget is another study."""
    run_tiny_study("halving-random-search", "pytorch", tmp_path / "study", data)
    path = tmp_path / "space.yaml"
    system = Tuned(
        kind="tuner",
        tuner=make_config("halving-random-search"),
        space=str(path),
        training=Training(epochs=4, batch_size=20),
        trainer="pytorch",
    )
    run_study(
        study(system, budget={"trials": 6}),
        data,
        files={"space": path},
        code="code",
        folder=tmp_path / "study",
        job_log=RecordingConsole(),
    )
    assert (tmp_path / "study.superseded-1").exists()

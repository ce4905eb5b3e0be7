"""Reference models answer as scikit-learn does by its defaults, ties included, on any number of cores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from threadpoolctl import threadpool_limits

from blindtune.baselines import estimators as baselines
from blindtune.baselines import knn as neighbours
from blindtune.baselines import parallel as chunks
from blindtune.baselines import random_forest as forests
from blindtune.baselines.estimators import Index, bayes_estimates, cover_hart_lower, fit_forest, fit_knn, leave_one_out
from blindtune.config.systems import Bayes, ClosedLoop, Knn, RandomForest
from blindtune.core.job_log import JobLog
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from support.builders import points, prepared, study

JOBS = (1, 2, 3)


def grid(samples: int, features: int, values: int, seed: int) -> NDArray[np.float32]:
    """Samples with few different coordinates: many of them equal, and many at equal distances."""
    return np.random.default_rng(seed).integers(values, size=(samples, features)).astype(np.float32)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Samples, labels and questions; beyond 15 features scikit-learn takes no tree."""
    samples, features = draw(st.integers(3, 80)), draw(st.sampled_from([1, 2, 3, 15, 16, 20]))
    values, seed = draw(st.integers(1, 6)), draw(st.integers(0, 2**16))
    y = np.random.default_rng(seed).integers(draw(st.integers(1, 4)), size=samples)
    return grid(samples, features, values, seed), y, grid(draw(st.integers(1, 60)), features, values, seed + 1)


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Any:
    """More than one chunk, and borders in the midst of equal samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "CHUNK", 7)
        patch.setattr(forests, "CHUNK", 7)
        yield


@settings(max_examples=60, deadline=None)
@given(drawn(), st.integers(1, 100))
def test_neighbours_are_those_of_scikit_learn(data: Any, count: int) -> None:
    x, y, asked = data
    with threadpool_limits(1):
        plain = KNeighborsClassifier(min(count, len(y))).fit(x, y)
        answers, own = plain.predict(asked), plain.predict(x)
    for jobs in JOBS:
        model = fit_knn(x, y, count, jobs)
        np.testing.assert_array_equal(model.predict(asked), answers)
        np.testing.assert_array_equal(model.predict(x), own)


@settings(max_examples=60, deadline=None)
@given(drawn())
def test_the_nearest_other_sample_is_that_of_scikit_learn(data: Any) -> None:
    x, y, _ = data
    with threadpool_limits(1):
        plain = y[NearestNeighbors(n_neighbors=1).fit(x).kneighbors(return_distance=False)[:, 0]]
    for jobs in JOBS:
        np.testing.assert_array_equal(leave_one_out(Index(x, jobs), y), plain)


@pytest.mark.parametrize("features", [2, 20])
def test_whole_chunks_give_the_distances_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, features: int) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(neighbours, "CHUNK", 256)
    random = np.random.default_rng(0)
    x, asked = (random.normal(size=(size, features)).astype(np.float32) for size in (900, 700))
    y = random.integers(3, size=900)
    plain = KNeighborsClassifier(9).fit(x, y).predict(asked)
    for jobs in JOBS:
        np.testing.assert_array_equal(fit_knn(x, y, 9, jobs).predict(asked), plain)


@settings(max_examples=25, deadline=None)
@given(drawn(), st.integers(1, 6), st.integers(0, 3), st.integers(1, 3))
def test_a_forest_votes_as_scikit_learn_does_with_one_job(data: Any, trees: int, depth: int, leaf: int) -> None:
    x, y, asked = data
    plain = RandomForestClassifier(trees, max_depth=depth or None, min_samples_leaf=leaf, random_state=5).fit(x, y)
    answers = plain.predict(asked)
    known = fit_forest(x, y, trees, depth, leaf, seed=5).arrays()
    for jobs in JOBS:
        forest = fit_forest(x, y, trees, depth, leaf, seed=5, jobs=jobs)
        np.testing.assert_array_equal(forest.predict(asked), answers)
        arrays = forest.arrays()
        assert arrays.keys() == known.keys()
        assert all(np.array_equal(arrays[name], known[name]) for name in known)


def test_the_estimates_are_the_errors_of_plain_scikit_learn() -> None:
    x, y = points(101, 3)
    x[:20], y[10:20] = x[0], 1
    loop = {"neighbours": 4, "trees": 6, "max_depth": 3, "min_samples_leaf": 2}
    knn = KNeighborsClassifier(4).fit(x, y).predict(x)
    rnf = RandomForestClassifier(6, max_depth=3, min_samples_leaf=2, random_state=8).fit(x, y).predict(x)
    near = y[NearestNeighbors(n_neighbors=1).fit(x).kneighbors(return_distance=False)[:, 0]]
    errors = [int((labels != y).sum()) / 101 for labels in (knn, rnf, near)]
    for jobs in JOBS:
        assert bayes_estimates(x, y, loop, 8, jobs) == {
            "closed_loop": min(errors[:2]),
            "closed_loop_knn": errors[0],
            "closed_loop_rnf": errors[1],
            "nearest_neighbour": errors[2],
            "lower_bound": cover_hart_lower(errors[2], 2),
            "upper_bound": errors[2],
        }


@pytest.mark.parametrize("classes", [2, 5])
def test_the_lower_bound_solves_the_inequality_of_cover_and_hart(classes: int) -> None:
    for bayes in (0.0, 0.1, 0.35, 1 - 1 / classes):
        nearest = bayes * (2 - classes / (classes - 1) * bayes)
        assert cover_hart_lower(nearest, classes) == pytest.approx(bayes, abs=1e-7)


def test_samples_of_any_shape_are_rows_of_features() -> None:
    x = grid(12, 18, 3, 0)
    y = np.arange(12) % 2
    for fit in (lambda it: fit_knn(it, y, 3), lambda it: fit_forest(it, y, 3, 2, 1, 0)):
        flat, deep = fit(x), fit(x.reshape(12, 3, 6))
        assert baselines.error_of(flat, x, y) == baselines.error_of(deep, x.reshape(12, 3, 6), y)


def test_the_records_are_the_same_on_any_number_of_cores(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    loop = ClosedLoop(n_neighbors=3, n_estimators=4)
    for system in (
        Knn(kind="knn", n_neighbors=[1, 4, 99]),
        RandomForest(kind="random_forest", n_estimators=[4], max_depth=[2, 0]),
        Bayes(kind="bayes", train=loop, dev=loop, eval=loop),
    ):
        found = []
        for jobs in JOBS:
            folder = tmp_path / f"{system.kind}-{jobs}"
            card = run_study(study(system), data, files={}, code="code", folder=folder, job_log=JobLog(), workers=jobs)
            outcomes = [trial.reproducible_fields() for trial in TrialLog(folder / "trials.jsonl").read()]
            found.append((card.frozen_sha256(), card.train_error, card.dev_error, card.estimates, outcomes))
        assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("jobs", JOBS)
@pytest.mark.parametrize("samples", [1, 6, 7, 8, 21])
def test_every_sample_is_in_one_chunk(samples: int, jobs: int) -> None:
    seen: list[int] = []
    chunks.in_chunks(lambda chunk: seen.extend(range(samples)[chunk]), samples, 7, jobs)
    assert sorted(seen) == list(range(samples))


def test_what_a_chunk_raises_is_raised() -> None:
    def work(chunk: slice) -> None:
        if chunk.start == 7:
            raise ValueError("the second")

    with pytest.raises(ValueError, match="the second"):
        chunks.in_chunks(work, 20, 7, 2)

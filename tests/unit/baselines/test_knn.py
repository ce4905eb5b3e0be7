"""k-nearest neighbours predict as scikit-learn's do, ties included, on any number of cores."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from threadpoolctl import threadpool_limits

from blindtune.baselines import knn
from blindtune.baselines.estimators import fit_knn
from blindtune.baselines.knn import NeighborIndex, leave_one_out
from support.tied_samples import JOBS, labelled_samples


@settings(max_examples=30, deadline=None)
@given(labelled_samples(), st.integers(1, 100))
def test_fit_knn_predicts_as_scikit_learn(data: Any, k: int) -> None:
    """Labels of other samples and of the own ones are scikit-learn's, ties included."""
    x, y, others = data
    with threadpool_limits(1):
        plain = KNeighborsClassifier(min(k, len(y))).fit(x, y)
        expected, own = plain.predict(others), plain.predict(x)
    for jobs in JOBS:
        model = fit_knn(x, y, k, jobs)
        np.testing.assert_array_equal(model.predict(others), expected)
        np.testing.assert_array_equal(model.predict(x), own)


@settings(max_examples=30, deadline=None)
@given(labelled_samples())
def test_leave_one_out_finds_what_scikit_learn_finds(data: Any) -> None:
    """The nearest other sample is scikit-learn's, also among equal samples."""
    x, y, _ = data
    with threadpool_limits(1):
        plain = y[NearestNeighbors(n_neighbors=1).fit(x).kneighbors(return_distance=False)[:, 0]]
    for jobs in JOBS:
        np.testing.assert_array_equal(leave_one_out(NeighborIndex(x, jobs), y), plain)


@pytest.mark.parametrize("features", [2, 20])
def test_fit_knn_in_whole_chunks_has_the_same_distances(monkeypatch: pytest.MonkeyPatch, features: int) -> None:
    """Chunks of scikit-learn's own size give its distances, and so its labels."""
    monkeypatch.undo()
    monkeypatch.setattr(knn, "CHUNK", 256)
    random = np.random.default_rng(0)
    x, others = (random.normal(size=(size, features)).astype(np.float32) for size in (900, 700))
    y = random.integers(3, size=900)
    plain = KNeighborsClassifier(9).fit(x, y).predict(others)
    for jobs in JOBS:
        np.testing.assert_array_equal(fit_knn(x, y, 9, jobs).predict(others), plain)

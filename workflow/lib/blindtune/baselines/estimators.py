"""k-nearest neighbours, random forests, and estimates of the Bayes error (scikit-learn).

The published study uses all three as its reference (Shawki et al. 2021, section IV and Table 3).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.knn import KnnClassifier, NeighborIndex, leave_one_out
from blindtune.baselines.random_forest import ForestClassifier
from blindtune.core.light_imports import leave_out
from blindtune.metrics.base import Answers


class Classifier(Protocol):
    """A fitted reference model."""

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the label of each sample.

        Args:
            x: samples, (n_samples, n_features).

        Returns:
            Labels, (n_samples,).
        """

    def answer(self, x: NDArray[np.float32], classes: int) -> Answers:
        """Return the same labels with the probability of each class, as scikit-learn's ``predict_proba``.

        Args:
            x: samples, (n_samples, n_features).
            classes: number of classes.
        """

    def estimator(self) -> Any:
        """Return a fitted classifier of scikit-learn that predicts the same."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what determines the predictions together with the fitted samples; for the digest of the model."""


def fit_knn(x: NDArray[np.float32], y: NDArray[np.int64], k: int, jobs: int = 1) -> Classifier:
    """Return a classifier by k-nearest neighbours: Euclidean distance, one vote for each neighbour.

    Args:
        x: samples, (n_samples, ...).
        y: labels, (n_samples,).
        k: number of neighbours; all samples if there are fewer.
        jobs: number of cores to use; changes no prediction.
    """
    return KnnClassifier(NeighborIndex(flatten(x), jobs), y, k)


def fit_forest(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    *,
    n_estimators: int,
    max_depth: int,
    min_samples_leaf: int,
    seed: int,
    jobs: int = 1,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: NDArray[np.float64] | None = None,
) -> Classifier:
    """Return a random forest; it is the same for any number of jobs, since each tree has a seed.

    Args:
        x: samples, (n_samples, ...).
        y: labels, (n_samples,).
        n_estimators: number of trees.
        max_depth: number of levels of a tree; 0: no limit.
        min_samples_leaf: smallest number of samples in a leaf.
        seed: the seed of each tree derives from it.
        jobs: number of trees that are fitted at the same time, and of cores to predict on.
        class_weight: factor of the samples of each class, by label; None: 1.
        sample_weight: factor of each sample, (n_samples,); None: 1.
    """
    with leave_out("pandas"):
        from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=n_estimators,
        max_depth=max_depth or None,
        min_samples_leaf=min_samples_leaf,
        random_state=seed,
        n_jobs=jobs,
        # Of the classes that are there alone, as scikit-learn demands.
        class_weight=None if class_weight is None else {label: class_weight[label] for label in np.unique(y).tolist()},
    )
    return ForestClassifier(forest.fit(flatten(x), y, sample_weight), jobs)


def compute_error(model: Classifier, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Return the share of wrong samples.

    Args:
        model: a fitted reference model.
        x: samples, (n_samples, ...).
        y: their labels, (n_samples,).
    """
    return _compare(model.predict(flatten(x)), y)


def flatten(x: Any) -> NDArray[np.float32]:
    """Return samples (n_samples, ...), an array or what can be converted to one, as (n_samples, n_features)."""
    return np.asarray(x).reshape(len(x), -1)


def estimate_bayes_error(
    x: NDArray[np.float32], y: NDArray[np.int64], settings: Mapping[str, Any], seed: int, jobs: int = 1
) -> dict[str, float]:
    """Return estimates of the Bayes error of one split, from its own samples alone.

    ``closed_loop`` is the published estimate: KNN and RNF are fitted and scored on the same samples, and the lower
    error is the estimate. It is too low, since models are scored on samples that they were fitted on.
    ``nearest_neighbour`` is not biased in this way: it is the leave-one-out error of the nearest neighbour. From it
    follow the bounds of Cover and Hart (IEEE Trans. Inf. Theory 13, 1967): for many samples, the Bayes error R* of C
    classes fulfils R* <= R_nn <= R* (2 - C / (C - 1) R*).

    Args:
        x: samples, (n_samples, ...).
        y: labels, (n_samples,).
        settings: ``neighbours``, ``trees``, ``max_depth`` and ``min_samples_leaf`` of the closed loop.
        seed: of the forest.
        jobs: number of cores to use; changes no estimate.

    Returns:
        The estimates by name, as shares of samples from 0 to 1.
    """
    index = NeighborIndex(flatten(x), jobs)
    knn = compute_error(KnnClassifier(index, y, settings["neighbours"]), index.x, y)
    nearest = _compare(leave_one_out(index, y), y)
    forest = fit_forest(
        x,
        y,
        n_estimators=settings["trees"],
        max_depth=settings["max_depth"],
        min_samples_leaf=settings["min_samples_leaf"],
        seed=seed,
        jobs=jobs,
    )
    rnf = compute_error(forest, x, y)
    return {
        "closed_loop": min(knn, rnf),
        "closed_loop_knn": knn,
        "closed_loop_rnf": rnf,
        "nearest_neighbour": nearest,
        "lower_bound": compute_lower_bound(nearest, int(y.max()) + 1),
        "upper_bound": nearest,
    }


def compute_lower_bound(nearest: float, classes: int) -> float:
    """Return the smallest Bayes error that a nearest-neighbour error allows, by Cover and Hart.

    Args:
        nearest: leave-one-out error of the nearest neighbour, from 0 to 1.
        classes: number of classes.
    """
    share = (classes - 1) / classes
    return share * (1 - float(np.sqrt(max(0.0, 1 - nearest / share))))


def _compare(labels: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    return int((labels != y).sum()) / len(y)

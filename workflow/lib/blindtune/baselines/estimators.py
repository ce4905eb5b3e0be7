"""k-nearest neighbours, random forests, and estimates of the Bayes error (scikit-learn).

The published study uses all three as its reference (Shawki et al. 2021, section IV and Table 3).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.knn import Index, Neighbours, leave_one_out
from blindtune.baselines.random_forest import Forest


class Classifier(Protocol):
    """A fitted reference model."""

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """The label of each of ``x`` (samples, features)."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What determines its answers, beside the samples that it was fitted on; for its digest."""


def fit_knn(x: NDArray[np.float32], y: NDArray[np.int64], neighbours: int, jobs: int = 1) -> Classifier:
    """k-nearest neighbours by Euclidean distance, each neighbour with one vote.

    Args:
        x: samples (samples, ...).
        y: labels (samples,).
        neighbours: k; all samples where there are fewer.
        jobs: cores to use; changes no answer.
    """
    return Neighbours(Index(flat(x), jobs), y, neighbours)


def fit_forest(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    trees: int,
    max_depth: int,
    min_samples_leaf: int,
    seed: int,
    jobs: int = 1,
) -> Classifier:
    """A random forest; the same for any number of ``jobs``, since each tree has its own seed.

    Args:
        x: samples (samples, ...).
        y: labels (samples,).
        trees: number of trees.
        max_depth: levels of a tree; 0 for no limit.
        min_samples_leaf: fewest samples in a leaf.
        seed: from which each tree derives its own.
        jobs: trees fitted side by side, and cores to predict on.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=trees,
        max_depth=max_depth or None,
        min_samples_leaf=min_samples_leaf,
        random_state=seed,
        n_jobs=jobs,
    )
    return Forest(forest.fit(flat(x), y), jobs)


def error_of(model: Classifier, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """The share of wrong samples."""
    return _wrong(model.predict(flat(x)), y)


def flat(x: Any) -> NDArray[np.float32]:
    """Samples (samples, ...), an array or what can be made one, as (samples, features)."""
    return np.asarray(x).reshape(len(x), -1)


def bayes_estimates(
    x: NDArray[np.float32], y: NDArray[np.int64], settings: Mapping[str, Any], seed: int, jobs: int = 1
) -> dict[str, float]:
    """Estimates of the Bayes error of one split, from this split alone.

    ``closed_loop`` is the published one: KNN and RNF fitted and scored on the same samples, the lower
    of the two. It flatters, since a model is scored on what it has seen. ``nearest_neighbour`` is
    honest: the leave-one-out error of the nearest neighbour, and from it the bounds of Cover and Hart
    (IEEE Trans. Inf. Theory 13, 1967): the Bayes error R* of C classes fulfils, for many samples,
    R* <= R_nn <= R* (2 - C / (C - 1) R*).

    Args:
        x: samples (samples, features).
        y: labels (samples,).
        settings: ``neighbours``, ``trees``, ``max_depth``, ``min_samples_leaf`` of the closed loop.
        seed: the forest's.
        jobs: cores to use; changes no estimate.
    """
    index = Index(flat(x), jobs)
    knn = error_of(Neighbours(index, y, settings["neighbours"]), index.x, y)
    nearest = _wrong(leave_one_out(index, y), y)
    forest = fit_forest(x, y, settings["trees"], settings["max_depth"], settings["min_samples_leaf"], seed, jobs)
    rnf = error_of(forest, x, y)
    return {
        "closed_loop": min(knn, rnf),
        "closed_loop_knn": knn,
        "closed_loop_rnf": rnf,
        "nearest_neighbour": nearest,
        "lower_bound": cover_hart_lower(nearest, int(y.max()) + 1),
        "upper_bound": nearest,
    }


def cover_hart_lower(nearest: float, classes: int) -> float:
    """The smallest Bayes error that a nearest-neighbour error allows, by Cover and Hart."""
    share = (classes - 1) / classes
    return share * (1 - float(np.sqrt(max(0.0, 1 - nearest / share))))


def _wrong(labels: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    return int((labels != y).sum()) / len(y)

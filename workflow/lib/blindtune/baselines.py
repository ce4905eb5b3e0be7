"""k-nearest neighbours, random forests, and estimates of the Bayes error (scikit-learn).

The published study uses all three as its reference (Shawki et al. 2021, section IV and Table 3).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier


def fit_knn(x: NDArray[np.float32], y: NDArray[np.int64], neighbours: int) -> "KNeighborsClassifier":
    """k-nearest neighbours by Euclidean distance, each neighbour with one vote.

    Args:
        x: samples (samples, features).
        y: labels (samples,).
        neighbours: k, at most the number of samples.
    """
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=min(neighbours, len(y))).fit(_flat(x), y)


def fit_forest(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    trees: int,
    max_depth: int,
    min_samples_leaf: int,
    seed: int,
    jobs: int = 1,
) -> "RandomForestClassifier":
    """A random forest; the same for any number of ``jobs``, since each tree has its own seed.

    Args:
        x: samples (samples, features).
        y: labels (samples,).
        trees: number of trees.
        max_depth: levels of a tree; 0 for no limit.
        min_samples_leaf: fewest samples in a leaf.
        seed: from which each tree derives its own.
        jobs: trees fitted side by side.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=trees,
        max_depth=max_depth or None,
        min_samples_leaf=min_samples_leaf,
        random_state=seed,
        n_jobs=jobs,
    )
    return forest.fit(_flat(x), y)


def forest_arrays(forest: "RandomForestClassifier") -> dict[str, NDArray[Any]]:
    """The nodes of every tree, which determine what the forest predicts; for its digest."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, tree in enumerate(forest.estimators_):
        inner = tree.tree_
        for name in ("children_left", "children_right", "feature", "threshold", "value"):
            arrays[f"{number}.{name}"] = getattr(inner, name)
    return arrays


def error_of(model: Any, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """The share of wrong samples."""
    return int((model.predict(_flat(x)) != y).sum()) / len(y)


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
    knn = error_of(fit_knn(x, y, settings["neighbours"]), x, y)
    forest = fit_forest(x, y, settings["trees"], settings["max_depth"], settings["min_samples_leaf"], seed)
    rnf = error_of(forest, x, y)
    nearest = _leave_one_out(x, y)
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


def _leave_one_out(x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    from sklearn.neighbors import NearestNeighbors

    # Asked without arguments, kneighbors leaves each sample out of its own neighbours.
    nearest = NearestNeighbors(n_neighbors=1).fit(_flat(x)).kneighbors(return_distance=False)[:, 0]
    return int((y[nearest] != y).sum()) / len(y)


def _flat(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(x).reshape(len(x), -1)

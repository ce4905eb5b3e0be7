"""The hyperparameter sets of reference models, under the names that enter the seeds of trials.

The config says ``n_neighbors`` and ``n_estimators``, as scikit-learn does. Seeds derive from the names of before, and
no seed may change.
"""

from itertools import product

from blindtune.config.systems import Bayes, ClosedLoop, Knn, RandomForest
from blindtune.search_space import Hyperparameters


def list_candidates(system: Knn | RandomForest) -> list[Hyperparameters]:
    """Return every hyperparameter set of a reference model, in the order in which they are tried."""
    if isinstance(system, Knn):
        return [{"neighbours": n_neighbors} for n_neighbors in system.n_neighbors]
    return [
        {"trees": n_estimators, "max_depth": depth, "min_samples_leaf": leaf}
        for n_estimators, depth, leaf in product(system.n_estimators, system.max_depth, system.min_samples_leaf)
    ]


def estimate_arguments(system: Bayes) -> dict[str, Hyperparameters]:
    """Return the arguments of the estimate of the Bayes error of each split."""
    return {"train": _arguments(system.train), "dev": _arguments(system.dev), "eval": _arguments(system.eval)}


def _arguments(loop: ClosedLoop) -> Hyperparameters:
    return {
        "neighbours": loop.n_neighbors,
        "trees": loop.n_estimators,
        "max_depth": loop.max_depth,
        "min_samples_leaf": loop.min_samples_leaf,
    }

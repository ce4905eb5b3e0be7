"""Searches of scikit-learn, by the tuner and by the library itself, on errors that cost nothing."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

from blindtune.core.budget import Budget
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Proposal
from blindtune.tuners.sklearn.config import SklearnConfig
from blindtune.tuners.sklearn.grid import SpaceDistribution, list_grid
from blindtune.tuners.sklearn.search import SearcherTuner
from support.builders import build_tuner, finished_trial

SEARCHES = ["randomized-search", "grid-search", "halving-random-search", "halving-grid-search"]


HALVING = SEARCHES[2:]


SPACE = Space.model_validate(
    {
        "layers": {"type": "int", "low": 1, "high": 2},
        "units": {"type": "int", "low": 4, "high": 40, "step": 3, "repeat": "layers"},
        "dropout_rate": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.0005},
    }
)


def make_config(algorithm: str, **keys: Any) -> SklearnConfig:
    return SklearnConfig.model_validate({"library": "scikit-learn", "algorithm": algorithm, **keys})


def error_of(values: Hyperparameters, epochs: int | None, fold: int | None) -> float:
    """Return an error that depends on what is trained, and falls with its epochs."""
    numbers = [float(value) for value in values.values()]
    return float(abs(np.sin(7 * sum(numbers) + len(numbers) + (fold or 0) / 9))) / (1 + (epochs or 9) / 50)


def run_search(
    made: SearcherTuner, most: int = 10_000, invalid: Any = lambda values: False
) -> tuple[list[Proposal], list[float | None]]:
    """Run a search on `error_of`; return all proposals and their errors, None for an invalid set."""
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
    return build_tuner(make_config(algorithm, **keys), SPACE, trials, **({"budget": budget} if budget else {}))


class KnownScoreEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator with known scores, as a user of the library would write it."""

    def __init__(self, hyperparameters: Any = None, epochs: int | None = None) -> None:
        self.hyperparameters = hyperparameters
        self.epochs = epochs

    def fit(self, x: Any, y: Any) -> "KnownScoreEstimator":
        return self

    def score(self, x: Any, y: Any) -> float:
        # Each held-out sample is the number of its fold.
        return 1 - error_of(self.hyperparameters, self.epochs, int(x[0]) if x[0] >= 0 else None)


def run_library_search(algorithm: str, sets: int, folds: int | None, **keys: Any) -> Any:
    """Fit the library's searcher over `KnownScoreEstimator`, with the arguments that a user would write."""
    x = np.arange(40) % folds if folds else np.full(40, -1)
    parts = [(np.flatnonzero(x != fold), np.flatnonzero(x == fold)) for fold in range(folds or 0)]
    common = {"cv": parts or [(np.arange(40), np.arange(40))], "refit": False, "error_score": "raise"}
    halving = {"resource": "epochs", "max_resources": 9, "min_resources": "exhaust"} | keys
    draws = {"hyperparameters": SpaceDistribution(SPACE)}
    points = {"hyperparameters": list(list_grid(SPACE, sets))}
    made = {
        "randomized-search": lambda: RandomizedSearchCV(
            KnownScoreEstimator(), draws, n_iter=sets, random_state=42, **common
        ),
        "grid-search": lambda: GridSearchCV(KnownScoreEstimator(), points, **common),
        "halving-random-search": lambda: HalvingRandomSearchCV(
            KnownScoreEstimator(), draws, n_candidates=sets, random_state=42, **common, **halving
        ),
        "halving-grid-search": lambda: HalvingGridSearchCV(
            KnownScoreEstimator(), points, random_state=42, **common, **halving
        ),
    }[algorithm]()
    return made.fit(x, np.arange(40) % 2)

"""Trainers for the reference models: k-nearest neighbours and random forests.

A reference model is frozen as its recipe. Fitting it again on the same train split gives the same model, on any
number of cores; nothing has to be unpickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from blindtune.baselines import estimators as baselines
from blindtune.datasets.base import Split
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Outcome, Predict, TrainingOptions, TrainingTask


@dataclass(frozen=True)
class ScikitTrainer:
    """Fits one kind of scikit-learn classifier.

    Attributes:
        fit: from samples, labels and task to a fitted classifier.
    """

    supports_resume = False
    fit: Callable[[NDArray[np.float32], NDArray[np.int64], TrainingTask], baselines.Classifier]

    def versions(self) -> dict[str, str]:
        """The version of scikit-learn."""
        return {"scikit-learn": sklearn.__version__}

    def train(self, task: TrainingTask, train: Split, dev: Split, session: TrainingOptions) -> Outcome:
        """Fit on train and score dev: one epoch, with no losses."""
        with session.clock.measure("train"):
            model = self.fit(train.x, train.y, task)
        with session.clock.measure("evaluate"):
            error = baselines.error_of(model, dev.x, dev.y)
        curve = [EpochMetrics(train_loss=None, train_error=None, dev_loss=None, dev_error=error)]
        return Outcome("completed", None, curve, scored_epoch=1, parameters=None, weights=model.arrays())

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Predict:
        """The model again, fitted anew on train."""
        model = self.fit(train.x, train.y, task)
        return lambda x: model.predict(baselines.flat(x))


def knn(jobs: int = 1) -> ScikitTrainer:
    """k-nearest neighbours on ``jobs`` cores; determined by train, which the card names by its hash, and k."""
    return ScikitTrainer(lambda x, y, task: baselines.fit_knn(x, y, int(task.hyperparameters["neighbours"]), jobs))


def random_forest(jobs: int = 1) -> ScikitTrainer:
    """A random forest on ``jobs`` cores; determined by the nodes of its trees."""

    def fit(x: NDArray[np.float32], y: NDArray[np.int64], task: TrainingTask) -> baselines.Classifier:
        trees, depth, leaf = (int(task.hyperparameters[name]) for name in ("trees", "max_depth", "min_samples_leaf"))
        return baselines.fit_forest(x, y, trees, depth, leaf, task.seed, jobs)

    return ScikitTrainer(fit)

"""Trainers for the reference models: k-nearest neighbours and random forests.

A reference model is frozen as its recipe. Fitting it again on the same train split gives the same model,
which `rebuild` proves by its digest; nothing has to be unpickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from blindtune import baselines
from blindtune.datasets.base import Split
from blindtune.training.base import Outcome, Predict, Session, Task
from blindtune.trials import Epoch


@dataclass(frozen=True)
class ScikitTrainer:
    """Fits one kind of scikit-learn classifier.

    Attributes:
        fit: from samples, labels and task to a fitted classifier.
        identify: the arrays that determine what a fitted classifier predicts.
    """

    continues = False
    fit: Callable[[NDArray[np.float32], NDArray[np.int64], Task], Any]
    identify: Callable[[Any], dict[str, NDArray[Any]]]

    def versions(self) -> dict[str, str]:
        """The version of scikit-learn."""
        return {"scikit-learn": sklearn.__version__}

    def train(self, task: Task, train: Split, dev: Split, session: Session) -> Outcome:
        """Fit on train and score dev: one epoch, with no losses."""
        with session.clock.measure("train"):
            model = self.fit(train.x, train.y, task)
        with session.clock.measure("evaluate"):
            error = baselines.error_of(model, dev.x, dev.y)
        curve = [Epoch(train_loss=None, train_error=None, dev_loss=None, dev_error=error)]
        return Outcome("completed", None, curve, scored_epoch=1, parameters=None, weights=self.identify(model))

    def rebuild(self, task: Task, weights: Mapping[str, NDArray[Any]], train: Split) -> Predict:
        """The model again, fitted anew on train."""
        model = self.fit(train.x, train.y, task)
        return lambda x: np.asarray(model.predict(np.asarray(x).reshape(len(x), -1)), dtype=np.int64)


def knn() -> ScikitTrainer:
    """k-nearest neighbours; determined by train, which the card names by its hash, and k."""
    return ScikitTrainer(
        fit=lambda x, y, task: baselines.fit_knn(x, y, int(task.hyperparameters["neighbours"])),
        identify=lambda model: {"neighbours": np.array([model.n_neighbors])},
    )


def random_forest() -> ScikitTrainer:
    """A random forest; determined by the nodes of its trees."""
    return ScikitTrainer(fit=_forest, identify=baselines.forest_arrays)


def _forest(x: NDArray[np.float32], y: NDArray[np.int64], task: Task) -> Any:
    values = task.hyperparameters
    return baselines.fit_forest(
        x,
        y,
        trees=int(values["trees"]),
        max_depth=int(values["max_depth"]),
        min_samples_leaf=int(values["min_samples_leaf"]),
        seed=task.seed,
    )

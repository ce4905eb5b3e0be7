"""Trainers for the reference models: k-nearest neighbours and random forests.

A frozen reference model is a recipe, not a file of weights: fitting again on the same train split gives the same model,
on any number of cores, and nothing has to be unpickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from blindtune.baselines import estimators as baselines
from blindtune.core.light_imports import leave_out
from blindtune.datasets.base import Split
from blindtune.metrics.base import Answers
from blindtune.metrics.compute import measure_on_dev
from blindtune.metrics.registry import is_error
from blindtune.models.layers import InvalidModelError
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Model, Outcome, TrainingOptions, TrainingTask
from blindtune.training.class_weights import given_weights, weights_by_label

# Not in the functions that fit: the first trial would be charged for it.
with leave_out("pandas"):
    import sklearn


@dataclass(frozen=True)
class SklearnTrainer:
    """Fits one kind of reference model.

    Attributes:
        fit: from train and task to a fitted classifier.
        check: raises InvalidModelError if the task cannot be fitted on that many samples. A model of before that was
            fitted all the same is rebuilt without it.
    """

    supports_resume = False
    fit: Callable[[Split, TrainingTask], baselines.Classifier]
    check: Callable[[TrainingTask, int], None] = lambda task, n_samples: None

    def versions(self) -> dict[str, str]:
        """Return the version of scikit-learn."""
        return {"scikit-learn": sklearn.__version__}

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Fit on train and score dev, as one epoch without losses; see `blindtune.training.base.Trainer.train`."""
        self.check(task, len(train.y))
        with options.clock.measure("train"):
            model = self.fit(train, task)
        with options.clock.measure("evaluate"):
            error, value = _score(model, dev, options.metric, task.classes)
        curve = [EpochMetrics(train_loss=None, train_error=None, dev_loss=None, dev_error=error, dev_metric=value)]
        return Outcome("completed", None, curve, scored_epoch=1, n_parameters=None, weights=model.arrays())

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Model:
        """Fit the model again on train; see `blindtune.training.base.Trainer.rebuild`."""
        model = self.fit(train, task)
        return Model(
            lambda x: model.answer(baselines.flatten(x), task.classes),
            lambda x: model.predict(baselines.flatten(x)),
            get_network=model.estimator,
        )


def _score(model: baselines.Classifier, dev: Split, metric: str, classes: int) -> tuple[float, float | None]:
    """Return the error on dev, and the metric unless it is the error."""
    if is_error(metric):
        return baselines.compute_error(model, dev.x, dev.y), None
    answers: Answers = model.answer(baselines.flatten(dev.x), classes)
    return int((answers.labels != dev.y).sum()) / len(dev.y), measure_on_dev(metric, dev.y, lambda: answers, classes)


def knn(workers: int = 1) -> SklearnTrainer:
    """Create the trainer of k-nearest neighbours; k and train, which the card identifies, determine a model.

    Args:
        workers: cores to compute on.
    """

    def fit(train: Split, task: TrainingTask) -> baselines.Classifier:
        return baselines.fit_knn(train.x, train.y, int(task.hyperparameters["neighbours"]), workers)

    def check(task: TrainingTask, n_samples: int) -> None:
        k = int(task.hyperparameters["neighbours"])
        if k > n_samples:
            raise InvalidModelError(f"n_neighbors: {k} is more than the {n_samples} samples of train")

    return SklearnTrainer(fit, check)


def random_forest(workers: int = 1) -> SklearnTrainer:
    """Create the trainer of random forests; the nodes of its trees determine a model.

    Args:
        workers: cores to compute on.
    """

    def fit(train: Split, task: TrainingTask) -> baselines.Classifier:
        trees, depth, leaf = (int(task.hyperparameters[name]) for name in ("trees", "max_depth", "min_samples_leaf"))
        return baselines.fit_forest(
            train.x,
            train.y,
            n_estimators=trees,
            max_depth=depth,
            min_samples_leaf=leaf,
            seed=task.seed,
            jobs=workers,
            class_weight=weights_by_label(task.training, train.y, task.classes),
            sample_weight=given_weights(train),
        )

    return SklearnTrainer(fit)

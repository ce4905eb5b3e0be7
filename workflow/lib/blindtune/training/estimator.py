"""The trainer of estimators: fits one on train, on one core, and fits it again where the model is needed."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from blindtune.baselines.estimators import flatten
from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.base import Split
from blindtune.metrics.base import Answers, as_probabilities
from blindtune.metrics.compute import measure_on_dev
from blindtune.models.estimator import EstimatorBlueprint
from blindtune.models.estimator_classes import create_estimator, library_versions, weight_argument
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Model, Outcome, TrainingOptions, TrainingTask
from blindtune.training.class_weights import given_weights

#: Kinds of warnings that a record keeps. Deprecations depend on what the process has imported before.
_KEPT = (UserWarning, RuntimeWarning, FutureWarning)

#: The largest numbers of different warnings, and of letters of each, that a record keeps.
_MAX_WARNINGS, _MAX_LETTERS = 5, 300


class EstimatorTrainer:
    """Fits an estimator; the same task gives the same model, on any number of cores.

    One core fits one trial: libraries of several threads may sum in another order. `workers` fit several trials at the
    same time.
    """

    supports_resume = False

    def __init__(self, workers: int = 1) -> None:
        """Create the trainer.

        Args:
            workers: not used here; a pool of processes takes the place of this trainer.
        """

    def versions(self) -> dict[str, str]:
        """Return the version of scikit-learn; the blueprint of a task has those of other libraries."""
        return {"scikit-learn": sklearn.__version__}

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Fit on train and score dev, as one epoch without losses; see `blindtune.training.base.Trainer.train`."""
        found: list[str] = []
        with threadpool_limits(1), _collect_warnings(found):
            with options.clock.measure("train"):
                model = _fit(task, train)
            with options.clock.measure("evaluate"):
                labels = _predict(model, dev.x)
            value = measure_on_dev(options.metric, dev.y, lambda: _answer(model, dev.x, task.classes), task.classes)
        error = float(np.mean(labels != dev.y))
        n_parts = _blueprint(task).fitted_parts
        # One epoch for each part: a budget counts what was fitted. Only the last one has a model.
        curve = [_metrics(None)] * (n_parts - 1) + [_metrics(error, value)]
        # What the model answers identifies it, since its own state has no format.
        answers = {"dev_labels": labels}
        return Outcome("completed", None, curve, n_parts, None, weights=answers, warnings=tuple(found))

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Model:
        """Fit the model again on train; see `blindtune.training.base.Trainer.rebuild`.

        Raises:
            UserError: a library has another version than the one that fitted the model.
        """
        _check_versions(_blueprint(task))
        with threadpool_limits(1), _collect_warnings([]):
            model = _fit(task, train)

        def predict(x: Any) -> NDArray[np.int64]:
            with threadpool_limits(1), _collect_warnings([]):
                return _predict(model, x)

        def answer(x: Any) -> Answers:
            with threadpool_limits(1), _collect_warnings([]):
                return _answer(model, x, task.classes)

        return Model(answer, predict, get_network=lambda: model)


def _blueprint(task: TrainingTask) -> EstimatorBlueprint:
    if not isinstance(task.model, EstimatorBlueprint):
        raise TypeError("this trainer needs an estimator")
    return task.model


def _fit(task: TrainingTask, train: Split) -> Any:
    blueprint = _blueprint(task)
    model = create_estimator(blueprint.steps, blueprint.parameters, task.seed)
    x, y, weights = flatten(train.x), np.asarray(train.y), given_weights(train)
    if blueprint.fitted_parts < blueprint.parts:
        rows = select_part(y, blueprint.fitted_parts / blueprint.parts)
        x, y = x[rows], y[rows]
        weights = None if weights is None else weights[rows]
    return model.fit(x, y) if weights is None else model.fit(x, y, **{weight_argument(blueprint.steps): weights})


def select_part(y: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return the rows of a part of train: each class has the same share, and a larger part holds a smaller one.

    Args:
        y: labels, (n_samples,).
        share: of the samples, from 0 to 1.

    Returns:
        The rows, ascending; at least one of each class.
    """
    random = np.random.default_rng(derive("parts", len(y)))
    place = np.empty(len(y))
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        place[random.permutation(rows)] = np.arange(len(rows)) / len(rows)
    # The first of each class has place 0.
    return np.flatnonzero(place < share)


def _metrics(dev_error: float | None, value: float | None = None) -> EpochMetrics:
    return EpochMetrics(train_loss=None, train_error=None, dev_loss=None, dev_error=dev_error, dev_metric=value)


def _answer(model: Any, x: Any, classes: int) -> Answers:
    """Return the labels and, if the estimator has ``predict_proba``, the probability of each class."""
    labels = _predict(model, x)
    if not hasattr(model, "predict_proba"):
        return Answers(labels)
    known = np.asarray(model.predict_proba(flatten(x)))
    probabilities = np.zeros((len(labels), classes))
    probabilities[:, np.asarray(model.classes_).astype(np.int64)] = known
    return Answers(labels, as_probabilities(probabilities))


def _predict(model: Any, x: Any) -> NDArray[np.int64]:
    return np.asarray(model.predict(flatten(x))).astype(np.int64).reshape(-1)


def _check_versions(blueprint: EstimatorBlueprint) -> None:
    now = library_versions(blueprint.steps)
    for name, recorded in blueprint.libraries.items():
        if now.get(name) != recorded:
            raise UserError(
                f"the model was fitted with {name} {recorded}, and {name} {now.get(name, 'is not')} is installed: its "
                f"answers may differ. Install it (pip install {name}=={recorded}), or move the study's folder away and "
                "run again."
            )


@contextmanager
def _collect_warnings(found: list[str]) -> Iterator[None]:
    """Collect the different warnings of a fit as lines of text; none is printed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    kept = [one for one in caught if issubclass(one.category, _KEPT)]
    lines = dict.fromkeys(_describe(one.category.__name__, str(one.message)) for one in kept)
    found.extend(list(lines)[:_MAX_WARNINGS])


def _describe(kind: str, message: str) -> str:
    first = next((line.strip() for line in message.splitlines() if line.strip()), "")
    return f"{kind}: {first[:_MAX_LETTERS]}"

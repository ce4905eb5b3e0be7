"""The Keras trainer on any backend: ``compile`` and ``fit``, as the published study trained.

The backend must be chosen before this module is imported (`blindtune.training.keras.backend`).
"""

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.metrics.base import Answers, as_probabilities
from blindtune.metrics.compute import measure_on_dev
from blindtune.metrics.registry import is_error
from blindtune.models import keras as networks
from blindtune.models import keras_network
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.models.keras_network import KerasScoreKind
from blindtune.models.network import NetworkBlueprint
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import (
    Arrays,
    EpochTracker,
    Model,
    Outcome,
    TrainingOptions,
    TrainingTask,
    finite_or_none,
    require_architecture,
)
from blindtune.training.class_weights import sample_factors, weights_by_label
from blindtune.training.keras.model_cache import ModelCache, ModelKey, create_optimizer
from blindtune.views.base import SampleView

_EVALUATION_BATCH = 8_192

#: Keras's bound on probabilities before their logarithm.
EPSILON = keras.config.epsilon()


class FitTrainer:
    """Trains an `Architecture` with Keras; a subclass for each backend adds what depends on it.

    Resuming restores weights and optimizer, but draws another order of samples and other dropout: it is not
    bit-identical to training without a break. Samples are NumPy arrays: on a CPU, Keras gains nothing from tensors of
    the backend.
    """

    supports_resume = True

    def __init__(self) -> None:
        self._cache = ModelCache()

    def versions(self) -> dict[str, str]:
        """Return the versions of Keras and of its backend."""
        raise NotImplementedError

    def steps_per_execution(self, steps: int) -> int:
        """Return how many of the steps of an epoch Keras executes in one call; changes no record.

        One, unless the backend gains from more.
        """
        return 1

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Train one model and score dev after each epoch; see `blindtune.training.base.Trainer.train`."""
        clock = options.clock
        with clock.measure("build"):
            # A trial's outcome must not depend on the trials before it: drop their graphs and names.
            keras.backend.clear_session(free_memory=False)
            before = options.trained_before
            keras.utils.set_random_seed(derive("continued", task.seed, before) if before else task.seed)
            key = None
            if isinstance(task.model, NetworkBlueprint):
                model = self._compile_network(task, task.model, len(train.y))
            else:
                key = self._model_key(task, require_architecture(task), len(train.y))
                model = self._cache.take(key, task.training.learning_rate)
            if options.state:
                _load_state(task, model, options.state.arrays)
        seed = derive("fit", task.seed, before)
        tracker = EpochTracker(task.training.epochs, options, task.training)
        score = _create_scorer(task, dev, options.metric)
        callback = EpochCallback(tracker, clock, len(train.y), score, seed, lambda: get_weights(task, model))
        with clock.measure("train"):
            self._fit(model, task, train, dev, callback, before)
        n_parameters = keras_network.count_parameters(model) if key is None else count_parameters(key.architecture)
        outcome = tracker.outcome(n_parameters, lambda: get_weights(task, model), lambda: _save_state(task, model))
        if key is not None:
            self._cache.put(key, model)
        return outcome

    def _compile_network(self, task: TrainingTask, blueprint: NetworkBlueprint, n_samples: int) -> keras.Model:
        """Return a new model of a user's code; the models of two sets share nothing."""
        model = keras_network.build(blueprint, task.seed)
        training = task.training
        keras_network.compile_model(
            model,
            blueprint,
            lambda: create_optimizer(
                training.optimizer, training.learning_rate, training.weight_decay, training.clip_norm
            ),
            lambda kind: networks.create_loss(training.loss, kind, task.classes),
            steps_per_execution=self.steps_per_execution(math.ceil(n_samples / training.batch_size)),
            jit_compile=keras.backend.backend() == "jax",
        )
        return model

    def _model_key(self, task: TrainingTask, architecture: Architecture, n_samples: int) -> ModelKey:
        steps = math.ceil(n_samples / task.training.batch_size)
        built = architecture.model_copy(update={"exceptions": ()})
        training = task.training
        return ModelKey(
            built,
            training.optimizer,
            training.loss,
            task.classes,
            self.steps_per_execution(steps),
            training.weight_decay,
            training.clip_norm,
        )

    def _fit(
        self,
        model: keras.Model,
        task: TrainingTask,
        train: Split,
        dev: Split,
        callback: "EpochCallback",
        epochs_before: int,
    ) -> None:
        factors = sample_factors(task.training, train, task.classes)
        model.fit(
            **_train_arguments(task, train, epochs_before, factors),
            # Keras takes one of the two.
            class_weight=weights_by_label(task.training, train.y, task.classes) if factors is None else None,
            epochs=task.training.epochs,
            initial_epoch=epochs_before,
            callbacks=[callback],
            verbose=0,
            **validation_arguments(dev),
        )

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Model:
        """Rebuild a trained model; see `blindtune.training.base.Trainer.rebuild`.

        Args:
            task: the task that was trained.
            weights: by name.
            train: not used.

        Raises:
            UserError: the weights do not fit the architecture.
        """
        if isinstance(task.model, NetworkBlueprint):
            keras.utils.set_random_seed(task.seed)
            model = keras_network.build(task.model, task.seed)
        else:
            model = networks.build(require_architecture(task))
        try:
            set_weights(task, model, weights)
        except (KeyError, ValueError) as error:
            raise UserError(f"the weights do not fit the architecture: {error}") from error

        kind = score_kind(task, model)
        return Model(lambda x: _to_answers(_compute_scores(model, x, kind), kind), get_network=lambda: model)


#: From a model and what ``fit`` measured in an epoch to loss, error and metric of dev; no metric for the error.
Scorer = Callable[[keras.Model, Mapping[str, float]], tuple[float, float, float | None]]


def _create_scorer(task: TrainingTask, dev: Split, metric: str) -> Scorer:
    """Return how dev is scored: by ``fit`` itself, or batch by batch if dev is a view or has another metric."""

    def measure(model: keras.Model, scores: NDArray[np.float32]) -> float | None:
        kind = score_kind(task, model)
        return measure_on_dev(metric, dev.y, lambda: _to_answers(scores, kind), task.classes)

    if not isinstance(dev.x, SampleView):

        def read(model: keras.Model, logs: Mapping[str, float]) -> tuple[float, float, float | None]:
            value = None if is_error(metric) else measure(model, _score_batches(model, dev.x))
            return logs["val_loss"], _exact_error(logs["val_accuracy"], len(dev.y)), value

        return read

    def score(model: keras.Model, logs: Mapping[str, float]) -> tuple[float, float, float | None]:
        kind = score_kind(task, model)
        loss = networks.SigmoidCrossEntropy() if kind == "sigmoid" else model.loss
        scores = _compute_scores(model, dev.x, kind)
        n_wrong = int((scores.argmax(axis=1) != dev.y).sum())
        return float(loss(dev.y, scores)), n_wrong / len(dev.y), measure(model, scores)

    return score


def _to_answers(scores: NDArray[np.float32], kind: KerasScoreKind) -> Answers:
    """Return the labels and the probabilities of scores, as the cross-entropy takes them."""
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(_to_logits(scores, kind)))
    return Answers(np.argmax(scores, axis=1).astype(np.int64), as_probabilities(probabilities))


def _to_logits(scores: NDArray[np.float32], kind: KerasScoreKind) -> NDArray[np.float32]:
    """Return the scores of a model as logits, (n_samples, n_classes)."""
    if kind == "logits":
        return scores
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    return np.asarray(np.log(clipped) - np.log1p(-clipped) if kind == "sigmoid" else np.log(clipped))


def _score_batches(model: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores (n_samples, n_classes) while ``fit`` runs; unlike ``predict`` it draws no random numbers."""
    size = _equal_batch_size(len(x))
    return np.concatenate(
        [model.predict_on_batch(np.asarray(x[first : first + size])) for first in range(0, len(x), size)]
    )


def _compute_scores(
    model: keras.Model, x: NDArray[np.float32] | SampleView, kind: KerasScoreKind
) -> NDArray[np.float32]:
    """Return scores (n_samples, n_classes); of a sample with several crops, the mean of its probabilities."""
    if not isinstance(x, SampleView):
        return np.asarray(model.predict(np.asarray(x), batch_size=_EVALUATION_BATCH, verbose=0))
    scores = np.concatenate([model.predict_on_batch(x.eval_batch(part)) for part in x.batches()])
    if x.n_eval_crops == 1:
        return scores
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(scores)) if kind == "logits" else scores
    mean = probabilities.reshape(-1, x.n_eval_crops, probabilities.shape[1]).mean(axis=1)
    return np.asarray(np.log(mean) if kind == "logits" else mean)


def _train_arguments(
    task: TrainingTask, train: Split, epochs_before: int, factors: NDArray[np.float32] | None
) -> dict[str, Any]:
    """Return the arguments of ``fit`` for train: whole arrays, or a data set of batches if train is a view."""
    if isinstance(train.x, SampleView):
        return {"x": _ViewBatches(train.x, train.y, task, epochs_before, factors), "shuffle": False}
    weights = {} if factors is None else {"sample_weight": factors}
    return {"x": train.x, "y": train.y, "batch_size": task.training.batch_size, **weights}


class _ViewBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a view, in another order each epoch."""

    def __init__(
        self,
        x: SampleView,
        y: NDArray[np.int64],
        task: TrainingTask,
        epochs_before: int,
        factors: NDArray[np.float32] | None,
    ) -> None:
        super().__init__()
        self._x, self._y, self._factors = x, y, factors
        self._task = task
        self._epoch = epochs_before
        self._shuffle()

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(len(self._y) / self._task.training.batch_size)

    def __getitem__(self, number: int) -> tuple[NDArray[Any], ...]:
        size = self._task.training.batch_size
        rows = self._order[number * size : (number + 1) * size]
        # Keras gets the first batch once more than it trains on it: random crops must not depend on that.
        random = np.random.default_rng(derive("drawn", self._task.seed, self._epoch, number))
        weights = () if self._factors is None else (self._factors[rows],)
        return self._x.train_batch(rows, random), self._y[rows], *weights

    def on_epoch_end(self) -> None:
        """Begin the next epoch; called by Keras."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        random = np.random.default_rng(derive("order", self._task.seed, self._epoch))
        self._order = random.permutation(len(self._y))


def validation_arguments(dev: Split) -> dict[str, Any]:
    """Return the arguments by which ``fit`` scores dev after each epoch; of a view none: `EpochCallback` scores it."""
    if isinstance(dev.x, SampleView):
        return {}
    return {
        "validation_data": (dev.x, dev.y),
        "validation_batch_size": _equal_batch_size(len(dev.y)),
    }


def _equal_batch_size(n_samples: int) -> int:
    """Return a batch size for scoring that makes batches as equal as possible: JAX compiles for each size."""
    return math.ceil(n_samples / math.ceil(n_samples / _EVALUATION_BATCH))


class EpochCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Tracks each epoch, stops a pruned or diverged model, and measures training and scoring separately."""

    def __init__(
        self,
        tracker: EpochTracker,
        clock: Stopwatch,
        n_train_samples: int,
        score: Scorer,
        seed: int,
        weights: Callable[[], Arrays] | None = None,
    ) -> None:
        """Prepare for one call of ``fit``.

        Args:
            tracker: gets the metrics of each epoch.
            clock: measures training while ``fit`` runs; scoring is measured here.
            n_train_samples: number of samples in train.
            score: returns loss, error and metric of dev.
            seed: for the order of samples and dropout.
            weights: returns a copy of the weights; None: those of an architecture.
        """
        super().__init__()
        self._tracker = tracker
        self._clock = clock
        self._n_train_samples = n_train_samples
        self._score = score
        self._seed = seed
        self._weights = weights or (lambda: networks.get_weights(self.model))
        self._evaluation = ExitStack()

    def on_train_begin(self, logs: Any = None) -> None:
        """Set the seed here: only the first fit of a model draws random numbers before, to build it."""
        keras.utils.set_random_seed(self._seed)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the learning rate of the epoch, if it changes."""
        rate = self._tracker.learning_rate()
        if rate is not None:
            self.model.optimizer.learning_rate.assign(rate)

    def on_test_begin(self, logs: Any = None) -> None:
        """Begin to measure scoring, which Keras does inside ``fit``."""
        self._evaluation.enter_context(self._clock.measure("evaluate"))

    def on_test_end(self, logs: Any = None) -> None:
        """End to measure scoring."""
        self._evaluation.close()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Track the epoch; stop the training if it was the last one.

        Args:
            epoch: its number, from 0.
            logs: what Keras measured.
        """
        with self._clock.measure("evaluate"):
            dev_loss, dev_error, dev_metric = self._score(self.model, logs)
        metrics = EpochMetrics(
            train_loss=finite_or_none(logs["loss"]),
            train_error=_exact_error(logs["accuracy"], self._n_train_samples),
            dev_loss=finite_or_none(dev_loss),
            dev_error=dev_error,
            dev_metric=dev_metric,
        )
        if not self._tracker.add(metrics, self._weights):
            self.model.stop_training = True


_OPTIMIZER = "optimizer."


def _save_state(task: TrainingTask, model: keras.Model) -> Arrays:
    variables = enumerate(model.optimizer.variables)
    return get_weights(task, model) | {f"{_OPTIMIZER}{number}": networks.to_numpy(v) for number, v in variables}


def _load_state(task: TrainingTask, model: keras.Model, arrays: Mapping[str, NDArray[Any]]) -> None:
    set_weights(task, model, arrays)
    for number, variable in enumerate(model.optimizer.variables):
        variable.assign(arrays[f"{_OPTIMIZER}{number}"])


def get_weights(task: TrainingTask, model: keras.Model) -> Arrays:
    """Return copies of the weights of a model by name; of a user's code those that are not trained too.

    Args:
        task: what was built.
        model: of the task.
    """
    own = isinstance(task.model, NetworkBlueprint)
    return keras_network.get_weights(model) if own else networks.get_weights(model)


def set_weights(task: TrainingTask, model: keras.Model, weights: Mapping[str, NDArray[Any]]) -> None:
    """Set the weights of a model.

    Args:
        task: what was built.
        model: of the task.
        weights: as `get_weights` returns them.

    Raises:
        KeyError: a name does not fit.
        ValueError: a shape does not fit.
    """
    own = isinstance(task.model, NetworkBlueprint)
    (keras_network if own else networks).set_weights(model, weights)


def score_kind(task: TrainingTask, model: keras.Model) -> KerasScoreKind:
    """Return what a model gives for each class.

    Args:
        task: what was built.
        model: of the task.
    """
    if isinstance(task.model, NetworkBlueprint):
        return keras_network.score_kind(model, task.training.loss)
    return require_architecture(task).score_kind()


def _exact_error(accuracy: float, n_samples: int) -> float:
    # Keras reports a float32 ratio of two counts: recover the count, for the exact ratio.
    return round((1.0 - float(accuracy)) * n_samples) / n_samples

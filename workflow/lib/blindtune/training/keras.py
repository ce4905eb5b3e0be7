"""The native Keras trainer: ``compile`` and ``fit``, as the published study did it."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow
from numpy.typing import NDArray

from blindtune.clock import Stopwatch
from blindtune.datasets.base import Split
from blindtune.errors import UserError
from blindtune.models import keras as networks
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.training.base import (
    Outcome,
    Predict,
    Scoring,
    Task,
    Training,
    best_epoch,
    diverged,
    finite,
    scored_epoch,
)
from blindtune.trials import Epoch

_EVALUATION_BATCH = 8_192

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}


class KerasTrainer:
    """Trains an `Architecture` with Keras on TensorFlow."""

    def __init__(self) -> None:
        # One thread, so that sums have one order and records do not depend on the number of cores.
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)

    def versions(self) -> dict[str, str]:
        """The versions of Keras and of its backend."""
        return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}

    def train(self, task: Task, train: Split, dev: Split, scoring: Scoring, clock: Stopwatch) -> Outcome:
        """Train for the task's epochs, scoring dev after each; ends early when a loss is not finite."""
        architecture = _architecture(task)
        with clock.measure("build"):
            # A trial's outcome must not depend on the trials before it: drop their graphs and names.
            keras.backend.clear_session(free_memory=False)
            keras.utils.set_random_seed(task.seed)
            model = networks.build(architecture)
            model.compile(
                optimizer=_optimizer(task.training),
                loss=networks.loss(task.training.loss, architecture, task.classes),
                metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            )
        watch = _Watch(scoring, clock, len(train.y), len(dev.y))
        with clock.measure("train"):
            model.fit(
                train.x,
                train.y,
                batch_size=task.training.batch_size,
                epochs=task.training.epochs,
                validation_data=(dev.x, dev.y),
                validation_batch_size=max(task.training.batch_size, _EVALUATION_BATCH),
                callbacks=[watch],
                verbose=0,
            )
        return Outcome(
            status="diverged" if watch.reason else "completed",
            reason=watch.reason,
            curve=watch.curve,
            scored_epoch=None if watch.reason else scored_epoch(watch.curve, scoring),
            parameters=count_parameters(architecture),
            weights={} if watch.reason else watch.kept or networks.weights_of(model),
        )

    def rebuild(self, task: Task, weights: Mapping[str, NDArray[Any]], train: Split) -> Predict:
        """The trained model; raises UserError where the weights do not fit the architecture."""
        model = networks.build(_architecture(task))
        try:
            networks.set_weights(model, weights)
        except (KeyError, ValueError) as error:
            raise UserError(f"the weights do not fit the architecture: {error}") from error

        def predict(x: NDArray[np.float32]) -> NDArray[np.int64]:
            scores = model.predict(np.asarray(x), batch_size=_EVALUATION_BATCH, verbose=0)
            labels: NDArray[np.int64] = np.argmax(scores, axis=1).astype(np.int64)
            return labels

        return predict


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the curve, keeps the scored weights, stops a diverged model, splits the time."""

    def __init__(self, scoring: Scoring, clock: Stopwatch, train_samples: int, dev_samples: int) -> None:
        super().__init__()
        self.curve: list[Epoch] = []
        self.kept: dict[str, NDArray[Any]] = {}
        self.reason: str | None = None
        self._scoring = scoring
        self._clock = clock
        self._train_samples = train_samples
        self._dev_samples = dev_samples
        self._evaluation = Stopwatch()

    def on_test_begin(self, logs: Any = None) -> None:
        self._measuring = self._evaluation.measure("evaluate")
        self._measuring.__enter__()

    def on_test_end(self, logs: Any = None) -> None:
        self._measuring.__exit__(None, None, None)

    def on_train_end(self, logs: Any = None) -> None:
        # Keras evaluates inside fit: what went there is not training.
        spent = self._evaluation.seconds["evaluate"]
        self._clock.add("evaluate", spent.wall, spent.cpu)
        self._clock.add("train", -spent.wall, -spent.cpu)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.curve.append(
            Epoch(
                train_loss=finite(logs["loss"]),
                train_error=_error(logs["accuracy"], self._train_samples),
                dev_loss=finite(logs["val_loss"]),
                dev_error=_error(logs["val_accuracy"], self._dev_samples),
            )
        )
        self.reason = diverged(self.curve)
        if self.reason:
            self.model.stop_training = True
        elif self._scoring == "best" and best_epoch(self.curve) == len(self.curve):
            self.kept = networks.weights_of(self.model)


def _architecture(task: Task) -> Architecture:
    if task.architecture is None:
        raise TypeError("the Keras trainer needs an architecture")
    return task.architecture


def _optimizer(training: Training) -> keras.optimizers.Optimizer:
    return _OPTIMIZERS[training.optimizer](learning_rate=training.learning_rate)


def _error(accuracy: float, samples: int) -> float:
    # Keras reports a float32 ratio of two counts: take the count back, for the exact share.
    return round((1.0 - float(accuracy)) * samples) / samples

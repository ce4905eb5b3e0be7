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
from blindtune.seeds import derive
from blindtune.training.base import Arrays, Outcome, Predict, Progress, Session, Task, Training, finite
from blindtune.trials import Epoch

_EVALUATION_BATCH = 8_192

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}


class KerasTrainer:
    """Trains an `Architecture` with Keras on TensorFlow.

    A training that goes on has its weights and its optimizer as they were; the order of samples and dropout are
    drawn anew, so that it does not equal one that never stopped.
    """

    continues = True

    def __init__(self) -> None:
        # One thread, so that sums have one order and records do not depend on the number of cores.
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)

    def versions(self) -> dict[str, str]:
        """The versions of Keras and of its backend."""
        return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}

    def train(self, task: Task, train: Split, dev: Split, session: Session) -> Outcome:
        """Train to the task's last epoch, scoring dev after each; ends early when a loss is not finite."""
        architecture, clock = _architecture(task), session.clock
        with clock.measure("build"):
            # A trial's outcome must not depend on the trials before it: drop their graphs and names.
            keras.backend.clear_session(free_memory=False)
            before = session.trained_before
            keras.utils.set_random_seed(derive("continued", task.seed, before) if before else task.seed)
            model = networks.build(architecture)
            model.compile(
                optimizer=_optimizer(task.training),
                loss=networks.loss(task.training.loss, architecture, task.classes),
                metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            )
            if session.state:
                _go_on(model, session.state.arrays)
        watch = Watch(Progress(task.training.epochs, session), clock, len(train.y), len(dev.y))
        with clock.measure("train"):
            self._fit(model, task, train, dev, watch, before)
        return watch.progress.outcome(
            count_parameters(architecture), lambda: networks.weights_of(model), lambda: _state(model)
        )

    def _fit(self, model: keras.Model, task: Task, train: Split, dev: Split, watch: "Watch", before: int) -> None:
        model.fit(
            train.x,
            train.y,
            batch_size=task.training.batch_size,
            epochs=task.training.epochs,
            initial_epoch=before,
            callbacks=[watch],
            verbose=0,
            **validation(task, dev),
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


def validation(task: Task, dev: Split) -> dict[str, Any]:
    """The arguments by which ``fit`` scores dev after each epoch."""
    return {
        "validation_data": (dev.x, dev.y),
        "validation_batch_size": max(task.training.batch_size, _EVALUATION_BATCH),
    }


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes each epoch, stops a model that is pruned or diverged, splits the time."""

    def __init__(self, progress: Progress, clock: Stopwatch, train_samples: int, dev_samples: int) -> None:
        super().__init__()
        self.progress = progress
        self._clock = clock
        self._train_samples = train_samples
        self._dev_samples = dev_samples

    def on_test_begin(self, logs: Any = None) -> None:
        """Keras evaluates inside fit: what goes there is not training."""
        self._measuring = self._clock.measure("evaluate")
        self._measuring.__enter__()

    def on_test_end(self, logs: Any = None) -> None:
        """What goes on is training again."""
        self._measuring.__exit__(None, None, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch; stop where it was the last."""
        measures = Epoch(
            train_loss=finite(logs["loss"]),
            train_error=_error(logs["accuracy"], self._train_samples),
            dev_loss=finite(logs["val_loss"]),
            dev_error=_error(logs["val_accuracy"], self._dev_samples),
        )
        if not self.progress.add(measures, lambda: networks.weights_of(self.model)):
            self.model.stop_training = True


_OPTIMIZER = "optimizer."


def _state(model: keras.Model) -> Arrays:
    """Weights and the variables of the optimizer."""
    variables = {f"{_OPTIMIZER}{number}": v.numpy().copy() for number, v in enumerate(model.optimizer.variables)}
    return networks.weights_of(model) | variables


def _go_on(model: keras.Model, arrays: Mapping[str, NDArray[Any]]) -> None:
    networks.set_weights(model, arrays)
    model.optimizer.build(model.trainable_variables)
    for number, variable in enumerate(model.optimizer.variables):
        variable.assign(arrays[f"{_OPTIMIZER}{number}"])


def _architecture(task: Task) -> Architecture:
    if task.architecture is None:
        raise TypeError("the Keras trainer needs an architecture")
    return task.architecture


def _optimizer(training: Training) -> keras.optimizers.Optimizer:
    return _OPTIMIZERS[training.optimizer](learning_rate=training.learning_rate)


def _error(accuracy: float, samples: int) -> float:
    # Keras reports a float32 ratio of two counts: take the count back, for the exact share.
    return round((1.0 - float(accuracy)) * samples) / samples

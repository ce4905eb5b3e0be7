"""The native Keras trainer on any backend: ``compile`` and ``fit``, as the published study did it.

Before this is imported the backend must have been settled (`blindtune.training.keras.backend`).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.models import keras as networks
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Arrays, EpochTracker, Outcome, Predict, TrainingOptions, TrainingTask, finite
from blindtune.training.keras.model_cache import Kind, Models
from blindtune.views.base import SampleView

_EVALUATION_BATCH = 8_192


class FitTrainer:
    """Trains an `Architecture` with Keras; what depends on the backend stands in the class of each.

    A training that goes on has its weights and its optimizer as they were; the order of samples and dropout are
    drawn anew, so that it does not equal one that never stopped. Samples stay arrays of numpy: on a processor they
    lie where they are computed on, and Keras gains nothing from tensors of the backend.
    """

    supports_resume = True

    def __init__(self) -> None:
        self._models = Models()

    def versions(self) -> dict[str, str]:
        """The versions of Keras and of its backend."""
        raise NotImplementedError

    def at_once(self, steps: int) -> int:
        """How many of the steps of an epoch Keras is to execute at once (``steps_per_execution``); changes no record.

        One by one, unless the backend gains from more.
        """
        return 1

    def train(self, task: TrainingTask, train: Split, dev: Split, session: TrainingOptions) -> Outcome:
        """Train to the task's last epoch, scoring dev after each; ends early when a loss is not finite."""
        architecture, clock = _architecture(task), session.clock
        with clock.measure("build"):
            # A trial's outcome must not depend on the trials before it: drop their graphs and names.
            keras.backend.clear_session(free_memory=False)
            before = session.trained_before
            keras.utils.set_random_seed(derive("continued", task.seed, before) if before else task.seed)
            kind = self._kind(task, architecture, len(train.y))
            model = self._models.take(kind, task.training.learning_rate)
            if session.state:
                _go_on(model, session.state.arrays)
        seed = derive("fit", task.seed, before)
        watch = Watch(EpochTracker(task.training.epochs, session), clock, len(train.y), _scorer(task, dev), seed)
        with clock.measure("train"):
            self._fit(model, task, train, dev, watch, before)
        outcome = watch.progress.outcome(
            count_parameters(architecture), lambda: networks.weights_of(model), lambda: _state(model)
        )
        self._models.give_back(kind, model)
        return outcome

    def _kind(self, task: TrainingTask, architecture: Architecture, samples: int) -> Kind:
        steps = math.ceil(samples / task.training.batch_size)
        built = architecture.model_copy(update={"exceptions": ()})
        return Kind(built, task.training.optimizer, task.training.loss, task.classes, self.at_once(steps))

    def _fit(
        self, model: keras.Model, task: TrainingTask, train: Split, dev: Split, watch: "Watch", before: int
    ) -> None:
        model.fit(
            **_samples(task, train, before),
            epochs=task.training.epochs,
            initial_epoch=before,
            callbacks=[watch],
            verbose=0,
            **validation(task, dev),
        )

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Predict:
        """The trained model; raises UserError where the weights do not fit the architecture."""
        model = networks.build(_architecture(task))
        try:
            networks.set_weights(model, weights)
        except (KeyError, ValueError) as error:
            raise UserError(f"the weights do not fit the architecture: {error}") from error

        gives_logits = _architecture(task).gives_logits()

        def predict(x: NDArray[np.float32] | SampleView) -> NDArray[np.int64]:
            labels: NDArray[np.int64] = np.argmax(_scores(model, x, gives_logits), axis=1).astype(np.int64)
            return labels

        return predict


#: From a model and what ``fit`` measured in an epoch to loss and error of dev.
Scorer = Callable[[keras.Model, Mapping[str, float]], tuple[float, float]]


def _scorer(task: TrainingTask, dev: Split) -> Scorer:
    """How dev is scored: by ``fit`` itself, or part by part behind a view."""
    if not isinstance(dev.x, SampleView):
        return lambda model, logs: (logs["val_loss"], _error(logs["val_accuracy"], len(dev.y)))
    architecture = _architecture(task)
    loss = networks.loss(task.training.loss, architecture, task.classes)

    def score(model: keras.Model, logs: Mapping[str, float]) -> tuple[float, float]:
        scores = _scores(model, dev.x, architecture.gives_logits())
        return float(loss(dev.y, scores)), int((scores.argmax(axis=1) != dev.y).sum()) / len(dev.y)

    return score


def _scores(model: keras.Model, x: NDArray[np.float32] | SampleView, gives_logits: bool) -> NDArray[np.float32]:
    """Scores (samples, classes); where a sample is looked at several times, the mean of its probabilities."""
    if not isinstance(x, SampleView):
        return np.asarray(model.predict(np.asarray(x), batch_size=_EVALUATION_BATCH, verbose=0))
    scores = np.concatenate([model.predict_on_batch(x.eval_batch(part)) for part in x.batches()])
    if x.n_eval_crops == 1:
        return scores
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(scores)) if gives_logits else scores
    mean = probabilities.reshape(-1, x.n_eval_crops, probabilities.shape[1]).mean(axis=1)
    return np.asarray(np.log(mean) if gives_logits else mean)


def _samples(task: TrainingTask, train: Split, before: int) -> dict[str, Any]:
    """The arguments by which ``fit`` gets train: all at once, or batch by batch behind a view."""
    if isinstance(train.x, SampleView):
        return {"x": _Batches(train.x, train.y, task, before), "shuffle": False}
    return {"x": train.x, "y": train.y, "batch_size": task.training.batch_size}


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Train behind a view, in another order each epoch."""

    def __init__(self, x: SampleView, y: NDArray[np.int64], task: TrainingTask, before: int) -> None:
        super().__init__()
        self._x, self._y = x, y
        self._task = task
        self._epoch = before
        self._shuffle()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self._y) / self._task.training.batch_size)

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        size = self._task.training.batch_size
        rows = self._order[number * size : (number + 1) * size]
        # Keras asks for the first batch once more than it trains on it: what is drawn must not depend on that.
        random = np.random.default_rng(derive("drawn", self._task.seed, self._epoch, number))
        return self._x.train_batch(rows, random), self._y[rows]

    def on_epoch_end(self) -> None:
        """Go on to the next epoch."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        random = np.random.default_rng(derive("order", self._task.seed, self._epoch))
        self._order = random.permutation(len(self._y))


def validation(task: TrainingTask, dev: Split) -> dict[str, Any]:
    """The arguments by which ``fit`` scores dev after each epoch; behind a view `Watch` does so itself."""
    if isinstance(dev.x, SampleView):
        return {}
    return {
        "validation_data": (dev.x, dev.y),
        "validation_batch_size": _in_equal_parts(len(dev.y)),
    }


def _in_equal_parts(samples: int) -> int:
    """The size of batches for scoring, as equal as can be: JAX compiles for each size."""
    return math.ceil(samples / math.ceil(samples / _EVALUATION_BATCH))


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes each epoch, stops a model that is pruned or diverged, splits the time."""

    def __init__(self, progress: EpochTracker, clock: Stopwatch, train_samples: int, score: Scorer, seed: int) -> None:
        super().__init__()
        self.progress = progress
        self._clock = clock
        self._train_samples = train_samples
        self._score = score
        self._seed = seed

    def on_train_begin(self, logs: Any = None) -> None:
        """Seed the order of samples: what is random in the building of a model comes before its first fit alone."""
        keras.utils.set_random_seed(self._seed)

    def on_test_begin(self, logs: Any = None) -> None:
        """Keras evaluates inside fit: what goes there is not training."""
        self._measuring = self._clock.measure("evaluate")
        self._measuring.__enter__()

    def on_test_end(self, logs: Any = None) -> None:
        """What goes on is training again."""
        self._measuring.__exit__(None, None, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch; stop where it was the last."""
        with self._clock.measure("evaluate"):
            dev_loss, dev_error = self._score(self.model, logs)
        measures = EpochMetrics(
            train_loss=finite(logs["loss"]),
            train_error=_error(logs["accuracy"], self._train_samples),
            dev_loss=finite(dev_loss),
            dev_error=dev_error,
        )
        if not self.progress.add(measures, lambda: networks.weights_of(self.model)):
            self.model.stop_training = True


_OPTIMIZER = "optimizer."


def _state(model: keras.Model) -> Arrays:
    """Weights and the variables of the optimizer."""
    variables = enumerate(model.optimizer.variables)
    return networks.weights_of(model) | {f"{_OPTIMIZER}{number}": networks.array_of(v) for number, v in variables}


def _go_on(model: keras.Model, arrays: Mapping[str, NDArray[Any]]) -> None:
    networks.set_weights(model, arrays)
    for number, variable in enumerate(model.optimizer.variables):
        variable.assign(arrays[f"{_OPTIMIZER}{number}"])


def _architecture(task: TrainingTask) -> Architecture:
    if task.architecture is None:
        raise TypeError("the Keras trainer needs an architecture")
    return task.architecture


def _error(accuracy: float, samples: int) -> float:
    # Keras reports a float32 ratio of two counts: take the count back, for the exact share.
    return round((1.0 - float(accuracy)) * samples) / samples

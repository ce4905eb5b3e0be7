"""PyTorch models trained by skorch, which wraps them as scikit-learn classifiers with its own loop and data loaders."""

from dataclasses import replace
from typing import Any

import numpy as np
import skorch
import torch
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import Tensor, nn

from blindtune.config.training import Training
from blindtune.core.timing import Stopwatch
from blindtune.metrics.registry import is_error
from blindtune.models import pytorch as networks
from blindtune.models.base import ScoreKind
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import TrainingOptions, TrainingTask, finite_or_none
from blindtune.training.pytorch import (
    EVALUATION_BATCH,
    PyTorchTrainer,
    Samples,
    TrainingLoop,
    class_weights_of,
    create_optimizer,
    evaluate,
    prepare_step,
)


class SkorchTrainer(PyTorchTrainer):
    """Trains an `Architecture` through ``NeuralNetClassifier``, whose data loader shuffles in another order.

    Resuming is bit-identical to training without a break. It computes on the CPU: the data loader returns one sample at
    a time, which a CUDA device does not speed up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("cpu")

    def versions(self) -> dict[str, str]:
        """Return the versions of PyTorch and skorch."""
        return super().versions() | {"skorch": skorch.__version__}

    def _create_loop(
        self, model: nn.Module, task: TrainingTask, train: Samples, dev: Samples, options: TrainingOptions
    ) -> TrainingLoop:
        return _SkorchLoop(model, task, _as_arrays(train), _as_arrays(dev), options.metric)


#: Samples and labels, as skorch takes them.
TensorPair = tuple[Any, Tensor]

#: The samples and their weights, where a loader takes both: it draws the same samples of all tensors.
_X, _WEIGHT = "x", "weight"


def _to_tensors(samples: Samples) -> TensorPair:
    """Return what the loader takes; with weights, a dict of two tensors as the samples."""
    return (samples.x if samples.weights is None else {_X: samples.x, _WEIGHT: samples.weights}), samples.y


def _as_arrays(samples: Samples) -> Samples:
    """Return samples with a view as one tensor."""
    x = samples.x if isinstance(samples.x, Tensor) else torch.from_numpy(np.asarray(samples.x))
    return replace(samples, x=x)


class _SkorchLoop:
    """A skorch classifier, one epoch of its ``fit_loop`` per call.

    ``fit`` could be stopped early from inside only by a KeyboardInterrupt, which it swallows together with that of
    a user who wants to stop the program.
    """

    def __init__(self, model: nn.Module, task: TrainingTask, train: Samples, dev: Samples, metric: str) -> None:
        training = task.training
        self._samples = _to_tensors(train)
        self._task, self._model, self._dev, self._metric = task, model, dev, metric
        self._metrics = _EpochMetricsCallback()
        self._net = _Classifier(
            module=model,
            criterion=_Loss(
                training.loss,
                task.architecture.score_kind(),
                class_weights_of(task, train.y),
            ),
            optimizer=lambda parameters, lr: create_optimizer(training, parameters),
            batch_size=training.batch_size,
            iterator_train__shuffle=True,
            iterator_valid__batch_size=EVALUATION_BATCH,
            train_split=predefined_split(Dataset(dev.x, dev.y)),
            classes=list(range(task.classes)),
            callbacks=[self._metrics, _StepCallback(training)],
            verbose=0,
        ).initialize()
        self.optimizer: torch.optim.Optimizer = self._net.optimizer_
        self._net.notify("on_train_begin", X=self._samples[0], y=self._samples[1])

    def train_epoch(self, clock: Stopwatch) -> EpochMetrics:
        self._net.clock = clock
        self._net.fit_loop(*self._samples, epochs=1)
        (train_loss, train_error), (dev_loss, dev_error) = self._metrics.means(True), self._metrics.means(False)
        dev_metric = None
        if not is_error(self._metric):
            # Once more: skorch's loop keeps no scores of whole splits.
            with clock.measure("evaluate"):
                dev_metric = evaluate(self._model, self._dev, self._task, self._metric)[2]
        return EpochMetrics(
            train_loss=finite_or_none(train_loss),
            train_error=train_error,
            dev_loss=finite_or_none(dev_loss),
            dev_error=dev_error,
            dev_metric=dev_metric,
        )


class _Classifier(skorch.NeuralNetClassifier):  # type: ignore[misc]
    """Measures the time of training and of scoring separately, without skorch's own scores and prints."""

    clock: Stopwatch

    @property
    def _default_callbacks(self) -> list[Any]:
        return []

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Return the scores of a batch, whose weights are no input of the model."""
        return super().infer(x[_X] if isinstance(x, dict) else x, **fit_params)

    def get_loss(self, y_pred: Tensor, y_true: Tensor, X: Any = None, *arguments: Any, **named: Any) -> Tensor:  # noqa: N803  skorch's name
        """Return the loss of a batch; the criterion gets the weights of its samples."""
        self.criterion_.sample_weights = X[_WEIGHT] if isinstance(X, dict) else None
        loss: Tensor = super().get_loss(y_pred, y_true, X, *arguments, **named)
        return loss

    def run_single_epoch(self, iterator: Any, training: bool, *arguments: Any, **named: Any) -> None:
        with self.clock.measure("train" if training else "evaluate"):
            super().run_single_epoch(iterator, training, *arguments, **named)


class _Loss(nn.Module):
    """The loss of `blindtune.models.pytorch` as a criterion of skorch, which says whether it scores train or dev."""

    def __init__(self, name: str, kind: ScoreKind, class_weights: Tensor | None) -> None:
        super().__init__()
        self._name = name
        self._kind = kind
        self._class_weights = class_weights
        self.sample_weights: Tensor | None = None

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        weights = self._class_weights if self.training else None
        return networks.compute_loss(self._name, scores, labels, self._kind, weights, self.sample_weights)


class _StepCallback(skorch.callbacks.Callback):  # type: ignore[misc]
    """Does what comes before a step of the optimizer, which skorch calls with a function that computes gradients."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def on_grad_computed(self, net: Any, named_parameters: Any, **named: Any) -> None:
        prepare_step(net.optimizer_, self.training)


class _EpochMetricsCallback(skorch.callbacks.Callback):  # type: ignore[misc]
    """Sums loss and wrong samples of one epoch, of train (while the weights change) and of dev."""

    def on_epoch_begin(self, net: Any, **named: Any) -> None:
        self._loss = {True: 0.0, False: 0.0}
        self._n_wrong = {True: 0, False: 0}
        self._n_samples = {True: 0, False: 0}

    def on_batch_end(self, net: Any, batch: Any, training: bool, loss: Tensor, y_pred: Tensor, **named: Any) -> None:
        labels = batch[1]
        self._loss[training] += float(loss.detach()) * len(labels)
        self._n_wrong[training] += int((y_pred.detach().argmax(dim=1) != labels).sum())
        self._n_samples[training] += len(labels)

    def means(self, training: bool) -> tuple[float, float]:
        """Return mean loss and error of train (True) or dev (False)."""
        n_samples = self._n_samples[training]
        return self._loss[training] / n_samples, self._n_wrong[training] / n_samples

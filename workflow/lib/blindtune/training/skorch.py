"""PyTorch models trained by skorch, scikit-learn's way to them: its classifier, its loop and its data loaders."""

from typing import Any

import numpy as np
import skorch
import torch
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import Tensor, nn

from blindtune.core.timing import Stopwatch
from blindtune.models import pytorch as networks
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import TrainingTask, finite
from blindtune.training.pytorch import EVALUATION_BATCH, Course, PyTorchTrainer, Samples, optimizer_for


class SkorchTrainer(PyTorchTrainer):
    """Trains an `Architecture` through ``NeuralNetClassifier``; its data loader shuffles in an order of its own.

    A training that goes on equals one that never stopped, bit by bit. It stays on the processor: the data loader hands
    out one sample at a time, which no device makes faster.
    """

    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("cpu")

    def versions(self) -> dict[str, str]:
        """The versions of PyTorch and skorch."""
        return super().versions() | {"skorch": skorch.__version__}

    def _course(self, model: nn.Sequential, task: TrainingTask, train: Samples, dev: Samples, before: int) -> Course:
        return _Net(model, task, _at_once(train), _at_once(dev))


#: Samples and labels, as skorch takes them.
Pair = tuple[Tensor, Tensor]


def _at_once(samples: Samples) -> Pair:
    x = samples.x
    return (x if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x))), samples.y


class _Net:
    """A classifier of skorch, one epoch of its ``fit_loop`` at a time.

    ``fit`` could be stopped early from inside by a KeyboardInterrupt alone, which it swallows together with that of
    a user who wants to stop the program.
    """

    def __init__(self, model: nn.Sequential, task: TrainingTask, train: Pair, dev: Pair) -> None:
        training = task.training
        self._samples = train
        self._counts = _Counts()
        self._net = _Classifier(
            module=model,
            criterion=_Loss(training.loss, bool(task.architecture and task.architecture.gives_logits())),
            optimizer=lambda parameters, lr: optimizer_for(training, parameters),
            batch_size=training.batch_size,
            iterator_train__shuffle=True,
            iterator_valid__batch_size=EVALUATION_BATCH,
            train_split=predefined_split(Dataset(*dev)),
            classes=list(range(task.classes)),
            callbacks=[self._counts],
            verbose=0,
        ).initialize()
        self.optimizer: torch.optim.Optimizer = self._net.optimizer_
        self._net.notify("on_train_begin", X=train[0], y=train[1])

    def epoch(self, clock: Stopwatch) -> EpochMetrics:
        self._net.clock = clock
        self._net.fit_loop(*self._samples, epochs=1)
        (train_loss, train_error), (dev_loss, dev_error) = self._counts.of(True), self._counts.of(False)
        return EpochMetrics(
            train_loss=finite(train_loss), train_error=train_error, dev_loss=finite(dev_loss), dev_error=dev_error
        )


class _Classifier(skorch.NeuralNetClassifier):  # type: ignore[misc]
    """Tells the time of training from that of scoring; none of skorch's own scores and prints."""

    clock: Stopwatch

    @property
    def _default_callbacks(self) -> list[Any]:
        return []

    def run_single_epoch(self, iterator: Any, training: bool, *arguments: Any, **named: Any) -> None:
        with self.clock.measure("train" if training else "evaluate"):
            super().run_single_epoch(iterator, training, *arguments, **named)


class _Loss(nn.Module):
    """Our loss as skorch takes a criterion."""

    def __init__(self, name: str, gives_logits: bool) -> None:
        super().__init__()
        self._name = name
        self._gives_logits = gives_logits

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        return networks.loss(self._name, scores, labels, self._gives_logits)


class _Counts(skorch.callbacks.Callback):  # type: ignore[misc]
    """Loss and wrong samples of one epoch, of train (while the weights move) and of dev."""

    def on_epoch_begin(self, net: Any, **named: Any) -> None:
        self._loss = {True: 0.0, False: 0.0}
        self._wrong = {True: 0, False: 0}
        self._samples = {True: 0, False: 0}

    def on_batch_end(self, net: Any, batch: Any, training: bool, loss: Tensor, y_pred: Tensor, **named: Any) -> None:
        labels = batch[1]
        self._loss[training] += float(loss.detach()) * len(labels)
        self._wrong[training] += int((y_pred.detach().argmax(dim=1) != labels).sum())
        self._samples[training] += len(labels)

    def of(self, training: bool) -> tuple[float, float]:
        """Mean loss and error of train (True) or dev (False)."""
        samples = self._samples[training]
        return self._loss[training] / samples, self._wrong[training] / samples

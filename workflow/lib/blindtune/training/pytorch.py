"""The PyTorch trainer: an eager loop over shuffled batches, on one thread or on a CUDA device.

Initial weights and the order of samples are drawn on the processor, by the trial's seed. Without dropout a device gives
the processor's model up to rounding; dropout is drawn where it is computed.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.models import pytorch as networks
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import (
    Arrays,
    EpochTracker,
    Outcome,
    Predict,
    Training,
    TrainingOptions,
    TrainingTask,
    finite,
)
from blindtune.training.devices import device, name_of
from blindtune.views.base import SampleView

#: Samples per forward pass outside of training; what they need fits into the cache. Changes no result.
EVALUATION_BATCH = 4_096

#: On a CUDA device, which few samples of few values do not keep busy: values of such a batch, and its most samples.
_EVALUATION_VALUES, _EVALUATION_MOST = 2**20, 65_536


@dataclass(frozen=True)
class Samples:
    """A split: ``x`` all at once, or behind a view; ``y`` (samples,)."""

    x: Tensor | SampleView
    y: Tensor

    def to(self, where: torch.device) -> Self:
        """The same samples on a device; what lies behind a view stays, and goes there batch by batch."""
        x = self.x.to(where) if isinstance(self.x, Tensor) else self.x
        return type(self)(x, self.y.to(where))

    def shuffled(self, size: int, random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of ``size`` samples in a new order, from PyTorch's generator of the processor.

        What a view draws comes from ``random``.
        """
        where = self.y.device
        order = torch.randperm(len(self.y))
        y = self.y[order.to(where)]
        if isinstance(self.x, Tensor):
            yield from zip(torch.split(self.x[order.to(where)], size), torch.split(y, size), strict=True)
            return
        for rows, labels in zip(torch.split(order, size), torch.split(y, size), strict=True):
            yield torch.from_numpy(self.x.train_batch(rows.numpy(), random)).to(where), labels


class Course(Protocol):
    """One training under way, epoch by epoch."""

    optimizer: torch.optim.Optimizer

    def epoch(self, clock: Stopwatch) -> EpochMetrics:
        """Train for one epoch and score dev, the time of each on ``clock``."""


class PyTorchTrainer:
    """Trains an `Architecture` with PyTorch; a training that goes on equals one that never stopped, bit by bit."""

    supports_resume = True

    def __init__(self) -> None:
        #: Where models are trained and scored.
        self.device = device()
        self._moved: deque[tuple[Split, Samples]] = deque(maxlen=2)
        # One thread, so that sums have one order and records do not depend on the number of cores.
        torch.set_num_threads(1)
        # As torch.use_deterministic_algorithms(True), which also imports its compiler: two seconds.
        torch.set_deterministic_debug_mode("error")
        # It would fill every new tensor first, to make results of reading what was never written the same each time.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    def versions(self) -> dict[str, str]:
        """The version of PyTorch, and the device unless it is the processor."""
        where = {} if self.device.type == "cpu" else {"device": name_of(self.device)}
        return {"torch": torch.__version__} | where

    def train(self, task: TrainingTask, train: Split, dev: Split, session: TrainingOptions) -> Outcome:
        """Train to the task's last epoch, scoring dev after each; ends early when a loss is not finite."""
        architecture, clock = architecture_of(task), session.clock
        with clock.measure("build"):
            torch.manual_seed(task.seed)
            model = networks.build(architecture, task.training.initial_weights == "keras").to(self.device)
            course = self._course(model, task, self._placed(train), self._placed(dev), session.trained_before)
            if session.state:
                _go_on(model, course.optimizer, session.state.arrays)
        progress = EpochTracker(task.training.epochs, session)
        while progress.add(course.epoch(clock), lambda: networks.weights_of(model)):
            pass
        return progress.outcome(
            count_parameters(architecture), lambda: networks.weights_of(model), lambda: _state(model, course.optimizer)
        )

    def _placed(self, split: Split) -> Samples:
        """A split where models are trained; a device keeps train and dev for the trials that follow."""
        if self.device.type == "cpu":
            return samples_of(split)
        for known, samples in self._moved:
            if known is split:
                return samples
        self._moved.append((split, samples_of(split).to(self.device)))
        return self._moved[-1][1]

    def _course(self, model: nn.Sequential, task: TrainingTask, train: Samples, dev: Samples, before: int) -> "Course":
        return _Loop(model, task, train, dev, before)

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Predict:
        """The trained model; raises UserError where the weights do not fit the architecture."""
        model = networks.build(architecture_of(task))
        try:
            networks.set_weights(model, weights)
        except RuntimeError as error:
            raise UserError(f"the weights do not fit the architecture: {error}") from error
        model.eval()
        gives_logits = architecture_of(task).gives_logits()
        model.to(self.device)
        return lambda x: scores_of(model, viewed(x), gives_logits).argmax(dim=1).cpu().numpy()


def architecture_of(task: TrainingTask) -> Architecture:
    """What a task builds; raises TypeError where it is no network."""
    if task.architecture is None:
        raise TypeError("the PyTorch trainer needs an architecture")
    return task.architecture


def samples_of(split: Split) -> Samples:
    """A split as tensors."""
    return Samples(viewed(split.x), torch.from_numpy(np.array(split.y)))


def viewed(x: NDArray[np.float32] | SampleView) -> Tensor | SampleView:
    """Samples as a tensor, or behind their view."""
    # A copy: the arrays on disk are mapped read-only, which torch refuses to share.
    return x if isinstance(x, SampleView) else torch.from_numpy(np.array(x))


def optimizer_for(training: Training, parameters: Any) -> torch.optim.Optimizer:
    """The optimizer of ``training`` over ``parameters``, or over groups of them as PyTorch takes them."""
    rate = training.learning_rate
    match training.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, lr=rate, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=rate, fused=True)
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate)


_MODEL, _OPTIMIZER, _RANDOM, _RANDOM_CUDA = "model.", "optimizer.", "random", "random_cuda"


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> Arrays:
    """Weights, moments of the optimizer and the place in each stream of random numbers."""
    arrays = {f"{_MODEL}{name}": array for name, array in networks.weights_of(model).items()}
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if value is not None:
                arrays[f"{_OPTIMIZER}{index}.{name}"] = value.cpu().numpy().copy()
    if next(model.parameters()).is_cuda:
        arrays[_RANDOM_CUDA] = torch.cuda.get_rng_state().numpy().copy()
    return arrays | {_RANDOM: torch.get_rng_state().numpy().copy()}


def _go_on(model: nn.Module, optimizer: torch.optim.Optimizer, arrays: Mapping[str, NDArray[Any]]) -> None:
    networks.set_weights(model, {name.removeprefix(_MODEL): a for name, a in arrays.items() if name.startswith(_MODEL)})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, array in arrays.items():
        if key.startswith(_OPTIMIZER):
            index, name = key.removeprefix(_OPTIMIZER).split(".")
            moments.setdefault(int(index), {})[name] = torch.from_numpy(array.copy())
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    torch.set_rng_state(torch.from_numpy(arrays[_RANDOM].copy()))
    if next(model.parameters()).is_cuda and _RANDOM_CUDA in arrays:
        torch.cuda.set_rng_state(torch.from_numpy(arrays[_RANDOM_CUDA].copy()))


class _Loop:
    """The eager loop over shuffled batches."""

    def __init__(self, model: nn.Sequential, task: TrainingTask, train: Samples, dev: Samples, before: int) -> None:
        self.optimizer = optimizer_for(task.training, model.parameters())
        self._model = model
        self._task = task
        self._train = train
        self._dev = dev
        self._done = before

    def epoch(self, clock: Stopwatch) -> EpochMetrics:
        """Train for one epoch, then score dev."""
        with clock.measure("train"):
            random = np.random.default_rng(derive("drawn", self._task.seed, self._done))
            train_loss, train_error = _one_epoch(self._model, self.optimizer, self._train, self._task, random)
            self._done += 1
        with clock.measure("evaluate"):
            dev_loss, dev_error = evaluate(self._model, self._dev, self._task)
        return EpochMetrics(
            train_loss=finite(train_loss), train_error=train_error, dev_loss=finite(dev_loss), dev_error=dev_error
        )


@contextmanager
def without_denormals() -> Iterator[None]:
    """Take numbers too small for the processor's usual form for 0, on this thread, as long as it trains.

    What decays towards zero, as an optimizer's moments of units that are never active do, ends there: processors take a
    hundred times as long for such numbers.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@without_denormals()
def _one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: Samples,
    task: TrainingTask,
    random: np.random.Generator,
) -> tuple[float, float]:
    model.train()
    training, gives_logits = task.training, architecture_of(task).gives_logits()
    total_loss = torch.zeros((), dtype=torch.float64, device=samples.y.device)
    wrong = torch.zeros((), dtype=torch.int64, device=samples.y.device)
    for batch_x, batch_y in samples.shuffled(training.batch_size, random):
        scores = model(batch_x)
        loss = networks.loss(training.loss, scores, batch_y, gives_logits)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total_loss += loss.detach() * len(batch_y)
        wrong += (scores.detach().argmax(dim=1) != batch_y).sum()
    return float(total_loss) / len(samples.y), int(wrong) / len(samples.y)


def evaluate(model: nn.Module, samples: Samples, task: TrainingTask) -> tuple[float, float]:
    """Loss and error of a model on a split."""
    y, gives_logits = samples.y, architecture_of(task).gives_logits()
    model.eval()
    scores = scores_of(model, samples.x, gives_logits)
    with torch.no_grad():
        value = networks.loss(task.training.loss, scores, y, gives_logits)
    return float(value), int((scores.argmax(dim=1) != y).sum()) / len(y)


def _evaluation_batch(x: Tensor, where: torch.device) -> int:
    if where.type == "cpu":
        return EVALUATION_BATCH
    return max(EVALUATION_BATCH, min(_EVALUATION_MOST, _EVALUATION_VALUES // math.prod(x.shape[1:])))


@torch.no_grad()
def scores_of(model: nn.Module, x: Tensor | SampleView, gives_logits: bool) -> Tensor:
    """Scores (samples, classes); where a sample is looked at several times, the mean of its probabilities."""
    where = next(model.parameters()).device
    if isinstance(x, Tensor):
        return torch.cat([model(part.to(where)) for part in torch.split(x, _evaluation_batch(x, where))])
    scores = torch.cat([model(torch.from_numpy(x.eval_batch(part)).to(where)) for part in x.batches()])
    if x.n_eval_crops == 1:
        return scores
    probabilities = scores.softmax(dim=1) if gives_logits else scores
    mean = probabilities.reshape(-1, x.n_eval_crops, probabilities.shape[1]).mean(dim=1)
    return mean.log() if gives_logits else mean

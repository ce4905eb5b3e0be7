"""The PyTorch trainer: an eager loop over shuffled batches, on one CPU thread or on a CUDA device.

Initial weights and the order of samples are drawn on the CPU, from the trial's seed. Without dropout, a CUDA device
gives the model of the CPU up to rounding; dropout is drawn on the device that computes it.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.failures import is_machine_error
from blindtune.core.seeds import derive
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.metrics.base import Answers, as_probabilities
from blindtune.metrics.compute import measure_on_dev
from blindtune.metrics.registry import ERROR
from blindtune.models import pytorch as networks
from blindtune.models import pytorch_network
from blindtune.models.architecture import count_parameters
from blindtune.models.base import ScoreKind
from blindtune.models.network import NetworkBlueprint
from blindtune.models.network_program import describe_single_samples
from blindtune.models.own_code import OwnCodeError
from blindtune.models.pytorch_network import OwnModule
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
from blindtune.training.class_weights import compute_class_weights, relative_weights
from blindtune.training.devices import device_name, find_device
from blindtune.training.state import pack, unpack
from blindtune.views.base import MAX_BATCH_VALUES, SampleView

#: Samples per forward pass outside of training, so that its values fit into the cache. Changes no result.
EVALUATION_BATCH = 4_096

#: The same on a CUDA device: values in a batch, and the maximum number of samples. Few small samples keep no device
#: busy.
_CUDA_EVALUATION_VALUES, _CUDA_MAX_EVALUATION_BATCH = 2**20, 65_536

#: Values of pictures from a view per forward pass on a CPU outside of training. What the first layers of a ConvNet
#: compute from them fits into the cache: the crops of #11 are scored twice as fast as with four times as many.
_CPU_PICTURE_VALUES = 2**20


@dataclass(frozen=True)
class Samples:
    """A split as tensors.

    Attributes:
        x: (n_samples, ...) float32, or a view that computes batches of it.
        y: (n_samples,) int64.
        weights: factor of the loss of each sample, (n_samples,) float32; None: 1.
    """

    x: Tensor | SampleView
    y: Tensor
    weights: Tensor | None = None

    def to(self, device: torch.device) -> Self:
        """Return the samples on a device; a view stays on the CPU, and its batches are moved one by one."""
        x = self.x.to(device) if isinstance(self.x, Tensor) else self.x
        return type(self)(x, self.y.to(device), None if self.weights is None else self.weights.to(device))

    def shuffled_batches(
        self, size: int, random: np.random.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Yield all samples in a new order, which PyTorch's random generator of the CPU draws.

        Args:
            size: samples per batch.
            random: what a view draws random crops from.

        Yields:
            Samples (size, ...), their labels and their weights (size,); the last batch may be smaller.
        """
        device = self.y.device
        order = torch.randperm(len(self.y))
        y = torch.split(self.y[order.to(device)], size)
        weights: Sequence[Tensor | None] = [None] * len(y)
        if self.weights is not None:
            weights = torch.split(self.weights[order.to(device)], size)
        if isinstance(self.x, Tensor):
            yield from zip(torch.split(self.x[order.to(device)], size), y, weights, strict=True)
            return
        for rows, labels, factors in zip(torch.split(order, size), y, weights, strict=True):
            yield torch.from_numpy(self.x.train_batch(rows.numpy(), random)).to(device), labels, factors


class TrainingLoop(Protocol):
    """Trains one model, one epoch per call."""

    optimizer: torch.optim.Optimizer

    def train_epoch(self, clock: Stopwatch) -> EpochMetrics:
        """Train for one epoch and score dev; the time of each goes to ``clock``."""


class PyTorchTrainer:
    """Trains an `Architecture` with PyTorch; resuming is bit-identical to training without a break.

    Attributes:
        device: where models are trained and scored.
    """

    supports_resume = True

    def __init__(self) -> None:
        self.device = find_device()
        self._on_device: deque[tuple[Split, Samples]] = deque(maxlen=2)
        # One thread, so that sums have one order and records do not depend on the number of cores.
        torch.set_num_threads(1)
        # As torch.use_deterministic_algorithms(True), which also imports PyTorch's compiler: two seconds.
        torch.set_deterministic_debug_mode("error")
        # Deterministic mode fills new tensors by default, for programs that read what they never wrote.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    def versions(self) -> dict[str, str]:
        """Return the version of PyTorch, and the device unless it is the CPU."""
        device = {} if self.device.type == "cpu" else {"device": device_name(self.device)}
        return {"torch": torch.__version__} | device

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Train one model and score dev after each epoch; see `blindtune.training.base.Trainer.train`."""
        clock = options.clock
        with clock.measure("build"):
            torch.manual_seed(task.seed)
            model = build_model(task).to(self.device)
            train_samples, dev_samples = self._to_device(train), self._to_device(dev)
            loop = self._create_loop(model, task, train_samples, dev_samples, options)
            if options.state:
                _load_state(model, loop.optimizer, options.state.arrays)
        tracker = EpochTracker(task.training.epochs, options, task.training)
        set_learning_rate(loop.optimizer, tracker.learning_rate())
        while tracker.add(loop.train_epoch(clock), lambda: networks.get_weights(model)):
            set_learning_rate(loop.optimizer, tracker.learning_rate())
        return tracker.outcome(
            _count_parameters(task, model),
            lambda: networks.get_weights(model),
            lambda: _save_state(model, loop.optimizer),
        )

    def _to_device(self, split: Split) -> Samples:
        """Return a split on the device, which keeps train and dev for the next trials."""
        if self.device.type == "cpu":
            return to_samples(split)
        for known, samples in self._on_device:
            if known is split:
                return samples
        self._on_device.append((split, to_samples(split).to(self.device)))
        return self._on_device[-1][1]

    def _create_loop(
        self, model: nn.Module, task: TrainingTask, train: Samples, dev: Samples, options: TrainingOptions
    ) -> TrainingLoop:
        return _EagerLoop(model, task, train, dev, options)

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Model:
        """Rebuild a trained model; see `blindtune.training.base.Trainer.rebuild`.

        Args:
            task: the task that was trained.
            weights: by name.
            train: not used.

        Raises:
            UserError: the weights do not fit the architecture.
        """
        model = build_model(task)
        try:
            networks.set_weights(model, weights)
        except RuntimeError as error:
            raise UserError(f"the weights do not fit the architecture: {error}") from error
        model.eval()
        kind = score_kind(task, model)
        model.to(self.device)
        return Model(
            lambda x: to_answers(compute_scores(model, to_tensor_or_view(x), kind), kind),
            get_network=lambda: model.network if isinstance(model, OwnModule) else model,
        )


def build_model(task: TrainingTask) -> nn.Module:
    """Return the model of a task, with initial weights drawn from the global generator.

    Args:
        task: an architecture, or a network in a user's code.
    """
    if isinstance(task.model, NetworkBlueprint):
        return pytorch_network.build(task.model, task.seed)
    return networks.build(require_architecture(task), task.training.initial_weights == "keras")


def score_kind(task: TrainingTask, model: nn.Module) -> ScoreKind:
    """Return what a model gives for each class.

    Args:
        task: what was built.
        model: as `build_model` returns it.
    """
    if isinstance(model, OwnModule):
        return "logits" if model.gives_logits else "probabilities"
    return require_architecture(task).score_kind()


def _count_parameters(task: TrainingTask, model: nn.Module) -> int:
    if isinstance(model, OwnModule):
        return pytorch_network.count_parameters(model)
    return count_parameters(require_architecture(task))


def to_samples(split: Split) -> Samples:
    """Return a split as tensors."""
    weights = relative_weights(split)
    factors = None if weights is None else torch.from_numpy(weights.astype(np.float32))
    return Samples(to_tensor_or_view(split.x), torch.from_numpy(np.array(split.y)), factors)


def to_tensor_or_view(x: NDArray[np.float32] | SampleView) -> Tensor | SampleView:
    """Return an array as a tensor, and a view unchanged."""
    # A copy: the arrays on disk are mapped read-only, which PyTorch refuses to share.
    return x if isinstance(x, SampleView) else torch.from_numpy(np.array(x))


def class_weights_of(task: TrainingTask, y: Tensor) -> Tensor | None:
    """Return the weight of each class in the loss, (n_classes,) float32 on the device of the labels; None: all are 1.

    Args:
        task: what is trained.
        y: labels of train.
    """
    weights = compute_class_weights(task.training, y.cpu().numpy(), task.classes)
    return None if weights is None else torch.from_numpy(weights).to(y.device, torch.float32)


def create_optimizer(training: Training, parameters: Any) -> torch.optim.Optimizer:
    """Create an optimizer.

    Args:
        training: names it and its step size.
        parameters: parameters of a model, or groups of them, as PyTorch's optimizers take them.
    """
    rate, decay = training.learning_rate, training.weight_decay
    match training.optimizer:
        case "adam" | "adamw" if decay:
            return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
        case "adamw" if decay is None:
            return torch.optim.AdamW(parameters, lr=rate, fused=True)
        case "adam" | "adamw":
            return torch.optim.Adam(parameters, lr=rate, fused=True)
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float | None) -> None:
    """Set the step size of an optimizer; None: leave it as it is."""
    if rate is not None:
        for group in optimizer.param_groups:
            group["lr"] = rate


@torch.no_grad()
def prepare_step(optimizer: torch.optim.Optimizer, training: Training) -> None:
    """Cut gradients and reduce weights, where the optimizer does not; called before each of its steps.

    Args:
        optimizer: as `create_optimizer` returns it; its gradients are computed.
        training: the settings.
    """
    if training.clip_norm is not None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        clip([weight.grad for weight in weights if weight.grad is not None], training.clip_norm)
    if training.weight_decay and training.optimizer in ("sgd", "rmsprop"):
        for group in optimizer.param_groups:
            torch._foreach_mul_(group["params"], 1 - group["lr"] * training.weight_decay)


def clip(gradients: list[Tensor], clip_norm: float) -> None:
    """Cut gradients to a norm, in place, as Keras's ``global_clipnorm`` does.

    Args:
        gradients: of all weights of a model.
        clip_norm: the largest norm of all of them together.
    """
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, clip_norm / norm.clamp(min=clip_norm))


def _save_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> Arrays:
    random_cuda = torch.cuda.get_rng_state() if next(model.parameters()).is_cuda else None
    moments = optimizer.state_dict()["state"]
    return pack(networks.get_weights(model), moments, torch.get_rng_state(), random_cuda)


def _load_state(model: nn.Module, optimizer: torch.optim.Optimizer, arrays: Mapping[str, NDArray[Any]]) -> None:
    state = unpack(arrays)
    networks.set_weights(model, state.weights)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state.moments})
    torch.set_rng_state(state.random)
    if next(model.parameters()).is_cuda and state.random_cuda is not None:
        torch.cuda.set_rng_state(state.random_cuda)


class _EagerLoop:
    """The eager loop over shuffled batches."""

    def __init__(
        self, model: nn.Module, task: TrainingTask, train: Samples, dev: Samples, options: TrainingOptions
    ) -> None:
        own = model.create_optimizer() if isinstance(model, OwnModule) else None
        self.optimizer = own or create_optimizer(task.training, model.parameters())
        self._model = model
        self._task = task
        self._train = train
        self._dev = dev
        self._class_weights = class_weights_of(task, train.y)
        self._metric = options.metric
        self._epochs_done = options.trained_before

    def train_epoch(self, clock: Stopwatch) -> EpochMetrics:
        with clock.measure("train"):
            random = np.random.default_rng(derive("drawn", self._task.seed, self._epochs_done))
            train_loss, train_error = _train_epoch(
                self._model, self.optimizer, self._train, self._task, random, self._class_weights
            )
            self._epochs_done += 1
        with clock.measure("evaluate"):
            dev_loss, dev_error, dev_metric = evaluate(self._model, self._dev, self._task, self._metric)
        return EpochMetrics(
            train_loss=finite_or_none(train_loss),
            train_error=train_error,
            dev_loss=finite_or_none(dev_loss),
            dev_error=dev_error,
            dev_metric=dev_metric,
        )


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Set denormal numbers to 0 on this thread, while it trains.

    Values that decay towards zero, as the moments of units that are never active do, become denormal, and CPUs take a
    hundred times as long for such numbers.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@flush_denormals()
def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: Samples,
    task: TrainingTask,
    random: np.random.Generator,
    class_weights: Tensor | None,
) -> tuple[float, float | None]:
    """Return mean loss and error over train, while the weights change; no error if a step of one's own gives none."""
    model.train()
    training, kind = task.training, score_kind(task, model)
    total_loss = torch.zeros((), dtype=torch.float64, device=samples.y.device)
    n_wrong = torch.zeros((), dtype=torch.int64, device=samples.y.device)
    is_scored = True
    for batch_x, batch_y, weights in samples.shuffled_batches(training.batch_size, random):
        with _naming_single_samples(model, len(batch_y), len(samples.y), training.batch_size):
            own = model.loss_and_scores(batch_x, batch_y) if isinstance(model, OwnModule) else None
            if own is None:
                scores = model(batch_x)
                loss = networks.compute_loss(training.loss, scores, batch_y, kind, class_weights, weights)
            elif class_weights is not None:
                raise OwnCodeError("training.class_weight: the training_step of the code gets no weights; take one out")
            elif weights is not None:
                raise OwnCodeError("weight: the training_step of the code gets no weights of samples; take one out")
            else:
                loss, scores = own
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        prepare_step(optimizer, training)
        optimizer.step()
        total_loss += loss.detach() * len(batch_y)
        if scores is None:
            is_scored = False
        else:
            n_wrong += (scores.detach().argmax(dim=1) != batch_y).sum()
    return float(total_loss) / len(samples.y), int(n_wrong) / len(samples.y) if is_scored else None


@contextmanager
def _naming_single_samples(model: nn.Module, size: int, n_samples: int, batch_size: int) -> Iterator[None]:
    """Say of a network in code that fails on a batch of one sample that the size of the batch is the cause.

    Batch normalization cannot train on one sample, and code may lose the first axis of such a batch.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if size > 1 or not isinstance(model, OwnModule) or is_machine_error(error):
            raise
        reason = describe_single_samples(n_samples, batch_size, pytorch_network.first_line(error))
        raise OwnCodeError(f"{model.blueprint.source}: {reason}") from error


def evaluate(
    model: nn.Module, samples: Samples, task: TrainingTask, metric: str = ERROR
) -> tuple[float, float, float | None]:
    """Return loss and error of a model on a split, and a metric of the same answers unless it is the error.

    Args:
        model: what was built for the task.
        samples: on the model's device.
        task: names the loss.
        metric: a key of `blindtune.metrics.registry.METRICS`.
    """
    y, kind = samples.y, score_kind(task, model)
    model.eval()
    scores = compute_scores(model, samples.x, kind)
    with torch.no_grad():
        loss = networks.compute_loss(task.training.loss, scores, y, kind)
    value = measure_on_dev(metric, y.cpu().numpy(), lambda: to_answers(scores, kind), task.classes)
    return float(loss), int((scores.argmax(dim=1) != y).sum()) / len(y), value


def to_answers(scores: Tensor, kind: ScoreKind) -> Answers:
    """Return the labels and the probabilities of scores.

    Args:
        scores: (n_samples, n_classes), as `compute_scores` returns them.
        kind: what they are.
    """
    probabilities = networks.to_logits(scores, kind).softmax(dim=1)
    return Answers(scores.argmax(dim=1).cpu().numpy(), as_probabilities(probabilities.cpu().numpy()))


def _evaluation_batch(x: Tensor, device: torch.device) -> int:
    if device.type == "cpu":
        return EVALUATION_BATCH
    return max(EVALUATION_BATCH, min(_CUDA_MAX_EVALUATION_BATCH, _CUDA_EVALUATION_VALUES // math.prod(x.shape[1:])))


@torch.no_grad()
def compute_scores(model: nn.Module, x: Tensor | SampleView, kind: ScoreKind) -> Tensor:
    """Compute the scores of all samples, in batches.

    Args:
        model: in evaluation mode.
        x: the samples.
        kind: what the model gives.

    Returns:
        (n_samples, n_classes); of a sample with several crops, the mean of its probabilities.
    """
    device = next(model.parameters()).device
    if isinstance(x, Tensor):
        return torch.cat([model(part.to(device)) for part in torch.split(x, _evaluation_batch(x, device))])
    fits_cache = device.type == "cpu" and len(x.sample_shape) == 3
    parts = x.batches(_CPU_PICTURE_VALUES if fits_cache else MAX_BATCH_VALUES)
    scores = torch.cat([model(torch.from_numpy(x.eval_batch(part)).to(device)) for part in parts])
    if x.n_eval_crops == 1:
        return scores
    probabilities = scores.softmax(dim=1) if kind == "logits" else scores
    mean = probabilities.reshape(-1, x.n_eval_crops, probabilities.shape[1]).mean(dim=1)
    return mean.log() if kind == "logits" else mean

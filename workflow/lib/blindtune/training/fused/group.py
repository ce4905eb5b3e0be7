"""A group of trials that are trained as one model, epoch by epoch."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blindtune.config.training import Training
from blindtune.core.seeds import derive
from blindtune.models import pytorch as networks
from blindtune.training.base import Arrays, TrainingTask, require_architecture
from blindtune.training.fused.execution import CudaGraphStep, ExecutionPlan, run_concurrently
from blindtune.training.fused.forward_backward import Batch, BatchPass, ModelSpec, create_blocks
from blindtune.training.fused.layers import compute_widths, extract_layers, pad_rows
from blindtune.training.fused.metrics import MetricAccumulator
from blindtune.training.fused.ops import MOMENTS, one_hot
from blindtune.training.fused.parameters import Parameters, StepSettings
from blindtune.training.pytorch import class_weights_of, flush_denormals
from blindtune.training.state import pack, unpack


class ModelOutline:
    """What decides how a model is grouped, without its weights.

    Attributes:
        task: what is trained.
        plan: how it is executed.
        spec: what is computed.
        epochs: epochs trained so far.
    """

    def __init__(self, task: TrainingTask, plan: ExecutionPlan, epochs: int = 0) -> None:
        """Describe a model.

        Args:
            task: what to train.
            plan: how.
            epochs: epochs trained so far.

        Raises:
            ValueError: the fused trainer does not train its layers.
        """
        self.task = task
        layers = extract_layers(require_architecture(task))
        self.plan = plan
        self.spec = ModelSpec(layers, compute_widths(layers, plan), task.training.loss)
        self.epochs = epochs


class FusedModel(ModelOutline):
    """The model of one trial, with its optimizer and its random state.

    Attributes:
        module: the weights, between the epochs of a group; at first PyTorch's default ones.
        moments: of the optimizer, those of `MOMENTS` for each parameter of the module.
        learning_rate: of the next epoch; None: it never changes.
    """

    def __init__(self, task: TrainingTask, plan: ExecutionPlan) -> None:
        """Build the model with its initial weights.

        Args:
            task: what to train.
            plan: how.

        Raises:
            ValueError: the fused trainer does not train its layers.
        """
        super().__init__(task, plan)
        architecture = require_architecture(task)
        # The same draws as in the PyTorch trainer: first the weights, then an order for each epoch.
        torch.manual_seed(task.seed)
        self.module = networks.build(architecture, task.training.initial_weights == "keras")
        self.learning_rate: float | None = None
        names = MOMENTS[task.training.optimizer]
        self.moments = [{name: torch.zeros_like(p) for name in names} for p in self.module.parameters()]
        self._random = torch.Generator()
        self._random.set_state(torch.get_rng_state())

    def load_state(self, epochs: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore a state.

        Args:
            epochs: epochs trained so far.
            arrays: as `save_state` returns them.
        """
        state = unpack(arrays)
        networks.set_weights(self.module, state.weights)
        for number, moments in enumerate(self.moments):
            for name in moments:
                moments[name] = state.moments[number][name]
        self._random.set_state(state.random)
        self.epochs = epochs

    def save_state(self) -> Arrays:
        """Return weights, moments of the optimizer and random state."""
        return pack(self.get_weights(), dict(enumerate(self.moments)), self._random.get_state())

    def get_weights(self) -> Arrays:
        """Return copies of the weights by name."""
        return networks.get_weights(self.module)

    def draw_order(self, samples: int) -> Tensor:
        """Draw the order of train for the next epoch, (samples,) int64."""
        return torch.randperm(samples, generator=self._random)

    def dropout_stream(self) -> np.random.SFC64:
        """Return the random bits for the dropout of the next epoch."""
        return np.random.SFC64(derive("dropout", self.task.seed, self.epochs))


def estimate_bytes(model: ModelOutline, samples: int) -> int:
    """Estimate the bytes that a model takes in a group.

    Args:
        model: of one trial.
        samples: in train.
    """
    training, spec = model.task.training, model.spec
    n_rows = pad_rows(min(training.batch_size, samples), spec.widths[-1])
    weights = sum((inputs + 1) * units for inputs, units in pairwise(spec.widths))
    # Values, gradients, factors and products of dropout; scores in slots, and their losses; weights, gradient and
    # moments.
    values = 4 * n_rows * sum(spec.widths) + model.plan.metric_slots * n_rows * (4 * spec.widths[-1] + 6)
    return 8 * samples + 4 * (values + (2 + model.plan.mask_gradients + len(MOMENTS[training.optimizer])) * weights)


def group_key(model: ModelOutline) -> tuple[object, ...]:
    """Return what the trials of a group have in common; their numbers of epochs may differ."""
    training, layers = model.task.training, model.spec.layers
    has_dropout = tuple(bool(layer.dropout_rates) for layer in layers)
    # A CUDA graph holds the learning rates.
    has_schedule = training.schedule != "constant"
    has_weights = training.class_weight is not None
    return training.batch_size, training.optimizer, model.epochs, has_dropout, has_schedule, has_weights


def step_settings(training: Training) -> StepSettings:
    """Return how the weights of a trial are updated."""
    has_schedule = training.schedule != "constant"
    return StepSettings(training.learning_rate, training.weight_decay, training.clip_norm, has_schedule)


def sort_key(model: ModelOutline) -> tuple[object, ...]:
    """Return the key by which a group is sorted, so that neighbours have as much as possible in common."""
    spec = model.spec
    activations = [layer.activation for layer in spec.layers]
    return activations[-1], spec.loss, spec.widths, activations


def _stack_class_weights(models: Sequence[FusedModel], y: Tensor) -> Tensor | None:
    """Return the class weights of each model, (n_trials, n_classes); None if they have none."""
    rows = [class_weights_of(model.task, y) for model in models]
    known = [row for row in rows if row is not None]
    return torch.stack(known) if known else None


@dataclass(frozen=True)
class SizedPasses:
    """What is done with the batches of one size.

    Attributes:
        batch: its memory.
        passes: one for each block.
    """

    batch: Batch
    passes: list[BatchPass]


class FusedGroup:
    """Trials with the same `group_key`, trained as one model, in the order of their memory.

    Attributes:
        models: of the trials.
    """

    def __init__(
        self, models: Sequence[FusedModel], x: Tensor, y: Tensor, sample_weights: Tensor | None = None
    ) -> None:
        """Allocate the memory, and copy weights and moments into it.

        Args:
            models: with the same `group_key`.
            x: (n_samples, n_values), samples of train.
            y: (n_samples,), their labels.
            sample_weights: (n_samples,), factor of the loss of each; None: 1.
        """
        self.models = list(models)
        self._x, self._y = x, y
        first = self.models[0]
        training, plan = first.task.training, first.plan
        specs = [model.spec for model in self.models]
        self._batch_size = min(training.batch_size, len(y))
        n_rows = pad_rows(self._batch_size, specs[0].widths[-1])
        self._parameters = Parameters(
            [spec.widths for spec in specs],
            [spec.layers for spec in specs],
            training.optimizer,
            [step_settings(model.task.training) for model in self.models],
            first.epochs * -(-len(y) // training.batch_size),
            plan.mask_gradients,
            x.device,
        )
        self._class_weights = _stack_class_weights(self.models, y)
        self._sample_weights = sample_weights
        is_weighted = self._class_weights is not None or sample_weights is not None
        self._metrics = MetricAccumulator(specs, n_rows, plan.metric_slots, x.device, is_weighted=is_weighted)
        blocks = create_blocks(specs, n_rows, plan, x.device)
        inputs, targets = (
            torch.zeros(len(specs) * n_rows * width, device=x.device)
            for width in specs[0].widths[:: len(specs[0].widths) - 1]
        )
        self._sized: dict[int, SizedPasses] = {}
        for size in {self._batch_size, len(y) % self._batch_size or self._batch_size}:
            batch = self._metrics.create_batch(inputs, targets, size)
            passes = [BatchPass(block, self._parameters, batch) for block in blocks]
            self._sized[size] = SizedPasses(batch, passes)
        has_dropout = any(layer.dropout_rates for layer in specs[0].layers)
        # Dropout is drawn on the CPU and learning rates are set there, which a graph cannot do.
        changes = has_dropout or training.schedule != "constant"
        self._graph_step = CudaGraphStep() if plan.use_cuda_graph and not changes else None
        self._host_views = [
            [self._parameters.trial_views(trial, flat) for flat in self._parameters.host] for trial in range(len(specs))
        ]
        self._exchange(lambda stored, own: stored.copy_(own))
        self._parameters.to_device()

    @flush_denormals()
    def train_epoch(self) -> list[tuple[float, float]]:
        """Train each model for one epoch, and copy weights and moments back to the models.

        Returns:
            For each model its mean loss and its error over train, while the weights changed.
        """
        samples = len(self._y)
        self._parameters.set_learning_rates([model.learning_rate for model in self.models])
        order = self._draw_orders(samples)
        streams = [model.dropout_stream() for model in self.models]
        for sized in self._sized.values():
            for batch_pass in sized.passes:
                batch_pass.dropout_streams[:] = streams[batch_pass.first :]
        for rows in torch.split(order, self._batch_size, 1):
            if self._graph_step and rows.shape[1] == self._batch_size:
                self._graph_step.run(rows, self._step)
            else:
                self._step(rows)
        self._parameters.to_host()
        self._exchange(lambda stored, own: own.copy_(stored))
        for model in self.models:
            model.epochs += 1
        return self._metrics.finish_epoch(samples)

    def _draw_orders(self, samples: int) -> Tensor:
        """Draw the order of train for each trial, (n_trials, samples)."""
        orders = torch.empty(len(self.models), samples, dtype=torch.int64, device=self._x.device)

        def draw(trial: int) -> None:
            orders[trial].copy_(self.models[trial].draw_order(samples))

        if orders.is_cuda:
            # Drawn one after the other, they would take as long as the training on the device.
            with ThreadPoolExecutor() as threads:
                list(threads.map(draw, range(len(orders))))
        else:
            for trial in range(len(orders)):
                draw(trial)
        return orders

    def _step(self, rows: Tensor) -> None:
        """Train on one batch; ``rows`` are the samples of each trial, (n_trials, batch_size)."""
        samples = rows.shape[1]
        batch, passes = self._sized[samples].batch, self._sized[samples].passes
        padding = batch.n_rows - samples
        if padding:
            # Real samples again, with weight 0: any others might give numbers that are not finite.
            rows = torch.cat([rows, rows[:, :1].expand(-1, padding)], 1)
        flat = rows.reshape(-1)
        torch.index_select(self._x, 0, flat, out=batch.inputs.view(len(flat), -1))
        labels = self._y.index_select(0, flat).view(rows.shape)
        batch.targets.copy_(one_hot(labels, batch.targets.shape[1]))
        if batch.sample_weights is not None:
            self._fill_weights(batch.sample_weights, labels, flat)
        run_concurrently([partial(batch_pass.run, self._metrics.slot) for batch_pass in passes], self._x.device)
        self._metrics.add(labels, samples, batch.sample_weights)
        self._parameters.step()

    def _fill_weights(self, factors: Tensor, labels: Tensor, flat: Tensor) -> None:
        """Write the product of both weights of the samples of a batch into its memory."""
        if self._class_weights is not None:
            torch.gather(self._class_weights, 1, labels, out=factors)
        if self._sample_weights is None:
            return
        own = self._sample_weights.index_select(0, flat).view(labels.shape)
        if self._class_weights is None:
            factors.copy_(own)
        else:
            factors.mul_(own)

    def _exchange(self, copy: Callable[[Tensor, Tensor], object]) -> None:
        """Copy between the memory of the group and that of each model, in the direction of ``copy``."""
        for views, model in zip(self._host_views, self.models, strict=True):
            names = MOMENTS[model.task.training.optimizer]
            pairs = zip(model.module.parameters(), model.moments, strict=True)
            own = [(parameter.detach(), *(moments[name] for name in names)) for parameter, moments in pairs]
            for number, flat in enumerate(views):
                for stored, arrays in zip(flat, own, strict=True):
                    # PyTorch's linear layers store (units, inputs).
                    copy(stored.T if stored.dim() > 1 else stored, arrays[number])

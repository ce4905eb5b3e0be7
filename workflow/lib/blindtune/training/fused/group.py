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

from blindtune.core.seeds import derive
from blindtune.models import pytorch as networks
from blindtune.training.base import Arrays, TrainingTask
from blindtune.training.fused.execution import Recorded, Way, beside_each_other
from blindtune.training.fused.forward_backward import Batch, Model, Pass, parts_of
from blindtune.training.fused.layers import rows_of, stages_of, widths_of
from blindtune.training.fused.metrics import Tally
from blindtune.training.fused.ops import MOMENTS, one_hot
from blindtune.training.fused.parameters import Parameters
from blindtune.training.pytorch import without_denormals

_MODEL, _OPTIMIZER, _RANDOM = "model.", "optimizer.", "random"


class Member:
    """One trial of a group: its model, its optimizer and its place in the stream of random numbers.

    Attributes:
        task: what is trained.
        way: how.
        model: holds the weights whenever no group does, PyTorch's default ones at first.
        moments: of the optimizer, for each parameter of the model those of `MOMENTS`.
        epochs: trained so far.
    """

    def __init__(self, task: TrainingTask, way: Way) -> None:
        if task.architecture is None:
            raise TypeError("the fused trainer needs an architecture")
        self.task = task
        stages = stages_of(task.architecture)
        self.way = way
        self.computed = Model(stages, widths_of(stages, way), task.training.loss)
        # The draws are those of the PyTorch trainer: first the weights, then an order for each epoch.
        torch.manual_seed(task.seed)
        self.model = networks.build(task.architecture, task.training.initial_weights == "keras")
        self.epochs = 0
        names = MOMENTS[task.training.optimizer]
        self.moments = [{name: torch.zeros_like(p) for name in names} for p in self.model.parameters()]
        self._random = torch.Generator()
        self._random.set_state(torch.get_rng_state())

    def go_on(self, epochs: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state."""
        weights = {name.removeprefix(_MODEL): a for name, a in arrays.items() if name.startswith(_MODEL)}
        networks.set_weights(self.model, weights)
        for number, moments in enumerate(self.moments):
            for name in moments:
                moments[name] = torch.from_numpy(arrays[f"{_OPTIMIZER}{number}.{name}"].copy())
        self._random.set_state(torch.from_numpy(arrays[_RANDOM].copy()))
        self.epochs = epochs

    def state(self) -> Arrays:
        """Weights, moments of the optimizer and the place in the stream of random numbers."""
        arrays = {f"{_MODEL}{name}": array for name, array in self.weights().items()}
        for number, moments in enumerate(self.moments):
            arrays |= {f"{_OPTIMIZER}{number}.{name}": m.numpy().copy() for name, m in moments.items()}
        return arrays | {_RANDOM: self._random.get_state().numpy().copy()}

    def weights(self) -> Arrays:
        """Copies of the weights by name."""
        return networks.weights_of(self.model)

    def order(self, samples: int) -> Tensor:
        """The order of train in the next epoch."""
        return torch.randperm(samples, generator=self._random)

    def stream(self) -> np.random.SFC64:
        """The random bits of the next epoch's dropout."""
        return np.random.SFC64(derive("dropout", self.task.seed, self.epochs))


def bytes_of(member: Member, samples: int) -> int:
    """Bytes that a member takes in a group that trains on so many samples."""
    training, model = member.task.training, member.computed
    rows = rows_of(min(training.batch_size, samples), model.widths[-1])
    weights = sum((inputs + 1) * units for inputs, units in pairwise(model.widths))
    # Values, derivatives, dropout's factors and what it lets through; scores that wait to be summed, and what that
    # takes; weights, gradient and moments.
    values = 4 * rows * sum(model.widths) + member.way.slots * rows * (4 * model.widths[-1] + 6)
    return 8 * samples + 4 * (values + (2 + member.way.masked + len(MOMENTS[training.optimizer])) * weights)


def kind_of(member: Member) -> tuple[object, ...]:
    """What the trials of a group have in common; their numbers of epochs may differ."""
    training, stages = member.task.training, member.computed.stages
    dropped = tuple(bool(stage.rates) for stage in stages)
    return training.batch_size, training.optimizer, member.epochs, dropped


def order_of(member: Member) -> tuple[object, ...]:
    """Trials that lie beside each other in a group should have as much as possible in common."""
    model = member.computed
    activations = [stage.activation for stage in model.stages]
    return activations[-1], model.loss, model.widths, activations


@dataclass(frozen=True)
class Sized:
    """What is done with the batches of one size."""

    batch: Batch
    passes: list[Pass]


class Group:
    """Trials of one `kind_of`, in the order in which they lie in memory."""

    def __init__(self, members: Sequence[Member], x: Tensor, y: Tensor) -> None:
        """Begin where the members stand.

        Args:
            members: of one `kind_of`.
            x: train, (samples, values).
            y: its labels, (samples,).
        """
        self.members = list(members)
        self._x, self._y = x, y
        first = self.members[0]
        training = first.task.training
        models = [member.computed for member in self.members]
        self._batch = min(training.batch_size, len(y))
        rows = rows_of(self._batch, models[0].widths[-1])
        self._parameters = Parameters(
            [model.widths for model in models],
            [model.stages for model in models],
            training.optimizer,
            [member.task.training.learning_rate for member in self.members],
            first.epochs * -(-len(y) // training.batch_size),
            first.way.masked,
            x.device,
        )
        self._tally = Tally(models, rows, first.way.slots, x.device)
        parts = parts_of(models, rows, first.way, x.device)
        inputs, ones = (
            torch.zeros(len(models) * rows * width, device=x.device)
            for width in models[0].widths[:: len(models[0].widths) - 1]
        )
        self._sized: dict[int, Sized] = {}
        for size in {self._batch, len(y) % self._batch or self._batch}:
            batch = self._tally.batch(inputs, ones, size)
            passes = [Pass(part, self._parameters, batch) for part in parts]
            self._sized[size] = Sized(batch, passes)
        drops = any(stage.rates for stage in models[0].stages)
        # Dropout's draws come from the processor.
        self._recorded = Recorded() if first.way.recorded and not drops else None
        self._lying = [
            [self._parameters.parts(place, flat) for flat in self._parameters.near] for place in range(len(models))
        ]
        self._exchange(lambda lying, kept: lying.copy_(kept))
        self._parameters.send()

    @without_denormals()
    def epoch(self) -> list[tuple[float, float]]:
        """Train each member for one epoch; afterwards it holds its weights and moments itself.

        Returns:
            For each its mean loss and its share of wrong samples, over train, while the weights moved.
        """
        samples = len(self._y)
        order = self._order(samples)
        streams = [member.stream() for member in self.members]
        for sized in self._sized.values():
            for part in sized.passes:
                part.streams[:] = streams[part.first :]
        for chosen in torch.split(order, self._batch, 1):
            if self._recorded and chosen.shape[1] == self._batch:
                self._recorded.step(chosen, self._step)
            else:
                self._step(chosen)
        self._parameters.fetch()
        self._exchange(lambda lying, kept: kept.copy_(lying))
        for member in self.members:
            member.epochs += 1
        return self._tally.end(samples)

    def _order(self, samples: int) -> Tensor:
        """For each trial the order of train in the next epoch, (trials, samples)."""
        order = torch.empty(len(self.members), samples, dtype=torch.int64, device=self._x.device)

        def draw(place: int) -> None:
            order[place].copy_(self.members[place].order(samples))

        if order.is_cuda:
            # The device would wait for them as long as it trains.
            with ThreadPoolExecutor() as threads:
                list(threads.map(draw, range(len(order))))
        else:
            for place in range(len(order)):
                draw(place)
        return order

    def _step(self, chosen: Tensor) -> None:
        samples = chosen.shape[1]
        batch, passes = self._sized[samples].batch, self._sized[samples].passes
        padding = batch.rows - samples
        if padding:
            # Real samples again, which count nothing: nothing else is as sure to give numbers that the others give.
            chosen = torch.cat([chosen, chosen[:, :1].expand(-1, padding)], 1)
        flat = chosen.reshape(-1)
        torch.index_select(self._x, 0, flat, out=batch.inputs.view(len(flat), -1))
        labels = self._y.index_select(0, flat).view(chosen.shape)
        batch.ones.copy_(one_hot(labels, batch.ones.shape[1]))
        beside_each_other([partial(part.step, self._tally.slot) for part in passes], self._x.device)
        self._tally.add(labels, samples)
        self._parameters.step()

    def _exchange(self, move: Callable[[Tensor, Tensor], object]) -> None:
        """Between the memory of the group and that of each member."""
        for lies, member in zip(self._lying, self.members, strict=True):
            names = MOMENTS[member.task.training.optimizer]
            pairs = zip(member.model.parameters(), member.moments, strict=True)
            kept = [(parameter.detach(), *(moments[name] for name in names)) for parameter, moments in pairs]
            for number, flat in enumerate(lies):
                for lying, own in zip(flat, kept, strict=True):
                    # PyTorch's linear layers hold (units, inputs).
                    move(lying.T if lying.dim() > 1 else lying, own[number])

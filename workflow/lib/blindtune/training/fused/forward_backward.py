"""One batch of a few models at once, forwards and backwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from blindtune.training.fused.execution import Way
from blindtune.training.fused.layers import Stage
from blindtune.training.fused.ops import BACKWARD, FORWARD, NOT_ZERO_AT_ZERO, derivative, softmax_backward
from blindtune.training.fused.parameters import Parameters

Kind = TypeVar("Kind")

#: Dropout compares 16 random bits with a share of so many.
_BITS = 2**16


@dataclass(frozen=True)
class Model:
    """What is computed for one trial.

    Attributes:
        stages: its layers.
        widths: units of memory at each boundary between them.
        loss: as `blindtune.training.base.Training` names it.
    """

    stages: tuple[Stage, ...]
    widths: tuple[int, ...]
    loss: str


@dataclass(frozen=True)
class Batch:
    """A batch of every trial of a group.

    Attributes:
        inputs: the samples, (trials, rows of memory, values).
        ones: 1 where the label is, (trials, classes, rows of memory).
        shares: of each row in the mean loss, 0 where it is padding, (rows of memory,).
        scores: what comes of it, for each slot of the tally, (trials, classes, rows of memory).
    """

    inputs: Tensor
    ones: Tensor
    shares: Tensor
    scores: Sequence[Tensor]

    @property
    def rows(self) -> int:
        """Rows of memory of each trial."""
        return len(self.shares)


class Buffers:
    """Memory for the batches of a few trials, which all passes share: so it stays in the cache.

    Attributes:
        values: behind each hidden layer.
        derivatives: by those values; no layer needs those of the one after the next.
        scores: behind the last layer, and their derivatives.
        factors, dropped: what dropout multiplies the input of each layer with, and what comes of it; where there is
            dropout.
    """

    def __init__(self, parts: Sequence[Sequence[Model]], rows: int, device: torch.device) -> None:
        layers = len(parts[0][0].stages)
        sizes = [
            rows * max(sum(model.widths[layer] for model in models) for models in parts) for layer in range(layers + 1)
        ]
        drops = [size if drops_at(parts[0], layer) else 0 for layer, size in enumerate(sizes[:-1])]
        self.values = [torch.zeros(size, device=device) for size in sizes[1:-1]]
        self.derivatives = [torch.zeros(max([0, *sizes[1:-1]]), device=device) for _ in range(2)]
        self.scores = [torch.zeros(sizes[-1], device=device) for _ in range(2)]
        self.factors = [torch.ones(size, device=device) for size in drops]
        self.dropped = [torch.zeros(size, device=device) for size in drops]


def alike(models: Sequence[Model], key: Callable[[Model], Kind]) -> list[tuple[Kind, range]]:
    """The runs of neighbours that have the same key, and their places."""
    runs = ((kind, list(run)) for kind, run in groupby(range(len(models)), lambda place: key(models[place])))
    return [(kind, range(run[0], run[-1] + 1)) for kind, run in runs]


def output_of(model: Model) -> tuple[str, str]:
    """How the scores of a model come about and what they are judged by: its last activation and its loss."""
    return model.stages[-1].activation, model.loss


def drops_at(models: Sequence[Model], layer: int) -> bool:
    """Whether any of the models has dropout before a layer."""
    return any(model.stages[layer].rates for model in models)


@dataclass(frozen=True)
class Part:
    """Neighbours in a group, which are computed together.

    Attributes:
        models: of them.
        first: the place of the first of them in the group.
        buffers: for as many models as these.
    """

    models: Sequence[Model]
    first: int
    buffers: Buffers


class Pass:
    """What is done with a batch of one size: views of the memory, and operations on them, listed once.

    Attributes:
        first: the place of the first of its trials in the group.
        streams: of each trial, for its dropout; to be set before `step`.
    """

    def __init__(self, part: Part, parameters: Parameters, batch: Batch) -> None:
        """List it.

        Args:
            part: of a group.
            parameters, batch: of the whole group.
        """
        models, first = part.models, part.first
        self.first = first
        self.streams: list[np.random.SFC64] = []
        self._models = models
        self._buffers = part.buffers
        self._rows = batch.rows
        self._masked = parameters.masked
        self._last = len(models[0].stages) - 1
        self._starts = [[0, *accumulate(widths)] for widths in zip(*(model.widths for model in models), strict=True)]
        self._inputs = batch.inputs[first : first + len(models)].reshape(-1)
        self._operations: list[Callable[[], object]] = []
        backward: list[Callable[[], object]] = []
        for layer in range(len(models[0].stages)):
            backward = [*self._layer(layer, first, parameters), *backward]
        scores = self._scores(0, 0, len(models))
        self._kept = [partial(slot[first : first + len(models)].copy_, scores) for slot in batch.scores]
        self._operations_behind = [*self._derivatives(first, batch), *backward]

    def step(self, slot: int) -> None:
        """The gradient of the parameters for the batch; its scores go into a slot of the tally."""
        for operation in self._operations:
            operation()
        self._kept[slot]()
        for operation in self._operations_behind:
            operation()

    def _part(self, flat: Tensor, layer: int, first: int, last: int) -> Tensor:
        """What belongs to the trials from ``first`` to before ``last`` at the boundary before a layer."""
        starts = self._starts[layer]
        return flat[self._rows * starts[first] : self._rows * starts[last]]

    def _whole(self, flat: Tensor, layer: int) -> Tensor:
        return self._part(flat, layer, 0, len(self._models))

    def _values(self, layer: int) -> Tensor:
        """At the boundary before a layer, the first excepted."""
        return self._buffers.values[layer - 1]

    def _derivative(self, layer: int) -> Tensor:
        """By the values before a layer."""
        return self._buffers.derivatives[layer % 2]

    def _scores(self, which: int, first: int, last: int) -> Tensor:
        """The scores (0) or their derivatives (1), (trials, classes, rows)."""
        flat = self._part(self._buffers.scores[which], self._last + 1, first, last)
        return flat.view(last - first, -1, self._rows)

    def _input_of(self, layer: int) -> Tensor:
        """What a layer multiplies its weights with."""
        if drops_at(self._models, layer):
            return self._buffers.dropped[layer]
        return self._values(layer) if layer else self._inputs

    def _layer(self, layer: int, place: int, parameters: Parameters) -> list[Callable[[], object]]:
        """List what a layer of the models from ``place`` does forwards; what comes back is for the way backwards."""
        backward: list[Callable[[], object]] = []
        if drops_at(self._models, layer):
            self._operations += self._dropout(layer)
        for run in parameters.runs_of(layer, place, place + len(self._models)):
            shape = (run.trials, self._rows, -1)
            first, last = run.first - place, run.last - place
            x = self._part(self._input_of(layer), layer, first, last).view(shape)
            w, dw = run.weights_of(parameters.weights), run.weights_of(parameters.gradient)
            b, db = run.biases_of(parameters.weights), run.biases_of(parameters.gradient)
            if layer == self._last:
                z, d = (self._scores(which, first, last) for which in (0, 1))
                forward = [partial(torch.baddbmm, b.unsqueeze(2), w.transpose(1, 2), x.transpose(1, 2), out=z)]
                multiply = partial(torch.bmm, d, x, out=dw.transpose(1, 2))
                d, summed = d.transpose(1, 2), partial(torch.sum, d, 2, out=db)
            else:
                z = self._part(self._values(layer + 1), layer + 1, first, last).view(shape)
                d = self._part(self._derivative(layer + 1), layer + 1, first, last).view(shape)
                # Added behind, biases cost less than as what a product of narrow matrices begins with.
                forward = [partial(torch.bmm, x, w, out=z), partial(z.add_, b.unsqueeze(1))]
                multiply = partial(torch.bmm, x.transpose(1, 2), d, out=dw)
                summed = partial(torch.sum, d, 1, out=db)
            self._operations += forward
            backward += [multiply, summed]
            if layer:
                dx = self._part(self._derivative(layer), layer, first, last).view(shape)
                backward.append(partial(torch.bmm, d, w.transpose(1, 2), out=dx))
        if layer and drops_at(self._models, layer):
            factors = self._whole(self._buffers.factors[layer], layer)
            backward.append(partial(self._whole(self._derivative(layer), layer).mul_, factors))
        if layer == self._last:
            return backward
        return [*self._activation(layer), *backward]

    def _dropout(self, layer: int) -> list[Callable[[], object]]:
        operations: list[Callable[[], object]] = []
        for place, model in enumerate(self._models):
            if model.stages[layer].rates:
                factors = self._part(self._buffers.factors[layer], layer, place, place + 1)
                # Of the list alone: what held the pass itself would keep its memory until it is searched for.
                operations.append(partial(_draw, self.streams, place, model.stages[layer].rates, factors))
        values = self._whole(self._values(layer) if layer else self._inputs, layer)
        factors, dropped = (
            self._whole(flats[layer], layer) for flats in (self._buffers.factors, self._buffers.dropped)
        )
        return [*operations, partial(torch.mul, values, factors, out=dropped)]

    def _activation(self, layer: int) -> list[Callable[[], object]]:
        """List the activations behind a hidden layer; what comes back is their derivatives."""
        backward: list[Callable[[], object]] = []
        boundary = layer + 1
        for name, run in alike(self._models, lambda model: model.stages[layer].activation):
            a, d = (
                self._part(flat, boundary, run.start, run.stop)
                for flat in (self._values(boundary), self._derivative(boundary))
            )
            if name == "softmax":
                backward += self._softmax(boundary, run)
            elif name == "gelu":
                z = torch.empty_like(a)
                self._operations += [partial(z.copy_, a), partial(FORWARD[name], a)]
                backward.append(partial(BACKWARD[name], d, a, z))
            elif name != "linear":
                self._operations.append(partial(FORWARD[name], a))
                backward.append(partial(BACKWARD[name], d, a, a))
            if name in NOT_ZERO_AT_ZERO and not self._masked:
                paddings = (self._padding(boundary, place) for place in run)
                self._operations += [padding.zero_ for padding in paddings if padding.numel()]
        return backward

    def _softmax(self, boundary: int, run: range) -> list[Callable[[], object]]:
        """Those of softmax, which must not look at padding."""
        backward: list[Callable[[], object]] = []
        for place in run:
            units = self._models[place].stages[boundary - 1].units
            a, d = (
                self._part(flat, boundary, place, place + 1).view(self._rows, -1)[:, :units]
                for flat in (self._values(boundary), self._derivative(boundary))
            )
            self._operations.append(partial(_softmax, a))
            backward.append(partial(softmax_backward, d, a, 1))
        return backward

    def _padding(self, boundary: int, place: int) -> Tensor:
        """The units of a trial that are only padding, (rows, units)."""
        units = self._models[place].stages[boundary - 1].units
        return self._part(self._values(boundary), boundary, place, place + 1).view(self._rows, -1)[:, units:]

    def _derivatives(self, first: int, batch: Batch) -> list[Callable[[], object]]:
        """List the activation of the scores; what comes back is the derivative of the mean loss by what it acts on."""
        make_view: list[Callable[[], object]] = []
        for (activation, loss), run in alike(self._models, output_of):
            s, d = (self._scores(which, run.start, run.stop) for which in (0, 1))
            z = torch.empty_like(s) if activation == "gelu" else s
            if activation == "gelu":
                self._operations.append(partial(z.copy_, s))
            if activation != "linear":
                self._operations.append(partial(_scored, s, activation))
            ones = batch.ones[first + run.start : first + run.stop]
            make_view.append(partial(derivative, s, d, z, ones, batch.shares, activation, loss))
        return make_view


def _draw(streams: Sequence[np.random.SFC64], place: int, rates: tuple[float, ...], factors: Tensor) -> None:
    """Draw what dropout multiplies with: 0, or what keeps the mean."""
    count = len(factors)
    drawn = np.ones(count, np.float32)
    for rate in rates:
        dropped = round(rate * _BITS)
        bits = streams[place].random_raw(-(-count // 4)).view(np.uint16)[:count]
        drawn *= (bits >= dropped) * np.float32(_BITS / (_BITS - dropped))
    factors.copy_(torch.from_numpy(drawn))


def _softmax(a: Tensor) -> None:
    a.copy_(a.softmax(1))


def _scored(s: Tensor, activation: str) -> None:
    if activation == "softmax":
        _softmax(s)
    else:
        FORWARD[activation](s)


def parts_of(models: Sequence[Model], rows: int, way: Way, device: torch.device) -> list[Part]:
    """A group's models as they are computed together, with memory for batches of so many rows."""
    if way.cache is None:
        runs = [(run.start, models[run.start : run.stop]) for _, run in alike(models, lambda model: model.widths)]
        return [Part(part, first, Buffers([part], rows, device)) for first, part in runs]
    ends = _ends(models, rows, way.cache)
    shared = Buffers([models[first:last] for first, last in ends], rows, device)
    return [Part(models[first:last], first, shared) for first, last in ends]


def _ends(models: Sequence[Model], rows: int, cache: int) -> list[tuple[int, int]]:
    """Neighbours whose values of a batch fit into the cache together: where each such part begins and ends."""
    found: list[tuple[int, int]] = []
    taken = cache
    for place, model in enumerate(models):
        needed = 4 * rows * sum(model.widths[1:])
        if taken + needed > cache or not found:
            found.append((place, place + 1))
            taken = needed
        else:
            found[-1] = (found[-1][0], place + 1)
            taken += needed
    return found

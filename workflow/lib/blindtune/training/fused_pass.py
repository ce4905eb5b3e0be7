"""One batch of many models at once, forwards and backwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby

import numpy as np
import torch
from torch import Tensor

from blindtune.training.fused_math import BACKWARD, FORWARD, NOT_ZERO_AT_ZERO, scored, softmax_backward
from blindtune.training.fused_parameters import Parameters
from blindtune.training.fused_stages import Stage, rows_of

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


class Buffers:
    """Memory for batches of up to ``rows`` rows of memory; passes of all sizes share it.

    Attributes:
        values: at each boundary between layers, from the samples to the scores.
        derivatives: by the values of the hidden layers; those by the scores take the scores' own place.
        factors, dropped: what dropout multiplies the input of each layer with, and what comes of it; where there is
            dropout.
    """

    def __init__(self, models: Sequence[Model], rows: int, device: torch.device) -> None:
        layers = len(models[0].stages)
        sizes = [rows * sum(model.widths[layer] for model in models) for layer in range(layers + 1)]
        hidden = [0, *sizes[1:-1]]
        drops = [size if _drops(models, layer) else 0 for layer, size in enumerate(sizes[:-1])]
        self.values = [torch.zeros(size, device=device) for size in sizes]
        self.derivatives = [torch.zeros(size, device=device) for size in hidden]
        self.factors = [torch.ones(size, device=device) for size in drops]
        self.dropped = [torch.zeros(size, device=device) for size in drops]


def _drops(models: Sequence[Model], layer: int) -> bool:
    return any(model.stages[layer].rates for model in models)


class Pass:
    """What is done with a batch of one size: views of the memory, and operations on them, listed once.

    Attributes:
        rows: rows of memory of a trial's batch.
        inputs: where its samples go, (trials, rows, inputs).
        streams: of each trial, for its dropout; to be set before `step`.
    """

    def __init__(self, models: Sequence[Model], parameters: Parameters, buffers: Buffers, samples: int) -> None:
        self.rows = rows_of(samples, models[0].widths[-1])
        self.streams: Sequence[np.random.SFC64] = ()
        self._samples = samples
        self._models = models
        self._buffers = buffers
        self._starts = [
            [0, *accumulate(model.widths[layer] for model in models)] for layer in range(len(buffers.values))
        ]
        self.inputs = self._part(buffers.values, 0, 0, len(models)).view(len(models), self.rows, -1)
        self._forward: list[Callable[[], object]] = []
        self._backward: list[Callable[[], object]] = []
        for layer in range(len(models[0].stages)):
            backward = [*self._layer(layer, parameters)]
            self._backward = backward + self._backward

    def step(self, labels: Tensor, loss: Tensor, wrong: Tensor) -> None:
        """The gradient of the parameters for the batch in ``inputs``.

        Args:
            labels: (trials, rows).
            loss, wrong: (trials,); the sums over the batch are added.
        """
        for operation in self._forward:
            operation()
        for (activation, name), places in groupby(range(len(self._models)), self._score_kind):
            first, *rest = places
            last = rest[-1] + 1 if rest else first + 1
            scores = self._scores(first, last)
            total, count = scored(scores, labels[first:last], self._samples, activation, name)
            loss[first:last] += total
            wrong[first:last] += count
        for operation in self._backward:
            operation()

    def _score_kind(self, place: int) -> tuple[str, str]:
        model = self._models[place]
        return model.stages[-1].activation, model.loss

    def _part(self, flats: list[Tensor], layer: int, first: int, last: int) -> Tensor:
        """What belongs to the trials from ``first`` to before ``last``."""
        starts = self._starts[layer]
        return flats[layer][self.rows * starts[first] : self.rows * starts[last]]

    def _whole(self, flats: list[Tensor], layer: int) -> Tensor:
        return self._part(flats, layer, 0, len(self._models))

    def _scores(self, first: int, last: int) -> Tensor:
        return self._part(self._buffers.values, -1, first, last).view(last - first, -1, self.rows)

    def _layer(self, layer: int, parameters: Parameters) -> list[Callable[[], object]]:
        """List what a layer does forwards; what comes back is for the way backwards."""
        backward: list[Callable[[], object]] = []
        inputs = self._buffers.values
        if _drops(self._models, layer):
            inputs = self._buffers.dropped
            self._forward += self._dropout(layer)
        for run in parameters.runs[layer]:
            shape = (run.trials, self.rows, -1)
            x = self._part(inputs, layer, run.first, run.last).view(shape)
            w, dw = run.weights_of(parameters.weights), run.weights_of(parameters.gradient)
            b, db = run.biases_of(parameters.weights), run.biases_of(parameters.gradient)
            if layer + 1 == len(self._models[0].stages):
                z = self._scores(run.first, run.last)
                add = partial(torch.baddbmm, b.unsqueeze(2), w.transpose(1, 2), x.transpose(1, 2), out=z)
                d, summed = z.transpose(1, 2), partial(torch.sum, z, 2, out=db)
            else:
                z = self._part(self._buffers.values, layer + 1, run.first, run.last).view(shape)
                d = self._part(self._buffers.derivatives, layer + 1, run.first, run.last).view(shape)
                add, summed = partial(torch.baddbmm, b.unsqueeze(1), x, w, out=z), partial(torch.sum, d, 1, out=db)
            self._forward.append(add)
            backward += [partial(torch.bmm, x.transpose(1, 2), d, out=dw), summed]
            if layer:
                dx = self._part(self._buffers.derivatives, layer, run.first, run.last).view(shape)
                backward.append(partial(torch.bmm, d, w.transpose(1, 2), out=dx))
        if layer and _drops(self._models, layer):
            backward.append(
                partial(self._whole(self._buffers.derivatives, layer).mul_, self._whole(self._buffers.factors, layer))
            )
        if layer + 1 < len(self._models[0].stages):
            return [*self._activation(layer), *backward]
        return backward

    def _dropout(self, layer: int) -> list[Callable[[], object]]:
        operations: list[Callable[[], object]] = []
        for place, model in enumerate(self._models):
            if model.stages[layer].rates:
                factors = self._part(self._buffers.factors, layer, place, place + 1)
                operations.append(partial(self._draw, place, model.stages[layer].rates, factors))
        values, factors, dropped = (
            self._whole(flats, layer) for flats in (self._buffers.values, self._buffers.factors, self._buffers.dropped)
        )
        return [*operations, partial(torch.mul, values, factors, out=dropped)]

    def _draw(self, place: int, rates: tuple[float, ...], factors: Tensor) -> None:
        """Draw what dropout multiplies with: 0, or what keeps the mean."""
        count = len(factors)
        drawn = np.ones(count, np.float32)
        for rate in rates:
            dropped = round(rate * _BITS)
            bits = self.streams[place].random_raw(-(-count // 4)).view(np.uint16)[:count]
            drawn *= (bits >= dropped) * np.float32(_BITS / (_BITS - dropped))
        factors.copy_(torch.from_numpy(drawn))

    def _activation(self, layer: int) -> list[Callable[[], object]]:
        """List the activations behind a layer; what comes back is their derivatives."""
        backward: list[Callable[[], object]] = []
        values, derivatives, boundary = self._buffers.values, self._buffers.derivatives, layer + 1
        for name, places in groupby(
            range(len(self._models)), lambda place: self._models[place].stages[layer].activation
        ):
            run = list(places)
            a, d = (self._part(flats, boundary, run[0], run[-1] + 1) for flats in (values, derivatives))
            if name == "softmax":
                backward += self._softmax(boundary, run)
            elif name == "gelu":
                z = torch.empty_like(a)
                self._forward += [partial(z.copy_, a), partial(FORWARD[name], a)]
                backward.append(partial(BACKWARD[name], d, a, z))
            else:
                self._forward.append(partial(FORWARD[name], a))
                backward.append(partial(BACKWARD[name], d, a, a))
            if name in NOT_ZERO_AT_ZERO:
                self._forward += [padding.zero_ for place in run if (padding := self._padding(boundary, place)).numel()]
        return backward

    def _softmax(self, boundary: int, run: list[int]) -> list[Callable[[], object]]:
        """Those of softmax, which must not look at padding."""
        backward: list[Callable[[], object]] = []
        for place in run:
            units = self._models[place].stages[boundary - 1].units
            a, d = (
                self._part(flats, boundary, place, place + 1).view(self.rows, -1)[:, :units]
                for flats in (self._buffers.values, self._buffers.derivatives)
            )
            self._forward.append(partial(_softmax, a))
            backward.append(partial(softmax_backward, d, a, 1))
        return backward

    def _padding(self, boundary: int, place: int) -> Tensor:
        """The units of a trial that are only padding, (rows, units)."""
        units = self._models[place].stages[boundary - 1].units
        return self._part(self._buffers.values, boundary, place, place + 1).view(self.rows, -1)[:, units:]


def _softmax(a: Tensor) -> None:
    a.copy_(a.softmax(1))

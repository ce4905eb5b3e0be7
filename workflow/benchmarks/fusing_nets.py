"""Many ConvNets or LSTMs as one fused model, for `fusing.py`: each layer computes all models.

Narrower models are padded with zeros to the widest. A padded unit gives 0 and its outgoing weights are 0, so that its
gradient is 0 and it never changes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import torch
from fusing_lstms import Memory, stepped, written
from torch import Tensor, nn
from torch.nn import functional

from blindtune.models.architecture import Architecture
from blindtune.models.layers import (
    AnyLayer,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Lstm,
    MaxPool1D,
    MaxPool2D,
    infer_shape,
)
from blindtune.training.fused.ops import BACKWARD, FORWARD, NOT_ZERO_AT_ZERO

#: From the inputs of a layer of all models to its outputs.
Stage = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Run:
    """Adjacent models with the same activation: from ``first`` to before ``last``."""

    first: int
    last: int
    activation: str
    units: tuple[int, ...]


@dataclass(frozen=True)
class Stack:
    """A parameter of all models.

    Attributes:
        values: The trained values.
        own: Returns a view of the part of one model in ``values`` or its gradient.
        alone: Returns the same part of the parameter of the model's single module, or its gradient.
    """

    values: Tensor
    own: Callable[[Tensor, int], Tensor]
    alone: Callable[[Tensor, int], Tensor]


def runs_of(layers: Sequence[Any], units: Sequence[int]) -> list[Run]:
    """Return the runs of models of a layer with the same activation."""
    runs = []
    for name, places in groupby(range(len(layers)), lambda place: str(layers[place].activation)):
        few = list(places)
        runs.append(Run(few[0], few[-1] + 1, name, tuple(units[few[0] : few[-1] + 1])))
    return runs


class _Activate(torch.autograd.Function):
    """The activations of all models, in place; (models, rows, units) or (rows, models, units, ...)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, runs: list[Run], shape: tuple[int, ...], models: int) -> Tensor:
        ctx.runs, ctx.shape, ctx.models = runs, shape, models
        ctx.before = z.clone() if any(run.activation == "gelu" for run in runs) else z
        for run in runs:
            part = z.view(shape).narrow(models, run.first, run.last - run.first)
            FORWARD[run.activation](part)
            if run.activation in NOT_ZERO_AT_ZERO:
                for place, units in enumerate(run.units):
                    one = part.select(models, place)
                    one.narrow(1, units, one.shape[1] - units).zero_()
        ctx.mark_dirty(z)
        ctx.save_for_backward(z)
        return z

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> Any:
        (a,) = ctx.saved_tensors
        if d.stride() != a.stride():
            d = torch.empty_like(a).copy_(d)
        for run in ctx.runs:
            views = (t.view(ctx.shape).narrow(ctx.models, run.first, run.last - run.first) for t in (d, a, ctx.before))
            BACKWARD[run.activation](*views)
        return d, None, None, None


class _Columns(torch.autograd.Function):
    """The input of each position of a kernel: (models, rows, a, b, channels) as (models, places, kernel x channels)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: int, columns: int) -> Tensor:
        models, batch, down, right, channels = ctx.shape = x.shape
        ctx.kernel = rows, columns
        a, b = down - rows + 1, right - columns + 1
        windows = x.new_empty(models, batch, a, b, rows * columns, channels)
        for place in range(rows * columns):
            i, j = divmod(place, columns)
            windows[..., place, :] = x[:, :, i : i + a, j : j + b]
        return windows.view(models, batch * a * b, rows * columns * channels)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> Any:
        models, batch, down, right, channels = ctx.shape
        rows, columns = ctx.kernel
        a, b = down - rows + 1, right - columns + 1
        parts = d.view(models, batch, a, b, rows * columns, channels)
        dx = d.new_zeros(ctx.shape)
        for place in range(rows * columns):
            i, j = divmod(place, columns)
            dx[:, :, i : i + a, j : j + b] += parts[..., place, :]
        return dx, None, None


def parts_of(architecture: Architecture) -> list[tuple[AnyLayer, float]]:
    """Return the layers except dropout, each with the rate of the dropout that follows it."""
    parts: list[tuple[AnyLayer, float]] = []
    for layer in architecture.layers:
        if isinstance(layer, Dropout):
            parts[-1] = parts[-1][0], layer.rate
        else:
            parts.append((layer, 0.0))
    return parts


class Nets:
    """Models with the same kinds of layers, kernels and pool sizes, fused.

    Attributes:
        stacks: The parameters, in the order of those of the single modules.
        drops: Whether dropout is on.
    """

    def __init__(self, architectures: Sequence[Architecture], way: str) -> None:
        """Fuse models.

        Args:
            architectures: Those of the models.
            way: For convolutions grouped, grouped_last (channels last) or columns; for LSTMs stepped or written.
        """
        self.count = len(architectures)
        self.stacks: list[Stack] = []
        self.drops = True
        self._streams = [np.random.SFC64(place) for place in range(self.count)]
        self._way = way
        self._grouped = way.startswith("grouped")
        self._channels_last = way == "grouped_last"
        self._stages: list[Stage] = [self._enter] if self._grouped else []
        shapes = [architecture.input_shape for architecture in architectures]
        for parts in zip(*map(parts_of, architectures), strict=True):
            layers, rates = zip(*parts, strict=True)
            self._add(layers, shapes, layers[0] is architectures[0].layers[-1])
            if any(rates):
                self._stages.append(partial(self._drop, rates))
            shapes = [infer_shape(layer, shape) for layer, shape in zip(layers, shapes, strict=True)]

    def parameters(self) -> list[Tensor]:
        """Return the trained tensors."""
        return [stack.values for stack in self.stacks]

    def loss(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean loss and number of wrong samples of each model, both (models,).

        Args:
            x: A batch for each model, (models, rows, ...).
            y: Its labels, (models, rows).
        """
        for stage in self._stages:
            x = stage(x)
        each = functional.cross_entropy(x.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)
        return each.mean(1), (x.detach().argmax(2) != y).sum(1)

    def take(self, modules: Sequence[nn.Module]) -> None:
        """Copy the weights of single modules."""
        for stack, *alone in zip(self.stacks, *(module.parameters() for module in modules), strict=True):
            for place, values in enumerate(alone):
                stack.own(stack.values.detach(), place).copy_(stack.alone(values.detach(), place))

    def farthest(self, modules: Sequence[nn.Module]) -> float:
        """Return the largest difference of gradients, relative to the largest; padding must have 0."""
        worst = 0.0
        for stack, *alone in zip(self.stacks, *(module.parameters() for module in modules), strict=True):
            grad = stack.values.grad
            if grad is None:
                raise SystemExit("a parameter has no gradient")
            rest = grad.clone()
            for place, values in enumerate(alone):
                if values.grad is None:
                    raise SystemExit("a parameter has no gradient")
                off = stack.own(grad, place) - stack.alone(values.grad, place)
                worst = max(worst, float(off.abs().max() / values.grad.abs().max().clamp_min(1e-6)))
                stack.own(rest, place).zero_()
            worst = max(worst, float(rest.abs().max()))
        return worst

    def _stack(
        self,
        shape: tuple[int, ...],
        own: Callable[[Tensor, int], Tensor],
        alone: Callable[[Tensor, int], Tensor] = lambda values, place: values,
    ) -> Tensor:
        values = torch.zeros(shape, requires_grad=True)
        self.stacks.append(Stack(values, own, alone))
        return values

    def _add(self, layers: Sequence[AnyLayer], shapes: Sequence[tuple[int, ...]], last: bool) -> None:
        match layers[0]:
            case Conv2D() | Conv1D():
                self._convolution(layers, shapes)
            case MaxPool2D() | MaxPool1D():
                sizes = (layers[0].size, layers[0].size if isinstance(layers[0], MaxPool2D) else 1)
                pool = functional.max_pool2d if self._grouped else _pool
                self._stages.append(lambda x: pool(x, sizes))
            case Flatten():
                if self._grouped:
                    self._stages.append(self._leave)
                self._stages.append(lambda x: x.reshape(x.shape[0], x.shape[1], -1))
            case Dense():
                self._dense(layers, shapes, last)
            case Lstm():
                self._lstm(layers, shapes)
            case _:
                raise TypeError(f"no fused {layers[0].kind}")

    def _convolution(self, layers: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> None:
        size = layers[0].kernel
        kernel = (size, size if isinstance(layers[0], Conv2D) else 1)
        channels, units = [shape[-1] for shape in shapes], [layer.filters for layer in layers]
        runs, most, width = runs_of(layers, units), max(channels), max(units)
        if self._grouped:
            w = self._stack((self.count * width, most, *kernel), lambda t, m: t[m * width :][: units[m], : channels[m]])
        else:
            w = self._stack(
                (self.count, kernel[0] * kernel[1] * most, width),
                lambda t, m: t[m].view(*kernel, most, width)[:, :, : channels[m], : units[m]],
                lambda t, m: t.view(units[m], channels[m], *kernel).permute(2, 3, 1, 0),
            )
        b = self._stack((self.count, width), lambda t, m: t[m, : units[m]])
        convolve = self._convolve_grouped if self._grouped else _convolve
        self._stages.append(lambda x: convolve(x, w, b, kernel, runs))

    def _dense(self, layers: Sequence[Any], shapes: Sequence[tuple[int, ...]], last: bool) -> None:
        inputs, units = [shape[0] for shape in shapes], [layer.units for layer in layers]
        places, most = self._flattened(inputs)
        width = max(units)
        w = self._stack(
            (self.count, places * most, width),
            lambda t, m: t[m].view(places, most, width)[:, : inputs[m] // places, : units[m]],
            lambda t, m: t.view(units[m], places, -1).permute(1, 2, 0),
        )
        b = self._stack((self.count, 1, width), lambda t, m: t[m, 0, : units[m]])
        runs = runs_of(layers, units)
        if last:
            self._stages.append(lambda x: torch.baddbmm(b, x, w))
        else:
            self._stages.append(lambda x: _activated(torch.baddbmm(b, x, w), runs))

    def _flattened(self, inputs: list[int]) -> tuple[int, int]:
        """Return positions and channels of the input of a dense layer; the channels of each position are padded."""
        previous = self.stacks[-1].values if self.stacks else None
        if previous is None:
            return 1, max(inputs)
        channels = previous.shape[-1]
        # All models have as many positions; after dense layers and LSTMs there is one.
        widest = max(inputs)
        return (1, widest) if widest <= channels else (widest // channels, channels)

    def _lstm(self, layers: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> None:
        inputs, units = [shape[1] for shape in shapes], [layer.units for layer in layers]
        most, width = max(inputs), max(units)
        # The gates with a sigmoid come first: input, forget, output, then the cell.
        order = [0, 1, 3, 2]

        def gates(t: Tensor, m: int) -> Tensor:
            return t.view(4, units[m], -1)[order].permute(2, 0, 1)

        def own(t: Tensor, m: int, rows: int) -> Tensor:
            return t[m].view(-1, 4, width)[:rows, :, : units[m]]

        w = self._stack((self.count, most, 4 * width), lambda t, m: own(t, m, inputs[m]), gates)
        u = self._stack((self.count, width, 4 * width), lambda t, m: own(t, m, units[m]), gates)
        b = self._stack((self.count, 1, 4 * width), lambda t, m: own(t, m, 1), gates)
        runs = [(run.first, run.last, run.activation, run.units) for run in runs_of(layers, units)]
        memory = Memory(runs, bool(layers[0].sequence))
        step = stepped if self._way == "stepped" else written
        self._stages.append(lambda x: step(x, w, u, b, memory))

    def _drop(self, rates: tuple[float, ...], x: Tensor) -> Tensor:
        """Apply dropout, drawn as the fused trainer draws it."""
        if not self.drops:
            return x
        factors = torch.ones(self.count, x.numel() // self.count)
        for place, rate in enumerate(rates):
            if rate:
                bits = self._streams[place].random_raw(-(-factors.shape[1] // 4)).view(np.uint16)[: factors.shape[1]]
                factors[place] = torch.from_numpy((bits >= round(rate * 2**16)) * np.float32(1 / (1 - rate)))
        if not self._grouped or x.dim() == 3:
            return x * factors.view(x.shape)
        rows, _, down, right = x.shape
        ordered = factors.view(self.count, rows, down, right, -1).permute(1, 0, 4, 2, 3)
        return x * ordered.flatten(1, 2)

    def _enter(self, x: Tensor) -> Tensor:
        """Return (models, rows, a, b, channels) as (rows, models x channels, a, b)."""
        x = x.permute(1, 2, 3, 0, 4).flatten(3).permute(0, 3, 1, 2)
        return x if self._channels_last else x.contiguous()

    def _leave(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.count, -1, *x.shape[2:]).permute(1, 0, 3, 4, 2)

    def _convolve_grouped(self, x: Tensor, w: Tensor, b: Tensor, kernel: tuple[int, int], runs: list[Run]) -> Tensor:
        z = functional.conv2d(x, w, b.view(-1), groups=self.count)
        return _Activate.apply(z, runs, (z.shape[0], self.count, -1, *z.shape[2:]), 1)  # type: ignore[no-any-return,no-untyped-call]


def _activated(z: Tensor, runs: list[Run]) -> Tensor:
    # select() removes the axis of models, so that units are the second axis of (rows, units).
    return _Activate.apply(z, runs, tuple(z.shape), 0)  # type: ignore[no-any-return,no-untyped-call]


def _convolve(x: Tensor, w: Tensor, b: Tensor, kernel: tuple[int, int], runs: list[Run]) -> Tensor:
    flat = x.dim() == 4
    if flat:
        x = x.unsqueeze(3)
    models, batch, a, c, _ = x.shape
    windows = _Columns.apply(x, *kernel)  # type: ignore[no-untyped-call]
    z = _activated(torch.baddbmm(b.unsqueeze(1), windows, w), runs)
    z = z.view(models, batch, a - kernel[0] + 1, c - kernel[1] + 1, -1)
    return z.squeeze(3) if flat else z


def _pool(x: Tensor, sizes: tuple[int, int]) -> Tensor:
    flat = x.dim() == 4
    if flat:
        x = x.unsqueeze(3)
    pooled = functional.max_pool2d(x.flatten(0, 1).permute(0, 3, 1, 2), sizes).permute(0, 2, 3, 1)
    pooled = pooled.reshape(*x.shape[:2], *pooled.shape[1:])
    return pooled.squeeze(3) if flat else pooled

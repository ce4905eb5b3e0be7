"""Many ConvNets or LSTMs as one model, for `fusing.py`: the layers, each of all models at once.

Narrower models are padded with zeros to the widest. A padded unit gives 0 and has no weight behind it, so that its own
gradient is 0 and it stays what it is.
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
from blindtune.models.pytorch import to_logits
from blindtune.training.fused.ops import BACKWARD, FORWARD, NOT_ZERO_AT_ZERO

#: From the values of all models to those behind a layer.
Stage = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Run:
    """Models that lie beside each other and have the same activation: from ``first`` to before ``last``."""

    first: int
    last: int
    activation: str
    units: tuple[int, ...]


@dataclass(frozen=True)
class Stack:
    """A parameter of all models.

    Attributes:
        values: what is trained.
        own: the part of a model in ``values`` or its gradient, a view.
        alone: the same from the parameter of the model's own module, or its gradient.
    """

    values: Tensor
    own: Callable[[Tensor, int], Tensor]
    alone: Callable[[Tensor, int], Tensor]


def runs_of(layers: Sequence[Any], units: Sequence[int]) -> list[Run]:
    """The models of a layer by activation."""
    runs = []
    for name, places in groupby(range(len(layers)), lambda place: str(layers[place].activation)):
        few = list(places)
        runs.append(Run(few[0], few[-1] + 1, name, tuple(units[few[0] : few[-1] + 1])))
    return runs


class _Activate(torch.autograd.Function):
    """The activations of all models in place, (models, rows, units) or (rows, models, units, ...)."""

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
    """What each place of a kernel sees: (models, rows, a, b, channels) as (models, places, kernel x channels)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: int, columns: int) -> Tensor:
        models, batch, down, right, channels = ctx.shape = x.shape
        ctx.kernel = rows, columns
        a, b = down - rows + 1, right - columns + 1
        apply_view = x.new_empty(models, batch, a, b, rows * columns, channels)
        for place in range(rows * columns):
            i, j = divmod(place, columns)
            apply_view[..., place, :] = x[:, :, i : i + a, j : j + b]
        return apply_view.view(models, batch * a * b, rows * columns * channels)

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
    """The layers but dropout, each with the rate of the dropout behind it."""
    parts: list[tuple[AnyLayer, float]] = []
    for layer in architecture.layers:
        if isinstance(layer, Dropout):
            parts[-1] = parts[-1][0], layer.rate
        else:
            parts.append((layer, 0.0))
    return parts


class Nets:
    """Models of one sequence of kinds of layers, kernels and windows, as one.

    Attributes:
        stacks: the parameters, in the order of the modules' own.
        drops: whether there is dropout.
    """

    def __init__(self, architectures: Sequence[Architecture], way: str) -> None:
        """``way``: of convolutions grouped, grouped_last (channels last) or columns; of LSTMs stepped or written."""
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
        """What is trained."""
        return [stack.values for stack in self.stacks]

    def loss(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss and wrong samples of each model, (models,), for samples of its own and labels (models, rows)."""
        for stage in self._stages:
            x = stage(x)
        each = functional.cross_entropy(x.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)
        return each.mean(1), (x.detach().argmax(2) != y).sum(1)

    def take(self, modules: Sequence[nn.Module]) -> None:
        """Begin with the weights of modules."""
        for stack, *alone in zip(self.stacks, *(module.parameters() for module in modules), strict=True):
            for place, values in enumerate(alone):
                stack.own(stack.values.detach(), place).copy_(stack.alone(values.detach(), place))

    def farthest(self, modules: Sequence[nn.Module]) -> float:
        """The largest difference of gradients, over the largest of the parameter's; of padding, too, which has none."""
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
            self._stages.append(lambda x: _logits(torch.baddbmm(b, x, w), runs))
        else:
            self._stages.append(lambda x: _activated(torch.baddbmm(b, x, w), runs))

    def _flattened(self, inputs: list[int]) -> tuple[int, int]:
        """Places and channels of what a dense layer takes: the channels of each place are padded."""
        previous = self.stacks[-1].values if self.stacks else None
        if previous is None:
            return 1, max(inputs)
        channels = previous.shape[-1]
        # All models have as many places; behind dense layers and LSTMs there is one.
        widest = max(inputs)
        return (1, widest) if widest <= channels else (widest // channels, channels)

    def _lstm(self, layers: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> None:
        inputs, units = [shape[1] for shape in shapes], [layer.units for layer in layers]
        most, width = max(inputs), max(units)
        # The gates that have a sigmoid first: input, forget, output, and then the cell.
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
        """Dropout, drawn as the fused trainer draws it."""
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
        """(models, rows, a, b, channels) as (rows, models x channels, a, b)."""
        x = x.permute(1, 2, 3, 0, 4).flatten(3).permute(0, 3, 1, 2)
        return x if self._channels_last else x.contiguous()

    def _leave(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.count, -1, *x.shape[2:]).permute(1, 0, 3, 4, 2)

    def _convolve_grouped(self, x: Tensor, w: Tensor, b: Tensor, kernel: tuple[int, int], runs: list[Run]) -> Tensor:
        z = functional.conv2d(x, w, b.view(-1), groups=self.count)
        return _Activate.apply(z, runs, (z.shape[0], self.count, -1, *z.shape[2:]), 1)  # type: ignore[no-any-return,no-untyped-call]


def _activated(z: Tensor, runs: list[Run]) -> Tensor:
    # select() takes the models away, so that the units are the second axis of (rows, units).
    return _Activate.apply(z, runs, tuple(z.shape), 0)  # type: ignore[no-any-return,no-untyped-call]


def _convolve(x: Tensor, w: Tensor, b: Tensor, kernel: tuple[int, int], runs: list[Run]) -> Tensor:
    flat = x.dim() == 4
    if flat:
        x = x.unsqueeze(3)
    models, batch, a, c, _ = x.shape
    apply_view = _Columns.apply(x, *kernel)  # type: ignore[no-untyped-call]
    z = _activated(torch.baddbmm(b.unsqueeze(1), apply_view, w), runs)
    z = z.view(models, batch, a - kernel[0] + 1, c - kernel[1] + 1, -1)
    return z.squeeze(3) if flat else z


def _pool(x: Tensor, sizes: tuple[int, int]) -> Tensor:
    flat = x.dim() == 4
    if flat:
        x = x.unsqueeze(3)
    pooled = functional.max_pool2d(x.flatten(0, 1).permute(0, 3, 1, 2), sizes).permute(0, 2, 3, 1)
    pooled = pooled.reshape(*x.shape[:2], *pooled.shape[1:])
    return pooled.squeeze(3) if flat else pooled


def _logits(z: Tensor, runs: list[Run]) -> Tensor:
    parts = []
    for run in runs:
        part = z[run.first : run.last]
        match run.activation:
            case "softmax":
                parts.append(to_logits(part.softmax(2), False))
            case "sigmoid":
                parts.append(to_logits(part.sigmoid(), False))
            case _:
                parts.append(part)
    return torch.cat(parts) if len(parts) > 1 else parts[0]

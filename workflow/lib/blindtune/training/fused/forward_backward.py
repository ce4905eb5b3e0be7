"""The forward and the backward pass of one batch, for a few models at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from blindtune.training.fused.execution import ExecutionPlan
from blindtune.training.fused.layers import DenseLayer
from blindtune.training.fused.ops import BACKWARD, FORWARD, NOT_ZERO_AT_ZERO, loss_gradient, softmax_backward
from blindtune.training.fused.parameters import Parameters

Key = TypeVar("Key")
Operation = Callable[[], object]

#: Dropout compares 16 random bits with a fraction of this number.
_BITS = 2**16


@dataclass(frozen=True)
class ModelSpec:
    """What is computed for one trial.

    Attributes:
        layers: its dense layers.
        widths: units in memory at each boundary between them.
        loss: as `blindtune.config.training.Training` names it.
    """

    layers: tuple[DenseLayer, ...]
    widths: tuple[int, ...]
    loss: str


@dataclass(frozen=True)
class Batch:
    """The memory of one batch for every trial of a group.

    Attributes:
        inputs: (n_trials, n_rows, n_values), the samples.
        targets: (n_trials, n_classes, n_rows), 1 for the label and else 0.
        row_weights: (n_rows,), weight of each row in the mean loss; 0 for padding.
        scores: for each slot of the metrics, (n_trials, n_classes, n_rows), the output of the models.
        sample_weights: (n_trials, n_rows), factor of the loss of each sample; None: 1.
    """

    inputs: Tensor
    targets: Tensor
    row_weights: Tensor
    scores: Sequence[Tensor]
    sample_weights: Tensor | None = None

    @property
    def n_rows(self) -> int:
        """Rows in memory of each trial."""
        return len(self.row_weights)


class Buffers:
    """Memory for the values of a few trials, which all blocks of a group use in turn: so it stays in the cache.

    Attributes:
        values: after each hidden layer.
        gradients: with respect to those values; two, since a layer needs only its own and the next one.
        scores: after the last layer, and the gradient with respect to them.
        dropout_factors: factors for the input of each layer; empty where there is no dropout.
        dropped: products of inputs and factors; empty where there is no dropout.
    """

    def __init__(self, blocks: Sequence[Sequence[ModelSpec]], n_rows: int, device: torch.device) -> None:
        """Allocate memory for the largest block.

        Args:
            blocks: models that are computed together.
            n_rows: rows in memory of a batch.
            device: where.
        """
        n_layers = len(blocks[0][0].layers)
        sizes = [
            n_rows * max(sum(model.widths[boundary] for model in models) for models in blocks)
            for boundary in range(n_layers + 1)
        ]
        dropped_sizes = [size if has_dropout(blocks[0], layer) else 0 for layer, size in enumerate(sizes[:-1])]
        self.values = [torch.zeros(size, device=device) for size in sizes[1:-1]]
        self.gradients = [torch.zeros(max([0, *sizes[1:-1]]), device=device) for _ in range(2)]
        self.scores = [torch.zeros(sizes[-1], device=device) for _ in range(2)]
        self.dropout_factors = [torch.ones(size, device=device) for size in dropped_sizes]
        self.dropped = [torch.zeros(size, device=device) for size in dropped_sizes]


def find_spans(models: Sequence[ModelSpec], key: Callable[[ModelSpec], Key]) -> list[tuple[Key, range]]:
    """Return the spans of consecutive models with the same key.

    Args:
        models: in the order of their group.
        key: what they must have in common.

    Returns:
        The key and the indices of each span.
    """
    spans = ((common, list(span)) for common, span in groupby(range(len(models)), lambda index: key(models[index])))
    return [(common, range(span[0], span[-1] + 1)) for common, span in spans]


def output_key(model: ModelSpec) -> tuple[str, str]:
    """Return what determines how scores are computed and judged: the last activation and the loss."""
    return model.layers[-1].activation, model.loss


def has_dropout(models: Sequence[ModelSpec], layer: int) -> bool:
    """Return whether any of the models has dropout before a layer.

    Args:
        models: the models.
        layer: number of the layer.
    """
    return any(model.layers[layer].dropout_rates for model in models)


@dataclass(frozen=True)
class Block:
    """Consecutive trials of a group that are computed together.

    Attributes:
        models: of the trials.
        first: index of the first trial in the group.
        buffers: memory for as many models as these.
    """

    models: Sequence[ModelSpec]
    first: int
    buffers: Buffers


@dataclass(frozen=True)
class DenseOp:
    """The weighted sums of one layer, for consecutive trials with the same widths.

    Names of tensors end in their axes: n trials, b rows of the batch, i inputs, u units. With the loss L and
    ``dz`` for dL/dz, the chain rule gives::

        z[n,b,u]  = sum_i x[n,b,i] w[n,i,u] + bias[n,u]
        dw[n,i,u] = sum_b x[n,b,i] dz[n,b,u]
        dbias[n,u] = sum_b dz[n,b,u]
        dx[n,b,i] = sum_u dz[n,b,u] w[n,i,u]

    Attributes:
        forward: computes z.
        backward: compute dw, dbias and, after the first layer, dx.
    """

    forward: tuple[Operation, ...]
    backward: tuple[Operation, ...]


def create_hidden_op(
    x_nbi: Tensor,
    w_niu: Tensor,
    bias_nu: Tensor,
    z_nbu: Tensor,
    dz_nbu: Tensor,
    dw_niu: Tensor,
    dbias_nu: Tensor,
    dx_nbi: Tensor | None,
) -> DenseOp:
    """Return the operations of a hidden layer, which stores values as (trials, rows, units).

    Args:
        x_nbi: input.
        w_niu: weights.
        bias_nu: biases.
        z_nbu: takes the weighted sums.
        dz_nbu: gradient with respect to the weighted sums.
        dw_niu: takes the gradient with respect to the weights.
        dbias_nu: takes the gradient with respect to the biases.
        dx_nbi: takes the gradient with respect to the input; None for the first layer.
    """
    backward: list[Operation] = [
        partial(torch.bmm, x_nbi.transpose(1, 2), dz_nbu, out=dw_niu),
        partial(torch.sum, dz_nbu, 1, out=dbias_nu),
    ]
    if dx_nbi is not None:
        backward.append(partial(torch.bmm, dz_nbu, w_niu.transpose(1, 2), out=dx_nbi))
    # To add biases afterwards is faster than to begin a product of narrow matrices with them.
    forward = (partial(torch.bmm, x_nbi, w_niu, out=z_nbu), partial(z_nbu.add_, bias_nu.unsqueeze(1)))
    return DenseOp(forward, tuple(backward))


def create_output_op(
    x_nbi: Tensor,
    w_niu: Tensor,
    bias_nu: Tensor,
    z_nub: Tensor,
    dz_nub: Tensor,
    dw_niu: Tensor,
    dbias_nu: Tensor,
    dx_nbi: Tensor | None,
) -> DenseOp:
    """Return the operations of the last layer, which stores scores as (trials, classes, rows).

    Args:
        x_nbi: input.
        w_niu: weights.
        bias_nu: biases.
        z_nub: takes the weighted sums.
        dz_nub: gradient with respect to the weighted sums.
        dw_niu: takes the gradient with respect to the weights.
        dbias_nu: takes the gradient with respect to the biases.
        dx_nbi: takes the gradient with respect to the input; None for the only layer.
    """
    backward: list[Operation] = [
        partial(torch.bmm, dz_nub, x_nbi, out=dw_niu.transpose(1, 2)),
        partial(torch.sum, dz_nub, 2, out=dbias_nu),
    ]
    if dx_nbi is not None:
        backward.append(partial(torch.bmm, dz_nub.transpose(1, 2), w_niu.transpose(1, 2), out=dx_nbi))
    forward = partial(torch.baddbmm, bias_nu.unsqueeze(2), w_niu.transpose(1, 2), x_nbi.transpose(1, 2), out=z_nub)
    return DenseOp((forward,), tuple(backward))


class BatchPass:
    """Forward and backward pass of a block, for batches of one size: views and operations, listed once.

    Attributes:
        first: index of the block's first trial in the group.
        dropout_streams: random bits of each trial; must be set before `run`.
    """

    def __init__(self, block: Block, parameters: Parameters, batch: Batch) -> None:
        """List the operations.

        Args:
            block: which trials.
            parameters: of the whole group.
            batch: of the whole group.
        """
        models, first = block.models, block.first
        self.first = first
        self.dropout_streams: list[np.random.SFC64] = []
        self._models = models
        self._buffers = block.buffers
        self._n_rows = batch.n_rows
        self._mask_gradients = parameters.mask_gradients
        self._last = len(models[0].layers) - 1
        self._offsets = [[0, *accumulate(widths)] for widths in zip(*(model.widths for model in models), strict=True)]
        self._inputs = batch.inputs[first : first + len(models)].reshape(-1)
        self._forward: list[Operation] = []
        backward: list[Operation] = []
        for layer in range(len(models[0].layers)):
            backward = [*self._list_layer(layer, first, parameters), *backward]
        scores = self._scores(0, 0, len(models))
        self._save_scores = [partial(slot[first : first + len(models)].copy_, scores) for slot in batch.scores]
        self._backward = [*self._list_output(first, batch), *backward]

    def run(self, slot: int) -> None:
        """Compute the gradient of the parameters for the batch, and save its scores in a slot of the metrics."""
        for operation in self._forward:
            operation()
        self._save_scores[slot]()
        for operation in self._backward:
            operation()

    def _slice(self, flat: Tensor, boundary: int, first: int, last: int) -> Tensor:
        """Return the values of the trials from ``first`` to before ``last`` at a boundary between layers."""
        offsets = self._offsets[boundary]
        return flat[self._n_rows * offsets[first] : self._n_rows * offsets[last]]

    def _slice_all(self, flat: Tensor, boundary: int) -> Tensor:
        return self._slice(flat, boundary, 0, len(self._models))

    def _values(self, boundary: int) -> Tensor:
        """Return the buffer of the values before layer ``boundary``, which is not the first."""
        return self._buffers.values[boundary - 1]

    def _gradient(self, boundary: int) -> Tensor:
        """Return the buffer of the gradient with respect to the values before layer ``boundary``."""
        return self._buffers.gradients[boundary % 2]

    def _scores(self, which: int, first: int, last: int) -> Tensor:
        """Return the scores (0) or their gradient (1) of some trials, (n_trials, n_classes, n_rows)."""
        flat = self._slice(self._buffers.scores[which], self._last + 1, first, last)
        return flat.view(last - first, -1, self._n_rows)

    def _layer_input(self, layer: int) -> Tensor:
        """Return the buffer of what a layer multiplies with its weights."""
        if has_dropout(self._models, layer):
            return self._buffers.dropped[layer]
        return self._values(layer) if layer else self._inputs

    def _list_layer(self, layer: int, block_first: int, parameters: Parameters) -> list[Operation]:
        """List the forward operations of a layer, and return its backward operations."""
        backward: list[Operation] = []
        if has_dropout(self._models, layer):
            self._forward += self._list_dropout(layer)
        for span in parameters.spans_between(layer, block_first, block_first + len(self._models)):
            shape = (span.n_trials, self._n_rows, -1)
            first, last = span.first - block_first, span.last - block_first
            x_nbi = self._slice(self._layer_input(layer), layer, first, last).view(shape)
            dx_nbi = self._slice(self._gradient(layer), layer, first, last).view(shape) if layer else None
            w_niu, dw_niu = span.view_weights(parameters.weights), span.view_weights(parameters.gradient)
            bias_nu, dbias_nu = span.view_biases(parameters.weights), span.view_biases(parameters.gradient)
            if layer == self._last:
                z_nub, dz_nub = (self._scores(which, first, last) for which in (0, 1))
                op = create_output_op(x_nbi, w_niu, bias_nu, z_nub, dz_nub, dw_niu, dbias_nu, dx_nbi)
            else:
                z_nbu = self._slice(self._values(layer + 1), layer + 1, first, last).view(shape)
                dz_nbu = self._slice(self._gradient(layer + 1), layer + 1, first, last).view(shape)
                op = create_hidden_op(x_nbi, w_niu, bias_nu, z_nbu, dz_nbu, dw_niu, dbias_nu, dx_nbi)
            self._forward += op.forward
            backward += op.backward
        if layer and has_dropout(self._models, layer):
            factors = self._slice_all(self._buffers.dropout_factors[layer], layer)
            backward.append(partial(self._slice_all(self._gradient(layer), layer).mul_, factors))
        if layer == self._last:
            return backward
        return [*self._list_activations(layer), *backward]

    def _list_dropout(self, layer: int) -> list[Operation]:
        operations: list[Operation] = []
        for index, model in enumerate(self._models):
            if model.layers[layer].dropout_rates:
                factors = self._slice(self._buffers.dropout_factors[layer], layer, index, index + 1)
                # The list of streams, not self: a cycle would keep the memory until Python searches for cycles.
                rates = model.layers[layer].dropout_rates
                operations.append(partial(_draw_factors, self.dropout_streams, index, rates, factors))
        values = self._slice_all(self._values(layer) if layer else self._inputs, layer)
        factors, dropped = (
            self._slice_all(flats[layer], layer) for flats in (self._buffers.dropout_factors, self._buffers.dropped)
        )
        return [*operations, partial(torch.mul, values, factors, out=dropped)]

    def _list_activations(self, layer: int) -> list[Operation]:
        """List the activations after a hidden layer, and return the operations of their derivatives."""
        backward: list[Operation] = []
        boundary = layer + 1
        for name, span in find_spans(self._models, lambda model: model.layers[layer].activation):
            values, gradient = (
                self._slice(flat, boundary, span.start, span.stop)
                for flat in (self._values(boundary), self._gradient(boundary))
            )
            if name == "softmax":
                backward += self._list_softmax(boundary, span)
            elif name == "gelu":
                sums = torch.empty_like(values)
                self._forward += [partial(sums.copy_, values), partial(FORWARD[name], values)]
                backward.append(partial(BACKWARD[name], gradient, values, sums))
            elif name != "linear":
                self._forward.append(partial(FORWARD[name], values))
                backward.append(partial(BACKWARD[name], gradient, values, values))
            if name in NOT_ZERO_AT_ZERO and not self._mask_gradients:
                paddings = (self._padding(boundary, index) for index in span)
                self._forward += [padding.zero_ for padding in paddings if padding.numel()]
        return backward

    def _list_softmax(self, boundary: int, span: range) -> list[Operation]:
        """Do the same for softmax, which must not include padding."""
        backward: list[Operation] = []
        for index in span:
            units = self._models[index].layers[boundary - 1].units
            values, gradient = (
                self._slice(flat, boundary, index, index + 1).view(self._n_rows, -1)[:, :units]
                for flat in (self._values(boundary), self._gradient(boundary))
            )
            self._forward.append(partial(_softmax, values))
            backward.append(partial(softmax_backward, gradient, values, 1))
        return backward

    def _padding(self, boundary: int, index: int) -> Tensor:
        """Return the values of a trial's units that are only padding, (n_rows, n_units)."""
        units = self._models[index].layers[boundary - 1].units
        return self._slice(self._values(boundary), boundary, index, index + 1).view(self._n_rows, -1)[:, units:]

    def _list_output(self, block_first: int, batch: Batch) -> list[Operation]:
        """List the activations of the last layer, and return the operations for the gradient of the mean loss."""
        backward: list[Operation] = []
        for (activation, loss), span in find_spans(self._models, output_key):
            scores, gradient = (self._scores(which, span.start, span.stop) for which in (0, 1))
            sums = torch.empty_like(scores) if activation == "gelu" else scores
            if activation == "gelu":
                self._forward.append(partial(sums.copy_, scores))
            if activation != "linear":
                self._forward.append(partial(_activate_scores, scores, activation))
            targets = batch.targets[block_first + span.start : block_first + span.stop]
            backward.append(
                partial(loss_gradient, scores, gradient, sums, targets, batch.row_weights, activation, loss)
            )
            if batch.sample_weights is not None:
                weights = batch.sample_weights[block_first + span.start : block_first + span.stop]
                backward.append(partial(gradient.mul_, weights.unsqueeze(1)))
        return backward


def _draw_factors(streams: Sequence[np.random.SFC64], index: int, rates: tuple[float, ...], factors: Tensor) -> None:
    """Draw the factors of dropout: 0, or the number that keeps the mean."""
    count = len(factors)
    drawn = np.ones(count, np.float32)
    for rate in rates:
        dropped = round(rate * _BITS)
        bits = streams[index].random_raw(-(-count // 4)).view(np.uint16)[:count]
        drawn *= (bits >= dropped) * np.float32(_BITS / (_BITS - dropped))
    factors.copy_(torch.from_numpy(drawn))


def _softmax(values: Tensor) -> None:
    values.copy_(values.softmax(1))


def _activate_scores(scores: Tensor, activation: str) -> None:
    if activation == "softmax":
        _softmax(scores)
    else:
        FORWARD[activation](scores)


def create_blocks(models: Sequence[ModelSpec], n_rows: int, plan: ExecutionPlan, device: torch.device) -> list[Block]:
    """Divide a group's models into blocks, with memory.

    Args:
        models: of the group, in order.
        n_rows: rows in memory of a batch.
        plan: tells how many are computed together.
        device: where.
    """
    if plan.cache_bytes is None:
        spans = [(span.start, models[span.start : span.stop]) for _, span in find_spans(models, lambda one: one.widths)]
        return [Block(block, first, Buffers([block], n_rows, device)) for first, block in spans]
    bounds = _block_bounds(models, n_rows, plan.cache_bytes)
    shared = Buffers([models[first:last] for first, last in bounds], n_rows, device)
    return [Block(models[first:last], first, shared) for first, last in bounds]


def _block_bounds(models: Sequence[ModelSpec], n_rows: int, cache_bytes: int) -> list[tuple[int, int]]:
    """Return first and last (excluded) of consecutive models whose values of a batch fit into the cache together."""
    bounds: list[tuple[int, int]] = []
    used = cache_bytes
    for index, model in enumerate(models):
        needed = 4 * n_rows * sum(model.widths[1:])
        if used + needed > cache_bytes or not bounds:
            bounds.append((index, index + 1))
            used = needed
        else:
            bounds[-1] = (bounds[-1][0], index + 1)
            used += needed
    return bounds

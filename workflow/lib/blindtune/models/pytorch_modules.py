"""PyTorch modules for the layers in which PyTorch differs from Keras.

Inside a model, pictures have their channels first, as PyTorch's convolutions need them; sequences stay
(sample, step, channel), as PyTorch's LSTM takes them.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Exponential(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "exponential": _Exponential,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
}


def create_activation(name: str, channels: int) -> nn.Module:
    """Return the module of an activation.

    Args:
        name: of the activation, see `blindtune.models.layers.Activation`.
        channels: number of the axis over which a softmax is taken.
    """
    return nn.Softmax(dim=channels) if name == "softmax" else _ACTIVATIONS[name]()


class ChannelsFirst(nn.Module):
    """Moves the channels of pictures from (sample, row, column, channel) to (sample, channel, row, column)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the pictures as (sample, channel, row, column)."""
        return x.permute(0, 3, 1, 2)


class FlattenModule(nn.Module):
    """Flattens samples as Keras does: the channels of pictures run fastest; sequences are flattened as they are."""

    def forward(self, x: Tensor) -> Tensor:
        """Return one vector per sample."""
        return (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).flatten(1)


class Conv1d(nn.Conv1d):
    """A convolution over (sample, step, channel)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return sequences of ``n_steps - kernel + 1`` steps."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class MaxPool1d(nn.MaxPool1d):
    """Max pooling over the steps of (sample, step, channel)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return sequences of ``n_steps // size`` steps."""
        pooled: Tensor = super().forward(x.transpose(1, 2))
        return pooled.transpose(1, 2)


class BatchNormalizationModule(nn.Module):
    """Batch normalization as Keras computes it: the running variance is that of the batch, without a correction."""

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, channels: int, axis: int, momentum: float, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))
        self._axis = axis
        self._momentum = momentum
        self._epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized samples; in training, update the running statistics."""
        if self.training:
            axes = [axis for axis in range(x.dim()) if axis != self._axis]
            variance, mean = torch.var_mean(x, axes, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1 - self._momentum)
                self.running_variance.lerp_(variance, 1 - self._momentum)
        else:
            mean, variance = self.running_mean, self.running_variance
        shape = [1] * x.dim()
        shape[self._axis] = -1
        scale = self.weight * torch.rsqrt(variance + self._epsilon)
        return x * scale.view(shape) + (self.bias - mean * scale).view(shape)


class ResidualModule(nn.Module):
    """Adds the input of some modules to their output."""

    def __init__(self, inner: list[nn.Module], activation: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*inner)
        self._activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of the sum."""
        y: Tensor = self._activation(x + self.inner(x))
        return y


class LstmModule(nn.Module):
    """One LSTM layer as Keras builds it: with one bias, where ``nn.LSTM`` has two, and with any activation.

    The rows of the weights are in the order of both frameworks: input gate, forget gate, cell, output gate. Initial
    weights are drawn as those of ``nn.LSTM``.
    """

    def __init__(self, features: int, units: int, activation: nn.Module, sequence: bool) -> None:
        super().__init__()
        bound = 1 / math.sqrt(units)
        self.weight_ih = nn.Parameter(torch.empty(4 * units, features).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * units, units).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(4 * units).uniform_(-bound, bound))
        self._activation = activation
        self._sequence = sequence

    def forward(self, x: Tensor) -> Tensor:
        """Return (sample, step, unit), or (sample, unit) of the last step, for (sample, step, feature)."""
        hidden = self._fused(x) if isinstance(self._activation, nn.Tanh) else self._by_steps(x)
        return hidden if self._sequence else hidden[:, -1]

    def _fused(self, x: Tensor) -> Tensor:
        """Call the kernel of ``nn.LSTM``, which supports only tanh and is faster than a loop over steps."""
        start = x.new_zeros(1, len(x), self.weight_hh.shape[1])
        weights = [self.weight_ih, self.weight_hh, self.bias, torch.zeros_like(self.bias)]
        hidden, _, _ = torch.lstm(
            x,
            [start, start],
            weights,
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=self.training,
            bidirectional=False,
            batch_first=True,
        )
        return hidden

    def _by_steps(self, x: Tensor) -> Tensor:
        outputs = []
        hidden = cell = x.new_zeros(len(x), self.weight_hh.shape[1])
        for entering in functional.linear(x, self.weight_ih, self.bias).unbind(1):
            let_in, keep, new, let_out = (entering + functional.linear(hidden, self.weight_hh)).chunk(4, dim=1)
            cell = keep.sigmoid() * cell + let_in.sigmoid() * self._activation(new)
            hidden = let_out.sigmoid() * self._activation(cell)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1)

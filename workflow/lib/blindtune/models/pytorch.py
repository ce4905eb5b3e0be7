"""Architectures as PyTorch modules."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from blindtune.models.architecture import (
    AnyLayer,
    Architecture,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    shape_after,
)


class _Exponential(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)


class _ChannelsFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2)


class _Flatten(nn.Module):
    """Flattens pictures with the channels running fastest, as Keras does."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).flatten(1)


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "exponential": _Exponential,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
}

#: Keras's own bound (keras.config.epsilon) on probabilities before their logarithm.
_EPSILON = 1e-7


def build(architecture: Architecture) -> nn.Sequential:
    """The module, with PyTorch's default initial weights from the global generator.

    Takes samples as Keras does, pictures with their channels last.
    """
    modules: list[nn.Module] = []
    shape = architecture.input_shape
    if len(shape) == 3:
        modules.append(_ChannelsFirst())
    for layer in architecture.layers:
        modules += _modules(layer, shape)
        shape = shape_after(layer, shape)
    return nn.Sequential(*modules)


def weights_of(model: nn.Module) -> dict[str, NDArray[Any]]:
    """Copies of the model's parameters by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}


def set_weights(model: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put ``weights`` into ``model``; raises RuntimeError where names or shapes do not fit."""
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})


def logits(scores: Tensor, gives_logits: bool) -> Tensor:
    """Scores (samples, classes) as logits: those of a last layer with an activation are taken for
    probabilities up to a factor, as Keras's cross-entropy takes them.
    """
    return scores if gives_logits else scores.clamp(_EPSILON, 1 - _EPSILON).log()


def loss(name: str, scores: Tensor, labels: Tensor, gives_logits: bool) -> Tensor:
    """The mean loss of a batch: scores (samples, classes), labels (samples,)."""
    if name == "mean_squared_error":
        probabilities = scores.softmax(dim=1) if gives_logits else scores
        return functional.mse_loss(probabilities, functional.one_hot(labels, scores.shape[1]).to(scores.dtype))
    return functional.cross_entropy(logits(scores, gives_logits), labels)


def _modules(layer: AnyLayer, shape: tuple[int, ...]) -> list[nn.Module]:
    match layer:
        case Dense():
            return [nn.Linear(shape[0], layer.units), *_activation(layer.activation)]
        case Dropout():
            return [nn.Dropout(layer.rate)]
        case Conv2D():
            return [nn.Conv2d(shape[2], layer.filters, layer.kernel), *_activation(layer.activation)]
        case MaxPool2D():
            return [nn.MaxPool2d(layer.size)]
        case Flatten():
            return [_Flatten()]


def _activation(name: str) -> list[nn.Module]:
    if name == "linear":
        return []
    if name == "softmax":
        return [nn.Softmax(dim=1)]
    return [_ACTIVATIONS[name]()]

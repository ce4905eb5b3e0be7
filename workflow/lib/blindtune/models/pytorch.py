"""Architectures as PyTorch modules."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from blindtune.models import pytorch_modules as modules
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
    shape_after,
)
from blindtune.models.pytorch_initial import draw_as_keras

#: Keras's own bound (keras.config.epsilon) on probabilities before their logarithm.
EPSILON = 1e-7


def build(architecture: Architecture, as_keras: bool = False) -> nn.Sequential:
    """The module, its initial weights from the global generator.

    Takes samples as Keras does, pictures with their channels last.

    Args:
        architecture: what to build.
        as_keras: draw the weights as Keras does by default, not as PyTorch does.
    """
    shape = architecture.input_shape
    built: list[nn.Module] = [modules.ChannelsFirst()] if len(shape) == 3 else []
    for layer in architecture.layers:
        built += _modules(layer, shape)
        shape = shape_after(layer, shape)
    model = nn.Sequential(*built)
    if as_keras:
        draw_as_keras(model)
    return model


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
    return scores if gives_logits else scores.clamp(EPSILON, 1 - EPSILON).log()


def loss(name: str, scores: Tensor, labels: Tensor, gives_logits: bool) -> Tensor:
    """The mean loss of a batch: scores (samples, classes), labels (samples,)."""
    if name == "mean_squared_error":
        probabilities = scores.softmax(dim=1) if gives_logits else scores
        return functional.mse_loss(probabilities, functional.one_hot(labels, scores.shape[1]).to(scores.dtype))
    return functional.cross_entropy(logits(scores, gives_logits), labels)


def _modules(layer: AnyLayer, shape: tuple[int, ...]) -> list[nn.Module]:
    match layer:
        case Dense():
            return [nn.Linear(shape[0], layer.units), *_following(layer.activation, 1)]
        case Dropout():
            return [nn.Dropout(layer.rate)]
        case Conv2D():
            return [nn.Conv2d(shape[2], layer.filters, layer.kernel), *_following(layer.activation, 1)]
        case MaxPool2D():
            return [nn.MaxPool2d(layer.size)]
        case Conv1D():
            return [modules.Conv1d(shape[1], layer.filters, layer.kernel), *_following(layer.activation, 2)]
        case MaxPool1D():
            return [modules.MaxPool1d(layer.size)]
        case Lstm():
            return [modules.Lstm(shape[1], layer.units, modules.activation(layer.activation, 1), layer.sequence)]
        case Flatten():
            return [modules.Flatten()]


def _following(activation: str, channels: int) -> list[nn.Module]:
    """A module of its own for what follows a weighted sum, unless that is nothing."""
    return [] if activation == "linear" else [modules.activation(activation, channels)]

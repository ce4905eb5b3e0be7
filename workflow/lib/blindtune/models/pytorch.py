"""Architectures as PyTorch modules."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from blindtune.models import pytorch_modules as modules
from blindtune.models.architecture import SQUARED_ERROR, Architecture
from blindtune.models.base import ScoreKind
from blindtune.models.layers import (
    AnyLayer,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Lstm,
    MaxPool1D,
    MaxPool2D,
    Residual,
    infer_shape,
)
from blindtune.models.pytorch_initial import initialize_like_keras

#: Keras's own bound (keras.config.epsilon) on probabilities before their logarithm.
EPSILON = 1e-7


def build(architecture: Architecture, keras_initializers: bool = False) -> nn.Sequential:
    """Return the PyTorch module, with initial weights drawn from the global generator.

    It takes samples in Keras's format: pictures with their channels last.

    Args:
        architecture: what to build.
        keras_initializers: whether to draw the weights by Keras's defaults instead of PyTorch's.
    """
    shape = architecture.input_shape
    built: list[nn.Module] = [modules.ChannelsFirst()] if len(shape) == 3 else []
    for layer in architecture.layers:
        built += _modules(layer, shape)
        shape = infer_shape(layer, shape)
    model = nn.Sequential(*built)
    if keras_initializers:
        initialize_like_keras(model)
    return model


def get_weights(model: nn.Module) -> dict[str, NDArray[Any]]:
    """Return copies of the model's parameters by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}


def set_weights(model: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Set the weights of a model.

    Args:
        model: as `build` returns it.
        weights: as `get_weights` returns them.

    Raises:
        RuntimeError: names or shapes do not fit.
    """
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})


def to_logits(scores: Tensor, kind: ScoreKind) -> Tensor:
    """Return the scores of a model as logits, as the cross-entropy takes them.

    Args:
        scores: (n_samples, n_classes) of the model's last layer.
        kind: what they are.
    """
    return scores if kind == "logits" else scores.clamp(EPSILON, 1 - EPSILON).log()


def compute_loss(
    name: str,
    scores: Tensor,
    labels: Tensor,
    kind: ScoreKind,
    class_weights: Tensor | None = None,
    sample_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean loss of a batch.

    Args:
        name: ``mean_squared_error``, or anything else for cross-entropy.
        scores: (n_samples, n_classes) of the model's last layer.
        labels: (n_samples,) int64.
        kind: what the scores are.
        class_weights: factor of the loss of the samples of each class, (n_classes,) float32; None: 1.
        sample_weights: factor of the loss of each sample, (n_samples,) float32; None: 1.
    """
    if class_weights is not None or sample_weights is not None:
        losses = _sample_losses(name, scores, labels, kind)
        if class_weights is not None:
            losses = losses * class_weights[labels]
        if sample_weights is not None:
            losses = losses * sample_weights
        # The mean over the samples, as Keras takes it; PyTorch's own weights divide by their sum.
        return losses.mean()
    if name == SQUARED_ERROR:
        probabilities = scores.softmax(dim=1) if kind == "logits" else scores
        return functional.mse_loss(probabilities, functional.one_hot(labels, scores.shape[1]).to(scores.dtype))
    return functional.cross_entropy(to_logits(scores, kind), labels)


def _sample_losses(name: str, scores: Tensor, labels: Tensor, kind: ScoreKind) -> Tensor:
    """Return the loss of each sample, (n_samples,)."""
    if name == SQUARED_ERROR:
        probabilities = scores.softmax(dim=1) if kind == "logits" else scores
        targets = functional.one_hot(labels, scores.shape[1]).to(scores.dtype)
        return functional.mse_loss(probabilities, targets, reduction="none").mean(dim=1)
    return functional.cross_entropy(to_logits(scores, kind), labels, reduction="none")


def _modules(layer: AnyLayer, shape: tuple[int, ...], padded: bool = False) -> list[nn.Module]:
    match layer:
        case Dense():
            return [nn.Linear(shape[0], layer.units), *_activation_modules(layer.activation, 1)]
        case Dropout():
            return [nn.Dropout(layer.rate)]
        case Conv2D():
            around = [nn.ZeroPad2d((*_margins(layer.kernel), *_margins(layer.kernel)))] if padded else []
            plane = nn.Conv2d(shape[2], layer.filters, layer.kernel)
            return [*around, plane, *_activation_modules(layer.activation, 1)]
        case MaxPool2D():
            return [nn.MaxPool2d(layer.size)]
        case Conv1D():
            # Over (step, channel), so that the steps are padded.
            around = [nn.ZeroPad2d((0, 0, *_margins(layer.kernel)))] if padded else []
            line = modules.Conv1d(shape[1], layer.filters, layer.kernel)
            return [*around, line, *_activation_modules(layer.activation, 2)]
        case MaxPool1D():
            return [modules.MaxPool1d(layer.size)]
        case Lstm():
            return [
                modules.LstmModule(
                    shape[1], layer.units, modules.create_activation(layer.activation, 1), layer.sequence
                )
            ]
        case Flatten():
            return [modules.FlattenModule()]
        case BatchNormalization():
            return [modules.BatchNormalizationModule(shape[-1], _channels(shape), layer.momentum, layer.epsilon)]
        case Residual():
            inner: list[nn.Module] = []
            before = shape
            for each in layer.layers:
                inner += _modules(each, before, padded=True)
                before = infer_shape(each, before, padded=True)
            activation = modules.create_activation(layer.activation, _channels(shape))
            return [modules.ResidualModule(inner, activation)]


def _margins(kernel: int) -> tuple[int, int]:
    """Return the zeros before and after the values of one axis with which a convolution keeps its size."""
    return (kernel - 1) // 2, kernel // 2


def _channels(shape: tuple[int, ...]) -> int:
    """Return the axis of the channels inside a model, for samples of a shape: pictures have them first."""
    return 1 if len(shape) == 3 else len(shape)


def _activation_modules(activation: str, channels: int) -> list[nn.Module]:
    """Return the module of an activation; no module for a linear one."""
    return [] if activation == "linear" else [modules.create_activation(activation, channels)]

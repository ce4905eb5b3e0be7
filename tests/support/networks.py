"""Builders of layers, and comparisons of an architecture in both frameworks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.models.architecture import Architecture, check, count_parameters
from blindtune.models.layers import (
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    InvalidModelError,
    Lstm,
    MaxPool1D,
    MaxPool2D,
    Residual,
)
from support.builders import twins

FLAT = Flatten(kind="flatten")


def dense(units: int, activation: str = "linear") -> Dense:
    return Dense.model_validate({"kind": "dense", "units": units, "activation": activation})


def dropout(rate: float) -> Dropout:
    return Dropout(kind="dropout", rate=rate)


def conv(filters: int, kernel: int, activation: str = "relu") -> Conv2D:
    return Conv2D.model_validate({"kind": "conv2d", "filters": filters, "kernel": kernel, "activation": activation})


def pool(size: int) -> MaxPool2D:
    return MaxPool2D(kind="max_pool2d", size=size)


def conv1d(filters: int, kernel: int, activation: str = "relu") -> Conv1D:
    return Conv1D.model_validate({"kind": "conv1d", "filters": filters, "kernel": kernel, "activation": activation})


def pool1d(size: int) -> MaxPool1D:
    return MaxPool1D(kind="max_pool1d", size=size)


def lstm(units: int, activation: str = "tanh", sequence: bool = False) -> Lstm:
    return Lstm.model_validate({"kind": "lstm", "units": units, "activation": activation, "sequence": sequence})


def batch_normalization(momentum: float = 0.99) -> BatchNormalization:
    return BatchNormalization(kind="batch_normalization", momentum=momentum)


def residual(*layers: Any, to: str = "linear") -> Residual:
    return Residual.model_validate({"kind": "residual", "layers": layers, "activation": to})


def passes(architecture: Architecture, classes: int) -> bool:
    """Return whether an architecture passes the check."""
    try:
        check(architecture, classes)
    except InvalidModelError:
        return False
    return True


def check_built(
    made: Architecture, classes: int, builds: Callable[[Architecture], tuple[tuple[int, ...], int]]
) -> None:
    """Assert that shape inference agrees with what a framework builds."""
    if passes(made, classes):
        assert builds(made) == ((classes,), count_parameters(made))
        return
    # PyTorch takes a dropout of 1; training with it is meaningless, and Keras refuses it.
    if any(isinstance(layer, Dropout) and layer.rate == 1.0 for layer in made.layers):
        return
    try:
        shape, _ = builds(made)
    except Exception:  # each framework has errors of its own for each layer
        return
    assert shape != (classes,) or 0 in shape


def keras_builds(architecture: Architecture) -> tuple[tuple[int, ...], int]:
    """Return the shape of the output for one sample, and the number of trainable parameters."""
    from blindtune.models import keras

    model = keras.build(architecture)
    return tuple(model.output_shape[1:]), sum(int(np.prod(each.shape)) for each in model.trainable_variables)


def pytorch_builds(architecture: Architecture) -> tuple[tuple[int, ...], int]:
    """Return the same as `keras_builds` for PyTorch, whose shapes are known only from samples."""
    import torch

    from blindtune.models import pytorch

    model = pytorch.build(architecture).eval()
    count = sum(tensor.numel() for tensor in model.parameters())
    if any(0 in tensor.shape for tensor in model.parameters()):
        raise ValueError("PyTorch builds layers of nothing")
    with torch.no_grad():
        return tuple(model(torch.zeros(2, *architecture.input_shape)).shape[1:]), count


def scores(architecture: Architecture, x: NDArray[np.float32]) -> tuple[Any, Any]:
    """Return the scores of Keras and PyTorch for ``x`` with the same weights."""
    import torch

    one, other = twins(architecture)
    with torch.no_grad():
        return np.asarray(one(x, training=False)), other(torch.from_numpy(x)).numpy()


def assert_same_scores(architecture: Architecture, tolerance: float, samples: int = 9) -> None:
    """Assert that both frameworks give the same scores from the same weights, and that scores depend on the sample."""
    x = np.random.default_rng(1).normal(size=(samples, *architecture.input_shape)).astype(np.float32)
    theirs, ours = scores(architecture, x)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    assert np.ptp(theirs, axis=0).min() > 1e-3, "the scores must depend on the sample"

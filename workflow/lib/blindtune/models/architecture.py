"""Architectures as data: a list of layers that Keras and PyTorch build alike.

Manual models are files in this form (Shawki et al. 2021, Table 4); tuned ones are made from a
hyperparameter set by a family such as `blindtune.models.mlp`.
"""

import math
from typing import Annotated, Literal

from pydantic import Field

from blindtune.strict import Strict

Activation = Literal["linear", "relu", "tanh", "sigmoid", "softmax", "exponential", "elu", "selu", "softplus", "gelu"]


class Dense(Strict):
    """A fully connected layer (Keras ``Dense``, PyTorch ``Linear``) and its activation."""

    kind: Literal["dense"]
    units: int = Field(description="neurons")
    activation: Activation = Field(default="linear", description="what follows the weighted sum")


class Dropout(Strict):
    """Sets a random share of its inputs to zero while training."""

    kind: Literal["dropout"]
    rate: float = Field(description="share of inputs set to zero, from 0 to below 1")


class Conv2D(Strict):
    """A two-dimensional convolution over (row, column, channel), stride 1, and its activation."""

    kind: Literal["conv2d"]
    filters: int = Field(description="output channels")
    kernel: int = Field(description="side of the square kernel, in pixels")
    activation: Activation = Field(default="linear", description="what follows the weighted sum")


class MaxPool2D(Strict):
    """The largest value of each square window; windows do not overlap, a rest at the border is dropped."""

    kind: Literal["max_pool2d"]
    size: int = Field(description="side of the window, in pixels")


class Flatten(Strict):
    """A sample of any shape as one vector, the last axis running fastest."""

    kind: Literal["flatten"]


AnyLayer = Dense | Dropout | Conv2D | MaxPool2D | Flatten
Layer = Annotated[AnyLayer, Field(discriminator="kind")]

#: What becomes of a layer that cannot be built: it is left out, or its whole hyperparameter set is invalid.
Impossible = Literal["leave_out", "invalid"]


class Architecture(Strict):
    """A feed-forward stack; the last layer gives one score per class.

    Scores are logits where the last activation is linear, probabilities up to a factor otherwise.
    """

    input_shape: tuple[int, ...] = Field(description="shape of one sample")
    layers: tuple[Layer, ...] = Field(description="from input to output")
    exceptions: tuple[str, ...] = Field(default=(), description="layers that could not be built and were left out")

    def gives_logits(self) -> bool:
        """Whether the last layer leaves its scores as they are."""
        last = self.layers[-1]
        return isinstance(last, Dense) and last.activation == "linear"


class Invalid(ValueError):
    """A hyperparameter set from which no model can be built; the message says why."""


def without_impossible(architecture: Architecture) -> Architecture:
    """The architecture with only those layers that can be built, the others in ``exceptions`` (guide, section 6.3)."""
    shape = architecture.input_shape
    kept: list[AnyLayer] = []
    left_out: list[str] = []
    for number, layer in enumerate(architecture.layers, 1):
        name = f"layer {number} ({layer.kind})"
        try:
            shape = shape_after(layer, shape, name)
            kept.append(layer)
        except Invalid as error:
            left_out.append(str(error))
    return architecture.model_copy(update={"layers": tuple(kept), "exceptions": tuple(left_out)})


def check(architecture: Architecture, classes: int) -> None:
    """Shape inference: follow the shape of one sample through every layer.

    Raises:
        Invalid: a layer cannot be built, or the output is not one score per class.
    """
    shape = architecture.input_shape
    for number, layer in enumerate(architecture.layers, 1):
        shape = shape_after(layer, shape, f"layer {number} ({layer.kind})")
    if shape != (classes,):
        raise Invalid(f"the output has shape {shape}, not one score for each of {classes} classes")


def count_parameters(architecture: Architecture) -> int:
    """Trainable weights and biases of an architecture that passed `check`."""
    total, shape = 0, architecture.input_shape
    for layer in architecture.layers:
        if isinstance(layer, Dense):
            total += (shape[0] + 1) * layer.units
        elif isinstance(layer, Conv2D):
            total += (shape[2] * layer.kernel**2 + 1) * layer.filters
        shape = shape_after(layer, shape)
    return total


def describe(layer: AnyLayer) -> str:
    """One layer as Tables 4 and 5 of Shawki et al. 2021 write it."""
    match layer:
        case Dense():
            return f"Dense ({layer.units}), {layer.activation}"
        case Dropout():
            return f"dropout ({layer.rate:g})"
        case Conv2D():
            return f"Conv2d ({layer.filters}, {layer.kernel}x{layer.kernel}), {layer.activation}"
        case MaxPool2D():
            return f"MaxPool2d ({layer.size}, {layer.size})"
        case Flatten():
            return "flatten"


def shape_after(layer: AnyLayer, shape: tuple[int, ...], where: str = "layer") -> tuple[int, ...]:
    """The shape of one sample behind ``layer``.

    Raises:
        Invalid: the layer cannot be built on ``shape``; the message begins with ``where``.
    """
    match layer:
        case Dropout():
            if not 0 <= layer.rate < 1:
                raise Invalid(f"{where}: rate {layer.rate} is not from 0 to below 1")
            return shape
        case Flatten():
            return (math.prod(shape),)
        case Dense():
            if len(shape) != 1:
                raise Invalid(f"{where}: takes vectors, not samples of shape {shape}")
            if layer.units < 1:
                raise Invalid(f"{where}: {layer.units} units")
            return (layer.units,)
        case Conv2D():
            rows, columns, _ = _image(shape, where)
            if layer.filters < 1:
                raise Invalid(f"{where}: {layer.filters} filters")
            _check_window(layer.kernel, rows, columns, "kernel", where)
            return (rows - layer.kernel + 1, columns - layer.kernel + 1, layer.filters)
        case MaxPool2D():
            rows, columns, channels = _image(shape, where)
            _check_window(layer.size, rows, columns, "window", where)
            return (rows // layer.size, columns // layer.size, channels)


def _image(shape: tuple[int, ...], where: str) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise Invalid(f"{where}: takes (row, column, channel), not samples of shape {shape}")
    return shape[0], shape[1], shape[2]


def _check_window(side: int, rows: int, columns: int, what: str, where: str) -> None:
    if not 1 <= side <= min(rows, columns):
        raise Invalid(f"{where}: a {what} of {side} x {side} does not fit into {rows} x {columns}")

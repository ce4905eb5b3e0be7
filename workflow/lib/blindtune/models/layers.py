"""The layers that Keras and PyTorch build identically, with shape inference for each."""

import math
from typing import Annotated, Literal

from pydantic import Field

from blindtune.core.bounds import MAX_FLOAT, MAX_INTEGER, MAX_LAYERS
from blindtune.core.validation import Strict

# A size that cannot be built makes a hyperparameter set invalid: `infer_shape` refuses it and names the layer.
Size = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Activation = Literal["linear", "relu", "tanh", "sigmoid", "softmax", "exponential", "elu", "selu", "softplus", "gelu"]


class Dense(Strict):
    """A fully connected layer (Keras ``Dense``, PyTorch ``Linear``) and its activation."""

    kind: Literal["dense"]
    units: Size = Field(description="neurons")
    activation: Activation = Field(default="linear", description="activation of the weighted sum")


class Dropout(Strict):
    """A layer that sets a random fraction of its inputs to zero in training."""

    kind: Literal["dropout"]
    rate: float = Field(ge=-MAX_FLOAT, le=MAX_FLOAT, description="fraction of inputs set to zero, from 0 to below 1")


class Conv2D(Strict):
    """A two-dimensional convolution over (row, column, channel), stride 1, and its activation."""

    kind: Literal["conv2d"]
    filters: Size = Field(description="output channels")
    kernel: Size = Field(description="side of the square kernel, in pixels")
    activation: Activation = Field(default="linear", description="activation of the weighted sum")


class MaxPool2D(Strict):
    """The largest value of each square window; windows do not overlap, and a remainder at the border is dropped."""

    kind: Literal["max_pool2d"]
    size: Size = Field(description="side of the window, in pixels")


class Conv1D(Strict):
    """A convolution over the steps of (step, channel), stride 1, and its activation."""

    kind: Literal["conv1d"]
    filters: Size = Field(description="output channels")
    kernel: Size = Field(description="length of the kernel, in steps")
    activation: Activation = Field(default="linear", description="activation of the weighted sum")


class MaxPool1D(Strict):
    """The largest value of each window of steps; windows do not overlap, and a remainder at the end is dropped."""

    kind: Literal["max_pool1d"]
    size: Size = Field(description="length of the window, in steps")


class Lstm(Strict):
    """A long short-term memory over the steps of (step, channel) with sigmoid gates (Keras ``LSTM``)."""

    kind: Literal["lstm"]
    units: Size = Field(description="memory cells, each with one output")
    activation: Activation = Field(default="tanh", description="activation of the input and of the output of a cell")
    sequence: bool = Field(
        default=False, description="true: return a vector for each step; false: only that of the last step"
    )


class Flatten(Strict):
    """A layer that flattens a sample of any shape to one vector, the last axis running fastest."""

    kind: Literal["flatten"]


class BatchNormalization(Strict):
    """Normalizes each channel (or value of a vector) by the batch in training, by running statistics otherwise.

    Then it is scaled and shifted by two weights. The defaults are Keras's.
    """

    kind: Literal["batch_normalization"]
    momentum: float = Field(
        default=0.99, ge=0, lt=1, description="share of the running statistics that a batch leaves as it was"
    )
    epsilon: float = Field(default=0.001, gt=0, lt=1, description="added to the variance")


PlainLayer = Dense | Dropout | Conv2D | MaxPool2D | Conv1D | MaxPool1D | Lstm | Flatten | BatchNormalization


class Residual(Strict):
    """Adds the input of its layers to their output, which must have the same shape, and applies an activation.

    Inside, convolutions keep the size of their input: its border is padded with zeros.
    """

    kind: Literal["residual"]
    layers: tuple[Annotated[PlainLayer, Field(discriminator="kind")], ...] = Field(
        # A list of YAML becomes a tuple, so that the layer can be a key.
        strict=False,
        min_length=1,
        max_length=MAX_LAYERS,
        description="from the input of the block to what is added to it",
    )
    activation: Activation = Field(default="linear", description="activation of the sum")


AnyLayer = PlainLayer | Residual
Layer = Annotated[AnyLayer, Field(discriminator="kind")]


class InvalidModelError(ValueError):
    """No model can be built from a hyperparameter set; the message gives the reason."""


def infer_shape(layer: AnyLayer, shape: tuple[int, ...], where: str = "layer", padded: bool = False) -> tuple[int, ...]:
    """Return the shape of one sample after a layer.

    Args:
        layer: any layer.
        shape: of one sample before the layer.
        where: name of the layer for messages.
        padded: whether convolutions keep the size of their input, as in a residual block.

    Raises:
        Invalid: the layer cannot be built on ``shape``; the message begins with ``where``.
    """
    match layer:
        case Dropout():
            if not 0 <= layer.rate < 1:
                raise InvalidModelError(f"{where}: rate {layer.rate} is not from 0 to below 1")
            return shape
        case Flatten():
            return (math.prod(shape),)
        case Dense():
            if len(shape) != 1:
                raise InvalidModelError(f"{where}: takes vectors, not samples of shape {shape}")
            _check_size(layer.units, "units", where)
            return (layer.units,)
        case Conv2D():
            rows, columns, _ = _check_picture(shape, where)
            _check_size(layer.filters, "filters", where)
            _check_square(layer.kernel, rows, columns, "kernel", where)
            lost = 0 if padded else layer.kernel - 1
            return (rows - lost, columns - lost, layer.filters)
        case MaxPool2D():
            rows, columns, channels = _check_picture(shape, where)
            _check_square(layer.size, rows, columns, "window", where)
            return (rows // layer.size, columns // layer.size, channels)
        case Conv1D():
            steps, _ = _check_sequence(shape, where)
            _check_size(layer.filters, "filters", where)
            _check_length(layer.kernel, steps, "kernel", where)
            return (steps if padded else steps - layer.kernel + 1, layer.filters)
        case MaxPool1D():
            steps, channels = _check_sequence(shape, where)
            _check_length(layer.size, steps, "window", where)
            return (steps // layer.size, channels)
        case Lstm():
            steps, _ = _check_sequence(shape, where)
            _check_size(layer.units, "units", where)
            return (steps, layer.units) if layer.sequence else (layer.units,)
        case BatchNormalization():
            return shape
        case Residual():
            return _infer_residual(layer, shape, where)


def _infer_residual(block: Residual, shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    after = shape
    for number, layer in enumerate(block.layers, 1):
        after = infer_shape(layer, after, f"{where}: layer {number} ({layer.kind})", padded=True)
    if after != shape:
        raise InvalidModelError(f"{where}: its layers make {after} of {shape}; they must keep the shape")
    return shape


def count_weights(layer: AnyLayer, shape: tuple[int, ...]) -> int:
    """Return the number of trainable weights and biases of a layer.

    Args:
        layer: a layer that can be built on samples of ``shape``.
        shape: of one sample before the layer.
    """
    match layer:
        case Dense():
            return (shape[0] + 1) * layer.units
        case Conv2D():
            return (shape[2] * layer.kernel**2 + 1) * layer.filters
        case Conv1D():
            return (shape[1] * layer.kernel + 1) * layer.filters
        case Lstm():
            return 4 * (shape[1] + layer.units + 1) * layer.units
        case BatchNormalization():
            return 2 * shape[-1]
        case Residual():
            total = 0
            for inner in layer.layers:
                total += count_weights(inner, shape)
                shape = infer_shape(inner, shape, padded=True)
            return total
        case _:
            return 0


def describe(layer: AnyLayer) -> str:
    """Return one layer in the notation of Tables 4 and 5 of Shawki et al. 2021."""
    match layer:
        case Dense():
            return f"Dense ({layer.units}), {layer.activation}"
        case Dropout():
            return f"dropout ({layer.rate:g})"
        case Conv2D():
            return f"Conv2d ({layer.filters}, {layer.kernel}x{layer.kernel}), {layer.activation}"
        case MaxPool2D():
            return f"MaxPool2d ({layer.size}, {layer.size})"
        case Conv1D():
            return f"Conv1d ({layer.filters}, {layer.kernel}), {layer.activation}"
        case MaxPool1D():
            return f"MaxPool1d ({layer.size})"
        case Lstm():
            return f"LSTM ({layer.units}), {layer.activation}" + (", all steps" if layer.sequence else "")
        case Flatten():
            return "flatten"
        case BatchNormalization():
            return "batch normalization"
        case Residual():
            activation = "" if layer.activation == "linear" else f", {layer.activation}"
            return f"residual [{'; '.join(describe(inner) for inner in layer.layers)}]{activation}"


def _check_picture(shape: tuple[int, ...], where: str) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise InvalidModelError(f"{where}: takes (row, column, channel), not samples of shape {shape}")
    return shape[0], shape[1], shape[2]


def _check_sequence(shape: tuple[int, ...], where: str) -> tuple[int, int]:
    if len(shape) != 2:
        raise InvalidModelError(f"{where}: takes (step, channel), not samples of shape {shape}")
    return shape[0], shape[1]


def _check_size(number: int, what: str, where: str) -> None:
    if number < 1:
        raise InvalidModelError(f"{where}: {number} {what}")


def _check_square(side: int, rows: int, columns: int, what: str, where: str) -> None:
    if not 1 <= side <= min(rows, columns):
        raise InvalidModelError(f"{where}: a {what} of {side} x {side} does not fit into {rows} x {columns}")


def _check_length(length: int, steps: int, what: str, where: str) -> None:
    if not 1 <= length <= steps:
        raise InvalidModelError(f"{where}: a {what} of {length} does not fit into {steps} steps")

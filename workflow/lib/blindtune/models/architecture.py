"""Architectures as data: a list of layers that Keras and PyTorch build alike.

Manual models are files in this form (Shawki et al. 2021, Table 4); tuned ones are made from a
hyperparameter set by a family such as `blindtune.models.mlp`.
"""

from typing import Annotated, Literal

from pydantic import Field

from blindtune.strict import Strict

Activation = Literal["linear", "relu", "tanh", "sigmoid", "softmax", "exponential", "elu", "selu", "softplus"]


class Dense(Strict):
    """A fully connected layer (Keras ``Dense``, PyTorch ``Linear``) and its activation."""

    kind: Literal["dense"]
    units: int = Field(description="neurons")
    activation: Activation = Field(default="linear", description="what follows the weighted sum")


class Dropout(Strict):
    """Sets a random share of its inputs to zero while training."""

    kind: Literal["dropout"]
    rate: float = Field(description="share of inputs set to zero, from 0 to below 1")


Layer = Annotated[Dense | Dropout, Field(discriminator="kind")]


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


def check(architecture: Architecture, classes: int) -> None:
    """Shape inference: follow the shape of one sample through every layer.

    Raises:
        Invalid: a layer cannot be built, or the output is not one score per class.
    """
    shape = architecture.input_shape
    for number, layer in enumerate(architecture.layers, 1):
        shape = _shape_after(layer, shape, f"layer {number} ({layer.kind})")
    if shape != (classes,):
        raise Invalid(f"the output has shape {shape}, not one score for each of {classes} classes")


def count_parameters(architecture: Architecture) -> int:
    """Trainable weights and biases."""
    total, width = 0, architecture.input_shape[-1]
    for layer in architecture.layers:
        if isinstance(layer, Dense):
            total += (width + 1) * layer.units
            width = layer.units
    return total


def describe(layer: Dense | Dropout) -> str:
    """One layer as Table 4 of Shawki et al. 2021 writes it."""
    if isinstance(layer, Dense):
        return f"Dense ({layer.units}), {layer.activation}"
    return f"dropout ({layer.rate:g})"


def _shape_after(layer: Dense | Dropout, shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    if isinstance(layer, Dropout):
        if not 0 <= layer.rate < 1:
            raise Invalid(f"{where}: rate {layer.rate} is not from 0 to below 1")
        return shape
    if len(shape) != 1:
        raise Invalid(f"{where}: takes vectors, not samples of shape {shape}")
    if layer.units < 1:
        raise Invalid(f"{where}: {layer.units} units")
    return (layer.units,)

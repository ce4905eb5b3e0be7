"""Architectures as data: a list of layers that Keras and PyTorch build alike.

Manual models are files in this form (Shawki et al. 2021, Tables 4 and 5); tuned ones are made from a
hyperparameter set by a family such as `blindtune.models.mlp`.
"""

from typing import Literal

from pydantic import Field

from blindtune.core.validation import Strict
from blindtune.models.layers import AnyLayer, Dense, Invalid, Layer, parameters, shape_after

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
        total += parameters(layer, shape)
        shape = shape_after(layer, shape)
    return total

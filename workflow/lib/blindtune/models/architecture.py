"""Architectures as data: lists of layers that Keras and PyTorch build identically.

Manual models are files in this form (Shawki et al. 2021, Tables 4 and 5); tuned ones are built from a
hyperparameter set by a family such as `blindtune.models.mlp`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import Field

from blindtune.models.base import Blueprint, ScoreKind
from blindtune.models.layers import AnyLayer, Dense, InvalidModelError, Layer, count_weights, infer_shape
from blindtune.search_space import Hyperparameters

#: The loss that takes the outputs of the last layer as they are; any other is the cross-entropy.
SQUARED_ERROR = "mean_squared_error"

#: What to do with a layer that cannot be built: ``reject`` makes the whole hyperparameter set invalid, ``skip`` leaves
#: the layer out.
InvalidLayers = Literal["reject", "skip"]


class Architecture(Blueprint):
    """A feed-forward stack of layers whose last one gives one score per class.

    Scores are logits if the last activation is linear, else unnormalised probabilities. What is trained is the
    architecture of `for_loss`.
    """

    form: ClassVar[str] = "architecture"
    has_weights: ClassVar[bool] = True

    input_shape: tuple[int, ...] = Field(description="shape of one sample")
    layers: tuple[Layer, ...] = Field(description="from input to output")
    exceptions: tuple[str, ...] = Field(default=(), description="why layers were left out, one text per layer")

    def for_loss(self, loss: str) -> Self:
        """Return the architecture that is trained with a loss.

        With cross-entropy a softmax or a sigmoid at the end is left out, and its inputs are logits. Keras on TensorFlow
        trains in this way, by which the studies were made that this project repeats. Logits that were computed back
        from a rounded softmax or sigmoid would have no gradient where it saturates.

        Args:
            loss: as `blindtune.config.training.Training` names it.
        """
        last = self.layers[-1]
        if loss == SQUARED_ERROR or not isinstance(last, Dense) or last.activation not in ("softmax", "sigmoid"):
            return self
        return self.model_copy(update={"layers": (*self.layers[:-1], last.model_copy(update={"activation": "linear"}))})

    def score_kind(self) -> ScoreKind:
        """Return what the scores are, by the activation of the last layer."""
        last = self.layers[-1]
        return "logits" if isinstance(last, Dense) and last.activation == "linear" else "probabilities"

    def check_buildable(self, classes: int) -> None:
        """Refuse layers that cannot be built; see `check`."""
        check(self, classes)

    def parts_left_out(self) -> tuple[str, ...]:
        """Return why layers were left out, one text per layer."""
        return self.exceptions

    def number_of_parameters(self) -> int:
        """Return the number of trainable weights and biases."""
        return count_parameters(self)


@dataclass(frozen=True)
class ArchitectureFamily:
    """A family of architectures that hyperparameters describe.

    Attributes:
        build: makes an architecture from hyperparameters, the shape of one sample and the number of classes.
        hyperparameters: the names that it understands, besides those of training and without the index of a layer.
        required: the names without which it builds nothing.
        example_shape: a shape of one sample on which it can build; planning builds on it, since no data are prepared.
    """

    build: Callable[[Hyperparameters, tuple[int, ...], int], Architecture]
    hyperparameters: frozenset[str]
    required: frozenset[str]
    example_shape: tuple[int, ...] = (2,)


def skip_invalid_layers(architecture: Architecture) -> Architecture:
    """Return the architecture without the layers that cannot be built; they are in ``exceptions`` (guide, 6.3)."""
    shape = architecture.input_shape
    valid: list[AnyLayer] = []
    skipped: list[str] = []
    for number, layer in enumerate(architecture.layers, 1):
        name = f"layer {number} ({layer.kind})"
        try:
            shape = infer_shape(layer, shape, name)
            valid.append(layer)
        except InvalidModelError as error:
            skipped.append(str(error))
    return architecture.model_copy(update={"layers": tuple(valid), "exceptions": tuple(skipped)})


def check(architecture: Architecture, classes: int) -> None:
    """Check that an architecture can be built, by following the shape of one sample through all layers.

    Args:
        architecture: what to check.
        classes: number of classes.

    Raises:
        InvalidModelError: a layer cannot be built, or the output is not one score per class.
    """
    shape = architecture.input_shape
    for number, layer in enumerate(architecture.layers, 1):
        shape = infer_shape(layer, shape, f"layer {number} ({layer.kind})")
    if shape != (classes,):
        raise InvalidModelError(f"the output has shape {shape}, not one score for each of {classes} classes")


def count_parameters(architecture: Architecture) -> int:
    """Return the number of trainable weights and biases of an architecture that passed `check`."""
    total, shape = 0, architecture.input_shape
    for layer in architecture.layers:
        total += count_weights(layer, shape)
        shape = infer_shape(layer, shape)
    return total

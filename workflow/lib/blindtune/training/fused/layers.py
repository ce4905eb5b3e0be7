"""The dense layers of an architecture, as the fused trainer computes them, and their widths in memory."""

import math
from dataclasses import dataclass

from blindtune.models.architecture import Architecture
from blindtune.models.layers import Activation, Dense, Dropout, Flatten
from blindtune.training.fused.execution import ExecutionPlan

#: Every block of memory begins at a multiple of so many values, and batches are padded to a multiple of so many rows:
#: then a trial's numbers do not depend on its position in memory.
ALIGNMENT = 16


@dataclass(frozen=True)
class DenseLayer:
    """One dense layer, with the dropout before it and the activation after it.

    Attributes:
        inputs: number of inputs.
        units: number of units.
        activation: applied to the weighted sums.
        dropout_rates: of each dropout that the inputs go through.
    """

    inputs: int
    units: int
    activation: Activation
    dropout_rates: tuple[float, ...]


def extract_layers(architecture: Architecture) -> tuple[DenseLayer, ...]:
    """Return the dense layers of a multilayer perceptron.

    Raises:
        ValueError: it has a layer of another kind, or the last layer is not a dense one.
    """
    layers: list[DenseLayer] = []
    rates: list[float] = []
    inputs = math.prod(architecture.input_shape)
    for number, layer in enumerate(architecture.layers, 1):
        match layer:
            case Dense():
                layers.append(DenseLayer(inputs, layer.units, layer.activation, tuple(rates)))
                inputs, rates = layer.units, []
            case Dropout():
                rates += [layer.rate] if layer.rate else []
            case Flatten():
                pass
            case _:
                raise ValueError(f"layer {number} ({layer.kind}): the fused trainer trains dense layers and dropout")
    if not layers or rates or not isinstance(architecture.layers[-1], Dense):
        raise ValueError("the fused trainer needs a dense layer at the end")
    return tuple(layers)


def compute_widths(layers: tuple[DenseLayer, ...], plan: ExecutionPlan) -> tuple[int, ...]:
    """Return the units in memory at each boundary between layers, from the input to the output.

    Input and output are not padded.

    Args:
        layers: of one trial; its widths must not depend on other trials.
        plan: tells how hidden layers are padded.
    """
    hidden = [-(-layer.units // plan.width_multiple) * plan.width_multiple for layer in layers[:-1]]
    if plan.uniform_widths and hidden:
        hidden = [max(hidden)] * len(hidden)
    return (layers[0].inputs, *hidden, layers[-1].units)


def pad_rows(samples: int, classes: int) -> int:
    """Return the rows in memory for a batch, so that the scores of a trial fill whole vector registers too.

    Args:
        samples: in the batch.
        classes: number of classes.
    """
    unit = max(ALIGNMENT, 32 // math.gcd(classes, 32))
    return -(-samples // unit) * unit

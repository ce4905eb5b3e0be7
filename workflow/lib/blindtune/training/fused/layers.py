"""What of an architecture the fused trainer trains: its dense layers, and how wide each lies in memory."""

import math
from dataclasses import dataclass

from blindtune.models.architecture import Architecture
from blindtune.models.layers import Activation, Dense, Dropout, Flatten
from blindtune.training.fused.execution import Way

#: Every block of memory begins at a multiple of so many values, and rows of a batch are rounded up to as many samples:
#: then what comes of a trial does not depend on where it lies.
ALIGNED = 16


@dataclass(frozen=True)
class Stage:
    """One dense layer.

    Attributes:
        inputs, units: its width before and behind.
        activation: what follows the weighted sum.
        rates: of the dropouts that its input goes through.
    """

    inputs: int
    units: int
    activation: Activation
    rates: tuple[float, ...]


def stages_of(architecture: Architecture) -> tuple[Stage, ...]:
    """The dense layers of a multilayer perceptron.

    Raises:
        ValueError: it has a layer of another kind, or does not end with a dense one.
    """
    stages: list[Stage] = []
    rates: list[float] = []
    inputs = math.prod(architecture.input_shape)
    for number, layer in enumerate(architecture.layers, 1):
        match layer:
            case Dense():
                stages.append(Stage(inputs, layer.units, layer.activation, tuple(rates)))
                inputs, rates = layer.units, []
            case Dropout():
                rates += [layer.rate] if layer.rate else []
            case Flatten():
                pass
            case _:
                raise ValueError(f"layer {number} ({layer.kind}): the fused trainer trains dense layers and dropout")
    if not stages or rates or not isinstance(architecture.layers[-1], Dense):
        raise ValueError("the fused trainer needs a dense layer at the end")
    return tuple(stages)


def widths_of(stages: tuple[Stage, ...], way: Way) -> tuple[int, ...]:
    """Units of memory at each boundary between layers, the input and the output included; these two as they are.

    Args:
        stages: of one trial, on which alone its widths depend.
        way: how they are computed.
    """
    hidden = [-(-stage.units // way.units) * way.units for stage in stages[:-1]]
    if way.alike and hidden:
        hidden = [max(hidden)] * len(hidden)
    return (stages[0].inputs, *hidden, stages[-1].units)


def rows_of(samples: int, classes: int) -> int:
    """Rows of memory for a batch of ``samples``: the scores of a trial fill whole vectors of the processor, too."""
    unit = max(ALIGNED, 32 // math.gcd(classes, 32))
    return -(-samples // unit) * unit

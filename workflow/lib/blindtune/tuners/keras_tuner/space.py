"""The search space as Keras Tuner declares it, and the values that it holds."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blindtune.search_space import (
    BoolDimension,
    ChoiceDimension,
    Dimension,
    FloatDimension,
    Hyperparameters,
    IntDimension,
    Parameter,
    Space,
    Value,
)

if TYPE_CHECKING:
    import keras_tuner


def hyperparameters(space: Space) -> "keras_tuner.HyperParameters":
    """``space`` as Keras Tuner's own, every entry under the conditions that make it active.

    Entries found while a model is built would begin at their defaults instead of a draw.
    """
    import keras_tuner

    declared = keras_tuner.HyperParameters()
    dimensions = {parameter.name: parameter.dimension for parameter in space.parameters()}
    declared.merge([_entry(parameter, dimensions) for parameter in space.parameters()])
    return declared


def to_keras_values(space: Space, values: Mapping[str, Value]) -> Hyperparameters:
    """``values`` as Keras Tuner holds them: of a logarithmic whole number the middle of the draws it stands for."""
    dimensions = {parameter.name: parameter.dimension for parameter in space.parameters()}
    return {name: _middle(dimensions[name], value) for name, value in values.items()}


def _middle(dimension: Dimension, value: Value) -> Value:
    if isinstance(dimension, IntDimension) and dimension.log and isinstance(value, int):
        return math.sqrt(value * (value + 1))
    return value


class _Cut(list[float]):
    """The values of a condition on a logarithmic whole number, of which Keras Tuner holds the uncut draw."""

    def __init__(self, dimension: IntDimension, allowed: tuple[Value, ...]) -> None:
        # Floats, since Keras Tuner copies lists of whole numbers into plain ones.
        super().__init__(float(value) for value in allowed)
        self._dimension = dimension

    def __contains__(self, value: Any) -> bool:
        return super().__contains__(self._dimension.cut(value))


def _allowed(dimension: Dimension, allowed: tuple[Value, ...]) -> list[Any]:
    return _Cut(dimension, allowed) if isinstance(dimension, IntDimension) and dimension.log else list(allowed)


def _entry(parameter: Parameter, dimensions: Mapping[str, Dimension]) -> Any:
    from keras_tuner.engine import hyperparameters as kinds
    from keras_tuner.src.engine.conditions import Parent

    name, dimension = parameter.name, parameter.dimension
    # Not by conditional_scope: that takes a second condition only if the parent has the first one too.
    conditions = [
        Parent(parent, _allowed(dimensions[parent], allowed)) for parent, allowed in parameter.conditions.items()
    ]
    match dimension:
        case IntDimension(log=True):
            relaxed = dimension.relaxed()
            return kinds.Float(name, relaxed.low, relaxed.high, sampling="log", conditions=conditions)
        case IntDimension():
            return kinds.Int(name, dimension.low, dimension.high, dimension.step, conditions=conditions)
        case FloatDimension(step=None) if dimension.low < dimension.high:
            sampling = "log" if dimension.log else "linear"
            return kinds.Float(name, dimension.low, dimension.high, sampling=sampling, conditions=conditions)
        case FloatDimension():
            # Keras Tuner's Float would miss the last value where (high - low) / step rounds down, as 0.45 / 0.05 does.
            return kinds.Choice(name, dimension.values(), ordered=True, conditions=conditions)
        case ChoiceDimension(options=[bool() as first, *others]):
            # Keras Tuner's Choice would turn them into 0 and 1.
            return (
                kinds.Boolean(name, conditions=conditions)
                if others
                else kinds.Fixed(name, first, conditions=conditions)
            )
        case ChoiceDimension():
            return kinds.Choice(name, dimension.options, conditions=conditions)
        case BoolDimension():
            return kinds.Boolean(name, conditions=conditions)

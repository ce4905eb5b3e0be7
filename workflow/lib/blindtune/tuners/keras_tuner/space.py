"""The search space in Keras Tuner's classes, and hyperparameter values in its form."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blindtune.search_space import (
    BoolDimension,
    ChoiceDimension,
    Dimension,
    FixedDimension,
    FloatDimension,
    Hyperparameters,
    HyperparameterSpec,
    IntDimension,
    Space,
    Value,
)

if TYPE_CHECKING:
    import keras_tuner


def declare_hyperparameters(space: Space) -> "keras_tuner.HyperParameters":
    """Return Keras Tuner's search space, each entry with the conditions under which it is active.

    All entries are declared before the search: an entry found while a model is built would begin at its default
    instead of a draw.
    """
    import keras_tuner

    declared = keras_tuner.HyperParameters()
    dimensions = {spec.name: spec.dimension for spec in space.hyperparameters()}
    declared.merge([_declare(spec, dimensions) for spec in space.hyperparameters()])
    return declared


def to_keras_values(space: Space, values: Mapping[str, Value]) -> Hyperparameters:
    """Return hyperparameter values as Keras Tuner stores them.

    Args:
        space: the search space.
        values: the active hyperparameters.

    Returns:
        The same values; for a logarithmic whole number, the geometric mean of the continuous draws that give it.
    """
    dimensions = {spec.name: spec.dimension for spec in space.hyperparameters()}
    return {name: _to_keras_value(dimensions[name], value) for name, value in values.items()}


def _to_keras_value(dimension: Dimension, value: Value) -> Value:
    if isinstance(dimension, IntDimension) and dimension.log and isinstance(value, int):
        return math.sqrt(value * (value + 1))
    return value


class _IntegerCondition(list[float]):
    """Allowed values of a logarithmic whole number, for which Keras Tuner stores a continuous draw."""

    def __init__(self, dimension: IntDimension, allowed: tuple[Value, ...]) -> None:
        # Floats, since Keras Tuner copies lists of whole numbers into plain ones.
        super().__init__(float(value) for value in allowed)
        self._dimension = dimension

    def __contains__(self, value: Any) -> bool:
        return super().__contains__(self._dimension.from_continuous(value))


def _allowed_values(dimension: Dimension, allowed: tuple[Value, ...]) -> list[Any]:
    return (
        _IntegerCondition(dimension, allowed)
        if isinstance(dimension, IntDimension) and dimension.log
        else list(allowed)
    )


def _declare(spec: HyperparameterSpec, dimensions: Mapping[str, Dimension]) -> Any:
    from keras_tuner.engine import hyperparameters as entries
    from keras_tuner.src.engine.conditions import Parent

    name, dimension = spec.name, spec.dimension
    # Not conditional_scope: it takes a second condition only if the parent has the first one too.
    conditions = [
        Parent(parent, _allowed_values(dimensions[parent], allowed)) for parent, allowed in spec.conditions.items()
    ]
    match dimension:
        case IntDimension(log=True):
            continuous = dimension.to_continuous()
            return entries.Float(name, continuous.lowest, continuous.highest, sampling="log", conditions=conditions)
        case IntDimension():
            return entries.Int(name, dimension.lowest, dimension.highest, dimension.step, conditions=conditions)
        case FloatDimension(step=None) if dimension.lowest < dimension.highest:
            sampling = "log" if dimension.log else "linear"
            return entries.Float(name, dimension.lowest, dimension.highest, sampling=sampling, conditions=conditions)
        case FloatDimension():
            # Keras Tuner's Float would miss the last value where (high - low) / step rounds down, as 0.45 / 0.05 does.
            return entries.Choice(name, dimension.values(), ordered=True, conditions=conditions)
        case ChoiceDimension(options=[bool() as first, *others]):
            # Keras Tuner's Choice would turn them into 0 and 1.
            return (
                entries.Boolean(name, conditions=conditions)
                if others
                else entries.Fixed(name, first, conditions=conditions)
            )
        case ChoiceDimension():
            return entries.Choice(name, dimension.options, conditions=conditions)
        case BoolDimension():
            return entries.Boolean(name, conditions=conditions)
        case FixedDimension():
            return entries.Fixed(name, dimension.value, conditions=conditions)

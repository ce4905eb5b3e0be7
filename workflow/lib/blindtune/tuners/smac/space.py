"""The search space in ConfigSpace's classes, with every condition."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from blindtune.search_space import HyperparameterSpec, IntDimension, Space, Value
from blindtune.tuners.engine_space import EngineDimension, list_dimensions, list_indices

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def build_configuration_space(space: Space, seed: int) -> "ConfigurationSpace":
    """Return ConfigSpace's search space, each hyperparameter with the conditions under which it is active.

    Args:
        space: the search space.
        seed: seed of its draws.
    """
    from ConfigSpace import ConfigurationSpace

    built = ConfigurationSpace(seed=seed)
    specs = {spec.name: spec for spec in space.hyperparameters()}
    told = {one.name: one for one in list_dimensions(space)}
    parameters = {name: _build_parameter(one) for name, one in told.items()}
    built.add(*parameters.values())
    built.add(
        *(
            _join_all(
                _build_condition(parameters[name], parameters[parent], specs[parent], told[parent], allowed)
                for parent, allowed in one.conditions
            )
            for name, one in told.items()
            if one.conditions
        )
    )
    return built


def _build_parameter(told: EngineDimension) -> Any:
    import ConfigSpace
    import numpy as np

    match told.kind:
        case "category":
            # A default of the type that is drawn: sets that are equal must have one hash, which is that of their text.
            return ConfigSpace.Categorical(told.name, range(told.count), default=np.int64(0))
        case "index":
            return ConfigSpace.Integer(told.name, (0, told.count - 1))
        case "number":
            return ConfigSpace.Float(told.name, (told.low, told.high), log=told.log)


def _build_condition(
    child: Any, parent: Any, spec: HyperparameterSpec, told: EngineDimension, allowed: tuple[Value, ...]
) -> Any:
    """Return the condition that a parent has one of some values."""
    import ConfigSpace

    if told.kind == "number":
        return _join_any(_build_range(child, parent, *run) for run in _list_runs(spec, allowed))
    return ConfigSpace.InCondition(child, parent, list_indices(spec, allowed))


def _list_runs(spec: HyperparameterSpec, allowed: tuple[Value, ...]) -> list[tuple[float | None, float | None]]:
    """Return the ranges of draws that give allowed values of a logarithmic whole number.

    Returns:
        Of each range the lowest draw, included, and the highest, excluded; None: the bound of the dimension.
    """
    dimension = spec.dimension
    if not isinstance(dimension, IntDimension):
        raise TypeError(f"{spec.name}: only a list of values can be a condition")
    runs: list[list[int]] = []
    for value in sorted(map(dimension.snap, allowed)):
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return [
        (
            None if run[0] == dimension.lowest else float(run[0]),
            None if run[-1] == dimension.highest else float(run[-1] + 1),
        )
        for run in runs
    ]


def _build_range(child: Any, parent: Any, low: float | None, high: float | None) -> Any:
    import ConfigSpace

    parts: list[Any] = []
    if low is not None:
        # The condition is "greater than", and the bound itself gives the value.
        parts.append(ConfigSpace.GreaterThanCondition(child, parent, math.nextafter(low, -math.inf)))
    if high is not None:
        parts.append(ConfigSpace.LessThanCondition(child, parent, high))
    # Active with every value, if the parent itself is active.
    parts = parts or [ConfigSpace.LessThanCondition(child, parent, math.inf, check_condition_legality=False)]
    return _join_all(parts)


def _join_all(parts: Iterable[Any]) -> Any:
    import ConfigSpace

    found = list(parts)
    return found[0] if len(found) == 1 else ConfigSpace.AndConjunction(*found)


def _join_any(parts: Iterable[Any]) -> Any:
    import ConfigSpace

    found = list(parts)
    return found[0] if len(found) == 1 else ConfigSpace.OrConjunction(*found)


def to_numbers(configuration: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a configuration of ConfigSpace, without its types.

    Args:
        configuration: of ConfigSpace; the active hyperparameters alone.
    """
    return {name: float(value) for name, value in configuration.items()}

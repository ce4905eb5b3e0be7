"""The search space in the plain terms that every optional engine has, and hyperparameters from an engine's numbers.

Steps, choices and booleans are indices from 0, so an engine can neither miss a value nor turn it into another type.
Logarithmic whole numbers are continuous, as `IntDimension.to_continuous` says, so that all libraries draw alike.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from blindtune.core.files import canonical_json
from blindtune.search_space import (
    AnyDimension,
    BoolDimension,
    ChoiceDimension,
    FloatDimension,
    Hyperparameters,
    HyperparameterSpec,
    IntDimension,
    Space,
    Value,
)

#: Sets of a grid, with repeated ones, that are gone through.
_MAX_GRID_SIZE = 1_000_000

#: A hyperparameter and the values of it with which another one is active.
Condition = tuple[str, tuple[Value, ...]]


@dataclass(frozen=True)
class EngineDimension:
    """What an engine is told of one hyperparameter.

    Attributes:
        name: of the hyperparameter.
        kind: index: whole numbers from 0 whose order means something; category: whole numbers from 0 without an order;
            number: a float.
        count: number of values; of a number 0.
        low: smallest value of a number.
        high: its largest value.
        log: whether it is drawn on the logarithmic scale.
        conditions: pairs of another hyperparameter and the values with which this one is active; all must hold. A
            hyperparameter of one value is never among them.
    """

    name: str
    kind: Literal["index", "category", "number"]
    count: int = 0
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    conditions: tuple[Condition, ...] = ()


def list_dimensions(space: Space) -> list[EngineDimension]:
    """Return what an engine is told of a space, parents first: all hyperparameters that can have several values.

    Engines differ in what they make of a hyperparameter of one value, so they are not told of it: what depends on it
    depends on its own conditions instead.

    Args:
        space: the search space.
    """
    found = []
    conditions: dict[str, tuple[Condition, ...] | None] = {}
    specs = {spec.name: spec for spec in space.hyperparameters()}
    for spec in specs.values():
        conditions[spec.name] = _resolve_conditions(spec, specs, conditions)
        own = conditions[spec.name]
        if own is not None and not is_constant(spec):
            found.append(_describe(spec, own))
    return found


def _resolve_conditions(
    spec: HyperparameterSpec,
    specs: Mapping[str, HyperparameterSpec],
    known: Mapping[str, tuple[Condition, ...] | None],
) -> tuple[Condition, ...] | None:
    """Return the conditions of a hyperparameter on others of several values; None if it can never be active."""
    found: list[Condition] = []
    for parent, allowed in spec.conditions.items():
        above = known[parent]
        if above is None:
            return None
        if not is_constant(specs[parent]):
            found.append((parent, allowed))
        elif _only_value(specs[parent]) in allowed:
            found += above
        else:
            return None
    return tuple(found)


def is_constant(spec: HyperparameterSpec) -> bool:
    """Return whether a hyperparameter has one value.

    Args:
        spec: of the space.
    """
    values = spec.dimension.values()
    return values is not None and len(values) == 1


def _only_value(spec: HyperparameterSpec) -> Value:
    return (spec.dimension.values() or [])[0]


def _describe(spec: HyperparameterSpec, conditions: tuple[Condition, ...]) -> EngineDimension:
    name, dimension = spec.name, spec.dimension
    match dimension:
        case IntDimension(log=True):
            dimension = dimension.to_continuous()
            return EngineDimension(name, "number", 0, dimension.lowest, dimension.highest, True, conditions)
        case FloatDimension(step=None):
            return EngineDimension(name, "number", 0, dimension.lowest, dimension.highest, dimension.log, conditions)
    is_category = isinstance(dimension, ChoiceDimension | BoolDimension)
    count = len(dimension.values() or [])
    return EngineDimension(name, "category" if is_category else "index", count, conditions=conditions)


def list_indices(spec: HyperparameterSpec, allowed: tuple[Value, ...]) -> list[int]:
    """Return the indices of some values of a dimension that an engine knows by index.

    Args:
        spec: the hyperparameter.
        allowed: some of its values.
    """
    values: Sequence[Value] = spec.dimension.values() or []
    return sorted(values.index(spec.dimension.snap(value)) for value in allowed)


def to_hyperparameters(space: Space, proposed: Mapping[str, float]) -> Hyperparameters:
    """Return the active hyperparameters of an engine's numbers.

    Each number is clipped into its bounds first: an engine that computes with logarithms gives 7.9999999 for 8, which
    would be rounded down to a value that is not in the space.

    Args:
        space: the search space.
        proposed: the engine's numbers, of the active hyperparameters of several values at least.
    """
    values: Hyperparameters = {}
    for spec in space.hyperparameters():
        if spec.is_active(values):
            values[spec.name] = (
                _only_value(spec) if is_constant(spec) else _to_value(spec.dimension, float(proposed[spec.name]))
            )
    return space.snap(values)


def _to_value(dimension: AnyDimension, number: float) -> Value:
    match dimension:
        case IntDimension(log=True):
            continuous = dimension.to_continuous()
            return dimension.from_continuous(min(max(number, continuous.lowest), continuous.highest))
        case FloatDimension(step=None):
            return min(max(number, dimension.lowest), dimension.highest)
    values = dimension.values() or []
    return values[round(min(max(number, 0), len(values) - 1))]


def grid_size(space: Space) -> int:
    """Return the number of sets of a grid in which every hyperparameter is active.

    Args:
        space: lists of values alone.
    """
    return math.prod(told.count for told in list_dimensions(space))


def check_grid_size(space: Space, library: str) -> None:
    """Refuse a grid that is too large to go through.

    Args:
        space: lists of values alone.
        library: for the message.

    Raises:
        ValueError: the message has the number of sets.
    """
    if grid_size(space) > _MAX_GRID_SIZE:
        raise ValueError(
            f"space: is a grid of {grid_size(space):,} sets, of which {library} goes through at most "
            f"{_MAX_GRID_SIZE:,}; take larger steps or another algorithm"
        )


def list_grid_sets(space: Space, points: Iterable[Mapping[str, float]]) -> Iterator[Hyperparameters]:
    """Yield the sets of a grid, each once: points that differ in what is not active are one set.

    Args:
        space: the search space.
        points: an engine's numbers, of all hyperparameters of several values.
    """
    seen: set[str] = set()
    for point in points:
        values = to_hyperparameters(space, point)
        text = canonical_json(values)
        if text not in seen:
            seen.add(text)
            yield values

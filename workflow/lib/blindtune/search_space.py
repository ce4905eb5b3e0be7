"""Search-space language: dimensions declared once in YAML, the same for every tuner.

A space maps names to dimensions. Types, step and log follow the guide (sections 5 and 6.1): whole numbers and floats
between two inclusive bounds, choices, booleans. ``when`` makes a dimension depend on another, ``repeat: layers`` makes
one copy for each of the first <layers> layers::

    layers: {type: int, low: 1, high: 5}
    units: {type: int, low: 32, high: 97, step: 5, repeat: layers}
    dropout: {type: bool}
    dropout_rate: {type: float, low: 0.1, high: 0.5, step: 0.05, when: {dropout: [true]}}

A hyperparameter set is a flat dict of the active values: ``{"layers": 2, "units_1": 32, ...}``.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, RootModel, field_validator, model_validator

from blindtune.core.bounds import MAX_FLOAT, MAX_HYPERPARAMETERS, MAX_INTEGER, MAX_LAYERS, MAX_VALUES
from blindtune.core.validation import PARAMETER_PATTERN, Strict, suggest_name

if TYPE_CHECKING:
    import numpy as np

#: One value of a hyperparameter.
Value = int | float | str | bool
#: Values of a dimension that a message lists one by one.
_MOST_SHOWN = 20

#: One hyperparameter set: the active values by name.
Hyperparameters = dict[str, Value]


class _Dimension(Strict):
    when: dict[str, list[Value]] | None = Field(
        default=None, description="active only if each named dimension has one of the listed values; null: no condition"
    )
    repeat: str | None = Field(
        default=None, description="name of an int dimension with value n: one copy for each of 1 ... n; null: no copies"
    )


class IntDimension(_Dimension):
    """Whole numbers from `low` to `high`, both included."""

    type: Literal["int"]
    low: int = Field(ge=-MAX_INTEGER, le=MAX_INTEGER, description="smallest value")
    high: int = Field(ge=-MAX_INTEGER, le=MAX_INTEGER, description="largest value, included if a step reaches it")
    step: int = Field(default=1, ge=1, le=2 * MAX_INTEGER, description="distance between neighbouring values")
    log: bool = Field(default=False, description="draw uniformly on the logarithmic scale")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step != 1)
        return self

    def values(self) -> range:
        """Return all values, ascending."""
        return range(self.low, self.high + 1, self.step)

    def draw(self, random: "np.random.Generator") -> int:
        """Draw one value, uniformly over the values or over their logarithms."""
        if self.log:
            return self.from_continuous(self.to_continuous().draw(random))
        return self.low + self.step * int(random.integers(len(self.values())))

    def to_continuous(self) -> "FloatDimension":
        """Return the continuous dimension whose draws give, rounded down, those of this logarithmic dimension.

        Each library has another rule for logarithmic whole numbers; with this dimension they all draw alike.
        """
        return FloatDimension(type="float", low=self.low, high=self.high + 1, log=True)

    def from_continuous(self, value: float) -> int:
        """Return the whole number that a draw from `to_continuous` gives."""
        return min(self.high, int(value))

    def snap(self, value: Value) -> int:
        """Return a value as an int.

        Raises:
            ValueError: it is not a value of this dimension.
        """
        whole = not isinstance(value, bool | str) and (isinstance(value, int) or value.is_integer())
        if not whole or int(value) not in self.values():
            raise ValueError(f"{value!r} is not one of {self.low}, {self.low + self.step}, ... {self.high}")
        return int(value)


class FloatDimension(_Dimension):
    """Floats from `low` to `high`; with a step, ``low + k * step`` up to `high`."""

    type: Literal["float"]
    low: float = Field(ge=-MAX_FLOAT, le=MAX_FLOAT, description="smallest value")
    high: float = Field(ge=-MAX_FLOAT, le=MAX_FLOAT, description="largest value, included if a step reaches it")
    step: float | None = Field(default=None, gt=0, le=2 * MAX_FLOAT, description="distance between neighbouring values")
    log: bool = Field(default=False, description="draw uniformly on the logarithmic scale")

    @field_validator("low", "high", "step", mode="before")
    @classmethod
    def _accept_whole_numbers(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step is not None)
        if self.step is not None and (self.high - self.low) / self.step >= MAX_VALUES:
            raise ValueError(f"step: {self.step} gives more than {MAX_VALUES:,} values; take a larger one or none")
        return self

    def values(self) -> list[float] | None:
        """Return all values, ascending; None without a step."""
        if self.step is None:
            return None if self.low < self.high else [self.low]
        return list(_list_values(self.low, self.step, self._count()))

    def _count(self) -> int:
        """Return the number of values of a dimension with a step."""
        if self.step is None:
            raise TypeError("without a step there is no list of values")
        # The small excess lets 0.1 .. 0.5 by 0.1 reach 0.5 in binary arithmetic.
        return int((self.high - self.low) / self.step + 1e-9) + 1

    def draw(self, random: "np.random.Generator") -> float:
        """Draw one value, uniformly over the range (or its values) or over the logarithms."""
        if self.step is not None:
            return _value_at(self.low, self.step, int(random.integers(self._count())))
        if self.low == self.high:
            random.integers(1)  # so that the draws after it are what they always were
            return self.low
        if self.log:
            return float(math.exp(random.uniform(math.log(self.low), math.log(self.high))))
        return float(random.uniform(self.low, self.high))

    def snap(self, value: Value) -> float:
        """Return a value as a float, with a step exactly as `values` holds it.

        Raises:
            ValueError: it is not a value of this dimension.
        """
        if isinstance(value, bool | str):
            raise ValueError(f"{value!r} is not a number")
        if self.step is None and self.low < self.high:
            if not self.low <= value <= self.high:
                raise ValueError(f"{value!r} is not between {self.low} and {self.high}")
            return float(value)
        close = min(self._values_near(value), key=lambda known: abs(known - value))
        if not abs(close - value) <= 1e-9 * max(1.0, abs(close)):
            raise ValueError(f"{value!r} is not one of {_describe_values(self.values() or [])}")
        return close

    def _values_near(self, value: float) -> list[float]:
        """Return a few values that hold the one next to a number, ascending; all would take long if there are many."""
        if self.step is None:
            return [self.low]
        last = self._count() - 1
        # Compared before it is a whole number, which neither NaN nor infinity can be.
        place = (value - self.low) / self.step
        near = round(place) if 0 <= place <= last else (last if place > last else 0)
        return [_value_at(self.low, self.step, index) for index in range(max(0, near - 1), min(last, near + 1) + 1)]


class ChoiceDimension(_Dimension):
    """One of the listed values, each with the same probability."""

    type: Literal["choice"]
    options: list[Value] = Field(
        min_length=1, max_length=MAX_VALUES, description="the values to choose from, all of one type"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({type(value) for value in self.options}) > 1:
            raise ValueError("options must be of one type (Keras Tuner takes no mixture)")
        if len(set(self.options)) < len(self.options):
            raise ValueError("options holds a value twice")
        if any(not isinstance(value, str) and not -MAX_FLOAT <= value <= MAX_FLOAT for value in self.options):
            raise ValueError(f"options: a number must be finite and at most {MAX_FLOAT:g}")
        return self

    def values(self) -> list[Value]:
        """Return all values, in the order of the list."""
        return list(self.options)

    def draw(self, random: "np.random.Generator") -> Value:
        """Draw one value, each with the same probability."""
        return self.options[int(random.integers(len(self.options)))]

    def snap(self, value: Value) -> Value:
        """Return a value as it is in the list.

        Raises:
            ValueError: it is not in the list.
        """
        for known in self.options:
            if known == value and isinstance(value, bool) == isinstance(known, bool):
                return known
        raise ValueError(f"{value!r} is not one of {self.options}")


class BoolDimension(_Dimension):
    """True or false."""

    type: Literal["bool"]

    def values(self) -> list[bool]:
        """Return both values."""
        return [False, True]

    def draw(self, random: "np.random.Generator") -> bool:
        """Draw one value, each with the same probability."""
        return bool(random.integers(2))

    def snap(self, value: Value) -> bool:
        """Return a value.

        Raises:
            ValueError: it is not a boolean.
        """
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is not true or false")
        return value


Dimension = Annotated[IntDimension | FloatDimension | ChoiceDimension | BoolDimension, Field(discriminator="type")]


@dataclass(frozen=True)
class HyperparameterSpec:
    """One hyperparameter of a space: a dimension, or one copy of a repeated dimension.

    Attributes:
        name: the key in a hyperparameter set, ``units_2`` for the second copy of ``units``.
        dimension: its values.
        conditions: for each hyperparameter on which it depends, the values with which it is active.
    """

    name: str
    dimension: IntDimension | FloatDimension | ChoiceDimension | BoolDimension
    conditions: Mapping[str, tuple[Value, ...]]

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Return whether it is active, given the active values of the hyperparameters on which it depends."""
        return all(parent in values and values[parent] in allowed for parent, allowed in self.conditions.items())


class Space(RootModel[dict[Annotated[str, Field(pattern=PARAMETER_PATTERN, max_length=60)], Dimension]]):
    """A search space; the module's docstring describes the language."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.root:
            raise ValueError("the search space is empty: declare at least one dimension")
        names: set[str] = set()
        for spec in self._expand():
            if spec.name in names:
                raise ValueError(f"{spec.name}: two dimensions give a hyperparameter of this name")
            names.add(spec.name)
            if len(names) > MAX_HYPERPARAMETERS:
                raise ValueError(f"the search space has more than {MAX_HYPERPARAMETERS:,} hyperparameters")
        return self

    def hyperparameters(self) -> list[HyperparameterSpec]:
        """Return all hyperparameters, parents before those that depend on them."""
        return list(self._expand())

    def draw(self, random: "np.random.Generator") -> Hyperparameters:
        """Draw one hyperparameter set, each active dimension independently: the reference sampler."""
        values: Hyperparameters = {}
        for spec in self.hyperparameters():
            if spec.is_active(values):
                values[spec.name] = spec.dimension.draw(random)
        return values

    def snap(self, values: Mapping[str, Value]) -> Hyperparameters:
        """Return the active hyperparameters, each as its dimension represents it.

        Args:
            values: at least the active hyperparameters; all others are dropped.

        Raises:
            ValueError: an active hyperparameter is missing or has a value outside its dimension.
        """
        snapped: Hyperparameters = {}
        for spec in self.hyperparameters():
            if not spec.is_active(snapped):
                continue
            if spec.name not in values:
                raise ValueError(f"{spec.name}: is missing")
            try:
                snapped[spec.name] = spec.dimension.snap(values[spec.name])
            except ValueError as error:
                raise ValueError(f"{spec.name}: {error}") from None
        return snapped

    def from_library_values(self, values: Mapping[str, Value]) -> Hyperparameters:
        """Return the active hyperparameters of a library's values.

        Args:
            values: as in `snap`, but logarithmic whole numbers are draws from `IntDimension.to_continuous`.

        Raises:
            ValueError: an active hyperparameter is missing or has a value outside its dimension.
        """
        whole = dict(values)
        for spec in self.hyperparameters():
            dimension, value = spec.dimension, values.get(spec.name)
            if isinstance(dimension, IntDimension) and dimension.log and isinstance(value, float):
                whole[spec.name] = dimension.from_continuous(value)
        return self.snap(whole)

    def _expand(self) -> Iterator[HyperparameterSpec]:
        waiting = dict(self.root)
        done: set[str] = set()
        while waiting:
            ready = [name for name, dimension in waiting.items() if self._parents(name, dimension) <= done]
            if not ready:
                raise ValueError(f"{', '.join(waiting)}: these dimensions depend on each other in a circle")
            for name in ready:
                yield from self._copies(name, waiting.pop(name))
                done.add(name)

    def _parents(self, name: str, dimension: _Dimension) -> set[str]:
        parents = set(dimension.when or {}) | ({dimension.repeat} if dimension.repeat is not None else set())
        for parent in parents:
            if parent not in self.root:
                raise ValueError(
                    f"{name}: depends on {parent!r}, which is not declared; {suggest_name(parent, list(self.root))}"
                )
        return parents

    def _copies(
        self, name: str, dimension: IntDimension | FloatDimension | ChoiceDimension | BoolDimension
    ) -> Iterator[HyperparameterSpec]:
        if dimension.repeat is None:
            conditions = {parent: self._allowed(name, parent, None) for parent in dimension.when or {}}
            yield HyperparameterSpec(name, dimension, conditions)
            return
        counter = self.root[dimension.repeat]
        if not isinstance(counter, IntDimension) or counter.repeat or counter.low < 0:
            raise ValueError(f"{name}: repeat: {dimension.repeat} must be an int dimension from 0 that is not repeated")
        if counter.high > MAX_LAYERS:
            raise ValueError(f"{name}: repeat: {dimension.repeat} is up to {counter.high}; the most is {MAX_LAYERS}")
        for index in range(1, counter.high + 1):
            conditions = {dimension.repeat: tuple(value for value in counter.values() if value >= index)}
            for parent in dimension.when or {}:
                copy = f"{parent}_{index}" if self.root[parent].repeat else parent
                conditions[copy] = self._allowed(name, parent, dimension.repeat)
            yield HyperparameterSpec(f"{name}_{index}", dimension, conditions)

    def _allowed(self, name: str, parent: str, repeat: str | None) -> tuple[Value, ...]:
        above = self.root[parent]
        if above.repeat and above.repeat != repeat:
            raise ValueError(
                f"{name}: when: {parent} is repeated, so {name} must be repeated over {above.repeat!r} too"
            )
        if above.values() is None:
            raise ValueError(f"{name}: when: {parent} has no list of values; give it a step or use a choice")
        dimension = self.root[name]
        allowed = (dimension.when or {})[parent]
        if not allowed:
            raise ValueError(f"{name}: when: {parent} lists no value, so {name} could never be active")
        try:
            return tuple(above.snap(value) for value in allowed)
        except ValueError as error:
            raise ValueError(f"{name}: when: {parent}: {error}") from None


def layer_value(values: Mapping[str, Value], name: str, number: int, default: Value | None = None) -> Value | None:
    """Return the value of a hyperparameter for one layer.

    Args:
        values: the active hyperparameters.
        name: the hyperparameter.
        number: the layer, from 1.
        default: returned if the set has no such hyperparameter.

    Returns:
        ``<name>_<number>`` if the set has it, else ``<name>``, which holds for all layers, else `default`.
    """
    return values.get(f"{name}_{number}", values.get(name, default))


def _value_at(low: float, step: float, index: int) -> float:
    return round(low + index * step, 12)


# Each copy of a repeated dimension asks for the values that the other copies have too.
@lru_cache(maxsize=4)
def _list_values(low: float, step: float, count: int) -> tuple[float, ...]:
    return tuple(_value_at(low, step, index) for index in range(count))


def _describe_values(values: Sequence[Value]) -> str:
    """Return a list of values for a message, without the middle of a long one."""
    if len(values) <= _MOST_SHOWN:
        return str(list(values))
    return f"{values[0]!r}, {values[1]!r}, ... {values[-1]!r}"


def _check_range(low: float, high: float, log: bool, has_step: bool) -> None:
    if low > high:
        raise ValueError(f"low {low} is above high {high}")
    if log and has_step:
        raise ValueError("log and step exclude each other (the libraries disagree on what both mean)")
    if log and low <= 0:
        raise ValueError(f"log needs a low above 0, not {low}")

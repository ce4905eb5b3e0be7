"""The search-space language: dimensions declared once in YAML, the same for every tuner.

A space maps names to dimensions. Types, step and log follow the guide (sections 5 and 6.1): whole
numbers and floats between two inclusive bounds, choices, booleans. ``when`` makes a dimension
depend on another, ``repeat: layers`` makes one copy for each of the first <layers> layers::

    layers: {type: int, low: 1, high: 5}
    units: {type: int, low: 32, high: 97, step: 5, repeat: layers}
    dropout: {type: bool}
    dropout_rate: {type: float, low: 0.1, high: 0.5, step: 0.05, when: {dropout: [true]}}

A hyperparameter set is a flat dict of the active values: ``{"layers": 2, "units_1": 32, ...}``.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, RootModel, field_validator, model_validator

from blindtune.core.validation import Strict, nearest

if TYPE_CHECKING:
    import numpy as np

Value = int | float | str | bool
Hyperparameters = dict[str, Value]

NAME_PATTERN = r"^[a-z][a-z0-9_]*$"


class _Dimension(Strict):
    when: dict[str, list[Value]] | None = Field(
        default=None, description="active only where each named dimension has one of the listed values"
    )
    repeat: str | None = Field(default=None, description="an int dimension: one copy for each of its first <n>")


class IntDimension(_Dimension):
    """Whole numbers from ``low`` to ``high``, both included."""

    type: Literal["int"]
    low: int = Field(description="lowest value")
    high: int = Field(description="highest value, included where a step reaches it")
    step: int = Field(default=1, ge=1, description="distance between neighbouring values")
    log: bool = Field(default=False, description="draw evenly on the logarithmic scale")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step != 1)
        return self

    def values(self) -> range:
        """Every value, ascending."""
        return range(self.low, self.high + 1, self.step)

    def draw(self, random: "np.random.Generator") -> int:
        """One value: even over the values, or over their logarithms."""
        if self.log:
            return self.from_continuous(self.to_continuous().draw(random))
        return self.low + self.step * int(random.integers(len(self.values())))

    def to_continuous(self) -> "FloatDimension":
        """The continuous dimension whose draws, cut down to whole numbers, are those of a logarithmic one.

        Each library has a rule of its own for logarithmic whole numbers; through this they all draw alike.
        """
        return FloatDimension(type="float", low=self.low, high=self.high + 1, log=True)

    def from_continuous(self, value: float) -> int:
        """The whole number that a draw from `to_continuous` stands for."""
        return min(self.high, int(value))

    def snap(self, value: Value) -> int:
        """``value`` as this dimension writes it; raises ValueError where it is none of its values."""
        whole = not isinstance(value, bool | str) and (isinstance(value, int) or value.is_integer())
        if not whole or int(value) not in self.values():
            raise ValueError(f"{value!r} is not one of {self.low}, {self.low + self.step}, ... {self.high}")
        return int(value)


class FloatDimension(_Dimension):
    """Floats from ``low`` to ``high``; with a step, ``low + k * step`` up to ``high``."""

    type: Literal["float"]
    low: float = Field(description="lowest value")
    high: float = Field(description="highest value, included where a step reaches it")
    step: float | None = Field(default=None, gt=0, description="distance between neighbouring values")
    log: bool = Field(default=False, description="draw evenly on the logarithmic scale")

    @field_validator("low", "high", "step", mode="before")
    @classmethod
    def _whole_numbers_too(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError("low and high must be finite")
        _check_range(self.low, self.high, self.log, self.step is not None)
        return self

    def values(self) -> list[float] | None:
        """Every value, ascending; None where there is no step."""
        if self.step is None:
            return None if self.low < self.high else [self.low]
        # The small excess lets 0.1 .. 0.5 by 0.1 reach 0.5 in binary arithmetic.
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return [round(self.low + index * self.step, 12) for index in range(count)]

    def draw(self, random: "np.random.Generator") -> float:
        """One value: even over the range (or its values), or over the logarithms."""
        values = self.values()
        if values is not None:
            return values[int(random.integers(len(values)))]
        if self.log:
            return float(math.exp(random.uniform(math.log(self.low), math.log(self.high))))
        return float(random.uniform(self.low, self.high))

    def snap(self, value: Value) -> float:
        """``value`` as this dimension writes it; raises ValueError where it is none of its values."""
        if isinstance(value, bool | str):
            raise ValueError(f"{value!r} is not a number")
        values = self.values()
        if values is None:
            if not self.low <= value <= self.high:
                raise ValueError(f"{value!r} is not between {self.low} and {self.high}")
            return float(value)
        close = min(values, key=lambda known: abs(known - value))
        if abs(close - value) > 1e-9 * max(1.0, abs(close)):
            raise ValueError(f"{value!r} is not one of {values}")
        return close


class ChoiceDimension(_Dimension):
    """One of the listed values, each as likely as the others."""

    type: Literal["choice"]
    options: list[Value] = Field(min_length=1, description="the values to choose from, all of one type")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({type(value) for value in self.options}) > 1:
            raise ValueError("options must be of one type (Keras Tuner takes no mixture)")
        if len(set(self.options)) < len(self.options):
            raise ValueError("options holds a value twice")
        if any(isinstance(value, float) and not math.isfinite(value) for value in self.options):
            raise ValueError("options must be finite")
        return self

    def values(self) -> list[Value]:
        """Every value, in the order of the list."""
        return list(self.options)

    def draw(self, random: "np.random.Generator") -> Value:
        """One value, each as likely as the others."""
        return self.options[int(random.integers(len(self.options)))]

    def snap(self, value: Value) -> Value:
        """``value`` itself; raises ValueError where it is not in the list."""
        for known in self.options:
            if known == value and isinstance(value, bool) == isinstance(known, bool):
                return known
        raise ValueError(f"{value!r} is not one of {self.options}")


class BoolDimension(_Dimension):
    """True or false."""

    type: Literal["bool"]

    def values(self) -> list[bool]:
        """Both values."""
        return [False, True]

    def draw(self, random: "np.random.Generator") -> bool:
        """One value, each as likely as the other."""
        return bool(random.integers(2))

    def snap(self, value: Value) -> bool:
        """``value`` itself; raises ValueError where it is no boolean."""
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is not true or false")
        return value


Dimension = Annotated[IntDimension | FloatDimension | ChoiceDimension | BoolDimension, Field(discriminator="type")]


@dataclass(frozen=True)
class Parameter:
    """One concrete hyperparameter: a dimension, or one copy of a repeated one.

    Attributes:
        name: the key in a hyperparameter set, ``units_2`` for the second copy of ``units``.
        dimension: what it can be.
        conditions: other parameters and the values of each with which this one is active.
    """

    name: str
    dimension: IntDimension | FloatDimension | ChoiceDimension | BoolDimension
    conditions: Mapping[str, tuple[Value, ...]]

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Whether this parameter is active beside ``values``, which hold its parents if active."""
        return all(parent in values and values[parent] in allowed for parent, allowed in self.conditions.items())


class Space(RootModel[dict[Annotated[str, Field(pattern=NAME_PATTERN)], Dimension]]):
    """A search space; see the module's text for the language."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.root:
            raise ValueError("the search space is empty: declare at least one dimension")
        parameters = list(self._expand())
        names = [parameter.name for parameter in parameters]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name}: two dimensions give a hyperparameter of this name")
        return self

    def parameters(self) -> list[Parameter]:
        """Every concrete hyperparameter, parents before those that depend on them."""
        return list(self._expand())

    def draw(self, random: "np.random.Generator") -> Hyperparameters:
        """One hyperparameter set, each active dimension drawn by itself: the reference sampler."""
        values: Hyperparameters = {}
        for parameter in self.parameters():
            if parameter.is_active(values):
                values[parameter.name] = parameter.dimension.draw(random)
        return values

    def snap(self, values: Mapping[str, Value]) -> Hyperparameters:
        """The active part of ``values`` as this space writes it.

        Raises:
            ValueError: an active hyperparameter is missing or has a value outside its dimension.
        """
        snapped: Hyperparameters = {}
        for parameter in self.parameters():
            if not parameter.is_active(snapped):
                continue
            if parameter.name not in values:
                raise ValueError(f"{parameter.name}: is missing")
            try:
                snapped[parameter.name] = parameter.dimension.snap(values[parameter.name])
            except ValueError as error:
                raise ValueError(f"{parameter.name}: {error}") from None
        return snapped

    def from_library_values(self, values: Mapping[str, Value]) -> Hyperparameters:
        """`snap` for a library's values, in which logarithmic whole numbers are still draws from `to_continuous`."""
        whole = dict(values)
        for parameter in self.parameters():
            dimension, value = parameter.dimension, values.get(parameter.name)
            if isinstance(dimension, IntDimension) and dimension.log and isinstance(value, float):
                whole[parameter.name] = dimension.from_continuous(value)
        return self.snap(whole)

    def _expand(self) -> Iterator[Parameter]:
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
        parents = set(dimension.when or {}) | ({dimension.repeat} if dimension.repeat else set())
        for parent in parents:
            if parent not in self.root:
                raise ValueError(
                    f"{name}: depends on {parent!r}, which is not declared; {nearest(parent, list(self.root))}"
                )
        return parents

    def _copies(
        self, name: str, dimension: IntDimension | FloatDimension | ChoiceDimension | BoolDimension
    ) -> Iterator[Parameter]:
        if dimension.repeat is None:
            conditions = {parent: self._allowed(name, parent, None) for parent in dimension.when or {}}
            yield Parameter(name, dimension, conditions)
            return
        counter = self.root[dimension.repeat]
        if not isinstance(counter, IntDimension) or counter.repeat or counter.low < 0:
            raise ValueError(f"{name}: repeat: {dimension.repeat} must be an int dimension from 0 that is not repeated")
        for index in range(1, counter.high + 1):
            conditions = {dimension.repeat: tuple(value for value in counter.values() if value >= index)}
            for parent in dimension.when or {}:
                copy = f"{parent}_{index}" if self.root[parent].repeat else parent
                conditions[copy] = self._allowed(name, parent, dimension.repeat)
            yield Parameter(f"{name}_{index}", dimension, conditions)

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
    """The value of ``name`` for layer ``number``: ``<name>_<number>``, else ``name`` for all, else ``default``."""
    return values.get(f"{name}_{number}", values.get(name, default))


def _check_range(low: float, high: float, log: bool, stepped: bool) -> None:
    if low > high:
        raise ValueError(f"low {low} lies above high {high}")
    if log and stepped:
        raise ValueError("log and step exclude each other (the libraries disagree on what both mean)")
    if log and low <= 0:
        raise ValueError(f"log needs a low above 0, not {low}")

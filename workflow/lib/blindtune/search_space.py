"""Search-space language: dimensions declared once in YAML, the same for every tuner.

A space maps names to dimensions. Types, step and log follow the guide (sections 5 and 6.1): whole numbers and floats
between two inclusive bounds, choices, booleans, and fixed values, which no tuner changes. ``when`` makes a dimension
depend on another, ``repeat: layers`` makes one copy for each of the first <layers> layers::

    layers: {type: int, low: 1, high: 5}
    units: {type: int, low: 32, high: 97, step: 5, repeat: layers}
    activation: {type: fixed, value: relu}
    dropout: {type: bool}
    dropout_rate: {type: float, low: 0.1, high: 0.5, step: 0.05, when: {dropout: [true]}}

A bound of a repeated dimension may be a list, which has one bound for each copy. Here layer i has i to 10 i units::

    layers: {type: int, low: 1, high: 3}
    units: {type: int, low: [1, 2, 3], high: [10, 20, 30], repeat: layers}

A hyperparameter set is a flat dict of the active values: ``{"layers": 2, "units_1": 32, ...}``.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import Discriminator, Field, RootModel, Tag, field_validator, model_validator

from blindtune.core.bounds import MAX_FLOAT, MAX_HYPERPARAMETERS, MAX_INTEGER, MAX_LAYERS, MAX_VALUES
from blindtune.core.validation import PARAMETER_PATTERN, Strict, suggest_name

if TYPE_CHECKING:
    import numpy as np

#: One value of a hyperparameter.
Value = int | float | str | bool
#: Values of a dimension that a message lists one by one.
_MOST_SHOWN = 20

#: Below this, values are computed in decimals and not rounded to 12 of them.
_TINY = 1e-9

#: One hyperparameter set: the active values by name.
Hyperparameters = dict[str, Value]


class _Dimension(Strict):
    when: dict[str, list[Value]] | None = Field(
        default=None, description="active only if each named dimension has one of the listed values; null: no condition"
    )
    repeat: str | None = Field(
        default=None, description="name of an int dimension with value n: one copy for each of 1 ... n; null: no copies"
    )

    @property
    def n_bounds(self) -> int | None:
        """For how many copies there are bounds; None: they hold for all."""
        return None

    def of_copy(self, number: int) -> Self:
        """Return the dimension of one copy, counted from 1: its bounds are no lists."""
        return self


def _number_or_list(value: object) -> str:
    return "list" if isinstance(value, list) else "number"


_PER_COPY = "; a list: of each copy"
_Number = TypeVar("_Number", int, float)
_Int = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
_Float = Annotated[float, Field(ge=-MAX_FLOAT, le=MAX_FLOAT)]
#: One bound, or a list with one for each copy of a repeated dimension.
_IntBound = Annotated[
    Annotated[_Int, Tag("number")] | Annotated[list[_Int], Field(min_length=1, max_length=MAX_LAYERS), Tag("list")],
    Discriminator(_number_or_list),
]
_FloatBound = Annotated[
    Annotated[_Float, Tag("number")] | Annotated[list[_Float], Field(min_length=1, max_length=MAX_LAYERS), Tag("list")],
    Discriminator(_number_or_list),
]


class _BoundedDimension(_Dimension):
    """A dimension with bounds, which may be lists with a bound for each copy; subclasses declare their types."""

    if TYPE_CHECKING:
        low: Any
        high: Any

    @property
    def n_bounds(self) -> int | None:
        """For how many copies there are bounds; None: they hold for all."""
        has_list = isinstance(self.low, list) or isinstance(self.high, list)
        return len(_pair_bounds(self.low, self.high)) if has_list else None

    def of_copy(self, number: int) -> Self:
        """Return the dimension of one copy, counted from 1: its bounds are no lists."""
        if self.n_bounds is None:
            return self
        low, high = _pair_bounds(self.low, self.high)[number - 1]
        return self.model_copy(update={"low": low, "high": high})


class IntDimension(_BoundedDimension):
    """Whole numbers from `low` to `high`, both included; of a dimension with lists, `of_copy` gives those of a copy."""

    type: Literal["int"]
    low: _IntBound = Field(description=f"smallest value{_PER_COPY}")
    high: _IntBound = Field(description=f"largest value, included if a step reaches it{_PER_COPY}")
    step: int = Field(default=1, ge=1, le=2 * MAX_INTEGER, description="distance between neighbouring values")
    log: bool = Field(default=False, description="draw uniformly on the logarithmic scale")

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = _pair_bounds(self.low, self.high)
        _check_bounds(bounds, self.log, self.step != 1)
        return self

    @property
    def lowest(self) -> int:
        """The smallest value of any copy."""
        return min(_as_list(self.low))

    @property
    def highest(self) -> int:
        """The largest value of any copy, if a step reaches it."""
        return max(_as_list(self.high))

    def values(self) -> range:
        """Return all values, ascending."""
        return range(self.lowest, self.highest + 1, self.step)

    def draw(self, random: "np.random.Generator") -> int:
        """Draw one value, uniformly over the values or over their logarithms."""
        if self.log:
            return self.from_continuous(self.to_continuous().draw(random))
        return self.lowest + self.step * int(random.integers(len(self.values())))

    def to_continuous(self) -> "FloatDimension":
        """Return the continuous dimension whose draws give, rounded down, those of this logarithmic dimension.

        Each library has another rule for logarithmic whole numbers; with this dimension they all draw alike.
        """
        return FloatDimension(type="float", low=self.lowest, high=self.highest + 1, log=True)

    def from_continuous(self, value: float) -> int:
        """Return the whole number that a draw from `to_continuous` gives."""
        return min(self.highest, int(_clip_rounding_error(value, self.lowest, self.highest + 1)))

    def snap(self, value: Value) -> int:
        """Return a value as an int.

        Raises:
            ValueError: it is not a value of this dimension.
        """
        whole = not isinstance(value, bool | str) and (isinstance(value, int) or value.is_integer())
        if not whole or int(value) not in self.values():
            raise ValueError(f"{value!r} is not one of {self.lowest}, {self.lowest + self.step}, ... {self.highest}")
        return int(value)


class FloatDimension(_BoundedDimension):
    """Floats from `low` to `high`; with a step, ``low + k * step`` up to `high`.

    Of a dimension with lists, `of_copy` gives those of a copy.
    """

    type: Literal["float"]
    low: _FloatBound = Field(description=f"smallest value{_PER_COPY}")
    high: _FloatBound = Field(description=f"largest value, included if a step reaches it{_PER_COPY}")
    step: float | None = Field(default=None, gt=0, le=2 * MAX_FLOAT, description="distance between neighbouring values")
    log: bool = Field(default=False, description="draw uniformly on the logarithmic scale")

    @field_validator("low", "high", "step", mode="before")
    @classmethod
    def _accept_whole_numbers(cls, value: object) -> object:
        if isinstance(value, list):
            return [cls._accept_whole_numbers(bound) for bound in value]
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = _pair_bounds(self.low, self.high)
        _check_bounds(bounds, self.log, self.step is not None)
        if self.step is not None and (self.highest - self.lowest) / self.step >= MAX_VALUES:
            raise ValueError(f"step: {self.step} gives more than {MAX_VALUES:,} values; take a larger one or none")
        if self.step is not None and self.step < 2 * math.ulp(max(abs(self.lowest), abs(self.highest))):
            largest = max(abs(self.lowest), abs(self.highest))
            raise ValueError(f"step: {self.step} is too small to tell numbers near {largest} apart; take a larger one")
        return self

    @property
    def lowest(self) -> float:
        """The smallest value of any copy."""
        return min(_as_list(self.low))

    @property
    def highest(self) -> float:
        """The largest value of any copy, if a step reaches it."""
        return max(_as_list(self.high))

    def values(self) -> list[float] | None:
        """Return all values, ascending; None without a step."""
        if self.step is None:
            return None if self.lowest < self.highest else [self.lowest]
        return list(_list_values(self.lowest, self.step, self._count()))

    def _count(self) -> int:
        """Return the number of values of a dimension with a step."""
        if self.step is None:
            raise TypeError("without a step there is no list of values")
        return _count_values(self.lowest, self.highest, self.step)

    def draw(self, random: "np.random.Generator") -> float:
        """Draw one value, uniformly over the range (or its values) or over the logarithms."""
        if self.step is not None:
            return _value_at(self.lowest, self.step, int(random.integers(self._count())))
        if self.lowest == self.highest:
            random.integers(1)  # so that the draws after it are what they always were
            return self.lowest
        if self.log:
            return float(math.exp(random.uniform(math.log(self.lowest), math.log(self.highest))))
        return float(random.uniform(self.lowest, self.highest))

    def snap(self, value: Value) -> float:
        """Return a value as a float, with a step exactly as `values` holds it.

        Raises:
            ValueError: it is not a value of this dimension.
        """
        if isinstance(value, bool | str):
            raise ValueError(f"{value!r} is not a number")
        if self.step is None and self.lowest < self.highest:
            if not self.lowest <= value <= self.highest:
                raise ValueError(f"{value!r} is not between {self.lowest} and {self.highest}")
            return float(value)
        close = min(self._values_near(value), key=lambda known: abs(known - value))
        tolerance = 1e-9 * max(1.0, abs(close))
        if self.step is not None and self.step < _TINY:
            tolerance = min(tolerance, max(self.step / 1000, 4 * math.ulp(close)))
        if not abs(close - value) <= tolerance:
            raise ValueError(f"{value!r} is not one of {_describe_values(self.values() or [])}")
        return close

    def _values_near(self, value: float) -> list[float]:
        """Return a few values that hold the one next to a number, ascending; all would take long if there are many."""
        if self.step is None:
            return [self.lowest]
        last = self._count() - 1
        # Compared before it is a whole number, which neither NaN nor infinity can be.
        place = (value - self.lowest) / self.step
        near = round(place) if 0 <= place <= last else (last if place > last else 0)
        return [_value_at(self.lowest, self.step, index) for index in range(max(0, near - 1), min(last, near + 1) + 1)]


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
        _check_numbers("options", self.options)
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
        return _find(value, self.options)


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


class FixedDimension(_Dimension):
    """One value, which no tuner changes; every set and every record holds it."""

    type: Literal["fixed"]
    value: Value = Field(description="the value")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_numbers("value", [self.value])
        return self

    def values(self) -> list[Value]:
        """Return the value alone."""
        return [self.value]

    def draw(self, random: "np.random.Generator") -> Value:
        """Return the value; nothing is drawn."""
        return self.value

    def snap(self, value: Value) -> Value:
        """Return the value.

        Raises:
            ValueError: it is another one.
        """
        return _find(value, [self.value])


AnyDimension = IntDimension | FloatDimension | ChoiceDimension | BoolDimension | FixedDimension
Dimension = Annotated[AnyDimension, Field(discriminator="type")]


@dataclass(frozen=True)
class HyperparameterSpec:
    """One hyperparameter of a space: a dimension, or one copy of a repeated dimension.

    Attributes:
        name: the key in a hyperparameter set, ``units_2`` for the second copy of ``units``.
        dimension: its values; a copy has its own bounds, never lists.
        conditions: for each hyperparameter on which it depends, the values with which it is active.
    """

    name: str
    dimension: AnyDimension
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
            values: as in `snap`, but logarithmic whole numbers are draws from `IntDimension.to_continuous`, and numbers
                may be outside of their bounds by a rounding error, as logarithms give it.

        Raises:
            ValueError: an active hyperparameter is missing or has a value outside its dimension.
        """
        whole = dict(values)
        for spec in self.hyperparameters():
            dimension, value = spec.dimension, values.get(spec.name)
            if isinstance(dimension, IntDimension) and dimension.log and isinstance(value, float):
                whole[spec.name] = dimension.from_continuous(value)
            elif isinstance(dimension, FloatDimension) and dimension.step is None and isinstance(value, float):
                whole[spec.name] = _clip_rounding_error(value, dimension.lowest, dimension.highest)
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

    def _copies(self, name: str, dimension: AnyDimension) -> Iterator[HyperparameterSpec]:
        if dimension.repeat is None:
            if dimension.n_bounds is not None:
                raise ValueError(f"{name}: a list has one bound for each copy; add `repeat`, or give a number")
            conditions = {parent: self._allowed(name, parent, None) for parent in dimension.when or {}}
            yield HyperparameterSpec(name, dimension, conditions)
            return
        counts = self._counts(name, dimension.repeat)
        if dimension.n_bounds not in (None, counts[-1]):
            raise ValueError(
                f"{name}: has bounds for {dimension.n_bounds} copies, but {dimension.repeat} is up to {counts[-1]}; "
                "give one bound for each copy"
            )
        for index in range(1, counts[-1] + 1):
            conditions = {dimension.repeat: tuple(count for count in counts if count >= index)}
            for parent in dimension.when or {}:
                copy = f"{parent}_{index}" if self.root[parent].repeat else parent
                conditions[copy] = self._allowed(name, parent, dimension.repeat, index)
            yield HyperparameterSpec(f"{name}_{index}", dimension.of_copy(index), conditions)

    def _counts(self, name: str, repeat: str) -> Sequence[int]:
        """Return the numbers of copies that a dimension may give, ascending."""
        counter = self.root[repeat]
        counts: Sequence[int] = []
        if isinstance(counter, IntDimension):
            counts = counter.values()
        elif isinstance(counter, FixedDimension) and type(counter.value) is int:
            counts = [counter.value]
        if not counts or counter.repeat or counts[0] < 0:
            raise ValueError(
                f"{name}: repeat: {repeat} must be an int dimension from 0, or a fixed int, that is not repeated"
            )
        if counts[-1] > MAX_LAYERS:
            raise ValueError(f"{name}: repeat: {repeat} is up to {counts[-1]}; the most is {MAX_LAYERS}")
        return counts

    def _allowed(self, name: str, parent: str, repeat: str | None, index: int = 1) -> tuple[Value, ...]:
        """Return the values of a parent with which a dimension is active; of a repeated one those of one copy."""
        above = self.root[parent]
        if above.repeat and above.repeat != repeat:
            raise ValueError(
                f"{name}: when: {parent} is repeated, so {name} must be repeated over {above.repeat!r} too"
            )
        if above.values() is None:
            raise ValueError(f"{name}: when: {parent} has no list of values; give it a step or use a choice")
        allowed = (self.root[name].when or {})[parent]
        if not allowed:
            raise ValueError(f"{name}: when: {parent} lists no value, so {name} could never be active")
        copies = [above.of_copy(number) for number in range(1, (above.n_bounds or 1) + 1)]
        values = tuple(_snap_in_any(f"{name}: when: {parent}", value, copies) for value in allowed)
        in_copy = tuple(value for value in values if _holds(copies[min(index, len(copies)) - 1], value))
        if not in_copy:
            raise ValueError(
                f"{name}: when: {parent} lists no value of copy {index}, so {name}_{index} could never be active"
            )
        return in_copy


def _snap_in_any(where: str, value: Value, copies: Sequence[AnyDimension]) -> Value:
    """Return a value as the first copy that holds it represents it."""
    reason = ""
    for copy in copies:
        try:
            return copy.snap(value)
        except ValueError as error:
            reason = reason or str(error)
    raise ValueError(f"{where}: {reason}")


def _holds(dimension: AnyDimension, value: Value) -> bool:
    try:
        dimension.snap(value)
    except ValueError:
        return False
    return True


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


@lru_cache(maxsize=256)
def _count_values(low: float, high: float, step: float) -> int:
    # In decimals, as they were written: in binary ones (1000000.3 - 1000000) / 0.1 is less than 3. The small excess is
    # for bounds that a program computed.
    return int((Decimal(repr(high)) - Decimal(repr(low))) / Decimal(repr(step)) + Decimal("1e-9")) + 1


def _is_tiny(low: float, step: float) -> bool:
    """Return whether values that are rounded to 12 decimals would be equal, or below their lower bound."""
    return step < _TINY or 0 < abs(low) < _TINY


def _clip_rounding_error(value: float, low: float, high: float) -> float:
    """Return the bound that a number is outside of by a rounding error; any other number as it is."""
    clipped = min(max(value, low), high)
    return clipped if math.isclose(value, clipped, rel_tol=1e-9) else value


def _value_at(low: float, step: float, index: int) -> float:
    if _is_tiny(low, step):
        return float(Decimal(repr(low)) + index * Decimal(repr(step)))
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


def _find(value: Value, known_values: Sequence[Value]) -> Value:
    """Return the known value that equals ``value``; 1 and true are different ones."""
    for known in known_values:
        if known == value and isinstance(value, bool) == isinstance(known, bool):
            return known
    raise ValueError(f"{value!r} is not one of {list(known_values)}")


def _check_numbers(key: str, values: Sequence[Value]) -> None:
    if any(not isinstance(value, str) and not -MAX_FLOAT <= value <= MAX_FLOAT for value in values):
        raise ValueError(f"{key}: a number must be finite and at most {MAX_FLOAT:g}")


def _as_list(bound: _Number | list[_Number]) -> list[_Number]:
    return bound if isinstance(bound, list) else [bound]


def _pair_bounds(low: _Number | list[_Number], high: _Number | list[_Number]) -> list[tuple[_Number, _Number]]:
    """Return the bounds of each copy; one pair if they are the same for all.

    Raises:
        ValueError: two lists have different lengths.
    """
    count = max((len(bound) for bound in (low, high) if isinstance(bound, list)), default=1)
    lows, highs = ([bound] * count if not isinstance(bound, list) else bound for bound in (low, high))
    if len(lows) != len(highs):
        raise ValueError(f"low has {len(lows)} bounds and high has {len(highs)}; give one for each copy")
    return list(zip(lows, highs, strict=True))


def _check_bounds(bounds: Sequence[tuple[float, float]], log: bool, has_step: bool) -> None:
    """Refuse wrong bounds of a dimension or of one of its copies."""
    for number, (low, high) in enumerate(bounds, 1):
        try:
            _check_range(low, high, log, has_step)
        except ValueError as error:
            raise ValueError(str(error) if len(bounds) == 1 else f"copy {number}: {error}") from None


def _check_range(low: float, high: float, log: bool, has_step: bool) -> None:
    if low > high:
        raise ValueError(f"low {low} is above high {high}")
    if log and has_step:
        raise ValueError("log and step exclude each other (the libraries disagree on what both mean)")
    if log and low <= 0:
        raise ValueError(f"log needs a low above 0, not {low}")

"""The search-space language: draws, snaps, and wrong spaces."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blindtune import search_space
from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.search_space import FloatDimension, IntDimension, Space
from support.search_spaces import active_names, dimension_of, is_legal, spaces


@given(spaces(), st.integers(0, 2**32 - 1))
def test_draw_holds_every_active_dimension(space: Space, seed: int) -> None:
    """A draw holds every active dimension, with legal values."""
    values = space.draw(np.random.default_rng(seed))
    assert set(values) == active_names(space, values)
    assert all(is_legal(dimension_of(space, name), value) for name, value in values.items())


@given(spaces(), st.integers(0, 2**32 - 1))
def test_snap_keeps_draws_and_drops_inactive(space: Space, seed: int) -> None:
    """Snap keeps draws and drops what is not active."""
    values = space.draw(np.random.default_rng(seed))
    snapped = space.snap(values)
    assert snapped == values
    assert [type(value) for value in snapped.values()] == [type(values[name]) for name in snapped]
    inactive = {p.name: 1 for p in space.hyperparameters() if p.name not in values}
    assert space.snap(values | inactive | {"unknown": 1}) == values


@given(spaces())
def test_hyperparameters_list_parents_first(space: Space) -> None:
    """Parents come before the hyperparameters that depend on them."""
    seen: set[str] = set()
    for spec in space.hyperparameters():
        assert set(spec.conditions) <= seen
        seen.add(spec.name)


@given(spaces(), st.integers(0, 2**32 - 1), st.data())
def test_snap_names_a_missing_value(space: Space, seed: int, data: st.DataObject) -> None:
    """Snap refuses a missing value and names it."""
    values = space.draw(np.random.default_rng(seed))
    if not values:
        return
    name = data.draw(st.sampled_from(sorted(values)))
    with pytest.raises(ValueError, match=rf"^{name}: "):
        space.snap({key: value for key, value in values.items() if key != name})


INT = {"type": "int", "low": 1, "high": 3}
CHOICE = {"type": "choice", "options": ["relu", "tanh"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, ["empty"]),
        ({"a": {"type": "bool", "when": {"a": [True]}}}, ["a", "circle"]),
        (
            {"a": {"type": "bool", "when": {"b": [True]}}, "b": {"type": "bool", "when": {"a": [True]}}},
            ["a, b", "circle"],
        ),
        ({"a": INT | {"repeat": "b"}, "b": INT | {"repeat": "a"}}, ["a, b", "circle"]),
        ({"rate": {"type": "bool", "when": {"dropuot": [True]}}, "dropout": {"type": "bool"}}, ["rate", "'dropout'?"]),
        ({"units": INT | {"repeat": "layer"}, "layers": INT}, ["units", "'layers'?"]),
        ({"a": {"type": "int", "low": 4, "high": 3}}, ["a", "low 4", "high 3"]),
        ({"a": {"type": "float", "low": 0.4, "high": 0.3}}, ["a", "low 0.4"]),
        ({"a": {"type": "float", "low": 0.0, "high": math.inf}}, ["a", "finite"]),
        ({"a": {"type": "float", "low": 0.1, "high": 1.0, "step": 0.1, "log": True}}, ["a", "log and step"]),
        ({"a": INT | {"step": 2, "log": True}}, ["a", "log and step"]),
        ({"a": INT | {"low": 0, "log": True}}, ["a", "above 0"]),
        ({"a": INT | {"step": 0}}, ["a", "step"]),
        ({"a": {"type": "float", "low": 0.0, "high": 1.0, "step": 0.0}}, ["a", "step"]),
        ({"units": INT | {"repeat": "act"}, "act": CHOICE}, ["units", "repeat: act", "int"]),
        ({"units": INT | {"repeat": "n"}, "n": INT | {"low": -1}}, ["units", "repeat: n"]),
        ({"units": INT | {"repeat": "n"}, "n": INT | {"repeat": "m"}, "m": INT}, ["units", "repeat: n"]),
        ({"a": INT | {"when": {"act": ["rleu"]}}, "act": CHOICE}, ["a", "act", "rleu"]),
        ({"a": INT | {"when": {"act": []}}, "act": CHOICE}, ["a", "act", "never"]),
        ({"a": INT | {"when": {"n": [4]}}, "n": INT}, ["a", "n", "4"]),
        ({"a": INT | {"when": {"f": [0.5]}}, "f": {"type": "float", "low": 0.0, "high": 1.0}}, ["a", "f", "step"]),
        ({"a": INT | {"when": {"u": [1]}}, "u": INT | {"repeat": "n"}, "n": INT}, ["a", "u", "repeated", "'n'"]),
        (
            {"a": INT | {"when": {"u": [1]}, "repeat": "m"}, "u": INT | {"repeat": "n"}, "n": INT, "m": INT},
            ["a", "u", "repeated", "'n'"],
        ),
        ({"units": INT | {"repeat": "n"}, "n": INT, "units_2": INT}, ["units_2", "two dimensions"]),
        ({"a": {"type": "choice", "options": []}}, ["a", "options"]),
        ({"a": {"type": "choice", "options": [1, "x"]}}, ["a", "one type"]),
        ({"a": {"type": "choice", "options": [1, 1]}}, ["a", "twice"]),
        ({"a": {"type": "choice", "options": [math.nan]}}, ["a", "finite"]),
        ({"units": INT | {"low": [1, 2, 3]}}, ["units", "one bound for each copy", "`repeat`"]),
        ({"units": INT | {"low": [1, 2], "repeat": "n"}, "n": INT}, ["units", "2 copies", "n is up to 3"]),
        ({"units": INT | {"low": [1, 2], "high": [4, 4, 4]}}, ["units", "low has 2 bounds and high has 3"]),
        ({"units": INT | {"low": [1, 2, 4], "repeat": "n"}, "n": INT}, ["units", "copy 3: low 4 is above high 3"]),
        ({"units": INT | {"low": [1, 0, 1], "log": True, "repeat": "n"}, "n": INT}, ["units", "copy 2", "above 0"]),
        ({"units": INT | {"low": [1, True, 3], "repeat": "n"}, "n": INT}, ["units.low.1", "integer"]),
        ({"units": INT | {"low": [], "repeat": "n"}, "n": INT}, ["units.low", "at least 1"]),
        ({"units": INT | {"low": [1, 10**12], "repeat": "n"}, "n": INT}, ["units.low.1", "1000000000"]),
        (
            {
                "a": INT | {"when": {"units": [2]}, "repeat": "n"},
                "units": INT | {"low": [1, 2, 3], "repeat": "n"},
                "n": INT,
            },
            ["a: when: units lists no value of copy 3, so a_3"],
        ),
        (
            {
                "a": INT | {"when": {"units": [4]}, "repeat": "n"},
                "units": INT | {"low": [1, 2, 3], "repeat": "n"},
                "n": INT,
            },
            ["a: when: units: 4 is not one of 1"],
        ),
        ({"units": INT | {"repeat": "n"}, "n": {"type": "fixed", "value": 1.5}}, ["units", "repeat: n", "fixed int"]),
        ({"units": INT | {"repeat": "n"}, "n": {"type": "fixed", "value": True}}, ["units", "repeat: n", "fixed int"]),
        ({"units": INT | {"repeat": "n"}, "n": {"type": "fixed", "value": 2000}}, ["units", "up to 2000", "1000"]),
        ({"a": {"type": "fixed"}}, ["a.value", "missing"]),
        ({"a": {"type": "fixed", "value": math.inf}}, ["a", "finite"]),
        ({"a": INT | {"when": {"b": [2]}}, "b": {"type": "fixed", "value": 1}}, ["a", "b", "2 is not one of [1]"]),
        ({"9units": INT}, ["9units"]),
        ({"a": {"type": "integer"}}, ["a", "integer"]),
        ({"a": INT | {"setp": 2}}, ["a", "setp", "'step'?"]),
    ],
)
def test_wrong_space_is_refused_by_dimension(content: dict[str, Any], words: list[str]) -> None:
    """A wrong space is refused by the name of its dimension."""
    with pytest.raises(UserError) as caught:
        parse(Space, content, "space.yaml")
    assert all(word in str(caught.value) for word in ["space.yaml", *words]), str(caught.value)


@pytest.mark.parametrize("value", [0, 2, 98, 33.5, math.inf, math.nan, True, "32"])
def test_int_snap_refuses_other_values(value: Any) -> None:
    """An int dimension takes only its values."""
    dimension = IntDimension(type="int", low=32, high=97, step=5)
    assert dimension.snap(37.0) == 37 and type(dimension.snap(37.0)) is int
    with pytest.raises(ValueError, match="is not one of"):
        dimension.snap(value)


def test_wide_range_costs_nothing() -> None:
    """A wide range costs neither time nor memory."""
    space = Space.model_validate({"a": {"type": "int", "low": 1, "high": 10**9}})
    value = space.draw(np.random.default_rng(0))["a"]
    assert space.snap({"a": value}) == {"a": value}


def test_repeat_copies_first_layers_only() -> None:
    """Copies exist for the first layers only."""
    space = Space.model_validate({"layers": INT, "units": INT | {"repeat": "layers"}})
    assert space.snap({"layers": 2, "units_1": 1, "units_2": 3, "units_3": 2}) == {
        "layers": 2,
        "units_1": 1,
        "units_2": 3,
    }
    assert [spec.name for spec in space.hyperparameters()] == ["layers", "units_1", "units_2", "units_3"]


#: The filters of the guide's section 6.1: block i has i to 10 i of them.
GUIDE = {"blocks": INT, "filters": {"type": "int", "low": [1, 2, 3], "high": [10, 20, 30], "repeat": "blocks"}}


def test_each_copy_has_its_own_bounds() -> None:
    """A list of bounds gives each copy its own: of block i those of the guide, i to 10 i."""
    space = Space.model_validate(GUIDE)
    ranges = {spec.name: spec.dimension.values() for spec in space.hyperparameters()}
    assert ranges == {"blocks": range(1, 4), **{f"filters_{i}": range(i, 10 * i + 1) for i in (1, 2, 3)}}
    assert space.snap({"blocks": 2, "filters_1": 10, "filters_2": 20}) == {
        "blocks": 2,
        "filters_1": 10,
        "filters_2": 20,
    }
    with pytest.raises(ValueError, match=r"filters_1: 11 is not one of 1, 2, \.\.\. 10"):
        space.snap({"blocks": 2, "filters_1": 11, "filters_2": 20})
    random = np.random.default_rng(0)
    drawn = [space.draw(random) for _ in range(400)]
    for number in (1, 2, 3):
        found = {values[f"filters_{number}"] for values in drawn if f"filters_{number}" in values}
        assert found <= set(range(number, 10 * number + 1)) and max(found) > 9 * number


def test_space_with_lists_is_read_again_from_json() -> None:
    """What is written of a space with lists of bounds and fixed values is the same space again."""
    space = Space.model_validate({**GUIDE, "rate": {"type": "fixed", "value": 0.5}})
    assert Space.model_validate_json(space.model_dump_json()) == space


def test_whole_numbers_are_floats_in_a_list() -> None:
    """Bounds of floats may be whole numbers or decimal text, in a list as alone."""
    rate = {"type": "float", "low": [0, "1e-1", 0.5], "high": 1, "repeat": "n"}
    space = parse(Space, {"n": INT, "rate": rate}, "space.yaml")
    assert space.root["rate"] == Space.model_validate({"n": INT, "rate": rate | {"low": [0.0, 0.1, 0.5]}}).root["rate"]


def test_condition_holds_for_the_values_of_each_copy() -> None:
    """A condition on a dimension with lists of bounds counts for a copy with those values that the copy has."""
    after = {"type": "bool", "when": {"filters": [1, 2, 3, 30]}, "repeat": "blocks"}
    conditions = {spec.name: spec.conditions for spec in Space.model_validate({**GUIDE, "a": after}).hyperparameters()}
    assert conditions["a_1"]["filters_1"] == (1, 2, 3)
    assert conditions["a_2"]["filters_2"] == (2, 3)
    assert conditions["a_3"]["filters_3"] == (3, 30)


@pytest.mark.parametrize("value", ["relu", 3, 0.25, True])
def test_fixed_value_is_in_every_set(value: Any) -> None:
    """A fixed value is in every set and nothing else is accepted; it takes nothing of the random numbers."""
    space = Space.model_validate({"a": {"type": "fixed", "value": value}, "b": {"type": "int", "low": 1, "high": 1000}})
    alone = Space.model_validate({"b": {"type": "int", "low": 1, "high": 1000}})
    drawn, others = space.draw(np.random.default_rng(5)), alone.draw(np.random.default_rng(5))
    assert drawn == {"a": value, **others} and type(drawn["a"]) is type(value)
    with pytest.raises(ValueError, match=r"^a: .* is not one of"):
        space.snap(drawn | {"a": "tanh"})


def test_copies_of_a_fixed_number_of_layers() -> None:
    """A fixed number of layers gives that many copies, which are always active."""
    space = Space.model_validate({"layers": {"type": "fixed", "value": 2}, "units": INT | {"repeat": "layers"}})
    assert set(space.draw(np.random.default_rng(0))) == {"layers", "units_1", "units_2"}


def test_copies_end_where_a_step_ends() -> None:
    """There are only as many copies as the counter can reach by its steps."""
    space = Space.model_validate(
        {"layers": {"type": "int", "low": 1, "high": 4, "step": 2}, "a": INT | {"repeat": "layers"}}
    )
    assert [spec.name for spec in space.hyperparameters()] == ["layers", "a_1", "a_2", "a_3"]


def test_step_reaches_high_in_binary_arithmetic() -> None:
    """A step reaches the upper bound in spite of binary arithmetic."""
    space = Space.model_validate({"a": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1}})
    assert space.root["a"].values() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert space.snap({"a": 0.1 + 2 * 0.1}) == {"a": 0.3}
    with pytest.raises(ValueError, match=r"a: 0\.35"):
        space.snap({"a": 0.35})


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [
        (1e-13, 5e-13, 1e-13, [1e-13, 2e-13, 3e-13, 4e-13, 5e-13]),
        (0.0, 3e-11, 1e-11, [0.0, 1e-11, 2e-11, 3e-11]),
        (1e-10, 0.9, 0.5, [1e-10, 0.5000000001]),
        (1_000_000.0, 1_000_000.3, 0.1, [1_000_000.0, 1_000_000.1, 1_000_000.2, 1_000_000.3]),
        (1e-300, 3e-300, 1e-300, [1e-300, 2e-300, 3e-300]),
    ],
)
def test_values_of_a_step_are_those_that_are_written(low: float, high: float, step: float, values: list[float]) -> None:
    """Tiny and large numbers are counted and listed as in decimals, and each draw and value is one of the list."""
    dimension = FloatDimension(type="float", low=low, high=high, step=step)
    assert dimension.values() == values
    random = np.random.default_rng(0)
    assert {dimension.draw(random) for _ in range(100)} == set(values)
    assert [dimension.snap(low + index * step) for index in range(len(values))] == values
    if step < 1e-9:
        with pytest.raises(ValueError, match="is not one of"):
            dimension.snap(low + 1.4 * step)


def test_step_that_changes_no_number_is_refused() -> None:
    """A step below the precision of the bounds would list one number many times."""
    with pytest.raises(ValidationError, match="step: 1e-09 is too small to tell numbers near"):
        FloatDimension(type="float", low=1e9, high=1e9, step=1e-9)


def test_space_is_frozen_in_its_parts() -> None:
    """A space and its dimensions cannot be changed."""
    space = Space.model_validate({"a": INT})
    with pytest.raises(ValidationError):
        space.root["a"].low = 0


@given(
    st.floats(-3, 3), st.floats(1e-3, 2), st.integers(1, 400), st.integers(-3, 403), st.floats(-0.6, 0.6), st.integers()
)
def test_stepped_floats_are_those_of_their_list(
    low: float, step: float, count: int, index: int, off: float, seed: int
) -> None:
    """Draws and snaps do not go through all values, and give what they would."""
    dimension = FloatDimension(type="float", low=low, high=low + (count - 1) * step, step=step)
    values = dimension.values()
    assert values is not None
    expected = values[int(np.random.default_rng(abs(seed)).integers(len(values)))]
    assert dimension.draw(np.random.default_rng(abs(seed))) == expected
    value = low + (index + off) * step
    close = min(values, key=lambda known: abs(known - value))
    if abs(close - value) <= 1e-9 * max(1.0, abs(close)):
        assert dimension.snap(value) == close
    else:
        with pytest.raises(ValueError, match="is not one of"):
            dimension.snap(value)
    assert dimension.snap(values[index % len(values)]) == values[index % len(values)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
@pytest.mark.parametrize("bounds", [{"low": 0, "high": 1, "step": 0.5}, {"low": 1, "high": 1}, {"low": 0, "high": 1}])
def test_float_snap_refuses_what_is_no_number(bounds: dict[str, float], value: float) -> None:
    """A library that fails may propose such values; they are none of the dimension."""
    with pytest.raises(ValueError):
        FloatDimension(type="float", **bounds).snap(value)


def test_many_values_are_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space of many copies with many values is read, drawn from and snapped without listing them for each copy."""
    listed: list[int] = []
    value_at = search_space._value_at

    def counted(low: float, step: float, index: int) -> float:
        listed.append(index)
        return value_at(low, step, index)

    monkeypatch.setattr(search_space, "_value_at", counted)
    search_space._list_values.cache_clear()
    fine = {"type": "float", "low": 0.0, "high": 0.09999, "step": 0.00001, "repeat": "layers"}
    space = Space.model_validate({
        "layers": {"type": "int", "low": 1, "high": 50},
        "rate": fine,
        "other": {"type": "bool", "repeat": "layers", "when": {"rate": [0.5e-1, 0.1e-1]}},
    })  # fmt: skip
    values = space.draw(np.random.default_rng(1))
    assert space.snap(values) == values
    assert len(listed) < 10_000 + 3_000


def test_message_about_many_values_is_short() -> None:
    """The middle of a long list is left out."""
    with pytest.raises(ValueError, match=r"^0\.5 is not one of 0\.0, 1\.0, \.\.\. 99999\.0$"):
        FloatDimension(type="float", low=0, high=99_999, step=1).snap(0.5)


def test_library_values_lose_rounding_errors_at_the_bounds() -> None:
    """A library that computes with logarithms misses a bound by the last digits; anything more is refused."""
    space = Space.model_validate(
        {
            "rate": {"type": "float", "low": 1.85, "high": 3.77, "log": True},
            "units": {"type": "int", "low": 8, "high": 64, "log": True},
        }
    )
    assert space.from_library_values({"rate": 3.7700000000000005, "units": 7.999999999999998}) == {
        "rate": 3.77,
        "units": 8,
    }
    assert space.from_library_values({"rate": 1.8499999999999999, "units": 65.00000000000001})["units"] == 64
    with pytest.raises(ValueError, match=r"rate: 3\.78 is not between"):
        space.from_library_values({"rate": 3.78, "units": 8.0})
    with pytest.raises(ValueError, match="units: 7 is not one of"):
        space.from_library_values({"rate": 2.0, "units": 7.9})

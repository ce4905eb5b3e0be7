"""The search-space language and its compilation for Keras Tuner."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import chi2_contingency

from blindtune.config.systems import read_space
from blindtune.core.errors import UserError
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load, parse
from blindtune.search_space import IntDimension, Space
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from support.builders import build_tuner, finished_trial
from support.search_spaces import active_names, dimension_of, legal, spaces

SHIPPED = ("mlp", "mlp_dropout")
#: Keras Tuner asks for the name of its thread in an old way, at every call.
pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")

#: A wrong sampler fails far below this; a right one fails one seeded comparison in ten thousand.
P_THRESHOLD = 1e-4


@given(spaces(), st.integers(0, 2**32 - 1))
def test_a_draw_holds_every_active_dimension_and_legal_values(space: Space, seed: int) -> None:
    values = space.draw(np.random.default_rng(seed))
    assert set(values) == active_names(space, values)
    assert all(legal(dimension_of(space, name), value) for name, value in values.items())


@given(spaces(), st.integers(0, 2**32 - 1))
def test_snap_keeps_draws_and_drops_what_is_not_active(space: Space, seed: int) -> None:
    values = space.draw(np.random.default_rng(seed))
    snapped = space.snap(values)
    assert snapped == values
    assert [type(value) for value in snapped.values()] == [type(values[name]) for name in snapped]
    inactive = {p.name: 1 for p in space.hyperparameters() if p.name not in values}
    assert space.snap(values | inactive | {"unknown": 1}) == values


@given(spaces())
def test_parents_come_before_their_children(space: Space) -> None:
    seen: set[str] = set()
    for spec in space.hyperparameters():
        assert set(spec.conditions) <= seen
        seen.add(spec.name)


@given(spaces(), st.integers(0, 2**32 - 1), st.data())
def test_snap_refuses_a_missing_value_and_names_it(space: Space, seed: int, data: st.DataObject) -> None:
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
        ({"Units": INT}, ["Units"]),
        ({"a": {"type": "integer"}}, ["a", "integer"]),
        ({"a": INT | {"setp": 2}}, ["a", "setp", "'step'?"]),
    ],
)
def test_a_wrong_space_is_refused_by_the_name_of_the_dimension(content: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        parse(Space, content, "space.yaml")
    assert all(word in str(caught.value) for word in ["space.yaml", *words]), str(caught.value)


@pytest.mark.parametrize("value", [0, 2, 98, 33.5, math.inf, math.nan, True, "32"])
def test_an_int_takes_none_but_its_values(value: Any) -> None:
    dimension = IntDimension(type="int", low=32, high=97, step=5)
    assert dimension.snap(37.0) == 37 and type(dimension.snap(37.0)) is int
    with pytest.raises(ValueError, match="is not one of"):
        dimension.snap(value)


def test_a_wide_range_costs_nothing() -> None:
    space = Space.model_validate({"a": {"type": "int", "low": 1, "high": 10**15}})
    value = space.draw(np.random.default_rng(0))["a"]
    assert space.snap({"a": value}) == {"a": value}


def test_copies_follow_the_first_layers_alone() -> None:
    space = Space.model_validate({"layers": INT, "units": INT | {"repeat": "layers"}})
    assert space.snap({"layers": 2, "units_1": 1, "units_2": 3, "units_3": 2}) == {
        "layers": 2,
        "units_1": 1,
        "units_2": 3,
    }
    assert [spec.name for spec in space.hyperparameters()] == ["layers", "units_1", "units_2", "units_3"]


def test_a_step_reaches_the_high_end_in_binary_arithmetic() -> None:
    space = Space.model_validate({"a": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1}})
    assert space.root["a"].values() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert space.snap({"a": 0.1 + 2 * 0.1}) == {"a": 0.3}
    with pytest.raises(ValueError, match=r"a: 0\.35"):
        space.snap({"a": 0.35})


def test_the_model_is_frozen_in_its_parts() -> None:
    space = Space.model_validate({"a": INT})
    with pytest.raises(ValidationError):
        space.root["a"].low = 0


# --- Keras Tuner


def keras_tuner(space: Space, trials: int, seed: int = 42) -> Any:
    return build_tuner(KerasTunerConfig(library="keras-tuner", algorithm="random"), space, trials, seed)


def drawn(tuner: Any) -> dict[str, Any]:
    """Values as Keras Tuner draws them, without its rule against repetition, which knows of scored trials only.

    The rule thins out what has few sets: one layer of ``mlp`` has 112, which run out within 2,000 trials.
    """
    return dict(tuner._space.from_library_values(tuner._oracle.populate_space("0")["values"]))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spaces(), st.integers(1, 2**31 - 1))
def test_keras_tuner_gives_exactly_the_active_hyperparameters(space: Space, seed: int) -> None:
    tuner = keras_tuner(space, 300, seed)
    proposed: list[dict[str, Any]] = []
    while len(proposed) < 300 and (proposal := tuner.ask()) is not None:
        theirs = tuner._running[-1].hyperparameters.values
        assert set(theirs) == set(proposal.hyperparameters) == active_names(space, proposal.hyperparameters)
        assert all(legal(dimension_of(space, name), value) for name, value in proposal.hyperparameters.items())
        assert theirs not in proposed
        proposed.append(dict(theirs))
        tuner.tell(finished_trial(0.5))
    assert proposed


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0.05, 0.5, 0.05), (0.0, 1.0, 0.1), (0.1, 0.5, 0.1), (0.2, 0.9, 0.3)]
)
def test_keras_tuner_reaches_every_step(low: float, high: float, step: float) -> None:
    space = Space.model_validate({"it": {"type": "float", "low": low, "high": high, "step": step}})
    tuner = keras_tuner(space, 300)
    assert {drawn(tuner)["it"] for _ in range(200)} == set(space.root["it"].values() or [])


@pytest.mark.parametrize("name", SHIPPED)
def test_keras_tuner_draws_as_the_reference_sampler_does(name: str) -> None:
    """Chi-square per dimension, 2,000 draws of each, at `P_THRESHOLD`."""
    count = 2_000
    space = read_space(RESOURCES / "spaces" / f"{name}.yaml", "mlp")
    tuner = keras_tuner(space, count + 1)
    theirs = [drawn(tuner) for _ in range(count)]
    random = np.random.default_rng(7)
    ours = [space.draw(random) for _ in range(count)]
    for spec in space.hyperparameters():
        tables = [Counter(sample.get(spec.name) for sample in samples) for samples in (ours, theirs)]
        seen = sorted(set(tables[0]) | set(tables[1]), key=str)
        assert set(tables[0]) == set(tables[1])
        if len(seen) > 1:
            p = chi2_contingency([[table[value] for value in seen] for table in tables]).pvalue
            assert p > P_THRESHOLD, (spec.name, p, tables)


@pytest.mark.parametrize(
    "dimension",
    [
        {"type": "int", "low": 1, "high": 100, "log": True},
        {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
        {"type": "float", "low": -1.0, "high": 3.0},
    ],
)
def test_keras_tuner_draws_scales_as_the_reference_sampler_does(dimension: dict[str, Any]) -> None:
    count = 1_000
    space = Space.model_validate({"it": dimension})
    tuner = keras_tuner(space, count + 1)
    theirs = np.array([drawn(tuner)["it"] for _ in range(count)], dtype=float)
    random = np.random.default_rng(7)
    ours = np.array([space.draw(random)["it"] for _ in range(count)], dtype=float)
    edges = np.unique(np.quantile(np.concatenate([ours, theirs]), np.linspace(0, 1, 11)))
    edges[-1] += 1.0
    table = [np.histogram(sample, edges)[0] for sample in (ours, theirs)]
    assert chi2_contingency(table).pvalue > P_THRESHOLD


def test_keras_tuner_never_repeats_so_a_tiny_space_ends_early() -> None:
    tuner = keras_tuner(Space.model_validate({"a": {"type": "bool"}, "b": INT}), 100)
    proposals = []
    while (proposal := tuner.ask()) is not None:
        proposals.append(tuple(sorted(proposal.hyperparameters.items())))
        tuner.tell(finished_trial(0.5))
    assert len(set(proposals)) == len(proposals) <= 6
    assert len(proposals) >= 4


def test_keras_tuner_proposals_follow_the_seed_and_not_the_budget() -> None:
    space = load(Space, RESOURCES / "spaces" / "mlp.yaml")

    def proposals(trials: int, seed: int) -> list[Any]:
        tuner = keras_tuner(space, trials, seed)
        return [drawn(tuner) for _ in range(4)]

    assert proposals(4, 42) == proposals(50, 42)
    assert proposals(4, 42) != proposals(4, 43)

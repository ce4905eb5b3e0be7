"""Search spaces that code defines while it runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from blindtune.models.define_by_run import (
    KerasTunerParameters,
    OptunaTrial,
    Recorder,
    SetAnswers,
    SpaceError,
    read_space,
)


def space_of(function: Callable[[Any], Any], facade: Callable[..., Any] = OptunaTrial) -> dict[str, Any]:
    """Return the space that a function asks for, as plain data."""

    def run(recorder: Recorder) -> None:
        recorder.forget()
        function(facade(recorder))

    return read_space(run).model_dump(exclude_none=True)


def test_every_call_of_optuna_is_a_dimension() -> None:
    """Whole numbers, floats and choices keep their bounds, steps and logarithms."""

    def define(trial: Any) -> None:
        trial.suggest_int("a", 1, 9, step=2)
        trial.suggest_int("b", 1, 64, log=True)
        trial.suggest_float("c", 0.1, 0.5, step=0.1)
        trial.suggest_float("d", 1e-5, 1, log=True)
        trial.suggest_categorical("e", ["x", "y"])
        trial.suggest_categorical("f", [True, False])

    found = space_of(define)
    assert found["a"] == {"type": "int", "low": 1, "high": 9, "step": 2, "log": False}
    assert found["b"] == {"type": "int", "low": 1, "high": 64, "step": 1, "log": True}
    assert found["c"] == {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1, "log": False}
    assert found["d"] == {"type": "float", "low": 1e-5, "high": 1.0, "log": True}
    assert found["e"] == {"type": "choice", "options": ["x", "y"]}
    assert found["f"] == {"type": "bool"}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            [1, None],
            r"^a: None is among its choices, which must be texts, numbers, or true and false; give each a name",
        ),
        ([(1, 2), (3, 4)], r"^a: \(1, 2\) is among its choices"),
        ([], r"^a: has no choices; give one at least"),
        ([1, "x"], r"^a: options must be of one type"),
    ],
)
@pytest.mark.parametrize(("facade", "call"), [(OptunaTrial, "suggest_categorical"), (KerasTunerParameters, "Choice")])
def test_choices_that_no_space_can_hold_are_refused(choices: list[Any], message: str, facade: Any, call: str) -> None:
    """The message names the hyperparameter and the choice, and says what to do."""
    with pytest.raises(SpaceError, match=message):
        space_of(lambda ask: getattr(ask, call)("a", choices), facade)


def test_every_call_of_keras_tuner_is_a_dimension() -> None:
    """Int, Float, Choice and Boolean are dimensions; what is fixed, or has one value, is none."""

    def build(hp: Any) -> None:
        hp.Int("a", 32, 96, step=32, default=64)
        hp.Float("b", 1e-4, 1e-2, sampling="log")
        hp.Choice("c", [1, 2])
        hp.Boolean("d")
        assert hp.Fixed("e", 7) == 7 and hp.get("e") == 7
        assert hp.Choice("f", ["only"]) == "only"
        with hp.name_scope("part"):
            hp.Boolean("g")

    found = space_of(build, KerasTunerParameters)
    assert list(found) == ["a", "b", "c", "d", "part_g"]
    assert found["b"]["log"] and found["a"]["step"] == 32


def test_branches_become_conditions() -> None:
    """A plain if, a loop over a count, and an if inside of an if become `when`."""

    def define(trial: Any) -> None:
        for i in range(trial.suggest_int("n", 1, 3)):
            trial.suggest_int(f"width_l{i}", 4, 8)
        if trial.suggest_categorical("kind", ["conv", "dense", "none"]) != "none":
            trial.suggest_float("rate", 0.1, 0.5)
            if trial.params["kind"] == "conv" and trial.suggest_categorical("pool", [True, False]):
                trial.suggest_int("size", 2, 3)

    found = space_of(define)
    assert "when" not in found["width_l0"]
    assert found["width_l1"]["when"] == {"n": [2, 3]} and found["width_l2"]["when"] == {"n": [3]}
    assert found["rate"]["when"] == {"kind": ["conv", "dense"]}
    assert found["pool"]["when"] == {"kind": ["conv"]}
    assert found["size"]["when"] == {"pool": [True]}


def test_scopes_become_conditions() -> None:
    """Keras Tuner's conditional_scope and parent_name are conditions, though the code asks each time."""

    def build(hp: Any) -> None:
        hp.Choice("model", ["cnn", "mlp"])
        with hp.conditional_scope("model", ["cnn"]):
            hp.Int("filters", 4, 8)
        hp.Int("units", 4, 8, parent_name="model", parent_values=["mlp"])

    found = space_of(build, KerasTunerParameters)
    assert found["filters"]["when"] == {"model": ["cnn"]} and found["units"]["when"] == {"model": ["mlp"]}


def test_numbered_names_become_copies() -> None:
    """Names that end with _1, _2 ... by a count are one dimension that is repeated."""

    def build(hp: Any) -> None:
        for i in range(1, hp.Int("layers", 1, 3) + 1):
            hp.Int(f"units_{i}", 8, 64, step=8)

    found = space_of(build, KerasTunerParameters)
    assert list(found) == ["layers", "units"] and found["units"]["repeat"] == "layers"


def test_bounds_of_each_copy_may_differ() -> None:
    """The bounds of a layer may depend on its number: they are lists with one bound for each copy."""

    def build(hp: Any) -> None:
        for i in range(1, hp.Int("layers", 1, 3) + 1):
            hp.Int(f"filters_{i}", i, 10 * i)
            hp.Float(f"rate_{i}", 0.1, 0.1 * (i + 1), sampling="log")
            hp.Int(f"units_{i}", 8, 64, step=8 * i)

    found = space_of(build, KerasTunerParameters)
    filters = {"type": "int", "low": [1, 2, 3], "high": [10, 20, 30], "step": 1, "log": False, "repeat": "layers"}
    assert found["filters"] == filters
    assert found["rate"]["low"] == 0.1 and len(found["rate"]["high"]) == 3 and found["rate"]["repeat"] == "layers"
    assert found["units_3"] == {"type": "int", "low": 8, "high": 64, "step": 24, "log": False, "when": {"layers": [3]}}


@pytest.mark.parametrize("n_layers", [1, 2, 4])
def test_drawn_sets_are_what_the_code_asks_for(n_layers: int) -> None:
    """Each set of the space that was read answers every call of the code, and holds nothing else."""

    def define(trial: Any) -> list[str]:
        for i in range(trial.suggest_int("n", 0, n_layers)):
            if trial.suggest_categorical(f"drop_{i}", [True, False]):
                trial.suggest_float(f"rate_{i}", 0.1, 0.9)
        return list(trial.params)

    def run(recorder: Recorder) -> None:
        recorder.forget()
        define(OptunaTrial(recorder))

    space, random = read_space(run), np.random.default_rng(7)
    for _ in range(50):
        values = space.draw(random)
        asked = Recorder(values)
        define(OptunaTrial(asked))
        assert asked.answered == values
        define(OptunaTrial(SetAnswers(values)))


def _changing(trial: Any) -> None:
    trial.suggest_int("units", 1, 16 if trial.suggest_categorical("big", [True, False]) else 8)


def _continuous(trial: Any) -> None:
    if trial.suggest_float("rate", 0.0, 1.0) > 0.4:
        trial.suggest_int("units", 1, 8)


def _either(trial: Any) -> None:
    first, second = (trial.suggest_categorical(name, [True, False]) for name in ("a", "b"))
    if first or second:
        trial.suggest_int("units", 1, 8)


def _twice(trial: Any) -> None:
    trial.suggest_int("units", 1, 8)
    trial.suggest_int("units", 1, 9)


def _endless(trial: Any) -> None:
    i = 0
    while trial.suggest_categorical(f"more_{i}", [True, False]):
        i += 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_changing, "units: its values change with big; give each case a name"),
        (_continuous, "units: whether it is asked for depends on rate, which has no list of values"),
        (_either, "units: when it is asked for cannot be said"),
        (_twice, "units: is asked for twice in one run"),
        (_endless, "write the space as YAML"),
        (lambda trial: None, "asks for no hyperparameter"),
        (lambda trial: trial.suggest_int("my units", 1, 2), "'my units': is not a name"),
        (lambda trial: trial.suggest_categorical("a", ["x", 1]), "a: .*options must be of one type"),
        (lambda trial: trial.suggest_int("a", 4, 2), "a: .*low 4 is above high 2"),
        (lambda trial: trial.report(0.1, 1), r"trial\.report is not available"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(function: Callable[[Any], Any], message: str) -> None:
    """A space that no library could search on equal terms is refused, and the message names the hyperparameter."""
    with pytest.raises(SpaceError, match=message):
        space_of(function)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda hp: hp.Int("a", 1, 64, step=2, sampling="log"), "a: log sampling with a step"),
        (lambda hp: hp.Float("a", 1, 64, sampling="reverse_log"), "a: reverse_log sampling"),
        (lambda hp: hp.get("b"), "b: hp.get asks for it"),
        (lambda hp: hp.values, r"hp\.values is not available"),
    ],
)
def test_what_keras_tuner_alone_has_is_refused(function: Callable[[Any], Any], message: str) -> None:
    """Kinds of sampling that other libraries do not have are refused."""
    with pytest.raises(SpaceError, match=message):
        space_of(function, KerasTunerParameters)


def test_answers_refuse_a_name_that_the_set_lacks() -> None:
    """During a trial, code that asks for more than the space has fails by name."""
    with pytest.raises(SpaceError, match="units: the code asks for it"):
        OptunaTrial(SetAnswers({"n": 1})).suggest_int("units", 1, 2)

"""Search spaces of the families for hypothesis, and what a hyperparameter set builds, computed without the library."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from blindtune.config.training import Training
from blindtune.core.resources import RESOURCES
from blindtune.models.estimator_classes import SHIPPED as ESTIMATORS
from blindtune.models.families import FAMILIES, load_family
from blindtune.search_space import FixedDimension, FloatDimension, Hyperparameters, Space
from blindtune.training.registry import TRAINERS, network_trainers
from support.search_spaces import list_values

#: What each hyperparameter of a family or of training may be.
_FLOAT = {"type": "float", "low": 0.1, "high": 0.5}
_KINDS: dict[str, list[dict[str, Any]]] = {
    "layers": [{"type": "int", "low": 1, "high": 3}, {"type": "int", "low": 0, "high": 2}],
    "blocks": [{"type": "int", "low": 1, "high": 3}, {"type": "choice", "options": [1, 2]}],
    "units": [{"type": "int", "low": 4, "high": 9}, {"type": "choice", "options": [4, 8, 16]}],
    "filters": [{"type": "int", "low": 1, "high": 4}],
    "kernel": [{"type": "int", "low": 1, "high": 3}],
    "activation": [
        {"type": "choice", "options": ["relu", "tanh"]},
        {"type": "choice", "options": ["gelu", "elu"]},
        {"type": "fixed", "value": "tanh"},
    ],
    "dense_activation": [{"type": "choice", "options": ["relu", "tanh", "sigmoid"]}],
    "output_activation": [{"type": "choice", "options": ["softmax", "sigmoid"]}],
    "pool": [{"type": "bool"}, {"type": "choice", "options": [False, True]}],
    "pool_size": [{"type": "int", "low": 1, "high": 3}, {"type": "int", "low": 2, "high": 3}],
    "block_dropout": [_FLOAT, {"type": "float", "low": 0.0, "high": 0.4, "step": 0.2}],
    "dropout": [{"type": "bool"}],
    "dropout_rate": [_FLOAT, {"type": "float", "low": 0.0, "high": 0.4, "step": 0.2}],
    "optimizer": [{"type": "choice", "options": ["adam", "sgd"]}],
    "learning_rate": [{"type": "float", "low": 0.001, "high": 0.1, "log": True}],
    "batch_size": [
        {"type": "int", "low": 8, "high": 64, "log": True},
        {"type": "choice", "options": [16, 64]},
        {"type": "fixed", "value": 32},
    ],
    "epochs": [{"type": "int", "low": 1, "high": 3}],
    "loss": [
        {"type": "choice", "options": ["cross_entropy", "mean_squared_error"]},
        {"type": "choice", "options": ["cross_entropy", "sparse_categorical_crossentropy", "mean_squared_error"]},
    ],
    "initial_weights": [{"type": "choice", "options": ["framework", "keras"]}],
    "metric": [{"type": "choice", "options": ["accuracy", "sparse_categorical_accuracy"]}],
    "early_stopping": [{"type": "int", "low": 1, "high": 3}],
    "min_delta": [{"type": "float", "low": 0.0, "high": 0.1}],
    "schedule": [
        {"type": "choice", "options": ["constant", "cosine"]},
        {"type": "choice", "options": ["constant", "step", "plateau"]},
        {"type": "choice", "options": ["step", "plateau"]},
    ],
    "schedule_factor": [{"type": "float", "low": 0.1, "high": 0.9}],
    "schedule_epochs": [{"type": "int", "low": 1, "high": 4}],
    "weight_decay": [{"type": "float", "low": 0.0, "high": 0.4, "step": 0.2}],
    "clip_norm": [{"type": "float", "low": 0.1, "high": 2.0, "log": True}],
}
_TRAINING = tuple(name for name in _KINDS if name in Training.model_fields)

#: Names by which two libraries call the same.
_SAME = {"sparse_categorical_crossentropy": "cross_entropy", "sparse_categorical_accuracy": "accuracy"}

#: Shapes of one sample, by family; not those of the planning check.
SHAPES = {"mlp": (5,), "convnet": (20, 24, 1), "lstm": (7, 3)}

#: The family of each shipped space of a family.
SHIPPED = {
    path.stem: "lstm" if "lstm" in path.stem else "convnet" if "convnet" in path.stem else "mlp"
    for path in sorted((RESOURCES / "spaces").glob("*.yaml"))
    if path.stem not in ESTIMATORS
}


def pairs() -> list[tuple[str, str]]:
    """Return every family with every trainer that trains it."""
    return [
        (family, trainer)
        for family in FAMILIES.names()
        for trainer in network_trainers()
        if TRAINERS[trainer].families is None or family in (TRAINERS[trainer].families or ())
    ]


@st.composite
def family_spaces(draw: st.DrawFn, family: str) -> Space:
    """Generate spaces of a family: any of its dimensions, with any conditions and repetitions, useful or not."""
    known = load_family(family)
    others = sorted((known.hyperparameters | set(_TRAINING)) - known.required)
    names = [*sorted(known.required), *draw(st.lists(st.sampled_from(others), max_size=4, unique=True))]
    content: dict[str, Any] = {}
    for name in sorted(names, key=lambda name: name not in ("layers", "blocks")):
        dimension = dict(draw(st.sampled_from(_KINDS[name])))
        counters = [above for above in ("layers", "blocks") if content.get(above, {}).get("type") == "int"]
        if counters and name not in ("layers", "blocks") and draw(st.booleans()):
            dimension["repeat"] = draw(st.sampled_from(counters))
            if "low" in dimension and draw(st.booleans()):
                low, span = dimension["low"], dimension["high"] - dimension["low"]
                ends = [low + span / 2, low + span] if dimension["type"] == "float" else [low + span, low + 2 * span]
                copies = content[dimension["repeat"]]["high"]
                dimension["high"] = [draw(st.sampled_from(ends)) for _ in range(copies)]
        parents = [above for above in content if _may_depend(dimension, content[above])]
        if parents and name not in known.required and draw(st.integers(0, 2)) == 0:
            parent = draw(st.sampled_from(parents))
            values = _few_values(content[parent])
            chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=len(values), unique=True))
            dimension["when"] = {parent: chosen}
        content[name] = dimension
    return Space.model_validate(content)


def _few_values(dimension: dict[str, Any]) -> list[Any]:
    values = list_values(dimension)
    return values if 1 < len(values) < 5 else []


def _may_depend(dimension: dict[str, Any], above: dict[str, Any]) -> bool:
    return bool(_few_values(above)) and above.get("repeat") in (None, dimension.get("repeat"))


def build(values: Hyperparameters, family: str, trainer: str) -> Any:
    """Return what a trainer makes of a set: layers that do something, and the settings that it reads; None: nothing.

    Written down here again: the layers by their effect, the settings by the documentation of the config.
    """
    try:
        architecture = load_family(family).build(dict(values), SHAPES[family], 2)
    except ValueError:
        return None
    plain = [layer.model_dump() for layer in architecture.layers]
    layers = [layer for layer in plain if layer.get("rate", 1) != 0 and layer.get("size") != 1]
    unread = {"metric"} | ({"initial_weights"} if "keras" in trainer else set())
    settings = {name: _SAME.get(str(values[name]), values[name]) for name in _TRAINING if name in values}
    defaults = {"loss": "cross_entropy", "optimizer": "adam", "initial_weights": "framework", "learning_rate": 0.001}
    defaults |= {"batch_size": 512, "epochs": 10, "weight_decay": None, "early_stopping": None, "clip_norm": None}
    settings = {**defaults, **settings}
    settings["schedule"] = _learning_rates(settings)
    if settings["weight_decay"] is not None and settings["optimizer"] == "adamw":
        settings["optimizer"] = "adam"
    if settings["weight_decay"] is None and settings["optimizer"] != "adamw":
        settings["weight_decay"] = 0.0
    unread |= {"schedule_factor", "schedule_epochs"} | ({"min_delta"} if settings["early_stopping"] is None else set())
    return layers, {name: value for name, value in settings.items() if name not in unread}


def _learning_rates(settings: dict[str, Any]) -> Any:
    """Return what multiplies the learning rate in each epoch; of a plateau what decides it, if it can be reduced."""
    factor, epochs = settings.get("schedule_factor", 0.1), settings["epochs"]
    match settings.get("schedule", "constant"):
        case "cosine":
            end = settings.get("schedule_epochs", epochs)
            return [1 + math.cos(math.pi * min(done / end, 1)) for done in range(epochs)] if epochs > 1 else [1.0]
        case "step":
            return [factor ** (done // settings.get("schedule_epochs", 10)) for done in range(epochs)]
        case "plateau" if settings.get("schedule_epochs", 10) + 2 <= epochs:
            return "plateau", factor, settings.get("schedule_epochs", 10)
        case _:
            return [1.0] * epochs


def changes(space: Space, seed: int, sets: int) -> Iterator[tuple[str, Hyperparameters, Iterator[Hyperparameters]]]:
    """Yield changes of one active value in drawn sets: the dimension, the set, and the changed set.

    The changed set comes several times if other dimensions become active, each time with other values of them.
    """
    random = np.random.default_rng(seed)
    for number in range(sets):
        # The ends of the ranges are where values meet defaults.
        values = _at_end(space, number) if number < 2 else space.draw(random)
        for spec in space.hyperparameters():
            if spec.name not in values:
                continue
            if isinstance(spec.dimension, FixedDimension):
                # No set of the space has another value, but one that has shows whether the value counts.
                drawn: list[Any] = [_outside(spec.dimension.value)]
            else:
                drawn = [spec.dimension.draw(random) for _ in range(8)]
            other = next((value for value in drawn if value != values[spec.name]), values[spec.name])
            if other == values[spec.name]:
                continue
            name = spec.name if spec.name in space.root else spec.name.rpartition("_")[0]
            yield name, values, _completions(space, values, {**values, spec.name: other}, random)


def _outside(value: Any) -> Any:
    """Return another value that could take the place of a fixed one; of words only activations are fixed."""
    return not value if isinstance(value, bool) else "softplus" if isinstance(value, str) else value + 1


def _at_end(space: Space, end: int) -> Hyperparameters:
    """Return the set of the lowest (0) or highest (1) values."""
    values: Hyperparameters = {}
    for spec in space.hyperparameters():
        if spec.is_active(values):
            one = spec.dimension
            is_range = isinstance(one, FloatDimension) and one.step is None
            values[spec.name] = [one.lowest, one.highest][end] if is_range else list(one.values() or [])[-end]
    return values


def _completions(
    space: Space, before: Hyperparameters, values: Hyperparameters, random: np.random.Generator
) -> Iterator[Hyperparameters]:
    for _ in range(8):
        complete: Hyperparameters = {}
        for spec in space.hyperparameters():
            if spec.is_active(complete):
                complete[spec.name] = values[spec.name] if spec.name in values else spec.dimension.draw(random)
        yield complete
        if complete.keys() <= before.keys():
            return


def unread_dimensions(space: Space, family: str, trainer: str, seed: int = 1, sets: int = 30) -> Iterator[str]:
    """Yield the dimensions of which a change alone is seen to change nothing."""
    before: Hyperparameters | None = None
    task = None
    for name, values, changed in changes(space, seed, sets):
        if values is not before:
            before, task = values, build(values, family, trainer)
        if task is not None and all(build(other, family, trainer) == task for other in changed):
            yield name

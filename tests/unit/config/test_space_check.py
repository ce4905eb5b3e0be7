"""Search spaces whose dimensions all count: what is refused, and that all that is accepted has this property."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.config.schema import read
from blindtune.config.space_check import check_dimensions
from blindtune.config.systems import read_space
from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.resources import RESOURCES
from blindtune.models.architecture import Architecture
from blindtune.models.families import load_family
from blindtune.search_space import Space
from blindtune.training.registry import TRAINERS as ENTRIES
from blindtune.training.registry import create_trainer
from support.builders import TRAINERS, config, write_csv_folder
from support.family_spaces import SHAPES, SHIPPED, changes, family_spaces, pairs, unread_dimensions
from support.networks import passes
from support.training_tasks import create_task, train_task

MLP = {"layers": {"type": "int", "low": 1, "high": 3}, "units": {"type": "int", "low": 4, "high": 9}}
CONVNET = MLP | {
    "blocks": {"type": "int", "low": 1, "high": 2},
    "filters": {"type": "int", "low": 1, "high": 4},
    "kernel": {"type": "int", "low": 1, "high": 3},
}
RATE = {"type": "float", "low": 0.1, "high": 0.5}
BOOL = {"type": "bool"}


def choice(*options: Any) -> dict[str, Any]:
    return {"type": "choice", "options": list(options)}


def fixed(value: Any) -> dict[str, Any]:
    return {"type": "fixed", "value": value}


def refusal(family: str, trainer: str, samples: int | None = None, **dimensions: Any) -> str | None:
    """Return why a space is refused, None if it is accepted."""
    space = Space.model_validate((CONVNET if family == "convnet" else MLP) | dimensions)
    try:
        check_dimensions(space, family, trainer, "space.yaml", samples)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("family", "trainer", "dimensions", "name", "advice"),
    [
        ("mlp", "keras", {"learning_rate": RATE | {"repeat": "layers"}}, "learning_rate", "take `repeat: layers` out"),
        ("mlp", "fused", {"learning_rate": choice(0.1) | {"repeat": "layers"}}, "learning_rate", "`repeat: layers`"),
        ("lstm", "keras", {"epochs": MLP["layers"] | {"repeat": "layers"}}, "epochs", "take `repeat: layers` out"),
        ("mlp", "pytorch", {"output_activation": choice("softmax", "sigmoid") | {"repeat": "layers"}},
         "output_activation", "take `repeat: layers` out"),
        ("mlp", "keras", {"dropout": BOOL}, "dropout", "add the dimensions that it belongs to"),
        ("mlp", "keras", {"batch_size": {"type": "int", "low": 1, "high": 100}, "dropout": BOOL | {
            "when": {"batch_size": [77]}}}, "dropout", "add the dimensions that it belongs to"),
        ("mlp", "keras", {"units": {"type": "int", "low": 1, "high": 999, "repeat": "layers"}, "dropout": BOOL | {
            "repeat": "layers", "when": {"units": [77]}}}, "dropout", "add the dimensions that it belongs to"),
        ("lstm", "keras", {"optimizer": choice("adam", "sgd") | {"when": {"batch_size": [8]}},
                           "batch_size": choice(8, 16),
                           "dropout_rate": RATE | {"when": {"batch_size": [16], "optimizer": ["sgd"]}}},
         "dropout_rate", "is never active"),
        ("lstm", "skorch", {"dropout": BOOL, "dropout_rate": RATE}, "dropout_rate", "`when: {dropout: [true]}`"),
        ("mlp", "fused", {"dropout": BOOL | {"repeat": "layers"}, "dropout_rate": RATE | {"repeat": "layers"}},
         "dropout_rate", "`when: {dropout: [true]}`"),
        ("mlp", "fused", {"dropout": BOOL | {"repeat": "layers"}, "dropout_rate": RATE},
         "dropout_rate", "`repeat: layers` and `when: {dropout: [true]}`"),
        ("mlp", "pytorch",
         {"dropout": BOOL,
          "dropout_rate": {"type": "float", "low": 0.0, "high": 0.4, "step": 0.2, "when": {"dropout": [True]}}},
         "dropout", "Take 0.0 out of dropout_rate"),
        ("convnet", "keras", {"pool": BOOL | {"repeat": "blocks"},
                              "pool_size": {"type": "int", "low": 2, "high": 3, "repeat": "blocks"}},
         "pool_size", "`when: {pool: [true]}`"),
        ("convnet", "pytorch", {"activation": choice("relu", "tanh") | {"repeat": "layers"}},
         "activation", "repeat it over another dimension"),
        ("mlp", "pytorch", {"layers": {"type": "int", "low": 0, "high": 2}}, "units", "`when: {layers: [1, 2]}`"),
        ("mlp", "fused", {"loss": choice("cross_entropy", "sparse_categorical_crossentropy")}, "loss", "leave one"),
        ("mlp", "fused", {"loss": choice("cross_entropy", "mean_squared_error", "sparse_categorical_crossentropy")},
         "loss", "Take one of the two values out"),
        ("mlp", "keras", {"metric": choice("accuracy", "sparse_categorical_accuracy")}, "metric", "leave one"),
        ("mlp", "scikeras", {"initial_weights": choice("framework", "keras")}, "initial_weights", "trainer"),
        ("mlp", "keras", {"batch_size": choice(32, 100, 200)}, "batch_size", "Train has 100 samples"),
        ("mlp", "pytorch", {"dropout": fixed(True)}, "dropout", "add the dimensions that it belongs"),
        ("mlp", "keras", {"initial_weights": fixed("keras")}, "initial_weights", "does not read it"),
        ("mlp", "pytorch", {"dropout": fixed(False), "dropout_rate": RATE}, "dropout_rate", "Take the dimension out"),
        ("mlp", "fused", {"learning_rate": RATE | {"low": [0.1, 0.2, 0.3], "repeat": "layers"}}, "learning_rate",
         "take `repeat: layers` out"),
        ("mlp", "pytorch", {"schedule": choice("constant", "plateau"), "schedule_epochs": fixed(2),
                            "schedule_factor": RATE}, "schedule_epochs", "`when: {schedule: [plateau]}`"),
        ("mlp", "keras", {"min_delta": RATE}, "min_delta", "add what it belongs to"),
        ("mlp", "fused", {"optimizer": choice("adam", "adamw"), "weight_decay": RATE}, "optimizer", "leave one"),
        ("convnet", "pytorch", {"units": {"type": "int", "low": [1, 2], "high": 9, "repeat": "blocks"},
                                "layers": {"type": "int", "low": 1, "high": 1}},
         "units", "repeat it over another dimension"),
    ],
)  # fmt: skip
def test_check_refuses_a_dimension_that_changes_nothing(
    family: str, trainer: str, dimensions: dict[str, Any], name: str, advice: str
) -> None:
    """A dimension that can be changed without effect is refused by its name, with what to do."""
    message = refusal(family, trainer, 100, **dimensions)
    assert message is not None and message.startswith(f"space.yaml: {name}: ") and advice in message, message


@pytest.mark.parametrize(
    ("family", "trainer", "dimensions"),
    [
        ("mlp", "keras", {"dropout_rate": RATE | {"repeat": "layers"}}),
        ("lstm", "keras", {"dropout_rate": RATE | {"repeat": "layers"}}),
        ("mlp", "fused", {"dropout": BOOL | {"repeat": "layers"},
                          "dropout_rate": RATE | {"repeat": "layers", "when": {"dropout": [True]}}}),
        ("mlp", "fused", {"dropout": BOOL, "dropout_rate": RATE | {"when": {"dropout": [True]}}}),
        ("convnet", "keras", {"pool_size": {"type": "int", "low": 1, "high": 3, "repeat": "blocks"}}),
        ("mlp", "pytorch", {"initial_weights": choice("framework", "keras")}),
        ("mlp", "keras", {"batch_size": choice(32, 64, 128)}),
        ("mlp", "keras", {"metric": choice("accuracy"), "loss": choice("cross_entropy"), "activation": choice("relu")}),
        ("mlp", "fused", {"schedule": choice("constant", "plateau", "cosine"), "clip_norm": RATE, "weight_decay": RATE,
                          "schedule_factor": RATE | {"when": {"schedule": ["plateau"]}},
                          "schedule_epochs": {"type": "int", "low": 1, "high": 5, "when": {"schedule": ["plateau"]}}}),
        ("mlp", "keras", {"early_stopping": {"type": "int", "low": 1, "high": 5}, "min_delta": RATE}),
        ("mlp", "fused", {"metric": fixed("accuracy"), "activation": fixed("relu"), "batch_size": fixed(32)}),
        ("mlp", "pytorch", {"layers": fixed(3), "units": {"type": "int", "low": 4, "high": [5, 9, 4],
                                                          "repeat": "layers"}}),
        ("convnet", "keras", {"filters": {"type": "int", "low": [1, 2], "high": [10, 20], "repeat": "blocks"}}),
    ],
)  # fmt: skip
def test_check_accepts_what_counts(family: str, trainer: str, dimensions: dict[str, Any]) -> None:
    """Dimensions that always count are accepted, and those of a single true value."""
    assert refusal(family, trainer, 100, **dimensions) is None


def test_check_refuses_a_space_of_which_nothing_can_be_built() -> None:
    """A space whose sets would all be recorded as failed is refused with the reason."""
    message = refusal("mlp", "keras", units=RATE)
    assert message is not None and "none of" in message and "units: Input should be a valid integer" in message


def test_advice_makes_a_space_valid() -> None:
    """Following the advice of each message in turn ends at an accepted space."""
    first = {"dropout": BOOL | {"repeat": "layers"}, "dropout_rate": RATE}
    followed = {**first, "dropout_rate": RATE | {"repeat": "layers", "when": {"dropout": [True]}}}
    assert refusal("mlp", "keras", None, **first) and refusal("mlp", "keras", None, **followed) is None


@pytest.mark.parametrize("overridden", [False, True])
def test_read_refuses_an_unread_dimension(tmp_path: Path, overridden: bool) -> None:
    """Planning names system, dataset, file and dimension, also for a space of `tuner_overrides`."""
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(MLP | {"dropout": BOOL}))
    write_csv_folder(tmp_path / "csv")
    content = config(str(tmp_path / "csv"))
    tuner = {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "tpe"}, "trainer": "fused"}
    content["systems"]["it"] = tuner | {"space": "mlp" if overridden else str(path)}
    content["compare"][0] |= {"systems": ["it"], "tuner_overrides": {"space": str(path)} if overridden else None}
    with pytest.raises(UserError, match=rf"systems\.it on toy: {re.escape(str(path))}: dropout: "):
        read(content, "config.yaml")


@pytest.mark.parametrize(("family", "trainer"), pairs())
@pytest.mark.parametrize("name", SHIPPED)
def test_every_dimension_of_a_shipped_space_counts(name: str, family: str, trainer: str) -> None:
    """For every family, trainer and shipped space: a change of any active dimension alone changes the task."""
    if family != SHIPPED[name]:
        # A space of another family is refused by its names, or is a space of this family too.
        try:
            space = read_space(RESOURCES / "spaces" / f"{name}.yaml", family)
        except ValueError:
            return
    else:
        space = read_space(RESOURCES / "spaces" / f"{name}.yaml", family)
    check_dimensions(space, family, trainer, name)
    # What a set builds differs between Keras and PyTorch alone.
    assert find_unread(name, family, "keras" if "keras" in trainer else "pytorch") == []
    changed = find_changed(name, family)
    several = {name for name, one in space.root.items() if one.values() is None or len(one.values() or []) > 1}
    several |= {name for name, one in space.root.items() if one.type == "fixed"}
    assert changed == several, "each dimension that has another value, or is fixed, must have been changed"


@cache
def find_unread(name: str, family: str, framework: str) -> list[str]:
    """Return the dimensions of a shipped space of which a change alone changes nothing."""
    return list(unread_dimensions(read_space(RESOURCES / "spaces" / f"{name}.yaml", family), family, framework))


@cache
def find_changed(name: str, family: str) -> set[str]:
    """Return the dimensions of a shipped space that have been changed."""
    space = read_space(RESOURCES / "spaces" / f"{name}.yaml", family)
    return {dimension for dimension, _, _ in changes(space, seed=1, sets=30)}


@pytest.mark.parametrize("family", SHAPES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_space_is_refused_or_every_dimension_counts(family: str, data: st.DataObject) -> None:
    """Any space of a family is refused by the name of a guilty dimension, or each of its dimensions counts."""
    trainer = data.draw(st.sampled_from([trainer for one, trainer in pairs() if one == family]))
    space = data.draw(family_spaces(family))
    try:
        check_dimensions(space, family, trainer, "space.yaml")
    except ValueError as error:
        assert str(error).split(": ")[1] in unread_dimensions(space, family, trainer, sets=400), str(error)
    else:
        assert list(unread_dimensions(space, family, trainer)) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_built_networks_have_the_layers_of_the_record(name: str, frameworks: None) -> None:
    """Both frameworks build exactly the layers, with their sizes, rates and activations, that a set describes."""
    space, random = read_space(RESOURCES / "spaces" / f"{name}.yaml", SHIPPED[name]), np.random.default_rng(3)
    shape = (128, 128, 3) if SHIPPED[name] == "convnet" else SHAPES[SHIPPED[name]]
    built = 0
    while built < 4:
        values = space.draw(random)
        architecture = load_family(SHIPPED[name]).build(values, shape, 2)
        if passes(architecture, 2):
            built += 1
            expected = recorded_layers(SHIPPED[name], values)
            assert keras_layers(architecture) == expected
            assert pytorch_layers(architecture) == expected


def recorded_layers(family: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return what a record's hyperparameters describe, read from the names alone."""

    def of(name: str, number: int, default: Any = None) -> Any:
        return values.get(f"{name}_{number}", values.get(name, default))

    layers: list[tuple[Any, ...]] = []
    for number in range(1, values.get("blocks", 0) + 1):
        layers.append(("conv", of("filters", number), of("kernel", number), of("activation", number, "relu")))
        if of("pool", number, True):
            layers.append(("pool", of("pool_size", number, 2)))
        if of("block_dropout", number) is not None:
            layers.append(("dropout", of("block_dropout", number)))
    word = "dense_activation" if family == "convnet" else "activation"
    kind, default = ("lstm", "tanh") if family == "lstm" else ("dense", "relu")
    for number in range(1, values["layers"] + 1):
        layers.append((kind, of("units", number), of(word, number, default)))
        if of("dropout", number, True) and of("dropout_rate", number) is not None:
            layers.append(("dropout", of("dropout_rate", number)))
    return [*layers, ("dense", 2, values.get("output_activation", "softmax"))]


def keras_layers(architecture: Architecture) -> list[tuple[Any, ...]]:
    """Return what Keras's layers say of themselves."""
    import keras

    from blindtune.models.keras import build

    found: list[tuple[Any, ...]] = []
    for layer in build(architecture).layers:
        match layer:
            case keras.layers.Dense():
                found.append(("dense", layer.units, layer.activation.__name__))
            case keras.layers.LSTM():
                found.append(("lstm", layer.units, layer.activation.__name__))
            case keras.layers.Conv2D():
                found.append(("conv", layer.filters, layer.kernel_size[0], layer.activation.__name__))
            case keras.layers.MaxPooling2D():
                found.append(("pool", layer.pool_size[0]))
            case keras.layers.Dropout():
                found.append(("dropout", layer.rate))
    return found


def pytorch_layers(architecture: Architecture) -> list[tuple[Any, ...]]:
    """Return what PyTorch's modules say of themselves; an activation is a module of its own."""
    from torch import nn

    from blindtune.models.pytorch import build
    from blindtune.models.pytorch_modules import LstmModule

    found: list[tuple[Any, ...]] = []
    for module in build(architecture):
        match module:
            case nn.Linear():
                found.append(("dense", module.out_features, "linear"))
            case LstmModule():
                found.append(("lstm", module.bias.numel() // 4, type(module._activation).__name__.lstrip("_").lower()))
            case nn.Conv2d():
                found.append(("conv", module.out_channels, module.kernel_size[0], "linear"))
            case nn.MaxPool2d():
                found.append(("pool", module.kernel_size))
            case nn.Dropout():
                found.append(("dropout", module.p))
            case _ if found and found[-1][-1] == "linear" and type(module).__name__ not in ("FlattenModule",):
                found[-1] = (*found[-1][:-1], type(module).__name__.lstrip("_").lower())
    return found


#: Another value of each setting of training.
OTHER = {
    "optimizer": ["adamw", "sgd", "rmsprop"],
    "learning_rate": [0.03],
    "batch_size": [60],
    "epochs": [2],
    "loss": ["sparse_categorical_crossentropy", "mean_squared_error"],
    "class_weight": [{"0": 3.0}],
    "initial_weights": ["keras"],
    "metric": ["sparse_categorical_accuracy"],
    # Alone it does nothing: no loss of this task rises.
    "early_stopping": [],
    "min_delta": [0.5],
    "schedule": ["cosine", "step", "plateau"],
    "schedule_factor": [0.5],
    "schedule_epochs": [2],
    "weight_decay": [0.1, 0.0],
    "clip_norm": [0.01],
}
#: Settings that change the meaning of others, and other values of those.
MORE: list[tuple[dict[str, Any], dict[str, list[Any]]]] = [
    ({}, OTHER),
    ({"schedule": "step", "schedule_epochs": 1}, {"schedule_factor": [0.5], "schedule_epochs": [2, 3]}),
    ({"schedule": "cosine"}, {"schedule_factor": [0.5], "schedule_epochs": [2, 3]}),
    ({"optimizer": "adamw", "weight_decay": 0.1}, {"optimizer": ["adam", "sgd"], "weight_decay": [0.2]}),
    ({"weight_decay": 0.0}, {"optimizer": ["adamw"]}),
]


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize(("base", "changed"), MORE, ids=lambda given: str(given) if given is not OTHER else "")
def test_trainer_reads_what_planning_says(
    name: str, base: dict[str, Any], changed: dict[str, list[Any]], frameworks: None
) -> None:
    """A setting changes the trained weights exactly if planning takes the two settings for different ones."""
    assert OTHER.keys() == Training.model_fields.keys(), "a new setting needs another value here"
    trainer, ignored = create_trainer(name), ENTRIES[name].unread_settings()
    task = create_task(**base)
    weights = digest_arrays(train_task(trainer, task).weights)
    for key, others in changed.items():
        for other in others:
            it = replace(task, training=task.training.with_hyperparameters({key: other}))
            differs = it.training.as_read(ignored) != task.training.as_read(ignored)
            assert (digest_arrays(train_task(trainer, it).weights) != weights) == differs, (key, other)


def test_batches_larger_than_train_are_one_batch(frameworks: None) -> None:
    """Batch sizes from the number of samples on train in the same way, so planning takes them for equal."""
    trainer = create_trainer("pytorch")
    digests = [digest_arrays(train_task(trainer, create_task(batch_size=size)).weights) for size in (399, 400, 500)]
    read = [create_task(batch_size=size).training.as_read((), 400) for size in (399, 400, 500)]
    assert digests[0] != digests[1] == digests[2] and read[0] != read[1] == read[2]

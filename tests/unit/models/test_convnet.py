"""ConvNets: shapes as both frameworks build them, the same scores from the same weights, and impossible layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindtune.config.systems import Manual, ManualModel, Tuned, read_space
from blindtune.core.job_log import JobLog
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, Source, Split
from blindtune.datasets.digits import DigitsConfig, DigitsSource
from blindtune.datasets.prepared import Prepared, open_prepared, prepare
from blindtune.models import convnet
from blindtune.models.architecture import Architecture, check, count_parameters, skip_invalid_layers
from blindtune.models.layers import InvalidModelError, describe
from blindtune.records.trial import Trial, TrialLog
from blindtune.study.run import run_study
from blindtune.study.setup import add_output_layer
from support.builders import study
from support.networks import (
    FLAT,
    assert_same_scores,
    check_built,
    conv,
    dense,
    dropout,
    keras_builds,
    passes,
    pool,
    pytorch_builds,
)

CLASSES = 3
SPACE = RESOURCES / "spaces" / "convnet.yaml"
ACTIVATIONS = ("linear", "relu", "tanh", "softmax", "gelu", "selu", "exponential")


def stack(*layers: Any, shape: tuple[int, ...] = (8, 8, 1)) -> Architecture:
    return Architecture(input_shape=shape, layers=layers)


# --- shapes


PICTURE_LAYERS = st.one_of(
    st.builds(conv, st.integers(0, 4), st.integers(0, 4), st.sampled_from(ACTIVATIONS)),
    st.builds(pool, st.integers(0, 3)),
    st.builds(dropout, st.sampled_from([0.0, 0.3, 1.0])),
)
VECTOR_LAYERS = st.one_of(
    st.builds(dense, st.integers(0, 5), st.just("relu")),
    st.builds(dropout, st.sampled_from([0.0, 0.5])),
    st.just(FLAT),
)


@st.composite
def stacks(draw: st.DrawFn) -> Architecture:
    """Stacks of which about half can be built."""
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 3)))
    above = [*draw(st.lists(PICTURE_LAYERS, max_size=4)), FLAT, *draw(st.lists(VECTOR_LAYERS, max_size=2))]
    last = dense(draw(st.sampled_from([CLASSES, CLASSES, CLASSES, 2])), "softmax")
    return stack(*above, last, shape=shape)


@pytest.mark.usefixtures("frameworks")
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
@pytest.mark.parametrize("builds", [keras_builds, pytorch_builds])
@settings(max_examples=40, deadline=None)
@given(made=stacks())
def test_check_agrees_with_the_frameworks(
    builds: Callable[[Architecture], tuple[tuple[int, ...], int]], made: Architecture
) -> None:
    """Shape inference agrees with the models that the frameworks build."""
    check_built(made, CLASSES, builds)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (stack(conv(4, 9), FLAT, dense(3)), r"layer 1 \(conv2d\): a kernel of 9 x 9 does not fit into 8 x 8"),
        (stack(conv(4, 0), FLAT, dense(3)), r"layer 1 \(conv2d\): a kernel of 0 x 0"),
        (stack(conv(0, 2), FLAT, dense(3)), r"layer 1 \(conv2d\): 0 filters"),
        (stack(pool(2), pool(5), FLAT, dense(3)), r"layer 2 \(max_pool2d\): a window of 5 x 5 does not fit into 4 x 4"),
        (stack(conv(4, 3), shape=(9, 2, 1)), r"does not fit into 9 x 2"),
        (stack(FLAT, conv(4, 3), dense(3)), r"layer 2 \(conv2d\): takes \(row, column, channel\), .* \(64,\)"),
        (stack(pool(2), shape=(8,)), r"takes \(row, column, channel\), .* \(8,\)"),
        (stack(conv(4, 3), dense(3)), r"layer 2 \(dense\): takes vectors, .* \(6, 6, 4\)"),
        (stack(conv(4, 3), FLAT), r"the output has shape \(144,\)"),
    ],
)
def test_check_names_the_layer_that_cannot_be_built(architecture: Architecture, words: str) -> None:
    """An architecture that cannot be built is invalid; the message names the layer."""
    with pytest.raises(InvalidModelError, match=words):
        check(architecture, CLASSES)


# --- both frameworks


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize(
    "architecture",
    [
        stack(conv(5, 3, "relu"), pool(2), dropout(0.4), conv(4, 2, "gelu"), FLAT, dense(6, "tanh"), dense(3)),
        stack(conv(4, 2, "softmax"), FLAT, dense(3, "softmax"), shape=(7, 5, 3)),
        stack(pool(3), conv(3, 1, "selu"), pool(2), FLAT, FLAT, dense(3, "sigmoid"), shape=(13, 17, 2)),
        stack(FLAT, dense(5, "gelu"), dense(3), shape=(4, 6, 2)),
        stack(FLAT, dense(5, "relu"), dense(3), shape=(4, 6)),
    ],
)
def test_frameworks_give_equal_scores(architecture: Architecture) -> None:
    """Keras and PyTorch give the same scores from the same weights."""
    check(architecture, CLASSES)
    assert_same_scores(architecture, 1e-4)


# --- the family


def test_build_architecture_from_hyperparameters() -> None:
    """Hyperparameters give the architecture that they describe."""
    values = {
        "blocks": 2,
        "filters_1": 8,
        "filters_2": 16,
        "kernel": 3,
        "pool_1": False,
        "pool_2": True,
        "pool_size": 3,
        "activation_2": "gelu",
        "block_dropout_2": 0.2,
        "layers": 2,
        "units": 10,
        "units_2": 18,
        "dense_activation": "tanh",
        "dropout": True,
        "dropout_rate": 0.3,
        "output_activation": "linear",
    }
    made = convnet.build_architecture(values, (9, 9, 1), CLASSES)
    assert made == stack(
        conv(8, 3),
        conv(16, 3, "gelu"),
        pool(3),
        dropout(0.2),
        FLAT,
        dense(10, "tanh"),
        dropout(0.3),
        dense(18, "tanh"),
        dropout(0.3),
        dense(3),
        shape=(9, 9, 1),
    )
    assert [describe(layer) for layer in made.layers[:4]] == [
        "Conv2d (8, 3x3), relu",
        "Conv2d (16, 3x3), gelu",
        "MaxPool2d (3, 3)",
        "dropout (0.2)",
    ]


def test_build_architecture_defaults() -> None:
    """Hyperparameters that are missing have their defaults, and a switch turns dropout off."""
    values = {"blocks": 1, "filters": 4, "kernel": 2, "layers": 1, "units": 10, "dropout": False, "dropout_rate": 0.3}
    made = convnet.build_architecture(values, (8, 8, 1), CLASSES)
    assert made == stack(conv(4, 2), pool(2), FLAT, dense(10, "relu"), dense(3, "softmax"))


@pytest.mark.parametrize(
    ("name", "parameters"), [("guide_base", 1534), ("convnet_m", 13_706), ("scikit_default", 7510)]
)
def test_manual_convnets_fit_the_digits(name: str, parameters: int) -> None:
    """The manual models can be built on the digits."""
    model = load(ManualModel, RESOURCES / "models" / f"{name}.yaml")
    made = stack(*add_output_layer(model.layers, 10))
    check(made, 10)
    assert count_parameters(made) == parameters


# --- impossible layers


def test_skip_invalid_layers_lists_what_it_skips() -> None:
    """Exactly the layers that cannot be built are left out and listed."""
    made = stack(conv(4, 4), pool(2), conv(8, 3), pool(2), conv(2, 2), pool(3), FLAT, dense(5), dense(3))
    left = skip_invalid_layers(made)
    # 8 -> 5 -> 2; neither a kernel of 3 nor a window of 3 fits.
    assert left.layers == (conv(4, 4), pool(2), pool(2), FLAT, dense(5), dense(3))
    assert left.exceptions == (
        "layer 3 (conv2d): a kernel of 3 x 3 does not fit into 2 x 2",
        "layer 5 (conv2d): a kernel of 2 x 2 does not fit into 1 x 1",
        "layer 6 (max_pool2d): a window of 3 x 3 does not fit into 1 x 1",
    )
    check(left, CLASSES)
    assert count_parameters(left) == 4 * 17 + 5 * 5 + 3 * 6


@settings(max_examples=100, deadline=None)
@given(stacks())
def test_skip_invalid_layers_keeps_all_valid_layers(made: Architecture) -> None:
    """A valid architecture stays whole; of another, every layer that can be built stays."""
    left = skip_invalid_layers(made)
    assert len(left.layers) + len(left.exceptions) == len(made.layers)
    numbers = [int(text.split()[1]) for text in left.exceptions]
    assert left.layers == tuple(layer for number, layer in enumerate(made.layers, 1) if number not in numbers)
    assert skip_invalid_layers(left.model_copy(update={"exceptions": ()})).layers == left.layers
    if passes(made, CLASSES):
        assert left == made
    # The first layer left out is the one that check names.
    if left.exceptions:
        with pytest.raises(InvalidModelError) as caught:
            check(made, CLASSES)
        assert str(caught.value) == left.exceptions[0]


def test_shipped_convnet_space_has_invalid_sets() -> None:
    """The shipped space has valid and invalid sets for the digits."""
    space, random = read_space(SPACE, "convnet"), np.random.default_rng(0)
    made = [convnet.build_architecture(space.draw(random), (8, 8, 1), CLASSES) for _ in range(400)]
    share = sum(passes(one, CLASSES) for one in made) / len(made)
    assert 0.2 < share < 0.8
    for architecture in made:
        check(skip_invalid_layers(architecture), CLASSES)


# --- studies


class FewDigits(Source):
    """A few digits of three classes."""

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        loaded = DigitsSource(DigitsConfig(source="digits")).load({})
        few = {}
        for name in SPLITS:
            split = loaded.splits[name]
            keep = np.flatnonzero(split.y < CLASSES)[:60]
            few[name] = Split(split.x[keep], split.y[keep])
        return LoadedDataset(few, ["0", "1", "2"], loaded.axes, loaded.units)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("pictures")
    manifest = folder / "data" / "toy" / "manifest.json"
    prepare("toy", FewDigits(DatasetConfig(source="few")), {}, manifest, folder / "sealed" / "toy" / "seal.json")
    return open_prepared(manifest)


def records(pictures: Prepared, folder: Path, invalid_layers: str, trainer: str, budget: int = 12) -> list[Trial]:
    system = Tuned.model_validate(
        {
            "kind": "tuner",
            "tuner": {"library": "optuna", "algorithm": "tpe"},
            "space": "convnet",
            "family": "convnet",
            "invalid_layers": invalid_layers,
            "trainer": trainer,
            "training": {"epochs": 1, "batch_size": 30},
        }
    )
    card = run_study(
        study(system, budget={"trials": budget}),
        pictures,
        files={"space": SPACE},
        code="code",
        folder=folder,
        job_log=JobLog(),
    )
    found = TrialLog(folder / "trials.jsonl").read()
    assert len(found) == card.spent.trials == budget and not card.exhausted
    return found


@pytest.mark.usefixtures("frameworks")
def test_run_rejects_invalid_sets_within_the_budget(pictures: Prepared, tmp_path: Path) -> None:
    """A set that cannot be built is recorded as invalid, and the whole budget is spent."""
    found = records(pictures, tmp_path / "one", "reject", "pytorch")
    statuses = {trial.status for trial in found}
    assert statuses == {"invalid", "completed"}
    for trial in found:
        made = convnet.build_architecture(trial.hyperparameters, pictures.sample_shape, CLASSES)  # type: ignore[arg-type]
        assert (trial.status == "completed") == passes(made, CLASSES) and trial.exceptions == []
        if trial.status == "invalid":
            assert "does not fit into" in str(trial.reason) and trial.score is None
        else:
            assert trial.n_parameters == count_parameters(made)


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize(("trainer", "budget"), [("pytorch", 12), ("keras", 4)])
def test_run_skips_and_records_invalid_layers(pictures: Prepared, tmp_path: Path, trainer: str, budget: int) -> None:
    """Layers that cannot be built are left out and recorded."""
    found = records(pictures, tmp_path / "one", "skip", trainer, budget)
    assert {trial.status for trial in found} == {"completed"}
    for trial in found:
        made = convnet.build_architecture(trial.hyperparameters, pictures.sample_shape, CLASSES)  # type: ignore[arg-type]
        assert trial.exceptions == list(skip_invalid_layers(made).exceptions)
        assert trial.n_parameters == count_parameters(skip_invalid_layers(made))
    assert 0 < sum(bool(trial.exceptions) for trial in found) < budget


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("trainer", ["pytorch", "keras"])
def test_run_freezes_a_manual_convnet(pictures: Prepared, tmp_path: Path, trainer: str) -> None:
    """A manual ConvNet is frozen and rebuilt by either trainer."""
    settings = Manual.model_validate(
        {"kind": "manual", "model": "guide_base", "trainer": trainer, "training": {"epochs": 1}}
    )
    card = run_study(
        study(settings), pictures, files=settings.files(), code="code", folder=tmp_path / "one", job_log=JobLog()
    )
    assert card.n_parameters is not None and (trainer in card.versions or "torch" in card.versions)

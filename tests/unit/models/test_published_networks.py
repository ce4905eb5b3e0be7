"""The networks for #11 and #12: manual models, search spaces, and that every trainer trains what they are made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from blindtune.config.systems import ManualModel, System, read_space
from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.job_log import JobLog
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load
from blindtune.datasets.base import DatasetConfig, LoadedDataset, Source, Split
from blindtune.datasets.prepared import Prepared, open_prepared, prepare
from blindtune.models.architecture import Architecture, check, count_parameters, skip_invalid_layers
from blindtune.models.families import load_family
from blindtune.models.layers import Dropout, InvalidModelError, infer_shape
from blindtune.records.trial import TrialLog
from blindtune.report.published import load_published
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.run import run_study
from blindtune.study.setup import add_output_layer
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.registry import create_trainer
from support.builders import TRAINERS, study
from support.networks import conv1d, dense, dropout, keras_builds, lstm, passes, pool1d, pytorch_builds

CROPS, FRAMES = (128, 128, 3), (98, 300)


def space(name: str, family: str) -> Space:
    return read_space(RESOURCES / "spaces" / f"{name}.yaml", family)


CONVNETS, LSTMS = space("convnet_11", "convnet"), space("lstm_12", "lstm")


def manual(name: str, shape: tuple[int, ...]) -> tuple[Architecture, Training]:
    model = load(ManualModel, RESOURCES / "models" / f"{name}.yaml")
    made = Architecture(input_shape=shape, layers=add_output_layer(model.layers, 2))
    check(made, 2)
    return made, model.training


# --- manual models


def test_manual_convnet_equals_table_5() -> None:
    """The manual ConvNet is that of Table 5."""
    made, training = manual("convnet_11", CROPS)
    [layout] = [entry for entry in load_published().networks[5] if entry.system == "Manual"]
    assert made.layers == tuple(layout.layers) and made.score_kind() == "logits"
    assert (training.optimizer, training.learning_rate) == ("sgd", float(layout.training.learning_rate))
    assert (training.batch_size, training.epochs) == (int(layout.training.batch_size), int(layout.training.epochs))


@pytest.mark.usefixtures("frameworks")
def test_sgd_has_no_momentum_in_both_frameworks() -> None:
    """SGD of both frameworks is plain gradient descent."""
    import torch

    from blindtune.training.keras.model_cache import ModelKey
    from blindtune.training.pytorch import create_optimizer

    made, training = manual("convnet_11", CROPS)
    [group] = create_optimizer(training, [torch.nn.Parameter(torch.zeros(1))]).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]) == (0.001, 0, 0, False)
    key = ModelKey(made, training.optimizer, training.loss, classes=2, steps_per_execution=1)
    theirs = key.compile_model(training.learning_rate).optimizer.get_config()
    assert (theirs["momentum"], theirs["weight_decay"], theirs["nesterov"]) == (0.0, None, False)


def test_hybrid_passes_23_steps_to_its_lstm() -> None:
    """The convolutions of the hybrid leave 23 steps for its LSTM."""
    made, _ = manual("hybrid_12", FRAMES)
    shapes, shape = [], made.input_shape
    for layer in made.layers:
        shapes.append((layer.kind, shape))
        shape = infer_shape(layer, shape)
    assert dict(shapes)["lstm"] == (23, 64)
    convolutions = (300 * 3 + 1) * 64 + (64 * 3 + 1) * 64
    assert count_parameters(made) == convolutions + 4 * 64 * (64 + 64 + 1) + 65 * 2


# --- search spaces


#: Table 5, the right column; 0 is no dropout.
FOUND: Hyperparameters = {
    "blocks": 3,
    **{f"filters_{number}": 1 for number in (1, 2, 3)},
    **{"kernel_1": 8, "kernel_2": 5, "kernel_3": 5},
    **{f"activation_{number}": "tanh" for number in (1, 2, 3)},
    **{"pool_size_1": 5, "pool_size_2": 3, "pool_size_3": 3},
    **{"block_dropout_1": 0.0, "block_dropout_2": 0.25, "block_dropout_3": 0.25},
    "layers": 3,
    **{f"units_{number}": 25 for number in (1, 2, 3)},
    **{f"dense_activation_{number}": "relu" for number in (1, 2, 3)},
    "dropout_rate": 0.0,
    "output_activation": "softmax",
    "loss": "sparse_categorical_crossentropy",
    "optimizer": "adam",
    "metric": "accuracy",
}


def test_published_convnet_is_in_the_space_but_too_deep() -> None:
    """The published result is in the search space and does not fit crops of 128 pixels."""
    assert CONVNETS.snap(FOUND) == FOUND
    [layout] = [entry for entry in load_published().networks[5] if entry.system == "Auto"]
    made = load_family("convnet").build(FOUND, (132, 132, 3), 2)
    assert [one for one in made.layers if not (isinstance(one, Dropout) and one.rate == 0)] == layout.layers
    check(made, 2)
    smaller = made.model_copy(update={"input_shape": CROPS})
    with pytest.raises(InvalidModelError, match="a window of 3 x 3 does not fit into 2 x 2"):
        check(smaller, 2)
    assert len(skip_invalid_layers(smaller).exceptions) == 1


def test_convnet_space_has_a_third_of_invalid_sets() -> None:
    """Almost a third of the ConvNets cannot be built unless layers are left out."""
    random = np.random.default_rng(0)
    made = [load_family("convnet").build(CONVNETS.draw(random), CROPS, 2) for _ in range(600)]
    assert 0.27 < sum(not passes(one, 2) for one in made) / len(made) < 0.37
    assert all(passes(skip_invalid_layers(one), 2) for one in made)


def drawn(known: Space) -> st.SearchStrategy[Hyperparameters]:
    return st.integers(0, 2**32 - 1).map(lambda seed: known.draw(np.random.default_rng(seed)))


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize(
    ("known", "family", "shape"),
    [(CONVNETS, "convnet", CROPS), (CONVNETS, "convnet", (40, 32, 3)), (LSTMS, "lstm", FRAMES), (LSTMS, "lstm", CROPS)],
)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_sets_are_invalid_or_build_in_both_frameworks(
    known: Space, family: str, shape: tuple[int, ...], data: st.DataObject
) -> None:
    """Every set is invalid with a reason, or both frameworks build the same model."""
    made = load_family(family).build(data.draw(drawn(known)), shape, 2)
    try:
        check(made, 2)
    except InvalidModelError as error:
        assert str(error).startswith("layer ")
        made = skip_invalid_layers(made)
        if not passes(made, 2):
            return
    assert keras_builds(made) == pytorch_builds(made) == ((2,), count_parameters(made))


# --- training


def waves(count: int, seed: int) -> Split:
    """A slow or a fast wave in one of three channels of noise: (count, 16, 3)."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 0.3, (count, 16, 3))
    y = np.arange(count) % 2
    phase = random.uniform(0, 2 * np.pi, (count, 1))
    x[:, :, 1] += np.sin(phase + np.arange(16) * np.where(y == 1, 1.6, 0.5)[:, None])
    return Split(x.astype(np.float32), y)


TRAIN, DEV = waves(240, 0), waves(100, 1)

#: Every kind of layer over steps, and both ways in which PyTorch goes through an LSTM.
LAYERS = (conv1d(8, 3), pool1d(2), dropout(0.1), lstm(8, "relu", sequence=True), lstm(8), dense(2))


def task(epochs: int) -> TrainingTask:
    training = Training(epochs=epochs, batch_size=20, learning_rate=0.02)
    return TrainingTask(Architecture(input_shape=(16, 3), layers=LAYERS), training, {}, 5, 2)


@pytest.mark.parametrize("trainer", [name for name in TRAINERS if name != "fused"])
def test_trainers_train_resume_and_rebuild(trainer: Any) -> None:
    """Every trainer trains the networks, resumes training and rebuilds them."""
    made = create_trainer(trainer)
    half = made.train(task(2), TRAIN, DEV, TrainingOptions("last", keep_state=True))
    assert half.n_parameters == count_parameters(task(2).architecture)
    predict = made.rebuild(task(2), half.weights, TRAIN)
    assert np.mean(predict(DEV.x) != DEV.y) == half.curve[-1].dev_error
    rest = made.train(task(4), TRAIN, DEV, TrainingOptions("last", state=half.state))
    assert rest.curve[0].train_loss < half.curve[0].train_loss and rest.curve[-1].dev_error < 0.3, rest.curve
    if trainer == "scikeras":  # the model of the Keras trainer, which is slow to build
        return
    whole = made.train(task(4), TRAIN, DEV, TrainingOptions("last"))
    assert whole.curve[:2] == half.curve, "the same task gives the same model"
    if "keras" not in made.versions():
        assert digest_arrays(rest.weights) == digest_arrays(whole.weights), "bit by bit"


# --- studies


class Waves(Source):
    """The waves, as a dataset of sequences."""

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        splits = {"train": TRAIN, "dev": DEV, "eval": waves(40, 2)}
        return LoadedDataset(splits, ["slow", "fast"], ["sample", "step", "channel"], "arbitrary")


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("sequences")
    manifest = folder / "data" / "toy" / "manifest.json"
    prepare("toy", Waves(DatasetConfig(source="waves")), {}, manifest, folder / "sealed" / "toy" / "seal.json")
    return open_prepared(manifest)


TUNED = {
    "kind": "tuner",
    "tuner": {"library": "optuna", "algorithm": "tpe"},
    "space": "lstm_12",
    "family": "lstm",
    "trainer": "pytorch",
    "training": {"epochs": 1, "batch_size": 40},
}
MANUAL = {"kind": "manual", "model": "hybrid_12", "training": {"epochs": 1}}


@pytest.mark.parametrize("content", [TUNED, MANUAL])
def test_run_on_sequences_writes_a_card(sequences: Prepared, tmp_path: Path, content: dict[str, Any]) -> None:
    """A study of sequences ends with a model card."""
    system: Any = TypeAdapter(System).validate_python(content)
    card = run_study(
        study(system, budget={"trials": 2}),
        sequences,
        files=system.files(),
        code="code",
        folder=tmp_path / "one",
        job_log=JobLog(),
    )
    assert card.architecture is not None and card.n_parameters == count_parameters(card.architecture)
    assert {trial.status for trial in TrialLog(tmp_path / "one" / "trials.jsonl").read()} == {"completed"}
    assert any(layer.kind == "lstm" for layer in card.architecture.layers)

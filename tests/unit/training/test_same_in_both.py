"""Keras and PyTorch train the same model: the same initial weights on whole batches end at the same weights."""

from typing import Any

import numpy as np
import pytest

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.models.architecture import Architecture
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask
from blindtune.training.registry import create_trainer
from support.builders import TRAINERS
from support.networks import batch_normalization, dense, residual
from support.training_tasks import DEV, TRAIN, train_until

pytestmark = pytest.mark.slow

#: A momentum with which the running statistics follow within a few steps.
BATCH = batch_normalization(0.8)
DEEP = Architecture(
    input_shape=(2,),
    layers=(dense(8, "tanh"), BATCH, residual(dense(6, "tanh"), BATCH, dense(8), to="relu"), dense(2, "linear")),
)
MLP = Architecture(input_shape=(2,), layers=(dense(8, "tanh"), dense(2, "linear")))
ADAM = {"optimizer": "adam", "learning_rate": 0.05}
#: SciKeras fits the same compiled models.
KERAS = [name for name in TRAINERS if name.startswith("keras")]
#: Of arrays with so many axes, the order of the axes in the other framework.
TURNED = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}


def train_in_both(
    monkeypatch: pytest.MonkeyPatch,
    keras_trainer: str,
    architecture: Architecture,
    steepness: float = 1.0,
    **settings: Any,
) -> tuple[Outcome, Outcome]:
    """Return the outcomes of Keras and of PyTorch, from the same initial weights, on batches of all of train.

    Args:
        monkeypatch: replaces the initial weights.
        keras_trainer: the trainer of Keras.
        architecture: what both train.
        steepness: factor of the initial weights of the last layer.
        **settings: of the training.
    """
    trainers = create_trainer(keras_trainer), create_trainer("pytorch")
    from blindtune.models import keras, pytorch

    builds, start = (keras.build, pytorch.build), {}

    def build_keras(architecture: Architecture) -> Any:
        model = builds[0](architecture)
        random = np.random.default_rng(5)
        for name, array in keras.get_weights(model).items():
            start[name] = array if array.ndim == 1 else random.normal(scale=0.5, size=array.shape).astype(np.float32)
        last = [name for name, array in start.items() if array.ndim > 1][-1]
        start[last] = (steepness * start[last]).astype(np.float32)
        keras.set_weights(model, start)
        return model

    def build_pytorch(architecture: Architecture, *arguments: Any) -> Any:
        model = builds[1](architecture, *arguments)
        arrays = [np.ascontiguousarray(array.transpose(TURNED[array.ndim])) for array in start.values()]
        pytorch.set_weights(model, dict(zip(pytorch.get_weights(model), arrays, strict=True)))
        return model

    monkeypatch.setattr(keras, "build", build_keras)
    monkeypatch.setattr(pytorch, "build", build_pytorch)
    plain = {"epochs": 12, "batch_size": 400, "learning_rate": 0.5, "optimizer": "sgd"}
    training = Training.model_validate(plain | settings)
    task = TrainingTask(architecture, training, {}, 7, 2)
    one, other = (trainer.train(task, TRAIN, DEV, TrainingOptions("last", keep_state=True)) for trainer in trainers)
    return one, other


def assert_same_training(one: Outcome, other: Outcome, tolerance: float = 2e-4) -> None:
    """Assert that the outcomes of Keras and of PyTorch are equal up to rounding."""
    assert (one.status, one.scored_epoch, one.n_parameters) == (other.status, other.scored_epoch, other.n_parameters)
    for theirs, ours in zip(one.curve, other.curve, strict=True):
        for name, value in theirs.model_dump(exclude_none=True).items():
            # One of the 200 samples may be at the boundary.
            margin = 0.006 if name.endswith("error") else tolerance
            assert value == pytest.approx(getattr(ours, name), rel=2e-3, abs=margin), name
    for theirs, ours in zip(one.weights.values(), other.weights.values(), strict=True):
        np.testing.assert_allclose(theirs.transpose(TURNED[theirs.ndim]), ours, rtol=2e-3, atol=tolerance)


@pytest.mark.parametrize("keras_trainer", KERAS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight_decay": 0.1},
        {"clip_norm": 0.05},
        {"weight_decay": 0.1, "clip_norm": 0.05, "schedule": "cosine"},
        {"schedule": "cosine"},
        {"schedule": "step", "schedule_epochs": 3, "schedule_factor": 0.5},
        {"schedule": "plateau", "schedule_epochs": 1, "learning_rate": 30.0},
        {"early_stopping": 1, "learning_rate": 30.0},
        ADAM,
        ADAM | {"weight_decay": 0.5},
        ADAM | {"optimizer": "adamw", "weight_decay": 0.3},
    ],
    ids=str,
)
def test_settings_mean_the_same_in_both(
    keras_trainer: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every setting of training means the same to Keras and to PyTorch."""
    one, other = train_in_both(monkeypatch, keras_trainer, MLP, **settings)
    # Their Adams add another epsilon to the root of a mean that is almost 0 at first.
    assert_same_training(one, other, 3e-3 if "optimizer" in settings else 2e-4)
    assert (len(one.curve) < 12) == ("early_stopping" in settings)


@pytest.mark.parametrize("keras_trainer", KERAS)
@pytest.mark.parametrize("output", ["linear", "softmax", "sigmoid"])
@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "mean_squared_error"])
def test_outputs_train_the_same_in_both(
    keras_trainer: str, output: str, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every usual output trains alike; Keras on TensorFlow takes the inputs of a sigmoid for logits, so all do."""
    made = Architecture(input_shape=(2,), layers=(dense(8, "tanh"), dense(2, output)))
    assert_same_training(*train_in_both(monkeypatch, keras_trainer, made, loss=loss))


@pytest.mark.parametrize("keras_trainer", KERAS)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_steep_outputs_train_the_same_in_both(keras_trainer: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a softmax or a sigmoid is 0 or 1 in float32, its inputs still have their gradient, with every trainer."""
    made = Architecture(input_shape=(2,), layers=(dense(8, "tanh"), dense(2, output)))
    one, other = train_in_both(monkeypatch, keras_trainer, made, steepness=60.0, epochs=4, learning_rate=0.05)
    assert one.curve[0].dev_loss is not None and one.curve[0].dev_loss > 2, "some logits are far apart"
    assert_same_training(one, other)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_outputs_train_as_a_plain_script_of_keras(output: str, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain script with the softmax or the sigmoid gives the same losses, also where it is 0 or 1 in float32."""
    if "keras" not in KERAS:
        pytest.skip("needs TensorFlow")
    trainer = create_trainer("keras")
    import keras

    from blindtune.models import keras as networks

    build = networks.build

    def build_steep(architecture: Architecture) -> Any:
        model = build(architecture)
        weights = networks.get_weights(model)
        networks.set_weights(model, weights | {"2.kernel": scale * weights["2.kernel"]})
        return model

    monkeypatch.setattr(networks, "build", build_steep)
    layers = (dense(8, "tanh"), dense(2, output))
    settings = {"epochs": 6, "batch_size": 400, "learning_rate": 0.05, "optimizer": "sgd"}
    task = TrainingTask(Architecture(input_shape=(2,), layers=layers), Training.model_validate(settings), {}, 7, 2)
    ours = trainer.train(task, TRAIN, DEV, TrainingOptions("last"))
    keras.utils.set_random_seed(7)
    model = build_steep(Architecture(input_shape=(2,), layers=layers))
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    theirs = model.fit(
        TRAIN.x, TRAIN.y, batch_size=400, epochs=6, validation_data=(DEV.x, DEV.y), validation_batch_size=400, verbose=0
    )
    assert [epoch.dev_loss for epoch in ours.curve] == pytest.approx(theirs.history["val_loss"], rel=1e-5)
    assert [epoch.train_loss for epoch in ours.curve] == pytest.approx(theirs.history["loss"], rel=1e-5)
    assert scale == 1.0 or max(theirs.history["val_loss"]) > 1, "some outputs are 0 or 1"


@pytest.mark.parametrize("keras_trainer", KERAS)
def test_layers_train_the_same_in_both(keras_trainer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch normalization and residual blocks learn the same, and rebuild to the error that was scored."""
    one, other = train_in_both(monkeypatch, keras_trainer, DEEP, learning_rate=0.1)
    assert_same_training(one, other)
    assert len(one.weights) == len(other.weights) == 16
    task = TrainingTask(DEEP, Training(), {}, 7, 2)
    for name, outcome in ((keras_trainer, one), ("pytorch", other)):
        predict = create_trainer(name).rebuild(task, outcome.weights, TRAIN)
        assert np.mean(predict(DEV.x) != DEV.y) == outcome.curve[-1].dev_error


@pytest.mark.parametrize("name", [*KERAS, "pytorch", "skorch"])
def test_running_statistics_are_in_the_state(name: str) -> None:
    """A resumed training goes on with the running statistics of batch normalization."""
    trainer = create_trainer(name)
    task = TrainingTask(DEEP, Training(epochs=5, batch_size=100, learning_rate=0.05), {}, 7, 2)
    whole, first = train_until(trainer, task, 5, None), train_until(trainer, task, 3, None)
    then = train_until(trainer, task, 5, first.state)
    assert first.state is not None and first.curve == whole.curve[:3]
    statistics = [array for key, array in first.weights.items() if "variance" in key]
    assert len(statistics) == 2 and all((array != 1).all() for array in statistics)
    if "keras" not in trainer.versions():
        assert then.curve == whole.curve[3:] and digest_arrays(then.weights) == digest_arrays(whole.weights)

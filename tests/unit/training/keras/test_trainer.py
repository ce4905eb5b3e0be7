"""The native Keras trainer: what makes it fast changes no record, on whichever backend this process has."""

import sys
from dataclasses import replace
from typing import Any

import pytest

from blindtune.config.systems import Manual
from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import Outcome, State, TrainingOptions, TrainingTask
from blindtune.training.keras import backend as keras_backend
from blindtune.training.registry import create_trainer
from blindtune.views.samples import StoredSamples
from support.builders import TRAINERS, points

TRAIN, DEV = Split(*points(400, 0)), Split(*points(200, 1))

#: The native trainer of this process.
NAME = next(name for name in TRAINERS if name.startswith("keras"))

#: Its backend, as Keras calls it.
BACKEND = {"keras": "tensorflow", "keras-jax": "jax", "keras-torch": "torch"}[NAME]


def trainer_of(name: Any) -> Any:
    return create_trainer(name)


def task(seed: int = 7, **training: Any) -> TrainingTask:
    """Five steps in an epoch, the last one of fewer samples; with dropout."""
    settings = Training(**({"epochs": 3, "batch_size": 90, "learning_rate": 0.02} | training))
    values: dict[str, Any] = {"layers": 2, "units": 8, "activation": "tanh", "dropout_rate": 0.2}
    return TrainingTask(mlp.build_architecture(values, (2,), 2), settings, values, seed, 2)


def train(trainer: Any, it: TrainingTask, train: Split = TRAIN, state: State | None = None) -> Outcome:
    outcome: Outcome = trainer.train(it, train, DEV, TrainingOptions("last", state=state, keep_state=True))
    return outcome


def assert_same(one: Outcome, other: Outcome) -> None:
    assert one.curve == other.curve
    assert one.state is not None and other.state is not None
    assert digest_arrays(one.weights) == digest_arrays(other.weights)
    assert digest_arrays(one.state.arrays) == digest_arrays(other.state.arrays)


# --- a plain fit


def test_a_trial_is_a_plain_fit() -> None:
    trainer, it = trainer_of(NAME), task()
    import keras

    from blindtune.models import keras as networks

    keras.backend.clear_session()
    keras.utils.set_random_seed(it.seed)
    architecture: Any = it.architecture
    model = networks.build(architecture)
    model.compile(
        keras.optimizers.Adam(0.02),
        networks.create_loss("cross_entropy", architecture, 2),
        metrics=["sparse_categorical_accuracy"],
    )
    seed = derive("fit", it.seed, 0)
    model.fit(
        TRAIN.x,
        TRAIN.y,
        batch_size=90,
        epochs=3,
        validation_data=(DEV.x, DEV.y),
        validation_batch_size=200,
        callbacks=[keras.callbacks.LambdaCallback(on_train_begin=lambda logs: keras.utils.set_random_seed(seed))],
        verbose=0,
    )
    ours = train(trainer, it)
    assert digest_arrays(networks.get_weights(model)) == digest_arrays(ours.weights)
    heard = model.history.history
    assert [epoch.dev_loss for epoch in ours.curve] == heard["val_loss"]
    assert [epoch.train_loss for epoch in ours.curve] == heard["loss"]


# --- steps at once


@pytest.mark.skipif(NAME == "keras-torch", reason="Keras executes single steps on PyTorch")
@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("at_once", [2, 3, 5, 50])
def test_steps_at_once_change_no_record(at_once: int, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    split = replace(TRAIN, x=StoredSamples(TRAIN.x, (2,))) if shown else TRAIN
    one, other = trainer_of(NAME), trainer_of(NAME)
    monkeypatch.setattr(one, "at_once", lambda steps: 1)
    monkeypatch.setattr(other, "at_once", lambda steps: at_once)
    first, same = (train(it, task(epochs=2), split) for it in (one, other))
    assert_same(first, same)
    assert_same(*(train(it, task(epochs=4), split, first.state) for it in (one, other)))


def test_as_many_steps_are_executed_at_once_as_the_backend_gains_from() -> None:
    at_once = [trainer_of(NAME).at_once(steps) for steps in (1, 31, 32, 1000)]
    assert at_once == {"keras": [1, 1, 32, 1000], "keras-jax": [1, 31, 32, 1000], "keras-torch": [1, 1, 1, 1]}[NAME]


@pytest.mark.parametrize("at_once", [1, 5])
def test_a_training_is_stopped_after_an_epoch_however_many_steps_go_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(NAME)
    if NAME != "keras-torch":
        monkeypatch.setattr(trainer, "at_once", lambda steps: at_once)
    heard: list[int] = []

    def after_epoch(epoch: int, measures: Any) -> str | None:
        heard.append(epoch)
        return "no use" if epoch == 2 else None

    outcome = trainer.train(task(), TRAIN, DEV, TrainingOptions("last", after_epoch=after_epoch))
    assert (outcome.status, heard, len(outcome.curve)) == ("pruned", [1, 2], 2)


# --- models that are used again


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("shown", [False, True])
def test_a_used_model_trains_as_a_new_one(shown: bool, optimizer: str) -> None:
    split = replace(TRAIN, x=StoredSamples(TRAIN.x, (2,))) if shown else TRAIN
    used, it = trainer_of(NAME), task(optimizer=optimizer)
    train(used, task(8, optimizer=optimizer, learning_rate=0.5, epochs=1), split)
    alone, again = (train(trainer, it, split) for trainer in (trainer_of(NAME), used))
    assert_same(alone, again)
    assert len(used._models._kept) == 1, "it must be the same model"
    longer = task(optimizer=optimizer, epochs=5)
    assert_same(*(train(trainer, longer, split, alone.state) for trainer in (trainer_of(NAME), used)))


def test_a_used_model_takes_a_train_split_of_another_size() -> None:
    used, it = trainer_of(NAME), task()
    train(used, it)
    smaller = Split(TRAIN.x[:397], TRAIN.y[:397])
    assert_same(*(train(trainer, it, smaller) for trainer in (trainer_of(NAME), used)))
    assert len(used._models._kept) == 1


def test_a_diverged_model_leaves_no_trace_in_the_next() -> None:
    used = trainer_of(NAME)
    wild = train(used, task(learning_rate=1e30, optimizer="sgd"))
    assert wild.status in ("diverged", "completed")
    calm = task(optimizer="sgd", learning_rate=0.1)
    assert_same(*(train(trainer, calm) for trainer in (trainer_of(NAME), used)))


def test_a_model_whose_training_has_failed_is_not_used_again() -> None:
    def fails(epoch: int, measures: Any) -> str | None:
        raise RuntimeError("a library's own failure")

    used = trainer_of(NAME)
    train(used, task())
    with pytest.raises(RuntimeError, match="own failure"):
        used.train(task(), TRAIN, DEV, TrainingOptions("last", after_epoch=fails))
    assert len(used._models._kept) == 0
    assert_same(*(train(trainer, task()) for trainer in (trainer_of(NAME), used)))


def test_the_models_that_were_used_last_are_kept() -> None:
    trainer_of(NAME)
    from blindtune.training.keras.model_cache import _MOST, Kind, Models

    architecture: Any = task().architecture
    kinds = [Kind(architecture, "adam", "cross_entropy", 2, at_once) for at_once in range(1, _MOST + 4)]
    models = Models()
    for kind in kinds:
        models.give_back(kind, object())
    assert list(models._kept) == kinds[3:]


def test_layers_that_were_left_out_make_no_other_kind() -> None:
    trainer, it = trainer_of(NAME), task(epochs=1)
    architecture: Any = it.architecture
    train(trainer, it)
    train(trainer, replace(it, architecture=architecture.model_copy(update={"exceptions": ("layer 9",)})))
    train(trainer, task(epochs=1, optimizer="sgd"))
    assert len(trainer._models._kept) == 2


# --- the backend


@pytest.mark.parametrize("other", sorted({"keras", "keras-jax", "keras-torch"} - {NAME}))
def test_keras_keeps_its_backend_and_says_so(other: str) -> None:
    trainer_of(NAME)
    with pytest.raises(UserError, match=f"Keras computes with {BACKEND} in this process and cannot change to"):
        trainer_of(other)
    assert trainer_of(NAME).versions()


def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(keras_backend, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"compute with jax, which is not installed\. Install requirements\.lock"):
        keras_backend.choose("jax")


def test_the_config_decides_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    monkeypatch.setenv("XLA_FLAGS", "--mine")
    for name in ("JAX_PLATFORMS", "NPROC"):
        monkeypatch.setenv(name, "any")
    for _ in range(2):
        keras_backend.choose("jax")
        environment = [keras_backend.os.environ[name] for name in ("KERAS_BACKEND", "XLA_FLAGS", "NPROC")]
        assert environment == ["jax", "--mine --xla_cpu_multi_thread_eigen=false", "1"]

"""The Keras trainer: what makes it fast changes no record, on the backend of this process."""

import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

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

pytestmark = pytest.mark.slow


TRAIN, DEV = Split(*points(400, 0)), Split(*points(200, 1))


#: The native trainer of this process.
NAME = next(name for name in TRAINERS if name.startswith("keras"))


#: Its backend, as Keras calls it.
BACKEND = {"keras": "tensorflow", "keras-jax": "jax", "keras-torch": "torch"}[NAME]


def create_task(seed: int = 7, **training: Any) -> TrainingTask:
    """Return a task with five steps in an epoch, the last one of fewer samples, and dropout."""
    settings = Training(**({"epochs": 3, "batch_size": 90, "learning_rate": 0.02} | training))
    values: dict[str, Any] = {"layers": 2, "units": 8, "activation": "tanh", "dropout_rate": 0.2}
    return TrainingTask(mlp.build_architecture(values, (2,), 2), settings, values, seed, 2)


def train(trainer: Any, task: TrainingTask, train: Split = TRAIN, state: State | None = None) -> Outcome:
    outcome: Outcome = trainer.train(task, train, DEV, TrainingOptions("last", state=state, keep_state=True))
    return outcome


def assert_same(one: Outcome, other: Outcome) -> None:
    """Check that outcomes are equal bit by bit."""
    assert one.curve == other.curve
    assert one.state is not None and other.state is not None
    assert digest_arrays(one.weights) == digest_arrays(other.weights)
    assert digest_arrays(one.state.arrays) == digest_arrays(other.state.arrays)


def test_train_is_a_plain_fit() -> None:
    """A trial gives weights and losses of a plain `fit`."""
    trainer, task = create_trainer(NAME), create_task()
    import keras

    from blindtune.models import keras as networks

    keras.backend.clear_session()
    keras.utils.set_random_seed(task.seed)
    architecture: Any = task.architecture
    model = networks.build(architecture)
    model.compile(
        keras.optimizers.Adam(0.02),
        networks.create_loss("cross_entropy", architecture.score_kind(), 2),
        metrics=["sparse_categorical_accuracy"],
    )
    seed = derive("fit", task.seed, 0)
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
    ours = train(trainer, task)
    assert digest_arrays(networks.get_weights(model)) == digest_arrays(ours.weights)
    history = model.history.history
    assert [epoch.dev_loss for epoch in ours.curve] == history["val_loss"]
    assert [epoch.train_loss for epoch in ours.curve] == history["loss"]


@pytest.mark.skipif(NAME == "keras-torch", reason="Keras executes single steps on PyTorch")
@pytest.mark.parametrize("as_view", [False, True])
@pytest.mark.parametrize("steps", [2, 3, 5, 50])
def test_steps_per_execution_changes_no_record(steps: int, as_view: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of steps per execution gives the same outcome and state."""
    first, longer = train_by_single_steps(as_view)
    trainer, split = create_trainer(NAME), choose_split(as_view)
    monkeypatch.setattr(trainer, "steps_per_execution", lambda _: steps)
    assert_same(first, train(trainer, create_task(epochs=2), split))
    assert_same(longer, train(trainer, create_task(epochs=4), split, first.state))


@cache
def train_by_single_steps(as_view: bool) -> tuple[Outcome, Outcome]:
    """Return the outcome of two epochs with one step per execution, and that of two more."""
    trainer, split = create_trainer(NAME), choose_split(as_view)
    trainer.steps_per_execution = lambda steps: 1
    first = train(trainer, create_task(epochs=2), split)
    return first, train(trainer, create_task(epochs=4), split, first.state)


def choose_split(as_view: bool) -> Split:
    """Return the samples to train on, as an array or as a view of stored samples."""
    return replace(TRAIN, x=StoredSamples(TRAIN.x, (2,))) if as_view else TRAIN


def test_steps_per_execution_depends_on_the_backend() -> None:
    """Each backend executes as many steps at a time as it gains from."""
    chosen = [create_trainer(NAME).steps_per_execution(steps) for steps in (1, 31, 32, 1000)]
    assert chosen == {"keras": [1, 1, 32, 1000], "keras-jax": [1, 31, 32, 1000], "keras-torch": [1, 1, 1, 1]}[NAME]


@pytest.mark.parametrize("steps", [1, 5])
def test_train_stops_after_an_epoch(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pruned training stops after its epoch, with any number of steps per execution."""
    trainer = create_trainer(NAME)
    if NAME != "keras-torch":
        monkeypatch.setattr(trainer, "steps_per_execution", lambda _: steps)
    epochs: list[int] = []

    def after_epoch(epoch: int, metrics: Any) -> str | None:
        epochs.append(epoch)
        return "no use" if epoch == 2 else None

    outcome = trainer.train(create_task(), TRAIN, DEV, TrainingOptions("last", after_epoch=after_epoch))
    assert (outcome.status, epochs, len(outcome.curve)) == ("pruned", [1, 2], 2)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("as_view", [False, True])
def test_used_model_trains_like_a_new_one(as_view: bool, optimizer: str) -> None:
    """A model from the cache gives the outcome of a new one."""
    split = choose_split(as_view)
    used, task = create_trainer(NAME), create_task(optimizer=optimizer)
    train(used, create_task(8, optimizer=optimizer, learning_rate=0.5, epochs=1), split)
    alone, again = (train(trainer, task, split) for trainer in (create_trainer(NAME), used))
    assert_same(alone, again)
    assert len(used._cache._models) == 1, "it must be the same model"
    longer = create_task(optimizer=optimizer, epochs=5)
    assert_same(*(train(trainer, longer, split, alone.state) for trainer in (create_trainer(NAME), used)))


def test_used_model_takes_another_split() -> None:
    """A model from the cache takes a train split of another size."""
    used, task = create_trainer(NAME), create_task()
    train(used, task)
    smaller = Split(TRAIN.x[:397], TRAIN.y[:397])
    assert_same(*(train(trainer, task, smaller) for trainer in (create_trainer(NAME), used)))
    assert len(used._cache._models) == 1


def test_used_model_after_divergence_is_clean() -> None:
    """A diverged model does not change the next one."""
    used = create_trainer(NAME)
    wild = train(used, create_task(learning_rate=1e12, optimizer="sgd"))
    assert wild.status in ("diverged", "completed")
    calm = create_task(optimizer="sgd", learning_rate=0.1)
    assert_same(*(train(trainer, calm) for trainer in (create_trainer(NAME), used)))


def test_failed_model_is_not_used_again() -> None:
    """A model whose training failed does not return to the cache."""

    def fails(epoch: int, metrics: Any) -> str | None:
        raise RuntimeError("a library's own failure")

    used = create_trainer(NAME)
    train(used, create_task())
    with pytest.raises(RuntimeError, match="own failure"):
        used.train(create_task(), TRAIN, DEV, TrainingOptions("last", after_epoch=fails))
    assert len(used._cache._models) == 0
    assert_same(*(train(trainer, create_task()) for trainer in (create_trainer(NAME), used)))


def test_cache_keeps_the_models_used_last() -> None:
    """The cache drops the models that were used least recently."""
    create_trainer(NAME)
    from blindtune.training.keras.model_cache import _MAX_MODELS, ModelCache, ModelKey

    architecture: Any = create_task().architecture
    keys = [ModelKey(architecture, "adam", "cross_entropy", 2, steps) for steps in range(1, _MAX_MODELS + 4)]
    cache = ModelCache()
    for key in keys:
        cache.put(key, object())
    assert list(cache._models) == keys[3:]


def test_model_key_ignores_skipped_layers() -> None:
    """The texts about skipped layers make no other key; the optimizer does."""
    trainer, task = create_trainer(NAME), create_task(epochs=1)
    architecture: Any = task.architecture
    train(trainer, task)
    train(trainer, replace(task, model=architecture.model_copy(update={"exceptions": ("layer 9",)})))
    train(trainer, create_task(epochs=1, optimizer="sgd"))
    assert len(trainer._cache._models) == 2


@pytest.mark.parametrize("other", sorted({"keras", "keras-jax", "keras-torch"} - {NAME}))
def test_create_trainer_refuses_another_backend(other: str) -> None:
    """Another backend in the same process is refused with its name."""
    create_trainer(NAME)
    with pytest.raises(UserError, match=f"Keras computes with {BACKEND} in this process and cannot change to"):
        create_trainer(other)
    assert create_trainer(NAME).versions()


def test_choose_backend_names_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that is not installed is named."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(keras_backend, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"compute with jax, which is not installed\. Install requirements\.lock"):
        keras_backend.choose_backend("jax")


def test_choose_backend_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chosen backend wins over environment variables, and flags are added once."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    monkeypatch.setenv("XLA_FLAGS", "--mine")
    for name in ("JAX_PLATFORMS", "NPROC"):
        monkeypatch.setenv(name, "any")
    for _ in range(2):
        keras_backend.choose_backend("jax")
        environment = [keras_backend.os.environ[name] for name in ("KERAS_BACKEND", "XLA_FLAGS", "NPROC")]
        assert environment == ["jax", "--mine --xla_cpu_multi_thread_eigen=false", "1"]

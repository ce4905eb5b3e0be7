"""What every trainer of networks guarantees: reproducible outcomes, divergence, pruning, resuming, rebuilding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.core.weights import read_weights, write_weights
from blindtune.training.base import (
    EpochMetrics,
    State,
    TrainingOptions,
)
from blindtune.training.registry import create_trainer
from support.builders import TRAINERS
from support.training_tasks import DEV, TRAIN, create_task, train_task, train_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=TRAINERS)
def trainer(request: pytest.FixtureRequest) -> Any:
    return create_trainer(request.param)


def test_train_gives_the_same_model_for_the_same_task(trainer: Any) -> None:
    """The same task gives the same model after any other training."""
    first = train_task(trainer, create_task())
    other = train_task(trainer, create_task(8, {"layers": 2, "units": 5}))
    again = train_task(trainer, create_task())
    assert digest_arrays(again.weights) == digest_arrays(first.weights) != digest_arrays(other.weights)
    assert again.curve == first.curve
    assert digest_arrays(train_task(trainer, create_task(8)).weights) != digest_arrays(first.weights)


def test_train_outcome_is_complete(trainer: Any) -> None:
    """A completed outcome has curve, scored epoch, number of parameters and times; its errors are counts of samples."""
    clock = Stopwatch()
    outcome = train_task(trainer, create_task(), clock=clock)
    assert (outcome.status, outcome.reason, len(outcome.curve)) == ("completed", None, 3)
    assert (outcome.scored_epoch, outcome.n_parameters) == (3, 2 * 8 + 8 + 8 * 2 + 2)
    errors = np.array([[epoch.train_error, epoch.dev_error] for epoch in outcome.curve], dtype=float)
    assert ((errors >= 0) & (errors <= 1)).all() and errors[-1, 1] < 0.3, "it must have learned"
    counts = errors * [len(TRAIN.y), len(DEV.y)]
    np.testing.assert_array_equal(counts.round(6), counts.round())
    assert {"build", "train", "evaluate"} <= set(clock.seconds)
    assert all(spent.wall >= 0 for spent in clock.seconds.values())


def test_train_keeps_the_best_epoch(trainer: Any) -> None:
    """The weights of the best epoch are kept, and rebuild to a model with the error of that epoch."""
    task = create_task(learning_rate=0.3, epochs=6)
    best, last = train_task(trainer, task, "best"), train_task(trainer, task, "last")
    assert best.curve == last.curve
    errors = [epoch.dev_error for epoch in best.curve]
    assert best.scored_epoch == errors.index(min(errors)) + 1 != last.scored_epoch == 6, errors
    for outcome in (best, last):
        predict = trainer.rebuild(task, outcome.weights, TRAIN)
        assert np.mean(predict(DEV.x) != DEV.y) == outcome.curve[outcome.scored_epoch - 1].dev_error
        assert predict(DEV.x).dtype == np.int64


@pytest.mark.parametrize(
    "wild",
    [
        {"learning_rate": 1e12, "optimizer": "sgd", "loss": "cross_entropy"},
        {
            "hyperparameters": {"layers": 3, "units": 64, "activation": "exponential"},
            "learning_rate": 100.0,
            "optimizer": "sgd",
        },
    ],
)
def test_train_divergence_is_an_outcome(trainer: Any, wild: dict[str, Any]) -> None:
    """A diverged model is an outcome with a reason, and has no weights."""
    values = {"output_activation": "linear", "activation": "relu"} | wild.pop("hyperparameters", {})
    outcome = train_task(trainer, create_task(hyperparameters=values, epochs=5, **wild))
    assert outcome.status == "diverged"
    assert outcome.reason and "loss was not finite in epoch" in outcome.reason
    assert outcome.scored_epoch is None and outcome.weights == {}
    assert len(outcome.curve) <= 5 and str(len(outcome.curve)) in outcome.reason


def test_train_after_a_diverged_task_is_unchanged(trainer: Any) -> None:
    """A diverged task does not change the next one."""
    before = digest_arrays(train_task(trainer, create_task()).weights)
    train_task(
        trainer, create_task(hyperparameters={"output_activation": "linear"}, learning_rate=1e12, optimizer="sgd")
    )
    assert digest_arrays(train_task(trainer, create_task()).weights) == before


@pytest.mark.parametrize("wrong", ["shape", "missing"])
def test_rebuild_refuses_weights_that_do_not_fit(trainer: Any, wrong: str) -> None:
    """Weights that do not fit the architecture are a UserError."""
    weights = train_task(trainer, create_task(epochs=1)).weights
    if wrong == "missing":
        weights.pop(next(iter(weights)))
    with pytest.raises(UserError, match="the weights do not fit the architecture"):
        trainer.rebuild(create_task(hyperparameters={"units": 9} if wrong == "shape" else {}), weights, TRAIN)


def reload(state: State, folder: Path) -> State:
    """Return a state as a study restores it: from the disk."""
    write_weights(folder / "state.safetensors", state.arrays)
    return State(state.epochs, read_weights(folder / "state.safetensors", digest_arrays(state.arrays)))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_train_resumes_from_a_state(trainer: Any, optimizer: str, tmp_path: Path) -> None:
    """A resumed training keeps what it has learned; without Keras it is bit-identical to one without a break."""
    task = create_task(optimizer=optimizer, learning_rate=0.02, epochs=5)
    whole = train_task(trainer, task)
    first = train_until(trainer, task, 2, None)
    assert first.curve == whole.curve[:2] and first.state is not None and first.state.epochs == 2
    then = train_until(trainer, task, 5, reload(first.state, tmp_path))
    assert (len(then.curve), then.scored_epoch) == (3, 5)
    again = train_until(trainer, task, 5, first.state)
    assert digest_arrays(again.weights) == digest_arrays(then.weights) and again.curve == then.curve
    assert then.curve[0].train_loss < first.curve[0].train_loss
    if "keras" not in trainer.versions():
        assert then.curve == whole.curve[2:], "bit by bit, as if task had never stopped"
        assert digest_arrays(then.weights) == digest_arrays(whole.weights)


#: Settings with which the next epoch depends on the losses so far.
STATEFUL = {"early_stopping": 3, "schedule": "plateau", "schedule_epochs": 1, "learning_rate": 0.3, "epochs": 8}


def test_train_ends_early(trainer: Any) -> None:
    """Early stopping ends a training as completed, after so many epochs without a lower loss on dev."""
    task = create_task(early_stopping=2, learning_rate=0.3, epochs=30)
    outcome = train_task(trainer, task)
    losses = [float(epoch.dev_loss or 0) for epoch in outcome.curve]
    assert (outcome.status, outcome.reason, outcome.scored_epoch) == ("completed", None, len(losses))
    assert len(losses) < 30 and min(losses) == losses[-3] and outcome.weights
    whole = train_task(trainer, create_task(learning_rate=0.3, epochs=len(losses)))
    assert whole.curve == outcome.curve and digest_arrays(whole.weights) == digest_arrays(outcome.weights)


@pytest.mark.parametrize("settings", [STATEFUL, {"schedule": "cosine", "epochs": 8}, {"clip_norm": 0.1, "epochs": 5}])
def test_train_resumes_what_losses_decide(trainer: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    """A resumed training has the learning rates and the end of one without a break; without Keras, bit by bit."""
    task = create_task(**settings)
    whole = train_until(trainer, task, task.training.epochs, None)
    first = train_until(trainer, task, 3, None)
    assert first.state is not None and first.curve == whole.curve[:3]
    then = train_until(trainer, task, task.training.epochs, reload(first.state, tmp_path))
    again = train_until(trainer, task, task.training.epochs, first.state)
    assert digest_arrays(again.weights) == digest_arrays(then.weights) and again.curve == then.curve
    if "keras" not in trainer.versions():
        assert first.curve + then.curve == whole.curve, "bit by bit, as if it had never stopped"
        assert digest_arrays(then.weights) == digest_arrays(whole.weights)


def test_promoted_training_that_ended_early_goes_on(trainer: Any) -> None:
    """A training that ended early and is promoted trains one epoch, and more only while the loss falls."""
    task = create_task(early_stopping=1, learning_rate=0.3, epochs=30)
    first = train_until(trainer, task, 30, None)
    assert first.state is not None and len(first.curve) == first.state.epochs < 30
    then = train_until(trainer, task, 40, first.state)
    losses = [float(epoch.dev_loss or 0) for epoch in first.curve + then.curve]
    before = len(first.curve)
    falls = [number for number in range(before, len(losses)) if losses[number] < min(losses[:number])]
    assert len(losses) == before + len(falls) + 1


def test_versions_name_every_library() -> None:
    """Versions name every library, and the device, that determines the outcome."""
    from blindtune.training.devices import find_device

    device = set() if find_device().type == "cpu" else {"device"}
    expected = {
        "keras": {"keras", "tensorflow"},
        "keras-jax": {"keras", "jax", "jaxlib"},
        "keras-torch": {"keras", "torch"},
        "pytorch": {"torch"} | device,
        "scikeras": {"keras", "tensorflow", "scikeras"},
        "skorch": {"torch", "skorch"},
        "fused": {"torch", "device"},
    }
    assert {name: set(create_trainer(name).versions()) for name in TRAINERS} == {
        name: expected[name] for name in TRAINERS
    }


def test_train_stops_when_pruned(trainer: Any) -> None:
    """A reason from `after_epoch` prunes the trial, but not at its last epoch."""
    epochs: list[int] = []

    def after_epoch(epoch: int, metrics: EpochMetrics) -> str | None:
        epochs.append(epoch)
        return "no use" if epoch >= 2 else None

    outcome = trainer.train(create_task(epochs=4), TRAIN, DEV, TrainingOptions("last", after_epoch=after_epoch))
    assert (outcome.status, outcome.reason, len(outcome.curve)) == ("pruned", "no use", 2)
    assert (outcome.scored_epoch, outcome.weights, epochs) == (None, {}, [1, 2])
    whole = trainer.train(create_task(epochs=2), TRAIN, DEV, TrainingOptions("last", after_epoch=after_epoch))
    assert whole.status == "completed", "at its last epoch there is nothing left to save"

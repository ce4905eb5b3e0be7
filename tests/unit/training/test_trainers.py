"""Trainers: the same task gives the same model, a diverged one is an outcome, a rebuilt one errs as recorded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.core.weights import read_weights, write_weights
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import (
    EpochMetrics,
    Outcome,
    State,
    TrainingOptions,
    TrainingTask,
    best_epoch,
    diverged,
    finite,
    scored_epoch,
)
from support.builders import TRAINERS, points

TRAIN, DEV = Split(*points(400, 0)), Split(*points(200, 1))


def trainer_of(name: str) -> Any:
    from blindtune.config.systems import Manual
    from blindtune.training.registry import create_trainer

    return create_trainer(name)


@pytest.fixture(scope="module", params=TRAINERS)
def trainer(request: pytest.FixtureRequest) -> Any:
    return trainer_of(request.param)


def task(seed: int = 7, hyperparameters: dict[str, Any] | None = None, **training: Any) -> TrainingTask:
    values = {"layers": 1, "units": 8, "activation": "tanh", "dropout_rate": 0.1} | (hyperparameters or {})
    settings = Training(**({"epochs": 3, "batch_size": 100, "learning_rate": 0.02} | training))
    return TrainingTask(mlp.build_architecture(values, (2,), 2), settings, values, seed, 2)


def train(trainer: Any, it: TrainingTask, score_epoch: Any = "last", clock: Stopwatch | None = None) -> Outcome:
    outcome: Outcome = trainer.train(it, TRAIN, DEV, TrainingOptions(score_epoch, clock or Stopwatch()))
    return outcome


def test_the_same_task_gives_the_same_model_whatever_was_trained_between(trainer: Any) -> None:
    first = train(trainer, task())
    other = train(trainer, task(8, {"layers": 2, "units": 5}))
    again = train(trainer, task())
    assert digest_arrays(again.weights) == digest_arrays(first.weights) != digest_arrays(other.weights)
    assert again.curve == first.curve
    assert digest_arrays(train(trainer, task(8)).weights) != digest_arrays(first.weights)


def test_an_outcome_is_complete(trainer: Any) -> None:
    clock = Stopwatch()
    outcome = train(trainer, task(), clock=clock)
    assert (outcome.status, outcome.reason, len(outcome.curve)) == ("completed", None, 3)
    assert (outcome.scored_epoch, outcome.parameters) == (3, 2 * 8 + 8 + 8 * 2 + 2)
    errors = np.array([[epoch.train_error, epoch.dev_error] for epoch in outcome.curve], dtype=float)
    assert ((errors >= 0) & (errors <= 1)).all() and errors[-1, 1] < 0.3, "it must have learned"
    counts = errors * [len(TRAIN.y), len(DEV.y)]
    np.testing.assert_array_equal(counts.round(6), counts.round())
    assert {"build", "train", "evaluate"} <= set(clock.seconds)
    assert all(spent.wall >= 0 for spent in clock.seconds.values())


def test_the_best_epoch_is_kept_and_can_be_rebuilt(trainer: Any) -> None:
    it = task(learning_rate=0.3, epochs=6)
    best, last = train(trainer, it, "best"), train(trainer, it, "last")
    assert best.curve == last.curve
    errors = [epoch.dev_error for epoch in best.curve]
    assert best.scored_epoch == errors.index(min(errors)) + 1 != last.scored_epoch == 6, errors
    for outcome in (best, last):
        predict = trainer.rebuild(it, outcome.weights, TRAIN)
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
def test_divergence_is_an_outcome_with_a_reason(trainer: Any, wild: dict[str, Any]) -> None:
    values = {"output_activation": "linear", "activation": "relu"} | wild.pop("hyperparameters", {})
    outcome = train(trainer, task(hyperparameters=values, epochs=5, **wild))
    assert outcome.status == "diverged"
    assert outcome.reason and "loss was not finite in epoch" in outcome.reason
    assert outcome.scored_epoch is None and outcome.weights == {}
    assert len(outcome.curve) <= 5 and str(len(outcome.curve)) in outcome.reason


def test_a_failed_task_leaves_no_trace_in_the_next(trainer: Any) -> None:
    before = digest_arrays(train(trainer, task()).weights)
    train(trainer, task(hyperparameters={"output_activation": "linear"}, learning_rate=1e12, optimizer="sgd"))
    assert digest_arrays(train(trainer, task()).weights) == before


@pytest.mark.parametrize("wrong", ["shape", "missing"])
def test_weights_that_do_not_fit_are_the_users_to_mend(trainer: Any, wrong: str) -> None:
    weights = train(trainer, task(epochs=1)).weights
    if wrong == "missing":
        weights.pop(next(iter(weights)))
    with pytest.raises(UserError, match="the weights do not fit the architecture"):
        trainer.rebuild(task(hyperparameters={"units": 9} if wrong == "shape" else {}), weights, TRAIN)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_every_optimizer_and_loss_learns(optimizer: str, loss: str) -> None:
    from blindtune.training.pytorch import PyTorchTrainer

    rate = 0.5 if optimizer == "sgd" else 0.02
    outcome = train(PyTorchTrainer(), task(optimizer=optimizer, loss=loss, learning_rate=rate, epochs=5))
    assert outcome.status == "completed" and outcome.curve[-1].train_loss < outcome.curve[0].train_loss


def rung(trainer: Any, it: TrainingTask, epochs: int, state: State | None, score_epoch: Any = "last") -> Outcome:
    """``it`` trained to its epoch number ``epochs``, going on from ``state``."""
    until = replace(it, training=it.training.model_copy(update={"epochs": epochs}))
    outcome: Outcome = trainer.train(until, TRAIN, DEV, TrainingOptions(score_epoch, state=state, keep_state=True))
    return outcome


def kept(state: State, folder: Path) -> State:
    """``state`` as a study keeps it: on the disk."""
    write_weights(folder / "state.safetensors", state.arrays)
    return State(state.epochs, read_weights(folder / "state.safetensors", digest_arrays(state.arrays)))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_a_training_that_goes_on_keeps_what_it_has_learned(trainer: Any, optimizer: str, tmp_path: Path) -> None:
    it = task(optimizer=optimizer, learning_rate=0.02, epochs=5)
    whole = train(trainer, it)
    first = rung(trainer, it, 2, None)
    assert first.curve == whole.curve[:2] and first.state is not None and first.state.epochs == 2
    then = rung(trainer, it, 5, kept(first.state, tmp_path))
    assert (len(then.curve), then.scored_epoch) == (3, 5)
    again = rung(trainer, it, 5, first.state)
    assert digest_arrays(again.weights) == digest_arrays(then.weights) and again.curve == then.curve
    assert then.curve[0].train_loss < first.curve[0].train_loss
    if "keras" not in trainer.versions():
        assert then.curve == whole.curve[2:], "bit by bit, as if it had never stopped"
        assert digest_arrays(then.weights) == digest_arrays(whole.weights)


# --- the wrappers of scikit-learn beside the native trainers


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize("output", ["linear", "softmax"])
def test_scikeras_gives_the_model_of_the_keras_trainer(loss: str, output: str) -> None:
    it = task(hyperparameters={"output_activation": output}, loss=loss)
    native, wrapped = (train(trainer_of(name), it) for name in ("keras", "scikeras"))
    assert wrapped.curve == native.curve
    assert digest_arrays(wrapped.weights) == digest_arrays(native.weights)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize("output", ["linear", "softmax"])
def test_skorch_gives_the_model_of_the_pytorch_trainer_but_for_its_order(
    optimizer: str, loss: str, output: str
) -> None:
    values = {"output_activation": output, "dropout_rate": 0.0}
    whole = task(hyperparameters=values, loss=loss, optimizer=optimizer, batch_size=400)
    native, wrapped = (train(trainer_of(name), whole) for name in ("pytorch", "skorch"))
    for one, other in zip(native.curve, wrapped.curve, strict=True):
        assert other.model_dump() == pytest.approx(one.model_dump(), rel=1e-4, abs=1e-6)
    # With several batches each is another draw of the same thing: another order of samples.
    native, wrapped = (train(trainer_of(name), task()) for name in ("pytorch", "skorch"))
    assert wrapped.curve != native.curve
    assert wrapped.curve[-1].dev_error == pytest.approx(native.curve[-1].dev_error, abs=0.05)


@pytest.mark.parametrize(("name", "native"), [("scikeras", "keras"), ("skorch", "pytorch")])
def test_labels_keep_their_meaning_where_a_fold_lacks_a_class(name: str, native: str) -> None:
    values = {"layers": 1, "units": 8}
    it = TrainingTask(
        mlp.build_architecture(values, (2,), 3), Training(epochs=4, batch_size=400, learning_rate=0.05), values, 7, 3
    )
    # Class 0 is nowhere: counted anew, labels 1 and 2 would become 0 and 1.
    part, dev = Split(TRAIN.x, TRAIN.y + 1), Split(DEV.x, DEV.y + 1)
    one, other = (trainer_of(each).train(it, part, dev, TrainingOptions("last")) for each in (native, name))
    for epoch, same in zip(one.curve, other.curve, strict=True):
        assert same.model_dump() == pytest.approx(epoch.model_dump(), rel=1e-4, abs=1e-6)
    assert other.curve[-1].dev_error < 0.3


def test_scikit_learn_takes_the_scikeras_classifier_for_one() -> None:
    from sklearn.base import is_classifier

    from blindtune.training.scikeras import Classifier

    assert is_classifier(Classifier(lambda: None, 2))


def test_whoever_stops_the_program_stops_skorch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from blindtune.models import pytorch

    def stopped(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(pytorch, "loss", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(trainer_of("skorch"), task())


def test_versions_name_every_library_that_determines_the_outcome() -> None:
    from blindtune.training.devices import device

    where = set() if device().type == "cpu" else {"device"}
    expected = {
        "keras": {"keras", "tensorflow"},
        "keras-jax": {"keras", "jax", "jaxlib"},
        "keras-torch": {"keras", "torch"},
        "pytorch": {"torch"} | where,
        "scikeras": {"keras", "tensorflow", "scikeras"},
        "skorch": {"torch", "skorch"},
        "fused": {"torch", "device"},
    }
    assert {name: set(trainer_of(name).versions()) for name in TRAINERS} == {name: expected[name] for name in TRAINERS}


def test_a_tuner_may_stop_a_training_early(trainer: Any) -> None:
    heard: list[int] = []

    def after_epoch(epoch: int, measures: EpochMetrics) -> str | None:
        heard.append(epoch)
        return "no use" if epoch >= 2 else None

    outcome = trainer.train(task(epochs=4), TRAIN, DEV, TrainingOptions("last", after_epoch=after_epoch))
    assert (outcome.status, outcome.reason, len(outcome.curve)) == ("pruned", "no use", 2)
    assert (outcome.scored_epoch, outcome.weights, heard) == (None, {}, [1, 2])
    whole = trainer.train(task(epochs=2), TRAIN, DEV, TrainingOptions("last", after_epoch=after_epoch))
    assert whole.status == "completed", "at its last epoch there is nothing left to save"


def test_what_rebuilds_a_reference_model_is_its_recipe() -> None:
    from blindtune.training import sklearn as scikit

    for kind, values in (
        (scikit.knn(), {"neighbours": 5}),
        (scikit.random_forest(), {"trees": 5, "max_depth": 3, "min_samples_leaf": 1}),
    ):
        it = TrainingTask(None, Training(epochs=1), values, 3, 2)
        one, same = train(kind, it), train(kind, it)
        assert digest_arrays(one.weights) == digest_arrays(same.weights)
        assert np.mean(kind.rebuild(it, {}, TRAIN)(DEV.x) != DEV.y) == one.curve[0].dev_error
        assert (one.status, one.parameters, one.scored_epoch) == ("completed", None, 1)
    other_seed = train(kind, TrainingTask(None, Training(epochs=1), values, 4, 2))
    assert digest_arrays(other_seed.weights) != digest_arrays(one.weights)


# --- the rules


def curve(*errors: float | None) -> list[EpochMetrics]:
    return [EpochMetrics(train_loss=1.0, train_error=0.5, dev_loss=1.0, dev_error=error) for error in errors]


@pytest.mark.parametrize(
    ("errors", "last", "best"),
    [
        ([], None, None),
        ([0.3], 1, 1),
        ([0.3, 0.2, 0.2, 0.4], 4, 2),
        ([0.1, 0.1], 2, 1),
        ([None, 0.2, 0.5], 3, 2),
    ],
)
def test_the_scoring_rule_points_at_an_epoch(errors: list[float | None], last: int, best: int) -> None:
    assert (scored_epoch(curve(*errors), "last"), scored_epoch(curve(*errors), "best")) == (last, best)
    assert best_epoch(curve(*errors)) == best


def test_a_loss_that_is_not_finite_is_divergence() -> None:
    [good] = curve(0.5)
    assert diverged(good, 1) is None
    for name in ("train", "dev"):
        bad = good.model_copy(update={f"{name}_loss": None})
        assert diverged(bad, 2) == f"the {name} loss was not finite in epoch 2"
    assert [finite(value) for value in (1.5, float("nan"), float("inf"))] == [1.5, None, None]


def test_hyperparameters_replace_settings_and_are_checked() -> None:
    base = Training(epochs=3)
    changed = base.with_hyperparameters({"learning_rate": 0.1, "units_1": 3, "optimizer": "sgd"})
    assert (changed.learning_rate, changed.optimizer, changed.epochs) == (0.1, "sgd", 3)
    with pytest.raises(ValueError, match="learning_rate"):
        base.with_hyperparameters({"learning_rate": 0.0})
    with pytest.raises(ValueError, match="batch_size"):
        base.with_hyperparameters({"batch_size": 32.0})

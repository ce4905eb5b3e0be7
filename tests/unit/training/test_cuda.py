"""Training on a CUDA device against the processor.

Both begin with the same weights and see the samples in the same order, and round differently. After a few steps every
weight agrees within `WEIGHTS` of the largest of its array; after a training that has learned its task, dev errors agree
within `ERRORS`. Dropout's draws differ: the PyTorch trainer draws them on the device, the fused one for other widths.
With it, only what is repeated on one device is compared.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.job_log import JobLog
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.decoding.decode import decode_to_files
from blindtune.models import mlp
from blindtune.models.architecture import Architecture
from blindtune.models.layers import Conv2D, Dense, Flatten, Layer, Lstm, MaxPool2D
from blindtune.records.trial import TrialLog
from blindtune.study.run import run
from blindtune.training.base import BatchTrainer, Outcome, State, TrainingOptions, TrainingTask
from blindtune.training.fused.trainer import FusedTrainer
from blindtune.training.pytorch import PyTorchTrainer
from blindtune.views.samples import StoredSamples
from support.builders import points, prepare_toy, study

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")

#: Of the largest value of an array, after ten steps.
WEIGHTS = 1e-3
#: Three samples in a thousand.
ERRORS = 0.003

KINDS = [PyTorchTrainer, FusedTrainer]
TRAIN, DEV = Split(*points(320, 0)), Split(*points(2_000, 1))


def task(seed: int = 7, values: dict[str, Any] | None = None, **training: Any) -> TrainingTask:
    """A perceptron without dropout; two epochs of `TRAIN` are ten steps."""
    content: dict[str, Any] = {"layers": 2, "units": 24, "activation": "tanh"} | (values or {})
    settings = Training(**({"epochs": 2, "batch_size": 64, "learning_rate": 0.01} | training))
    return TrainingTask(mlp.build_architecture(content, (2,), 2), settings, content, seed, 2)


def session(state: State | None = None) -> TrainingOptions:
    return TrainingOptions("last", Stopwatch(), state=state, keep_state=True)


def on_processor(kind: type[PyTorchTrainer]) -> PyTorchTrainer:
    """A trainer that was made where there is no device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        return kind()


def together(trainer: PyTorchTrainer, jobs: Sequence[tuple[TrainingTask, TrainingOptions]]) -> list[Any]:
    """Outcomes in the order of the jobs."""
    if not isinstance(trainer, BatchTrainer):
        return [trainer.train(it, TRAIN, DEV, how) for it, how in jobs]
    ended = dict(trainer.train_batch(jobs, TRAIN, DEV))
    return [ended[place] for place in range(len(jobs))]


def agree(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> None:
    """Weights, within the tolerance."""
    assert one.keys() == other.keys()
    for name, array in other.items():
        assert isinstance(one[name], np.ndarray)
        np.testing.assert_allclose(one[name], array, rtol=0, atol=WEIGHTS * np.abs(array).max(), err_msg=name)


def same(one: Outcome, other: Outcome) -> None:
    """Bit by bit."""
    assert one.curve == other.curve
    assert digest_arrays(one.weights) == digest_arrays(other.weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_a_few_steps_give_the_processors_weights(kind: type[PyTorchTrainer], optimizer: str, loss: str) -> None:
    jobs = [
        (
            task(number + 1, {"layers": 1 + number % 3, "units": 9 + 20 * number}, optimizer=optimizer, loss=loss),
            session(),
        )
        for number in range(6)
    ]
    for one, other in zip(together(kind(), jobs), together(on_processor(kind), jobs), strict=True):
        agree(one.weights, other.weights)
        for epoch, expected in zip(one.curve, other.curve, strict=True):
            assert epoch.train_loss == pytest.approx(expected.train_loss, rel=WEIGHTS)
            assert epoch.dev_loss == pytest.approx(expected.dev_loss, rel=WEIGHTS)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_trainings_err_alike(kind: type[PyTorchTrainer]) -> None:
    jobs = [(task(number + 1, {"units": 16 + number}, epochs=12), session()) for number in range(8)]
    for one, other in zip(together(kind(), jobs), together(on_processor(kind), jobs), strict=True):
        assert other.curve[-1].dev_error < 0.3, "it must have learned"
        assert one.curve[-1].dev_error == pytest.approx(other.curve[-1].dev_error, abs=ERRORS)


def network(shape: tuple[int, ...], *layers: Layer) -> TrainingTask:
    output = Dense(kind="dense", units=2)
    architecture = Architecture(input_shape=shape, layers=(*layers, output))
    return TrainingTask(architecture, Training(epochs=1, batch_size=32, learning_rate=0.003), {}, 5, 2)


def clouds(samples: int, shape: tuple[int, ...], seed: int) -> Split:
    random = np.random.default_rng(seed)
    y = np.arange(samples, dtype=np.int64) % 2
    return Split((random.normal(size=(samples, *shape)).T + y).T.astype(np.float32), y)


NETWORKS = {
    "convnet": network(
        (12, 12, 3),
        Conv2D(kind="conv2d", filters=8, kernel=3, activation="relu"),
        MaxPool2D(kind="max_pool2d", size=2),
        Flatten(kind="flatten"),
        Dense(kind="dense", units=16, activation="tanh"),
    ),
    "lstm": network(
        (10, 4),
        Lstm(kind="lstm", units=12, activation="tanh", sequence=True),
        Lstm(kind="lstm", units=8, activation="sigmoid", sequence=False),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_convolutions_and_lstms_are_those_of_the_processor(name: str) -> None:
    """In float32 throughout, and by operations that repeat themselves; others raise an error."""
    it = NETWORKS[name]
    assert it.architecture is not None
    train, dev = (clouds(count, it.architecture.input_shape, count) for count in (320, 100))
    one, other = (
        trainer.train(it, train, dev, session()) for trainer in (PyTorchTrainer(), on_processor(PyTorchTrainer))
    )
    agree(one.weights, other.weights)
    same(one, PyTorchTrainer().train(it, train, dev, session()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_the_same_jobs_give_the_same_models(kind: type[PyTorchTrainer], rate: float) -> None:
    jobs = [(task(number + 1, {"dropout_rate": rate, "units": 9 + 20 * number}), session()) for number in range(5)]
    trainer = kind()
    for one, other, afresh in zip(*(together(it, jobs) for it in (trainer, trainer, kind())), strict=True):
        same(one, other)
        same(one, afresh)


def rung(trainer: PyTorchTrainer, it: TrainingTask, epochs: int, state: State | None) -> Outcome:
    until = replace(it, training=it.training.model_copy(update={"epochs": epochs}))
    return trainer.train(until, TRAIN, DEV, session(state))


def test_a_training_that_goes_on_equals_one_that_never_stopped() -> None:
    """Bit by bit, dropout included: the state holds the place in the device's stream of random numbers too."""
    trainer, it = PyTorchTrainer(), task(values={"dropout_rate": 0.3})
    whole = rung(trainer, it, 4, None)
    first = rung(trainer, it, 2, None)
    assert first.state is not None and first.state.epochs == 2
    trainer.train(task(8), TRAIN, DEV, session())
    then = rung(trainer, it, 4, first.state)
    assert first.curve + then.curve == whole.curve
    assert digest_arrays(then.weights) == digest_arrays(whole.weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("began_there", [False, True])
def test_a_training_goes_on_here_or_there(kind: type[PyTorchTrainer], began_there: bool) -> None:
    """What stopped on the device goes on there, and what stopped on the processor goes on on the device."""
    it = task(epochs=2)
    whole = rung(on_processor(kind), it, 2, None)
    first = rung(kind() if began_there else on_processor(kind), it, 1, None)
    then = rung(kind(), it, 2, first.state)
    assert len(then.curve) == 1
    agree(then.weights, whole.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_can_be_rebuilt_on_the_device_and_on_the_processor(kind: type[PyTorchTrainer]) -> None:
    it = task(epochs=6)
    outcome = kind().train(it, TRAIN, DEV, session())
    for trainer, tolerance in ((kind(), 0.0), (on_processor(kind), ERRORS)):
        labels = trainer.rebuild(it, outcome.weights, TRAIN)(DEV.x)
        assert labels.dtype == np.int64
        assert np.mean(labels != DEV.y) == pytest.approx(outcome.curve[-1].dev_error, abs=tolerance)


def test_samples_behind_a_view_are_those_that_lie_ready() -> None:
    plain = [Split((split.x * 20).astype(np.int8).astype(np.float32), split.y) for split in (TRAIN, DEV)]
    seen = [Split(StoredSamples(split.x.astype(np.int8), (2,)), split.y) for split in plain]
    it = task(learning_rate=0.001)
    same(*(PyTorchTrainer().train(it, train, dev, session()) for train, dev in (seen, plain)))


@pytest.mark.parametrize("kind", KINDS)
def test_records_name_the_device(kind: type[PyTorchTrainer]) -> None:
    assert kind().versions()["device"] == torch.cuda.get_device_name()


def test_groups_are_sized_to_the_memory_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [(task(number + 1, {"layers": 3, "units": 200 + number}, epochs=1), session()) for number in range(48)]
    trainer = FusedTrainer()

    def peak() -> tuple[int, list[Any]]:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        outcomes = together(trainer, jobs)
        return torch.cuda.max_memory_allocated() - before, outcomes

    whole, expected = peak()
    free, total = torch.cuda.mem_get_info()
    assert whole < free
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (whole, total))
    small, outcomes = peak()
    assert small < whole
    for one, other in zip(outcomes, expected, strict=True):
        agree(one.weights, other.weights)


def test_dropout_is_as_good_as_the_processors() -> None:
    """Other draws of the same thing: means over trials agree within four standard errors."""
    jobs = [(task(seed, {"dropout_rate": 0.4}, epochs=3), session()) for seed in range(1, 33)]
    for kind in KINDS:
        one, other = (
            np.array([outcome.curve[-1].dev_loss for outcome in together(trainer, jobs)])
            for trainer in (kind(), on_processor(kind))
        )
        assert abs(one.mean() - other.mean()) < 4 * np.sqrt((one.var() + other.var()) / len(one))
        assert (one != other).any()


@pytest.mark.parametrize("trainer", ["pytorch", "fused"])
def test_a_whole_study_and_its_look(tmp_path: Path, trainer: str) -> None:
    """Twice the same records, which name the device; what was frozen there decides on eval."""
    data = prepare_toy(tmp_path, train=300, dev=200, eval=200)
    space = tmp_path / "space.yaml"
    space.write_text("layers: {type: int, low: 1, high: 3}\nunits: {type: int, low: 8, high: 40, repeat: layers}\n")
    content = {
        "kind": "tuner",
        "family": "mlp",
        "space": str(space),
        "trainer": trainer,
        "training": {"epochs": 3, "batch_size": 32, "learning_rate": 0.01},
        "tuner": {"library": "scikit-learn", "algorithm": "parameter-sampler"},
    }
    it = study(Tuned.model_validate(content), budget={"trials": 12})
    folders = [tmp_path / "studies" / name for name in ("one", "other")]
    for folder in folders:
        run(it, data.open(), {"space": space}, "code", folder, JobLog())
    one, other = (TrialLog(folder / "trials.jsonl").read() for folder in folders)
    assert [(trial.score, trial.weights_sha256) for trial in one] == [
        (trial.score, trial.weights_sha256) for trial in other
    ]
    assert {trial.versions["device"] for trial in one} == {torch.cuda.get_device_name()}
    look = tmp_path / "look"
    decode_to_files(folders[0] / "card.json", data.manifest, data.seal, tmp_path / "ledger", False, 0, look, print)
    assert 0 < json.loads((look / "look.json").read_text())["error"] < 0.5

"""Training on a CUDA device against the CPU.

Both begin with the same weights and get the samples in the same order, and round differently. After a few steps every
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
from blindtune.models.layers import BatchNormalization, Conv2D, Dense, Flatten, Layer, Lstm, MaxPool2D, Residual
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from blindtune.training.base import BatchTrainer, Outcome, State, TrainingOptions, TrainingTask
from blindtune.training.fused.trainer import FusedTrainer
from blindtune.training.pytorch import PyTorchTrainer
from blindtune.views.samples import StoredSamples
from support.builders import points, prepare_toy, study

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]


#: Of the largest value of an array, after ten steps.
WEIGHTS = 1e-3


#: Three samples in a thousand.
ERRORS = 0.003


KINDS = [PyTorchTrainer, FusedTrainer]


TRAIN, DEV = Split(*points(320, 0)), Split(*points(2_000, 1))


def create_task(seed: int = 7, values: dict[str, Any] | None = None, **training: Any) -> TrainingTask:
    """Return a task for a perceptron without dropout; two epochs of `TRAIN` are ten steps."""
    content: dict[str, Any] = {"layers": 2, "units": 24, "activation": "tanh"} | (values or {})
    settings = Training(**({"epochs": 2, "batch_size": 64, "learning_rate": 0.01} | training))
    return TrainingTask(mlp.build_architecture(content, (2,), 2), settings, content, seed, 2)


def create_options(state: State | None = None) -> TrainingOptions:
    return TrainingOptions("last", Stopwatch(), state=state, keep_state=True)


def create_on_cpu(kind: type[PyTorchTrainer]) -> PyTorchTrainer:
    """Create a trainer as if there was no device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        return kind()


def train_together(trainer: PyTorchTrainer, jobs: Sequence[tuple[TrainingTask, TrainingOptions]]) -> list[Any]:
    """Return outcomes in the order of the jobs."""
    if not isinstance(trainer, BatchTrainer):
        return [trainer.train(it, TRAIN, DEV, how) for it, how in jobs]
    ended = dict(trainer.train_batch(jobs, TRAIN, DEV))
    return [ended[index] for index in range(len(jobs))]


def assert_close(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> None:
    """Check that weights agree within the tolerance."""
    assert one.keys() == other.keys()
    for name, array in other.items():
        assert isinstance(one[name], np.ndarray)
        np.testing.assert_allclose(one[name], array, rtol=0, atol=WEIGHTS * np.abs(array).max(), err_msg=name)


def assert_same(one: Outcome, other: Outcome) -> None:
    """Check that outcomes are equal bit by bit."""
    assert one.curve == other.curve
    assert digest_arrays(one.weights) == digest_arrays(other.weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_few_steps_give_the_weights_of_the_cpu(kind: type[PyTorchTrainer], optimizer: str, loss: str) -> None:
    """After a few steps, weights and losses agree with those of the CPU."""
    jobs = [
        (
            create_task(
                number + 1, {"layers": 1 + number % 3, "units": 9 + 20 * number}, optimizer=optimizer, loss=loss
            ),
            create_options(),
        )
        for number in range(6)
    ]
    for one, other in zip(train_together(kind(), jobs), train_together(create_on_cpu(kind), jobs), strict=True):
        assert_close(one.weights, other.weights)
        for epoch, expected in zip(one.curve, other.curve, strict=True):
            assert epoch.train_loss == pytest.approx(expected.train_loss, rel=WEIGHTS)
            assert epoch.dev_loss == pytest.approx(expected.dev_loss, rel=WEIGHTS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "more",
    [
        {"clip_norm": 0.05},
        {"weight_decay": 0.5},
        {"weight_decay": 0.5, "optimizer": "sgd", "clip_norm": 0.05},
        {"schedule": "step", "schedule_epochs": 1, "schedule_factor": 0.5},
        {"schedule": "plateau", "schedule_epochs": 1, "early_stopping": 1},
    ],
    ids=str,
)
def test_settings_give_the_weights_of_the_cpu(kind: type[PyTorchTrainer], more: dict[str, Any]) -> None:
    """Clipping, weight decay and schedules do on a device what they do on the CPU."""
    jobs = [(create_task(number + 1, {"units": 9 + 20 * number}, **more), create_options()) for number in range(4)]
    for one, other in zip(train_together(kind(), jobs), train_together(create_on_cpu(kind), jobs), strict=True):
        assert len(one.curve) == len(other.curve)
        assert_close(one.weights, other.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_training_gives_the_error_of_the_cpu(kind: type[PyTorchTrainer]) -> None:
    """After a whole training, dev errors agree with those of the CPU."""
    jobs = [(create_task(number + 1, {"units": 16 + number}, epochs=12), create_options()) for number in range(8)]
    for one, other in zip(train_together(kind(), jobs), train_together(create_on_cpu(kind), jobs), strict=True):
        assert other.curve[-1].dev_error < 0.3, "it must have learned"
        assert one.curve[-1].dev_error == pytest.approx(other.curve[-1].dev_error, abs=ERRORS)


def create_network_task(shape: tuple[int, ...], *layers: Layer) -> TrainingTask:
    output = Dense(kind="dense", units=2)
    architecture = Architecture(input_shape=shape, layers=(*layers, output))
    return TrainingTask(architecture, Training(epochs=1, batch_size=32, learning_rate=0.003), {}, 5, 2)


def clouds(samples: int, shape: tuple[int, ...], seed: int) -> Split:
    random = np.random.default_rng(seed)
    y = np.arange(samples, dtype=np.int64) % 2
    return Split((random.normal(size=(samples, *shape)).T + y).T.astype(np.float32), y)


NETWORKS = {
    "convnet": create_network_task(
        (12, 12, 3),
        Conv2D(kind="conv2d", filters=8, kernel=3, activation="relu"),
        MaxPool2D(kind="max_pool2d", size=2),
        Flatten(kind="flatten"),
        Dense(kind="dense", units=16, activation="tanh"),
    ),
    "residual": create_network_task(
        (12, 12, 3),
        Conv2D(kind="conv2d", filters=8, kernel=3, activation="relu"),
        BatchNormalization(kind="batch_normalization"),
        Residual(
            kind="residual",
            layers=(
                Conv2D(kind="conv2d", filters=8, kernel=3, activation="relu"),
                BatchNormalization(kind="batch_normalization"),
            ),
            activation="relu",
        ),
        Flatten(kind="flatten"),
    ),
    "lstm": create_network_task(
        (10, 4),
        Lstm(kind="lstm", units=12, activation="tanh", sequence=True),
        Lstm(kind="lstm", units=8, activation="sigmoid", sequence=False),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_convolutions_and_lstms_agree_with_the_cpu(name: str) -> None:
    """In float32 throughout, and by operations that repeat themselves; others raise an error."""
    it = NETWORKS[name]
    assert it.architecture is not None
    train, dev = (clouds(count, it.architecture.input_shape, count) for count in (320, 100))
    one, other = (
        trainer.train(it, train, dev, create_options()) for trainer in (PyTorchTrainer(), create_on_cpu(PyTorchTrainer))
    )
    assert_close(one.weights, other.weights)
    assert_same(one, PyTorchTrainer().train(it, train, dev, create_options()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_same_jobs_give_the_same_models(kind: type[PyTorchTrainer], rate: float) -> None:
    """The same jobs give the same models, bit by bit, by the same and by a new trainer."""
    jobs = [
        (create_task(number + 1, {"dropout_rate": rate, "units": 9 + 20 * number}), create_options())
        for number in range(5)
    ]
    trainer = kind()
    for one, other, afresh in zip(*(train_together(it, jobs) for it in (trainer, trainer, kind())), strict=True):
        assert_same(one, other)
        assert_same(one, afresh)


def train_until(trainer: PyTorchTrainer, it: TrainingTask, epochs: int, state: State | None) -> Outcome:
    until = replace(it, training=it.training.until(epochs))
    return trainer.train(until, TRAIN, DEV, create_options(state))


def test_resumed_training_is_identical() -> None:
    """Resuming is bit-identical, with dropout: the state includes the random state of the device."""
    trainer, it = PyTorchTrainer(), create_task(values={"dropout_rate": 0.3})
    whole = train_until(trainer, it, 4, None)
    first = train_until(trainer, it, 2, None)
    assert first.state is not None and first.state.epochs == 2
    trainer.train(create_task(8), TRAIN, DEV, create_options())
    then = train_until(trainer, it, 4, first.state)
    assert first.curve + then.curve == whole.curve
    assert digest_arrays(then.weights) == digest_arrays(whole.weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("began_there", [False, True])
def test_training_resumes_on_another_device(kind: type[PyTorchTrainer], began_there: bool) -> None:
    """A training resumes on the device from a state of the device and from one of the CPU."""
    it = create_task(epochs=2)
    whole = train_until(create_on_cpu(kind), it, 2, None)
    first = train_until(kind() if began_there else create_on_cpu(kind), it, 1, None)
    then = train_until(kind(), it, 2, first.state)
    assert len(then.curve) == 1
    assert_close(then.weights, whole.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_rebuild_works_on_device_and_cpu(kind: type[PyTorchTrainer]) -> None:
    """A model can be rebuilt on the device and on the CPU."""
    it = create_task(epochs=6)
    outcome = kind().train(it, TRAIN, DEV, create_options())
    for trainer, tolerance in ((kind(), 0.0), (create_on_cpu(kind), ERRORS)):
        labels = trainer.rebuild(it, outcome.weights, TRAIN)(DEV.x)
        assert labels.dtype == np.int64
        assert np.mean(labels != DEV.y) == pytest.approx(outcome.curve[-1].dev_error, abs=tolerance)


def test_view_gives_the_model_of_an_array() -> None:
    """Samples of a view give the model of the same samples in an array."""
    plain = [Split((split.x * 20).astype(np.int8).astype(np.float32), split.y) for split in (TRAIN, DEV)]
    views = [Split(StoredSamples(split.x.astype(np.int8), (2,)), split.y) for split in plain]
    it = create_task(learning_rate=0.001)
    assert_same(*(PyTorchTrainer().train(it, train, dev, create_options()) for train, dev in (views, plain)))


@pytest.mark.parametrize("kind", KINDS)
def test_versions_name_the_device(kind: type[PyTorchTrainer]) -> None:
    """Versions name the device."""
    assert kind().versions()["device"] == torch.cuda.get_device_name()


def test_groups_fit_into_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are smaller if less memory is free."""
    jobs = [
        (create_task(number + 1, {"layers": 3, "units": 200 + number}, epochs=1), create_options())
        for number in range(48)
    ]
    trainer = FusedTrainer()

    def peak() -> tuple[int, list[Any]]:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        outcomes = train_together(trainer, jobs)
        return torch.cuda.max_memory_allocated() - before, outcomes

    whole, expected = peak()
    free, total = torch.cuda.mem_get_info()
    assert whole < free
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (whole, total))
    small, outcomes = peak()
    assert small < whole
    for one, other in zip(outcomes, expected, strict=True):
        assert_close(one.weights, other.weights)


def test_dropout_has_the_distribution_of_the_cpu() -> None:
    """Dropout draws other numbers: means over trials agree within four standard errors."""
    jobs = [(create_task(seed, {"dropout_rate": 0.4}, epochs=3), create_options()) for seed in range(1, 33)]
    for kind in KINDS:
        one, other = (
            np.array([outcome.curve[-1].dev_loss for outcome in train_together(trainer, jobs)])
            for trainer in (kind(), create_on_cpu(kind))
        )
        assert abs(one.mean() - other.mean()) < 4 * np.sqrt((one.var() + other.var()) / len(one))
        assert (one != other).any()


@pytest.mark.parametrize("trainer", ["pytorch", "fused"])
def test_study_and_decode_run_on_the_device(tmp_path: Path, trainer: str) -> None:
    """A study gives the same records twice, which name the device, and its frozen model decodes eval."""
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
        run_study(it, data.open(), files={"space": space}, code="code", folder=folder, job_log=JobLog())
    one, other = (TrialLog(folder / "trials.jsonl").read() for folder in folders)
    assert [(trial.score, trial.weights_sha256) for trial in one] == [
        (trial.score, trial.weights_sha256) for trial in other
    ]
    assert {trial.versions["device"] for trial in one} == {torch.cuda.get_device_name()}
    decoded = tmp_path / "decoded"
    decode_to_files(
        card=folders[0] / "card.json",
        manifest=data.manifest,
        sealed=data.seal,
        ledger=tmp_path / "ledger",
        allow_repeats=False,
        points=0,
        folder=decoded,
        report=print,
    )
    assert 0 < json.loads((decoded / "result.json").read_text())["error"] < 0.5

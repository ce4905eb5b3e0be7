"""The fused trainer: a trial is bit-identical to training task alone, and close to PyTorch's own loop."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch, total_wall_seconds
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import BatchTrainer, EpochMetrics, TrainingOptions, TrainingTask, train_each
from blindtune.training.fused import loop as fused_loop
from blindtune.training.fused import trainer as fused
from blindtune.training.fused.execution import CPU, CUDA
from blindtune.training.fused.group import FusedGroup, estimate_bytes
from blindtune.training.fused.ops import (
    FORWARD,
    MOMENTS,
)
from blindtune.training.fused.trainer import FusedTrainer
from blindtune.training.pytorch import PyTorchTrainer
from support.fused_tasks import DEV, TRAIN, assert_close, assert_same, clouds, create_task, train_together

pytestmark = pytest.mark.slow

ACTIVATIONS = [*FORWARD, "softmax"]
LOSSES = ["cross_entropy", "mean_squared_error"]
OUTPUTS = ["linear", "softmax", "sigmoid", "tanh", "relu", "exponential"]


def test_fused_trainer_is_a_batch_trainer() -> None:
    """The fused trainer is a `BatchTrainer`, the PyTorch trainer is not."""
    assert isinstance(FusedTrainer(), BatchTrainer) and not isinstance(PyTorchTrainer(), BatchTrainer)


@st.composite
def job_batches(draw: st.DrawFn) -> tuple[list[tuple[TrainingTask, TrainingOptions]], Split, Split]:
    """Draw jobs of all kinds and depths on data of any shape; some end early, some diverge."""
    values, classes = draw(st.integers(1, 9)), draw(st.integers(2, 5))
    train = clouds(draw(st.integers(20, 150)), values, classes, 2)
    jobs = []
    for _ in range(draw(st.integers(2, 7))):
        layers = draw(st.integers(0, 3))
        content: dict[str, Any] = {"layers": layers, "output_activation": draw(st.sampled_from(OUTPUTS))}
        for number in range(1, layers + 1):
            content[f"units_{number}"] = draw(st.integers(1, 40))
            content[f"activation_{number}"] = draw(st.sampled_from(ACTIVATIONS))
        if draw(st.booleans()):
            content["dropout_rate"] = draw(st.sampled_from([0.0, 0.1, 0.5]))
        training = Training(
            epochs=draw(st.integers(1, 4)),
            batch_size=draw(st.sampled_from([7, 16, 33, 200])),
            learning_rate=draw(st.sampled_from([1e-4, 0.01, 0.3, 1e6])),
            optimizer=draw(st.sampled_from(["adam", "adam", "adamw", "sgd", "rmsprop"])),
            loss=draw(st.sampled_from(LOSSES)),
            early_stopping=draw(st.sampled_from([None, None, 1])),
            schedule=draw(st.sampled_from(["constant", "constant", "cosine", "step", "plateau"])),
            schedule_epochs=draw(st.sampled_from([None, 1])),
            weight_decay=draw(st.sampled_from([None, None, 0.0, 0.1])),
            clip_norm=draw(st.sampled_from([None, None, 0.01, 1.0])),
        )
        seed = draw(st.integers(1, 10**6))
        task = TrainingTask(mlp.build_architecture(content, (values,), classes), training, content, seed, classes)
        jobs.append((task, draw(training_options())))
    return jobs, train, clouds(60, values, classes, 3)


@st.composite
def training_options(draw: st.DrawFn) -> TrainingOptions:
    """Draw options that prune at some epoch, or never."""
    last = draw(st.sampled_from([1, 2, 99]))

    def after_epoch(epoch: int, metrics: EpochMetrics) -> str | None:
        return "no use" if epoch >= last else None

    score_epoch = draw(st.sampled_from(["last", "best"]))
    return TrainingOptions(score_epoch, Stopwatch(), after_epoch, keep_state=draw(st.booleans()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(job_batches())
def test_train_batch_is_identical_to_training_alone(
    batch: tuple[list[tuple[TrainingTask, TrainingOptions]], Split, Split],
) -> None:
    """Every trial of a batch, in any order, is bit-identical to training task alone."""
    jobs, train, dev = batch
    alone = [FusedTrainer().train(task, train, dev, options) for task, options in jobs]
    for one, other in zip(train_together(jobs, train, dev), alone, strict=True):
        assert_same(one, other)
    for one, other in zip(reversed(train_together(jobs[::-1], train, dev)), alone, strict=True):
        assert_same(one, other)


def create_jobs(count: int = 12, **training: Any) -> list[tuple[TrainingTask, TrainingOptions]]:
    """Return jobs of two depths and several widths."""
    sets = [{"layers": 1 + n % 2, "units": 5 + n, "activation": ACTIVATIONS[n % 4]} for n in range(count)]
    return [
        (create_task(seed=n + 1, values=content, **training), TrainingOptions("best")) for n, content in enumerate(sets)
    ]


def test_train_batch_of_wide_trials_is_identical(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries compute large arrays otherwise: thirty wide trials, alone and in groups of thirty."""
    monkeypatch.setattr(fused, "plan_for", lambda device: replace(CPU, max_group=30))
    jobs = [
        (
            create_task(seed=n + 1, values={"layers": 2, "units": 50 + n, "activation": ACTIVATIONS[n % 9]}, epochs=1),
            TrainingOptions("last"),
        )
        for n in range(30)
    ]
    train = clouds(1_500, 3, 2, 5)
    for (task, options), outcome in list(zip(jobs, train_together(jobs, train), strict=True))[::3]:
        assert_same(outcome, FusedTrainer().train(task, train, DEV, options))


def test_groups_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No group takes more memory than planned, and smaller groups give the same outcomes."""
    jobs, sizes, memory = create_jobs(epochs=1), [], CPU.memory_bytes
    create = FusedGroup.__init__

    def checked(self: FusedGroup, models: Any, x: Tensor, y: Tensor, *weights: Tensor | None) -> None:
        sizes.append(sum(estimate_bytes(model, len(y)) for model in models))
        assert len(models) == 1 or sizes[-1] <= memory
        create(self, models, x, y, *weights)
        assert 4 * sum(sized.batch.inputs.numel() for sized in self._sized.values()) < sizes[-1]

    monkeypatch.setattr(FusedGroup, "__init__", checked)
    whole = train_together(jobs)
    memory = max(sizes) // 2
    monkeypatch.setattr(fused, "plan_for", lambda device: replace(CPU, memory_bytes=memory))
    before, sizes[:] = len(sizes), []
    for one, other in zip(train_together(jobs), whole, strict=True):
        assert_same(one, other)
    assert len(sizes) > before


def test_train_batch_without_memory_continues_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """If memory runs out, the halves of a group start again, and no epoch is reported twice."""
    reported: list[tuple[int, int]] = []
    jobs = [
        (task, TrainingOptions("last", after_epoch=lambda epoch, _, n=n: reported.append((n, epoch))))
        for n, (task, _) in enumerate(create_jobs(epochs=3))
    ]
    whole, expected = train_together(jobs), sorted(reported)
    reported.clear()
    train_epoch, sizes = FusedGroup.train_epoch, []

    def run_out(self: FusedGroup) -> Any:
        if len(self.models) > 2 and self.models[0].epochs == 1:
            raise MemoryError
        sizes.append(len(self.models))
        return train_epoch(self)

    monkeypatch.setattr(FusedGroup, "train_epoch", run_out)
    ended = dict(train_each(FusedTrainer(), jobs, TRAIN, DEV))
    for index, other in enumerate(whole):
        assert_same(ended[index], other)  # type: ignore[arg-type]
    assert max(sizes) > 2 and sorted(reported) == expected, "no epoch is reported twice"


def test_train_batch_isolates_a_failing_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of one trial does not affect the others; a UserError ends the batch."""
    jobs = create_jobs(epochs=2)
    whole, evaluate = train_together(jobs), fused_loop.evaluate

    def fail(model: Any, samples: Any, task: TrainingTask, metric: str) -> Any:
        if task.seed == 3:
            raise RuntimeError("no luck")
        return evaluate(model, samples, task, metric)

    monkeypatch.setattr(fused_loop, "evaluate", fail)
    for number, (one, other) in enumerate(zip(train_together(jobs), whole, strict=True), 1):
        if number == 3:
            assert isinstance(one, RuntimeError)
        else:
            assert_same(one, other)
    monkeypatch.setattr(fused_loop, "evaluate", lambda *_: (_ for _ in ()).throw(UserError("the disk is full")))
    with pytest.raises(UserError):
        train_together(jobs)


def test_train_batch_returns_the_error_of_an_unfit_task() -> None:
    """A task that cannot be fused has its error as the outcome."""
    from blindtune.models.architecture import Architecture
    from blindtune.models.layers import Dense, Dropout

    ends = Architecture(input_shape=(3,), layers=(Dense(kind="dense", units=2), Dropout(kind="dropout", rate=0.5)))
    odd = TrainingTask(ends, Training(epochs=1), {}, 3, 2)
    first, second = train_together([(odd, TrainingOptions("last")), (create_task(), TrainingOptions("last"))])
    assert isinstance(first, ValueError) and "dense layer at the end" in str(first)
    assert second.status == "completed"


def test_train_batch_shares_time_by_arithmetic() -> None:
    """The time of a group is shared by the trials' numbers of parameters."""
    jobs = [(create_task(values={"units": units}), TrainingOptions("last")) for units in (8, 64)]
    train_together(jobs)
    small, large = (options.clock.seconds for _, options in jobs)
    ratio = (3 * 64 + 64 + 64 * 2 + 2) / (3 * 8 + 8 + 8 * 2 + 2)
    assert large["train"].wall == pytest.approx(ratio * small["train"].wall, rel=0.01)
    assert {"build", "train", "evaluate"} <= set(small) and total_wall_seconds(small) > 0


@pytest.mark.parametrize("optimizer", list(MOMENTS))
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", ["linear", "softmax", "sigmoid"])
def test_train_is_close_to_pytorch_without_dropout(optimizer: str, loss: str, output: str) -> None:
    """Without dropout, the model is that of the PyTorch trainer up to rounding."""
    for activation in ACTIVATIONS:
        content = {"layers": 2, "units_1": 13, "units_2": 6, "activation": activation, "output_activation": output}
        task = create_task(values=content, optimizer=optimizer, loss=loss, learning_rate=0.003, epochs=2)
        one, other = (
            kind.train(task, TRAIN, DEV, TrainingOptions("last")) for kind in (FusedTrainer(), PyTorchTrainer())
        )
        assert_close(one, other)


@pytest.mark.parametrize("optimizer", list(MOMENTS))
@pytest.mark.parametrize(
    "more",
    [
        {"weight_decay": 0.5},
        {"clip_norm": 0.05},
        {"schedule": "cosine"},
        {"schedule": "step", "schedule_epochs": 1, "weight_decay": 0.5, "clip_norm": 0.1},
        {"schedule": "plateau", "schedule_epochs": 1, "learning_rate": 0.03, "early_stopping": 3},
    ],
    ids=str,
)
def test_settings_are_close_to_pytorch(optimizer: str, more: dict[str, Any]) -> None:
    """Schedules, weight decay, clipping and early stopping are those of the PyTorch trainer up to rounding."""
    content = {"layers": 2, "units_1": 13, "units_2": 6, "activation": "tanh"}
    task = create_task(values=content, **({"optimizer": optimizer, "learning_rate": 0.003, "epochs": 6} | more))
    one, other = (kind.train(task, TRAIN, DEV, TrainingOptions("last")) for kind in (FusedTrainer(), PyTorchTrainer()))
    assert_close(one, other)


def test_cuda_plan_gives_the_same_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wider padding, masked gradients and sums per batch give the same models; here without CUDA graphs."""
    jobs = [
        (replace(task, model=mlp.build_architecture(values, (3,), 2)), options)
        for task, options in create_jobs(24, epochs=2, learning_rate=0.003)
        for values in [task.hyperparameters | {"activation": ACTIVATIONS[task.seed % 10]}]
    ]
    expected = train_together(jobs)
    plan = replace(CUDA, use_cuda_graph=False, max_group=CPU.max_group, memory_bytes=CPU.memory_bytes)
    monkeypatch.setattr(fused, "plan_for", lambda device: plan)
    for one, other in zip(train_together(jobs), expected, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("shape", [(4, 5, 2), (6, 3)])
def test_train_takes_any_shape_and_views(shape: tuple[int, ...]) -> None:
    """Samples of any shape, as arrays or as a view, give the same model."""
    from blindtune.views.samples import StoredSamples

    def stored(split: Split) -> Split:
        pixels = (split.x.reshape(len(split.y), *shape) * 20 + 100).clip(0, 255).astype(np.uint8)
        return Split(pixels, split.y)

    train, dev = (stored(clouds(count, int(np.prod(shape)), 2, count)) for count in (80, 40))
    views = [Split(StoredSamples(split.x, shape), split.y) for split in (train, dev)]
    plain = [Split(split.x.astype(np.float32), split.y) for split in (train, dev)]
    task = replace(create_task(), model=mlp.build_architecture({"layers": 1, "units": 8}, shape, 2))
    outcome = FusedTrainer().train(task, *views, TrainingOptions("last"))
    assert_same(outcome, FusedTrainer().train(task, *plain, TrainingOptions("last")))
    eager = PyTorchTrainer().train(task, *plain, TrainingOptions("last"))
    for name, array in eager.weights.items():
        np.testing.assert_allclose(outcome.weights[name], array, rtol=2e-3, atol=2e-4)
    for split in (views[1], plain[1]):
        wrong = FusedTrainer().rebuild(task, outcome.weights, views[0])(split.x) != split.y
        assert wrong.mean() == outcome.curve[-1].dev_error


def test_dropout_has_the_distribution_of_pytorch() -> None:
    """Dropout draws other numbers than PyTorch, with the same effect on average."""
    errors = {
        kind: [
            kind()
            .train(create_task(seed, values={"units": 32, "dropout_rate": 0.4}), TRAIN, DEV, TrainingOptions("last"))
            .curve[-1]
            for seed in range(1, 25)
        ]
        for kind in (FusedTrainer, PyTorchTrainer)
    }
    for name in ("train_loss", "dev_loss", "dev_error"):
        one, other = (np.array([getattr(epoch, name) for epoch in found]) for found in errors.values())
        spread = np.sqrt((one.var() + other.var()) / len(one))
        assert abs(one.mean() - other.mean()) < 4 * spread, name
        assert (one != other).any(), "they must draw other numbers"

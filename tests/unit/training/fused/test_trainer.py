"""The fused trainer: a trial gets what it would get alone, and what PyTorch's own loop would give it."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch, total_wall_seconds
from blindtune.datasets.base import Split
from blindtune.models import mlp, pytorch, pytorch_modules
from blindtune.training.base import BatchTrainer, EpochMetrics, Outcome, TrainingOptions, TrainingTask
from blindtune.training.fused import loop as fused_course
from blindtune.training.fused import trainer as fused
from blindtune.training.fused.execution import CUDA, PROCESSOR
from blindtune.training.fused.group import Group, Member, bytes_of
from blindtune.training.fused.ops import (
    BACKWARD,
    FORWARD,
    MOMENTS,
    Values,
    derivative,
    measured,
    one_hot,
    softmax_backward,
    update,
)
from blindtune.training.fused.trainer import FusedTrainer
from blindtune.training.pytorch import PyTorchTrainer, optimizer_for

ACTIVATIONS = [*FORWARD, "softmax"]
OUTPUTS = ["linear", "softmax", "sigmoid", "tanh", "relu", "exponential"]
LOSSES = ["cross_entropy", "mean_squared_error"]


def clouds(samples: int, values: int, classes: int, seed: int) -> Split:
    """One cloud a class, far enough apart to be learned."""
    random = np.random.default_rng(seed)
    y = np.arange(samples, dtype=np.int64) % classes
    return Split((random.normal(size=(samples, values)) + y[:, None]).astype(np.float32), y)


TRAIN, DEV = clouds(300, 3, 2, 0), clouds(150, 3, 2, 1)


def task(
    seed: int = 7, classes: int = 2, values: int = 3, set_: dict[str, Any] | None = None, **training: Any
) -> TrainingTask:
    content = {"layers": 1, "units": 8, "activation": "tanh"} | (set_ or {})
    plan = Training(**({"epochs": 3, "batch_size": 64, "learning_rate": 0.02} | training))
    return TrainingTask(mlp.build_architecture(content, (values,), classes), plan, content, seed, classes)


def together(jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split = TRAIN, dev: Split = DEV) -> list[Any]:
    """The outcomes of tasks that are trained at once, in the order of the tasks."""
    ended = dict(FusedTrainer().train_batch(jobs, train, dev))
    assert sorted(ended) == list(range(len(jobs))), "each ends once"
    return [ended[place] for place in range(len(jobs))]


def same(one: Outcome, other: Outcome) -> None:
    """Bit by bit."""
    assert (one.status, one.reason, one.curve, one.scored_epoch, one.parameters) == (
        other.status,
        other.reason,
        other.curve,
        other.scored_epoch,
        other.parameters,
    )
    assert digest_arrays(one.weights) == digest_arrays(other.weights)
    assert (one.state is None) == (other.state is None)
    if one.state and other.state:
        assert digest_arrays(one.state.arrays) == digest_arrays(other.state.arrays)


def close(one: Outcome, other: Outcome) -> None:
    """Up to rounding."""
    for epoch, expected in zip(one.curve, other.curve, strict=True):
        assert epoch.model_dump() == pytest.approx(expected.model_dump(), rel=2e-4, abs=2e-5)
    for name, array in other.weights.items():
        np.testing.assert_allclose(one.weights[name], array, rtol=2e-3, atol=2e-4)


def test_it_is_a_trainer_of_many() -> None:
    assert isinstance(FusedTrainer(), BatchTrainer) and not isinstance(PyTorchTrainer(), BatchTrainer)


# --- as if it were alone


@st.composite
def groups(draw: st.DrawFn) -> tuple[list[tuple[TrainingTask, TrainingOptions]], Split, Split]:
    """Tasks of all kinds, of several depths, on data of any shape; some end early, some diverge."""
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
        plan = Training(
            epochs=draw(st.integers(1, 4)),
            batch_size=draw(st.sampled_from([7, 16, 33, 200])),
            learning_rate=draw(st.sampled_from([1e-4, 0.01, 0.3, 1e6])),
            optimizer=draw(st.sampled_from(["adam", "adam", "adamw", "sgd", "rmsprop"])),
            loss=draw(st.sampled_from(LOSSES)),
        )
        seed = draw(st.integers(1, 10**6))
        it = TrainingTask(mlp.build_architecture(content, (values,), classes), plan, content, seed, classes)
        jobs.append((it, draw(sessions())))
    return jobs, train, clouds(60, values, classes, 3)


@st.composite
def sessions(draw: st.DrawFn) -> TrainingOptions:
    last = draw(st.sampled_from([1, 2, 99]))

    def after_epoch(epoch: int, measures: EpochMetrics) -> str | None:
        return "no use" if epoch >= last else None

    score_epoch = draw(st.sampled_from(["last", "best"]))
    return TrainingOptions(score_epoch, Stopwatch(), after_epoch, keep_state=draw(st.booleans()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(groups())
def test_whatever_is_trained_beside_it_a_trial_gets_what_it_gets_alone(
    group: tuple[list[tuple[TrainingTask, TrainingOptions]], Split, Split],
) -> None:
    jobs, train, dev = group
    alone = [FusedTrainer().train(it, train, dev, session) for it, session in jobs]
    for one, other in zip(together(jobs, train, dev), alone, strict=True):
        same(one, other)
    for one, other in zip(reversed(together(jobs[::-1], train, dev)), alone, strict=True):
        same(one, other)


def many(count: int = 12, **training: Any) -> list[tuple[TrainingTask, TrainingOptions]]:
    sets = [{"layers": 1 + n % 2, "units": 5 + n, "activation": ACTIVATIONS[n % 4]} for n in range(count)]
    return [(task(seed=n + 1, set_=content, **training), TrainingOptions("best")) for n, content in enumerate(sets)]


def test_large_blocks_are_computed_as_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries take other ways for large arrays: thirty wide trials, alone and in groups of thirty."""
    monkeypatch.setattr(fused, "MOST", 30)
    jobs = [
        (
            task(seed=n + 1, set_={"layers": 2, "units": 50 + n, "activation": ACTIVATIONS[n % 9]}, epochs=1),
            TrainingOptions("last"),
        )
        for n in range(30)
    ]
    train = clouds(1_500, 3, 2, 5)
    for (it, session), outcome in list(zip(jobs, together(jobs, train), strict=True))[::3]:
        same(outcome, FusedTrainer().train(it, train, DEV, session))


def test_memory_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, sizes = many(epochs=1), []
    begin = Group.__init__

    def noted(self: Group, members: Any, x: Tensor, y: Tensor) -> None:
        sizes.append(sum(bytes_of(member, len(y)) for member in members))
        assert len(members) == 1 or sizes[-1] <= fused.MEMORY
        begin(self, members, x, y)
        assert 4 * sum(sized.batch.inputs.numel() for sized in self._sized.values()) < sizes[-1]

    monkeypatch.setattr(Group, "__init__", noted)
    whole = together(jobs)
    monkeypatch.setattr(fused, "MEMORY", max(sizes) // 2)
    before, sizes[:] = len(sizes), []
    for one, other in zip(together(jobs), whole, strict=True):
        same(one, other)
    assert len(sizes) > before


def test_where_memory_is_short_all_the_same_halves_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[int, int]] = []
    jobs = [
        (it, TrainingOptions("last", after_epoch=lambda epoch, _, n=n: heard.append((n, epoch))))
        for n, (it, _) in enumerate(many(epochs=3))
    ]
    whole, expected = together(jobs), sorted(heard)
    heard.clear()
    epoch, largest = Group.epoch, []

    def short(self: Group) -> Any:
        if len(self.members) > 2 and self.members[0].epochs == 1:
            raise MemoryError
        largest.append(len(self.members))
        return epoch(self)

    monkeypatch.setattr(Group, "epoch", short)
    for one, other in zip(together(jobs), whole, strict=True):
        same(one, other)
    assert max(largest) > 2 and sorted(heard) == expected, "nobody hears of an epoch twice"


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_groups_memory_is_free_as_soon_as_it_is_done_with(rate: float) -> None:
    """A device has no room for a group and for one that waits for Python to search for cycles."""
    jobs = [task(seed, set_={"layers": 2, "units": 9, "dropout_rate": rate}) for seed in (1, 2)]
    group = Group([Member(it, PROCESSOR) for it in jobs], torch.from_numpy(TRAIN.x), torch.from_numpy(TRAIN.y))
    group.epoch()
    held = weakref.ref(group._parameters.weights)
    gc.disable()
    try:
        del group
        assert held() is None
    finally:
        gc.enable()


def test_what_goes_wrong_with_one_concerns_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = many(epochs=2)
    whole, evaluate = together(jobs), fused_course.evaluate

    def fails(model: Any, samples: Any, it: TrainingTask) -> Any:
        if it.seed == 3:
            raise RuntimeError("no luck")
        return evaluate(model, samples, it)

    monkeypatch.setattr(fused_course, "evaluate", fails)
    for number, (one, other) in enumerate(zip(together(jobs), whole, strict=True), 1):
        if number == 3:
            assert isinstance(one, RuntimeError)
        else:
            same(one, other)
    monkeypatch.setattr(fused_course, "evaluate", lambda *_: (_ for _ in ()).throw(UserError("the disk is full")))
    with pytest.raises(UserError):
        together(jobs)


def test_a_set_that_cannot_be_fused_is_its_own_outcome() -> None:
    from blindtune.models.architecture import Architecture
    from blindtune.models.layers import Dense, Dropout

    ends = Architecture(input_shape=(3,), layers=(Dense(kind="dense", units=2), Dropout(kind="dropout", rate=0.5)))
    odd = TrainingTask(ends, Training(epochs=1), {}, 3, 2)
    first, second = together([(odd, TrainingOptions("last")), (task(), TrainingOptions("last"))])
    assert isinstance(first, ValueError) and "dense layer at the end" in str(first)
    assert second.status == "completed"


def test_the_time_of_a_group_is_shared_by_arithmetic() -> None:
    jobs = [(task(set_={"units": units}), TrainingOptions("last")) for units in (8, 64)]
    together(jobs)
    small, large = (session.clock.seconds for _, session in jobs)
    ratio = (3 * 64 + 64 + 64 * 2 + 2) / (3 * 8 + 8 + 8 * 2 + 2)
    assert large["train"].wall == pytest.approx(ratio * small["train"].wall, rel=0.01)
    assert {"build", "train", "evaluate"} <= set(small) and total_wall_seconds(small) > 0


# --- what PyTorch's own loop would give


@pytest.mark.parametrize("optimizer", list(MOMENTS))
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", ["linear", "softmax", "sigmoid"])
def test_without_dropout_it_gives_the_model_of_the_pytorch_trainer(optimizer: str, loss: str, output: str) -> None:
    for activation in ACTIVATIONS:
        content = {"layers": 2, "units_1": 13, "units_2": 6, "activation": activation, "output_activation": output}
        it = task(set_=content, optimizer=optimizer, loss=loss, learning_rate=0.003, epochs=2)
        one, other = (
            kind.train(it, TRAIN, DEV, TrainingOptions("last")) for kind in (FusedTrainer(), PyTorchTrainer())
        )
        close(one, other)


def test_a_devices_way_gives_the_same_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wider padding, masked in the gradient, and sums batch by batch; here without a device to record for."""
    jobs = [
        (replace(it, architecture=mlp.build_architecture(values, (3,), 2)), session)
        for it, session in many(24, epochs=2, learning_rate=0.003)
        for values in [it.hyperparameters | {"activation": ACTIVATIONS[it.seed % 10]}]
    ]
    expected = together(jobs)
    monkeypatch.setattr(fused, "way_of", lambda device: replace(CUDA, recorded=False))
    for one, other in zip(together(jobs), expected, strict=True):
        close(one, other)


@pytest.mark.parametrize("shape", [(4, 5, 2), (6, 3)])
def test_samples_of_any_shape_and_behind_a_view(shape: tuple[int, ...]) -> None:
    from blindtune.views.samples import StoredSamples

    def stored(split: Split) -> Split:
        pixels = (split.x.reshape(len(split.y), *shape) * 20 + 100).clip(0, 255).astype(np.uint8)
        return Split(pixels, split.y)

    train, dev = (stored(clouds(count, int(np.prod(shape)), 2, count)) for count in (80, 40))
    seen = [Split(StoredSamples(split.x, shape), split.y) for split in (train, dev)]
    plain = [Split(split.x.astype(np.float32), split.y) for split in (train, dev)]
    it = replace(task(), architecture=mlp.build_architecture({"layers": 1, "units": 8}, shape, 2))
    outcome = FusedTrainer().train(it, *seen, TrainingOptions("last"))
    same(outcome, FusedTrainer().train(it, *plain, TrainingOptions("last")))
    eager = PyTorchTrainer().train(it, *plain, TrainingOptions("last"))
    for name, array in eager.weights.items():
        np.testing.assert_allclose(outcome.weights[name], array, rtol=2e-3, atol=2e-4)
    for split in (seen[1], plain[1]):
        wrong = FusedTrainer().rebuild(it, outcome.weights, seen[0])(split.x) != split.y
        assert wrong.mean() == outcome.curve[-1].dev_error


def test_dropout_is_that_of_the_pytorch_trainer_but_for_its_draws() -> None:
    errors = {
        kind: [
            kind()
            .train(task(seed, set_={"units": 32, "dropout_rate": 0.4}), TRAIN, DEV, TrainingOptions("last"))
            .curve[-1]
            for seed in range(1, 25)
        ]
        for kind in (FusedTrainer, PyTorchTrainer)
    }
    for name in ("train_loss", "dev_loss", "dev_error"):
        one, other = (np.array([getattr(epoch, name) for epoch in found]) for found in errors.values())
        spread = np.sqrt((one.var() + other.var()) / len(one))
        assert abs(one.mean() - other.mean()) < 4 * spread, name
        assert (one != other).any(), "the draws are others"


def test_an_order_and_a_dropout_of_their_own_for_each_epoch() -> None:
    member = Member(task(), PROCESSOR)
    assert not torch.equal(member.order(50), member.order(50))
    first = member.stream().random_raw(8)
    np.testing.assert_array_equal(member.stream().random_raw(8), first)
    member.epochs = 1
    assert (member.stream().random_raw(8) != first).any()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_derivatives(name: str) -> None:
    z = torch.linspace(-8, 8, 64 * 6).view(64, 6).requires_grad_()
    expected = pytorch_modules.create_activation(name, 1)(z) if name != "linear" else z * 1
    upwards = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    expected.backward(upwards)
    a, d = z.detach().clone(), upwards.clone()
    if name == "softmax":
        a = a.softmax(1)
        softmax_backward(d, a, 1)
    else:
        FORWARD[name](a)
        BACKWARD[name](d, a, z.detach())
    torch.testing.assert_close(a, expected.detach(), rtol=1e-5, atol=5e-7)
    torch.testing.assert_close(d, z.grad, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", ACTIVATIONS)
@pytest.mark.parametrize("classes", [2, 3])
def test_losses_and_their_derivatives(loss: str, output: str, classes: int) -> None:
    random = torch.Generator().manual_seed(classes)
    z = torch.randn(3, classes, 16, generator=random)
    labels = torch.randint(0, classes, (3, 16), generator=random)
    rows = 11
    for trial in range(3):
        own = z[trial, :, :rows].T.clone().requires_grad_()
        scores = pytorch_modules.create_activation(output, 1)(own) if output != "linear" else own
        value = pytorch.compute_loss(loss, scores, labels[trial, :rows], output == "linear")
        value.backward()  # type: ignore[no-untyped-call]
        sums, its = z[trial : trial + 1], labels[trial : trial + 1]
        s, d, shares = sums.clone(), torch.empty_like(sums), torch.zeros(16)
        shares[:rows] = 1 / rows
        if output == "softmax":
            s = s.softmax(1)
        else:
            FORWARD[output](s)
        each, wrong = measured(s, its, output, loss)
        assert each[0, :rows].mean().item() == pytest.approx(value.item(), rel=1e-5)
        assert int(wrong[0, :rows].sum()) == int((scores.argmax(1) != its[0, :rows]).sum())
        derivative(s, d, sums, one_hot(its, classes), shares, output, loss)
        torch.testing.assert_close(d[0, :, :rows].T, own.grad, rtol=1e-4, atol=3e-7)
        assert (d[0, :, rows:] == 0).all()


def test_of_equal_scores_the_first_counts() -> None:
    for classes in (2, 3):
        _, wrong = measured(torch.ones(1, classes, 16), torch.zeros(1, 16, dtype=torch.int64), "linear", LOSSES[0])
        assert not wrong.any()


@pytest.mark.parametrize("optimizer", list(MOMENTS))
def test_optimizers_are_those_of_pytorch(optimizer: str) -> None:
    random = torch.Generator().manual_seed(3)
    weights = torch.randn(64, generator=random)
    theirs = torch.nn.Parameter(weights.clone())
    step = optimizer_for(Training(optimizer=optimizer, learning_rate=0.01), [theirs])  # type: ignore[arg-type]
    gradient, moments = torch.zeros(64), [[torch.zeros(64)] for _ in MOMENTS[optimizer]]
    values = Values(0.01, [weights], [gradient], moments, [torch.tensor(0.0)])
    for number in range(1, 30):
        gradient.copy_(torch.randn(64, generator=random) * 10 ** (-number / 5))
        theirs.grad = gradient.clone()
        step.step()
        update(optimizer, values)
        torch.testing.assert_close(weights, theirs.detach(), rtol=1e-6, atol=1e-7)
    assert {*MOMENTS[optimizer]} <= set(step.state[theirs])

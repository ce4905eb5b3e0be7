"""One set that cannot be built, trained, scored or copied is one failure; the others of its group do not notice."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.training.base import Outcome, TrainingJob, TrainingOptions, train_each
from blindtune.training.fused import loop as fused_loop
from blindtune.training.fused import trainer as fused
from blindtune.training.fused.group import FusedGroup, FusedModel, ModelOutline
from blindtune.training.fused.trainer import FusedTrainer
from support.fused_tasks import DEV, TRAIN, assert_same, create_task, train_together

SEEDS = range(1, 9)

ERRORS: list[Callable[[], Exception]] = [
    lambda: MemoryError("no room"),
    lambda: OverflowError("int too large"),
    lambda: RuntimeError("can't allocate memory"),
    lambda: torch.OutOfMemoryError("CUDA out of memory"),
    lambda: ValueError("a bug"),
]


def create_jobs() -> list[TrainingJob]:
    """Return eight jobs that are trained as one group."""
    return [(create_task(seed, epochs=2), TrainingOptions("best", keep_state=True)) for seed in SEEDS]


@pytest.fixture(scope="module")
def undisturbed() -> list[Outcome]:
    return train_together(create_jobs())


def fail_at(patch: pytest.MonkeyPatch, stage: str, seeds: set[int], create: Callable[[], Exception]) -> None:
    """Let one stage fail for the models of some seeds."""

    def wrap(owner: Any, name: str, seed_of: Callable[..., set[int]]) -> None:
        original = getattr(owner, name)

        def failing(*arguments: Any) -> Any:
            if seed_of(*arguments) & seeds:
                raise create()
            return original(*arguments)

        patch.setattr(owner, name, failing)

    match stage:
        case "describe":
            wrap(ModelOutline, "__init__", lambda self, task, *rest: {task.seed})
        case "build":
            wrap(FusedModel, "__init__", lambda self, task, *rest: {task.seed})
        case "estimate":
            wrap(fused, "estimate_bytes", lambda model, samples: {model.task.seed})
        case "allocate":
            wrap(FusedGroup, "__init__", lambda self, models, *rest: {model.task.seed for model in models})
        case "first epoch":
            wrap(FusedGroup, "train_epoch", lambda self: {model.task.seed for model in self.models})
        case "score":
            wrap(fused_loop, "evaluate", lambda module, samples, task, metric: {task.seed})
        case "copy weights":
            wrap(FusedModel, "get_weights", lambda self: {self.task.seed})
        case "save state":
            wrap(FusedModel, "save_state", lambda self: {self.task.seed})


STAGES = ["describe", "build", "estimate", "allocate", "first epoch", "score", "copy weights", "save state"]


def check(patch: pytest.MonkeyPatch, undisturbed: list[Outcome], seeds: set[int], error: type[Exception]) -> None:
    """Check that the jobs with these seeds have failed, and that the others are what they are alone."""
    jobs = create_jobs()
    ended = dict(train_each(FusedTrainer(), jobs, TRAIN, DEV))
    patch.undo()
    assert sorted(ended) == list(range(8)), "each ends once"
    for index, seed in enumerate(SEEDS):
        outcome = ended[index]
        if seed in seeds:
            assert type(outcome) is error
        else:
            assert isinstance(outcome, Outcome)
            assert_same(outcome, undisturbed[index])


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("create", ERRORS)
def test_one_set_of_eight_fails(
    monkeypatch: pytest.MonkeyPatch, undisturbed: list[Outcome], stage: str, create: Callable[[], Exception]
) -> None:
    """Any error of one set of eight, at any step, is its failure; the others are bit-identical."""
    fail_at(monkeypatch, stage, {4}, create)
    check(monkeypatch, undisturbed, {4}, type(create()))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seeds=st.sets(st.sampled_from(SEEDS)), stage=st.sampled_from(STAGES), kind=st.integers(0, len(ERRORS) - 1))
def test_any_sets_fail_anywhere(undisturbed: list[Outcome], seeds: set[int], stage: str, kind: int) -> None:
    """Any sets of a group may fail at any stage."""
    with pytest.MonkeyPatch.context() as patch:
        fail_at(patch, stage, seeds, ERRORS[kind])
        check(patch, undisturbed, seeds, type(ERRORS[kind]()))


def test_set_that_lacks_memory_beside_others_is_built_after_them(
    monkeypatch: pytest.MonkeyPatch, undisturbed: list[Outcome]
) -> None:
    """A model for which the others left no memory is built once more when they have ended."""
    tried: list[int] = []
    create = FusedModel.__init__

    def run_out(self: FusedModel, task: Any, plan: Any) -> None:
        tried.append(task.seed)
        if task.seed == 4 and tried.count(4) == 1:
            raise MemoryError
        create(self, task, plan)

    monkeypatch.setattr(FusedModel, "__init__", run_out)
    for one, other in zip(train_together(create_jobs()), undisturbed, strict=True):
        assert_same(one, other)
    assert tried == [*SEEDS, 4]


@pytest.mark.parametrize("create", ERRORS)
def test_partition_leaves_out_what_cannot_be_described(
    monkeypatch: pytest.MonkeyPatch, create: Callable[[], Exception]
) -> None:
    """A job that cannot be grouped is trained alone; no weights are built to group the others."""
    monkeypatch.setattr(FusedModel, "__init__", lambda *arguments: pytest.fail("built weights"))
    fail_at(monkeypatch, "describe", {4}, create)
    assert sorted(FusedTrainer().partition(create_jobs(), TRAIN)) == [[0, 1, 2, 4, 5, 6, 7], [3]]


def test_data_that_do_not_fit_fail_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the call fails before any job, each job alone has the error; a UserError ends the batch."""
    monkeypatch.setattr(FusedTrainer, "_load_split", lambda *arguments, **named: (_ for _ in ()).throw(MemoryError()))
    ended = dict(train_each(FusedTrainer(), create_jobs(), TRAIN, DEV))
    assert [type(ended[index]) for index in range(8)] == [MemoryError] * 8
    monkeypatch.setattr(FusedTrainer, "_load_split", lambda *a, **named: (_ for _ in ()).throw(UserError("no file")))
    with pytest.raises(UserError, match="no file"):
        dict(train_each(FusedTrainer(), create_jobs(), TRAIN, DEV))


def test_batch_without_an_outcome_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that forgets a job gives a failure, not a search without an end."""
    monkeypatch.setattr(FusedTrainer, "train_batch", lambda *arguments: iter(()))
    ended = dict(train_each(FusedTrainer(), create_jobs(), TRAIN, DEV))
    assert all("returned no outcome" in str(ended[index]) for index in range(8))

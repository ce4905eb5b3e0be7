"""Trials that have ended before an earlier one: a kill loses none of them, and changes no record."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import LostClaimError
from blindtune.datasets.prepared import Prepared
from blindtune.study import waiting
from blindtune.study.waiting import WaitingTrials
from blindtune.training.base import Outcome
from support.builders import trial
from support.curve_trainer import BatchCurveTrainer
from support.sharded_studies import ShardLab, training_with, tuned

pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::UserWarning")

#: Everything is trained in one batch of this size, in which the first trials end last.
TRIALS = 12


class Killed(BaseException):
    """Ends a study as a kill does: nothing of it is caught."""


class DyingTrainer(BatchCurveTrainer):
    """Trains a batch from its end, and is killed after some of its trials."""

    def __init__(self, dies_after: int | None = None, max_batch: int = TRIALS) -> None:
        super().__init__(max_batch)
        self.dies_after = dies_after
        self.ended: list[int] = []

    def train_batch(self, jobs: Any, train: Any, dev: Any) -> Any:
        for at, index in enumerate(reversed(range(len(jobs)))):
            if at == self.dies_after:
                raise Killed
            task, options = jobs[index]
            outcome = self.train(task, train, dev, options)
            self.ended.append(int(options.name.removeprefix("trial ")) - 1)
            yield index, outcome


@pytest.fixture(autouse=True)
def keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep trials however short."""
    monkeypatch.setattr(waiting, "MIN_SECONDS", 0.0)


@pytest.fixture
def lab(data: Prepared, space: Path, tmp_path: Path) -> ShardLab:
    """Return a study of one batch, a third of whose sets is invalid."""
    return ShardLab(data, tmp_path, tuned(space), budget={"trials": TRIALS}, keep_best=3)


@pytest.fixture
def whole(lab: ShardLab) -> dict[str, Any]:
    """Return what the study leaves if nothing ends it."""
    with training_with(DyingTrainer()):
        found = lab.run()
    assert not (lab.folder / "waiting").exists()
    lab.forget()
    return found


def read_lines(lab: ShardLab) -> list[str]:
    """Return the lines of the log of a study: the first trial is invalid, and needs not wait."""
    return (lab.folder / "trials.jsonl").read_text(encoding="utf-8").splitlines()


def kill(lab: ShardLab, after: int) -> list[int]:
    """Let a study die after some trials; return those that had ended."""
    trainer = DyingTrainer(after)
    with training_with(trainer), pytest.raises(Killed):
        lab.run()
    (lab.folder / "training.json").unlink()  # or the second death is taken for one of a trial
    return trainer.ended


@pytest.mark.parametrize("batch", [TRIALS, 3, 1])
def test_killed_batch_trains_nothing_twice(lab: ShardLab, whole: dict[str, Any], batch: int) -> None:
    """What had ended before the kill is not trained again, in batches of any size."""
    first = kill(lab, 3)
    assert len(first) == 3 and min(first) > len(read_lines(lab))
    second = kill(lab, 2)
    assert len(second) == 2
    trainer = DyingTrainer(max_batch=batch)
    with training_with(trainer):
        assert lab.run() == whole
    trained = [number for number, line in enumerate(whole["trials"]) if json.loads(line)["status"] == "completed"]
    assert sorted([*first, *second, *trainer.ended]) == trained
    assert not (lab.folder / "waiting").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-30],
        lambda content: content.replace(b'"status":"completed"', b'"status":"failed"', 1),
        lambda content: b"\x00" * 100 + b"\n" + content,
        lambda content: b"",
    ],
    ids=["cut off", "changed", "zeros", "empty"],
)
def test_damaged_lines_are_trained_again(
    lab: ShardLab, whole: dict[str, Any], damage: Callable[[bytes], bytes]
) -> None:
    """A line that a kill cut off, or that was changed, changes no record; lines after it stay whole."""
    kill(lab, 4)
    path = lab.folder / "waiting" / "trials.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    kill(lab, 1)
    with training_with(DyingTrainer()):
        assert lab.run() == whole


@pytest.mark.parametrize("lose", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no weights")])
def test_lost_weights_are_trained_again(lab: ShardLab, whole: dict[str, Any], lose: Callable[[Path], object]) -> None:
    """A trial that waits without its weights is trained again, and does not stop the search."""
    kill(lab, 5)
    for path in (lab.folder / "waiting" / "weights").iterdir():
        lose(path)
    with training_with(DyingTrainer()):
        assert lab.run() == whole


def test_progress_of_waiting_trials_is_logged(lab: ShardLab, whole: dict[str, Any]) -> None:
    """A long batch is not silent, and a start says what it goes on from."""
    kill(lab, 2)
    assert any("waits for trial 2," in line for line in lab.said), lab.said
    lab.said.clear()
    with training_with(DyingTrainer()):
        assert lab.run() == whole
    assert any(
        "goes on from 1 recorded trial and 2 that had ended before an earlier one" in line for line in lab.said
    ), lab.said


def test_short_trials_are_not_kept(lab: ShardLab, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained again sooner than it is written is not written; the records are the same."""
    monkeypatch.setattr(waiting, "MIN_SECONDS", 60.0)
    kill(lab, 3)
    assert not (lab.folder / "waiting").exists()
    with training_with(DyingTrainer()):
        assert lab.run() == whole


def test_nothing_is_written_after_the_claim_is_lost(tmp_path: Path) -> None:
    """A process that was taken for dead adds nothing to the folder of its successor."""

    def lost() -> None:
        raise LostClaimError("lost")

    def build(check: Callable[[], None]) -> WaitingTrials:
        return WaitingTrials(tmp_path, 0, check)

    with pytest.raises(LostClaimError):
        build(lost).keep(trial(), Outcome("completed", None, [], None, None))
    assert not (tmp_path / "waiting").exists()

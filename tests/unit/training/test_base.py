"""The interface of trainers: its examples run, the rules of scoring and divergence, and outcomes of errors."""

import doctest

import pytest

from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.models.layers import InvalidModelError
from blindtune.training import base
from blindtune.training.base import (
    EpochMetrics,
    divergence_reason,
    find_best_epoch,
    find_scored_epoch,
    finite_or_none,
    outcome_from_error,
    report_each_epoch_once,
)


def test_trainer_examples_run() -> None:
    """The examples in the docstrings of `Trainer` and `BatchTrainer` give what they state."""
    result = doctest.testmod(base)
    assert result.attempted >= 14 and result.failed == 0


def curve(*errors: float | None) -> list[EpochMetrics]:
    """Return a curve with these dev errors."""
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
def test_find_scored_epoch_follows_the_rule(errors: list[float | None], last: int, best: int) -> None:
    """`last` scores the last epoch, `best` the first with the lowest dev error."""
    assert (find_scored_epoch(curve(*errors), "last"), find_scored_epoch(curve(*errors), "best")) == (last, best)
    assert find_best_epoch(curve(*errors)) == best


def test_divergence_reason_names_the_loss() -> None:
    """A loss that is not finite is divergence, and the reason names it."""
    [good] = curve(0.5)
    assert divergence_reason(good, 1) is None
    for name in ("train", "dev"):
        bad = good.model_copy(update={f"{name}_loss": None})
        assert divergence_reason(bad, 2) == f"the {name} loss was not finite in epoch 2"
    assert [finite_or_none(value) for value in (1.5, float("nan"), float("inf"))] == [1.5, None, None]


def test_report_each_epoch_once_remembers_answers() -> None:
    """An epoch that is trained again gets the first answer, and is not reported again."""
    reported: list[int] = []

    def after_epoch(epoch: int, metrics: EpochMetrics) -> str | None:
        reported.append(epoch)
        return "no use" if epoch == 2 else None

    report = report_each_epoch_once(after_epoch)
    [metrics] = curve(0.5)
    assert [report(epoch, metrics) for epoch in (1, 2, 1, 2, 3)] == [None, "no use", None, "no use", None]
    assert reported == [1, 2, 3]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (InvalidModelError("layer 2: no room"), "invalid", "layer 2: no room"),
        (ValueError("\n  of a library\nmore"), "failed", "of a library"),
        (RuntimeError("no luck"), "failed", "RuntimeError: no luck"),
        (KeyError(), "failed", "KeyError: KeyError"),
        (MemoryError("no room"), "failed", "MemoryError: no room"),
        (OverflowError("int too large"), "failed", "OverflowError: int too large"),
        (RecursionError("too deep"), "failed", "RecursionError: too deep"),
        (OSError(2, "no such file"), "failed", "FileNotFoundError: [Errno 2] no such file"),
        (RuntimeError("half \ud800 of a letter"), "failed", "RuntimeError: half ? of a letter"),
        (RuntimeError("x" * 5000), "failed", f"RuntimeError: {'x' * 1000}"),
    ],
)
def test_outcome_from_error_gives_status_and_reason(error: Exception, status: str, reason: str) -> None:
    """An invalid model and any other failure are outcomes with a reason on one line."""
    outcome = outcome_from_error(error)
    assert (outcome.status, outcome.reason, outcome.curve, outcome.weights) == (status, reason, [], {})


@pytest.mark.parametrize(
    "error", [UserError("disk full"), OSError(28, "No space left on device"), OSError(24, "Too many open files")]
)
def test_outcome_from_error_raises_what_ends_a_search(error: Exception) -> None:
    """Without disk space or open files the search cannot continue, and the message says what to do."""
    with pytest.raises(UserError, match=r"disk full|No space.*run again|open files.*run again"):
        outcome_from_error(error)


def test_outcome_from_error_names_the_key_of_a_config() -> None:
    """The reason of a config that does not fit names the key and the value."""
    with pytest.raises(ValueError) as caught:
        Training.model_validate({"epochs": 0})
    assert str(outcome_from_error(caught.value).reason).startswith("epochs: Input should be greater than 0 (got 0)")

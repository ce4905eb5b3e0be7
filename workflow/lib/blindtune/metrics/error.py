"""The error: the share of wrong samples."""

from typing import TYPE_CHECKING, Any

from blindtune.metrics.base import Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compute(y: "NDArray[Any]", answers: Answers, classes: int) -> float:
    """Return the share of wrong samples; see `blindtune.metrics.base.MetricFunction`."""
    return int((answers.labels != y).sum()) / len(y)

"""1 minus scikit-learn's macro F1; the F1 of a class that is never answered is 0."""

from typing import TYPE_CHECKING, Any

from blindtune.metrics.base import Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compute(y: "NDArray[Any]", answers: Answers, classes: int) -> float:
    """Return 1 minus the mean F1 of the classes; see `blindtune.metrics.base.MetricFunction`."""
    from sklearn.metrics import f1_score

    return 1.0 - float(f1_score(y, answers.labels, labels=range(classes), average="macro", zero_division=0.0))

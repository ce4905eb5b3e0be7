"""The balanced error: 1 minus scikit-learn's balanced accuracy."""

from typing import TYPE_CHECKING, Any

from blindtune.metrics.base import Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compute(y: "NDArray[Any]", answers: Answers, classes: int) -> float:
    """Return the mean over the classes of the share that is wrong; see `blindtune.metrics.base.MetricFunction`."""
    from sklearn.metrics import balanced_accuracy_score

    return 1.0 - float(balanced_accuracy_score(y, answers.labels))

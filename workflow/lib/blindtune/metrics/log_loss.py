"""scikit-learn's log loss, of probabilities in float32."""

from typing import TYPE_CHECKING, Any

from blindtune.metrics.base import Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compute(y: "NDArray[Any]", answers: Answers, classes: int) -> float:
    """Return the mean negative log probability of the true class; see `blindtune.metrics.base.MetricFunction`."""
    import numpy as np
    from sklearn.metrics import log_loss

    return float(log_loss(y, np.asarray(answers.probabilities, np.float32), labels=range(classes)))

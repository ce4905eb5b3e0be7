"""1 minus scikit-learn's area under the ROC curve; of more than two classes, one against the rest, macro."""

from typing import TYPE_CHECKING, Any

from blindtune.metrics.base import Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compute(y: "NDArray[Any]", answers: Answers, classes: int) -> float:
    """Return 1 minus the area; see `blindtune.metrics.base.MetricFunction`."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    probabilities = np.asarray(answers.probabilities)
    if classes == 2:
        return 1.0 - float(roc_auc_score(y, probabilities[:, 1]))
    # Per class, since scikit-learn refuses rows that sum to 1 only up to the rounding of float32.
    areas = [roc_auc_score(y == label, probabilities[:, label]) for label in range(classes)]
    return 1.0 - float(np.mean(areas))

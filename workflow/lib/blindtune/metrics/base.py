"""What a model answers, and the interface of metrics: a function from true labels and answers to a number."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Answers:
    """What a model answers for some samples.

    Attributes:
        labels: the answered labels, (n_samples,).
        probabilities: of each class, (n_samples, n_classes) float32; None for a model that gives labels alone.
    """

    labels: "NDArray[Any]"
    probabilities: "NDArray[np.float32] | None" = None


def as_probabilities(values: Any) -> "NDArray[np.float32]":
    """Return probabilities, (n_samples, n_classes), as float32 that rounding took neither below 0 nor above 1."""
    import numpy as np

    return np.clip(np.asarray(values, dtype=np.float32), 0.0, 1.0)


class MetricFunction(Protocol):
    """Computes a metric; lower is better.

    `blindtune.metrics.compute.compute_metric` calls it. Then each class has a sample, and the probabilities are there
    and finite if the metric's entry says that it needs them.
    """

    def __call__(self, y: "NDArray[Any]", answers: Answers, classes: int) -> float:
        """Return the metric.

        Args:
            y: true labels, (n_samples,).
            answers: of the model.
            classes: number of classes.
        """

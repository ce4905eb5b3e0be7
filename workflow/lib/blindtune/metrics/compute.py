"""Compute a metric, after checking that it is defined."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blindtune.core.errors import UserError
from blindtune.core.validation import suggest_name
from blindtune.metrics.base import Answers
from blindtune.metrics.registry import METRICS, is_error

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compute_metric(name: str, y: "NDArray[Any]", answers: Answers, classes: int) -> float:
    """Return a metric of a model's answers; lower is better.

    Args:
        name: a key of `METRICS`.
        y: true labels, (n_samples,).
        answers: of the model.
        classes: number of classes.

    Returns:
        The metric; its worst value if a probability is not finite.

    Raises:
        UserError: the metric needs probabilities and the model gives none, or a class has no sample.
    """
    import numpy as np

    if name not in METRICS.entries:
        raise UserError(f"metric: {name!r} is not a metric: {suggest_name(name, METRICS.names())}")
    entry = METRICS[name]
    counts = np.bincount(y, minlength=classes)
    if not is_error(name):
        check_classes(name, {str(label): int(count) for label, count in enumerate(counts)}, "the scored samples")
    if entry.needs_probabilities:
        if answers.probabilities is None:
            raise UserError(
                f"metric: {name} needs class probabilities, and this model gives labels alone. Take error, "
                "balanced_error or macro_f1, or a model with probabilities."
            )
        if not np.isfinite(answers.probabilities).all():
            return entry.worst
    return float(METRICS.load(name)(y, answers, classes))


def measure_on_dev(name: str, y: "NDArray[Any]", answer: Callable[[], Answers], classes: int) -> float | None:
    """Return a metric after an epoch, for the field ``dev_metric``; None for the error, which has a field for itself.

    Args:
        name: a key of `METRICS`.
        y: true labels of dev, (n_samples,).
        answer: returns the model's answers on dev; not called for the error.
        classes: number of classes.

    Raises:
        UserError: as `compute_metric`.
    """
    return None if is_error(name) else compute_metric(name, y, answer(), classes)


def check_classes(
    name: str, counts: Mapping[str, int], where: str, advice: str = "Give each split samples of every class"
) -> None:
    """Refuse samples on which a metric is not defined, because a class has none.

    Args:
        name: a key of `METRICS`.
        counts: number of samples of each class.
        where: what the samples are, for the message.
        advice: what to do about it.

    Raises:
        UserError: a class has no sample; the message names each such class.
    """
    absent = [label for label, count in counts.items() if not count]
    if absent and not is_error(name):
        raise UserError(
            f"metric: {name} is not defined on {where}: class {_listed(absent)} has no sample there. {advice}, or take "
            "the metric error."
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)

"""Rebuild a trained model from its record and its weights, verified: used to freeze, to rescore and to decode."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.metrics.compute import compute_metric
from blindtune.records.decode_result import METRIC_TOLERANCE
from blindtune.training.base import Model, Predict, Trainer, TrainingTask, as_model


def rebuild_model(
    trainer: Trainer,
    task: TrainingTask,
    weights: Mapping[str, NDArray[Any]],
    *,
    train: Split,
    dev: Split,
    dev_error: float,
    what: str,
    metric: str | None = None,
    dev_metric: float | None = None,
) -> Model:
    """Return a trained model, after checking that it gives its recorded dev error and metric.

    Args:
        trainer: of the system.
        task: what was trained.
        weights: recorded weights; empty for a reference model, which is fitted again on train.
        train: train with the view of the system applied; only a reference model reads its samples.
        dev: dev with the view of the system applied.
        dev_error: the recorded dev error, from 0 to 1.
        what: what is rebuilt, for the message.
        metric: what dev was ranked by; None: the error.
        dev_metric: the recorded metric on dev; None for the error.

    Returns:
        A model that takes samples with the view applied.

    Raises:
        UserError: the rebuilt model has another dev error or another metric.
    """
    model = as_model(trainer.rebuild(task, weights, train))
    rebuilt_error, value = score_split(model, dev, metric, task.classes)
    if dev_metric is not None:
        rebuilt = float("nan") if value is None else value
        if not abs(rebuilt - dev_metric) <= METRIC_TOLERANCE:
            raise UserError(_explain(what, f"dev {metric}", f"{rebuilt:.6g}", f"{dev_metric:.6g}"))
    # Half a sample: errors are whole numbers of wrong samples.
    if abs(rebuilt_error - dev_error) > 0.5 / len(dev.y):
        raise UserError(_explain(what, "dev error", f"{rebuilt_error:.4%}", f"{dev_error:.4%}"))
    return model


def _explain(what: str, quantity: str, rebuilt: str, recorded: str) -> str:
    return (
        f"{what}, rebuilt from its record, has a {quantity} of {rebuilt}, but {recorded} was recorded. Its study "
        "cannot be trusted: the code, the libraries or the records have changed since. Restore them, or move the "
        "study's folder away and run again."
    )


def compute_error(predict: Predict, split: Split) -> float:
    """Return the share of wrong samples of a split.

    Args:
        predict: the model.
        split: samples with the view of the model applied, and their labels.
    """
    return float(np.mean(predict(split.x) != split.y))


def score_split(model: Model, split: Split, metric: str | None, classes: int) -> tuple[float, float | None]:
    """Return the error of a model on a split, and a metric of the same answers.

    Args:
        model: the model.
        split: samples with the view of the model applied, and their labels.
        metric: a key of `blindtune.metrics.registry.METRICS`; None: the error alone.
        classes: number of classes.
    """
    if metric is None:
        return compute_error(model, split), None
    answers = model.answer(split.x)
    return float(np.mean(answers.labels != split.y)), compute_metric(metric, split.y, answers, classes)

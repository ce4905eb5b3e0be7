"""Rebuild a trained model from its record and its weights, verified: used to freeze, to rescore and to decode."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.training.base import Predict, Trainer, TrainingTask


def rebuild_model(
    trainer: Trainer,
    task: TrainingTask,
    weights: Mapping[str, NDArray[Any]],
    *,
    train: Split,
    dev: Split,
    dev_error: float,
    what: str,
) -> Predict:
    """Return a trained model as a function, after checking that it gives its recorded dev error.

    Args:
        trainer: of the system.
        task: what was trained.
        weights: recorded weights; empty for a reference model, which is fitted again on train.
        train: train with the view of the system applied; only a reference model reads its samples.
        dev: dev with the view of the system applied.
        dev_error: the recorded dev error, from 0 to 1.
        what: what is rebuilt, for the message.

    Returns:
        A function from samples with the view applied to labels, (n_samples,) int64.

    Raises:
        UserError: the rebuilt model has another dev error.
    """
    predict = trainer.rebuild(task, weights, train)
    rebuilt_error = compute_error(predict, dev)
    # Half a sample: errors are whole numbers of wrong samples.
    if abs(rebuilt_error - dev_error) > 0.5 / len(dev.y):
        raise UserError(
            f"{what}, rebuilt from its record, has a dev error of {rebuilt_error:.4%}, but {dev_error:.4%} was "
            "recorded. Its study cannot be trusted: the code, the libraries or the records have changed since. Restore "
            "them, or move the study's folder away and run again."
        )
    return predict


def compute_error(predict: Predict, split: Split) -> float:
    """Return the share of wrong samples of a split.

    Args:
        predict: the model.
        split: samples with the view of the model applied, and their labels.
    """
    return float(np.mean(predict(split.x) != split.y))

"""Trainers of reference models."""

import numpy as np

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.training.base import (
    TrainingTask,
)
from support.training_tasks import DEV, TRAIN, train_task


def test_rebuild_fits_the_same_model_again() -> None:
    """A reference model is rebuilt without weights: fitting again gives the same model."""
    from blindtune.training import sklearn as reference_trainers

    for kind, values in (
        (reference_trainers.knn(), {"neighbours": 5}),
        (reference_trainers.random_forest(), {"trees": 5, "max_depth": 3, "min_samples_leaf": 1}),
    ):
        task = TrainingTask(None, Training(epochs=1), values, 3, 2)
        one, same = train_task(kind, task), train_task(kind, task)
        assert digest_arrays(one.weights) == digest_arrays(same.weights)
        assert np.mean(kind.rebuild(task, {}, TRAIN)(DEV.x) != DEV.y) == one.curve[0].dev_error
        assert (one.status, one.n_parameters, one.scored_epoch) == ("completed", None, 1)
    other_seed = train_task(kind, TrainingTask(None, Training(epochs=1), values, 4, 2))
    assert digest_arrays(other_seed.weights) != digest_arrays(one.weights)

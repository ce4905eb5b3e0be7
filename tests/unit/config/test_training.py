"""The config of training."""

import pytest

from blindtune.config.training import Training


def test_with_hyperparameters_replaces_and_checks() -> None:
    """Hyperparameters replace the settings of their names, and are checked as these are."""
    base = Training(epochs=3)
    changed = base.with_hyperparameters({"learning_rate": 0.1, "units_1": 3, "optimizer": "sgd"})
    assert (changed.learning_rate, changed.optimizer, changed.epochs) == (0.1, "sgd", 3)
    with pytest.raises(ValueError, match="learning_rate"):
        base.with_hyperparameters({"learning_rate": 0.0})
    with pytest.raises(ValueError, match="batch_size"):
        base.with_hyperparameters({"batch_size": 32.0})

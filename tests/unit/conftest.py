"""What several unit tests need before they begin."""

import pytest


@pytest.fixture(scope="session")
def frameworks() -> None:
    """Sets TensorFlow's threads, which it takes before its first operation only, as every study does."""
    from blindtune.training.keras.tensorflow import KerasTrainer

    KerasTrainer()

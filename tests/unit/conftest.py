"""What several unit tests need, and which of them are slow."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent

#: Test files, and folders of them, that train with TensorFlow, Keras Tuner or PyTorch, or run whole studies.
#: They get the marker ``slow``, and ``make test-fast`` does not even import them.
SLOW = [
    HERE / name
    for name in (
        "documents/test_using.py",
        "exports/test_networks.py",
        "models/test_convnet.py",
        "models/test_lstm.py",
        "models/test_published_networks.py",
        "records/test_schema.py",
        "report/test_tuners.py",
        "study/test_batches.py",
        "study/test_estimators.py",
        "study/test_networks.py",
        "study/test_pruning_and_promotion.py",
        "study/test_run.py",
        "test_identity_of_keys.py",
        "test_results.py",
        "test_stages.py",
        "training/keras",
        "training/pool",
        "training/test_cuda.py",
        "training/test_every_trainer.py",
        "training/test_pytorch.py",
        "training/test_scikeras.py",
        "training/test_skorch.py",
        "tuners/keras_tuner",
        "tuners/optuna",
        "tuners/sklearn/test_search.py",
        "tuners/test_every_tuner.py",
        "views/test_training.py",
    )
]


def is_slow(path: Path) -> bool:
    """Return whether `SLOW` names a test file or a folder that holds it."""
    return any(path.is_relative_to(slow) for slow in SLOW)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests; called once all tests are collected."""
    for item in items:
        if is_slow(item.path) or "frameworks" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip slow files where no slow test is wanted: importing them takes longer than the other tests."""
    return True if config.getoption("markexpr") == "not slow" and is_slow(collection_path) else None


@pytest.fixture(scope="session")
def frameworks() -> None:
    """Set TensorFlow's threads, which it reads before its first operation only, as every study does."""
    from blindtune.training.keras.tensorflow import KerasTrainer

    KerasTrainer()

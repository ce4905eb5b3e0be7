"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from blindtune.core.threads import ONE_THREAD

# Linear algebra reads its number of threads once, when it is loaded. Processes of tests share the cores: more
# threads would wait for each other. Programs that tests start choose theirs as ever.
with patch.dict(os.environ, ONE_THREAD):
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401

# No test is timed: a busy machine must not fail one.
settings.register_profile("blindtune", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("blindtune")

HERE = Path(__file__).parent

#: The files that take longest, longest first. `make test` gives whole files to its processes: one of these that
#: began last would leave the other processes without work.
LONGEST = [
    HERE / name
    for name in (
        "integration/test_walks.py",
        "integration/test_keras_backends.py",
        "integration/test_run.py",
        "integration/test_faults_of_stages.py",
        "unit/test_identity_of_keys.py",
        "workflow/test_keys.py",
        "integration/test_workers.py",
        "integration/test_kill.py",
        "integration/test_kill_head.py",
        "integration/test_shards.py",
        "integration/test_retries.py",
        "integration/test_kill_others.py",
        "integration/test_kill_optuna.py",
        "adversarial/test_attacks.py",
        "unit/tuners/test_every_tuner.py",
        "integration/test_advice.py",
        "integration/test_post_mortem.py",
        "integration/test_own_slides.py",
        "integration/test_own_recordings.py",
        "integration/test_blindness.py",
        "unit/training/keras/test_trainer.py",
        "unit/training/pool/test_trainer.py",
        "unit/training/test_every_trainer.py",
        "workflow/test_corpora_plan.py",
        "unit/config/test_space_check.py",
        "integration/test_rescoring.py",
        "unit/tuners/sklearn/test_search.py",
        "unit/exports/test_networks.py",
        "unit/study/test_batches.py",
        "unit/training/test_class_weights.py",
        "unit/training/test_own_settings.py",
        "unit/report/test_tuners.py",
        "unit/report/charts/test_charts_in_browser.py",
        "unit/report/test_browser.py",
        "integration/test_bad_trees.py",
        "integration/test_changed_data.py",
        "unit/study/test_networks.py",
        "unit/models/test_published_networks.py",
    )
]


def pytest_sessionstart() -> None:
    """Let one process train with TensorFlow and with PyTorch's CUDA build; called before tests are collected."""
    from blindtune.training.keras.backend import load_triton_first

    load_triton_first()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; called once all tests are collected."""
    places = {path: place for place, path in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True, scope="session")
def unflushed() -> Iterator[None]:
    """Do not wait until the disk has what is written: no test can see that, and there are tens of thousands of files.

    Programs that tests start wait as ever.
    """
    with patch.object(os, "fsync", lambda descriptor: None):
        yield

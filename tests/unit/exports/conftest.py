"""Fixtures of the tests of the exports."""

from pathlib import Path

import pytest

from support.stored_studies import store_tuned, tuned_system


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a stored study of a tuner, with trials of every status."""
    return store_tuned(tmp_path / "results", tuned_system())

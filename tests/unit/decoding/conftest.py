"""Fixtures of the tests of decode."""

from pathlib import Path

import pytest

from support.decode_lab import DecodeLab


@pytest.fixture
def lab(tmp_path: Path) -> DecodeLab:
    """One dataset, one ledger, and frozen models."""
    return DecodeLab(tmp_path)

"""What many tests of studies are given."""

from pathlib import Path

import pytest

from blindtune.datasets.prepared import Prepared
from support.builders import prepared
from support.sharded_studies import SPACE


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A prepared toy dataset of two features and two classes."""
    return prepared(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search space whose third is invalid."""
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE, encoding="utf-8")
    return path

"""Fixtures of the tests of reference models."""

from collections.abc import Iterator

import pytest

from blindtune.baselines import knn, random_forest


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    """Make chunks so small that there are several, with borders between equal samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "CHUNK", 7)
        patch.setattr(random_forest, "CHUNK", 7)
        yield

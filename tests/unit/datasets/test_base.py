"""The interface of a source."""

import doctest

from blindtune.datasets import base


def test_source_example_runs() -> None:
    """The example in the documentation of the interface works as written."""
    found = doctest.testmod(base)
    assert found.attempted > 3 and found.failed == 0

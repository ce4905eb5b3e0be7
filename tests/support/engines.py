"""Tests of optional engines: each is skipped, with a reason, where its engine is not installed."""

from collections.abc import Iterable
from typing import Any

import pytest

from blindtune.tuners.engines import ENGINES, find_fault

#: Algorithms of the optional engines, by library.
ENGINE_ALGORITHMS = {
    "vizier": ["random", "quasi-random", "grid", "eagle", "nsga2"],
    "smac": ["random", "forest", "hyperband", "multi-fidelity"],
}


def marks_of(library: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a test with a tuner of a library; none for one of the default environment."""
    if library not in ENGINES:
        return []
    fault = find_fault(library)
    return [pytest.mark.engine, pytest.mark.skipif(fault is not None, reason=fault or "")]


def with_marks(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    """Return pairs of library and algorithm as parameters of a test, with the marks of their engines."""
    return [pytest.param(pair, marks=marks_of(pair[0]), id="-".join(pair)) for pair in pairs]


def are_installed(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pairs whose library is installed, for a test that goes through all of them."""
    return [pair for pair in pairs if pair[0] not in ENGINES or find_fault(pair[0]) is None]

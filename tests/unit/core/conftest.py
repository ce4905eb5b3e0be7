"""A terminal and a clock for the tests of job output."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from support.terminal import Tty


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time in seconds, which the test sets."""
    now = [1000.0]
    monkeypatch.setattr("blindtune.core.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tty]:
    """Yield a terminal in place of standard error."""
    tty = Tty(monkeypatch)
    yield tty
    tty.close()

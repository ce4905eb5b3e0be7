"""Pausing the collection of garbage."""

import gc

import pytest

from blindtune.core.garbage import pause_collection


def test_pause_ends_with_the_block() -> None:
    """The collector is off in the block and on after it."""
    with pause_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_pause_ends_with_an_error() -> None:
    """An error in the block leaves the collector on."""
    with pytest.raises(KeyError), pause_collection():
        raise KeyError
    assert gc.isenabled()


def test_pause_leaves_a_disabled_collector_off() -> None:
    """A collector that was off before stays off."""
    gc.disable()
    try:
        with pause_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()

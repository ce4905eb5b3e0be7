"""Checks of the source that `make check` runs, and their tests."""

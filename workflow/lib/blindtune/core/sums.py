"""Sums of floats that are the same on every Python: from 3.12 on, the built-in `sum` corrects its rounding errors."""

from collections.abc import Iterable


def add_in_order(values: Iterable[float]) -> float:
    """Return the sum of values, added from the first to the last, each sum rounded once.

    Args:
        values: what is added.
    """
    total = 0.0
    for value in values:
        total += value
    return total

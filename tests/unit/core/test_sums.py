"""Sums whose rounding does not depend on the Python."""

from blindtune.core.sums import add_in_order


def test_sum_is_rounded_after_each_value() -> None:
    """A sum has the errors of rounding, which Python 3.12 and later correct in the built-in one."""
    assert add_in_order([0.1] * 10) == 0.9999999999999999
    assert add_in_order([1e100, 1.0, -1e100]) == 0.0
    assert add_in_order(iter([])) == 0.0

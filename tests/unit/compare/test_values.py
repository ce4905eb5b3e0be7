"""Differences of plain data: innermost, by their path."""

from typing import Any

import pytest

from blindtune.compare.values import ABSENT, ValueDifference, find_differences, shorten


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [ValueDifference("a.b", 1, 2)]),
        ({"a": 1}, {"c": 1}, [ValueDifference("a", 1, ABSENT), ValueDifference("c", ABSENT, 1)]),
        ([1, 2], [1, 3], [ValueDifference("[1]", 2, 3)]),
        ({"a": [1]}, {"a": []}, [ValueDifference("a (length)", 1, 0)]),
        ([], [1], [ValueDifference("number of records", 0, 1)]),
        (float("nan"), float("nan"), []),
        ({"a": None}, {}, [ValueDifference("a", None, ABSENT)]),
    ],
)
def test_find_differences(before: Any, after: Any, found: list[ValueDifference]) -> None:
    """Each innermost difference has its path and both values; NaN equals itself."""
    assert list(find_differences(before, after)) == found


def test_whole_lists_are_one_difference_unless_they_are_of_records() -> None:
    """Values of a list are shown together; records in a list are compared one by one."""
    before = {"values": [1, 2], "records": [{"a": 1}]}
    after = {"values": [1, 2, 3], "records": [{"a": 2}]}
    assert list(find_differences(before, after, whole_lists=True)) == [
        ValueDifference("values", [1, 2], [1, 2, 3]),
        ValueDifference("records[0].a", 1, 2),
    ]


def test_shorten_cuts_long_values() -> None:
    """A long value is cut to the length, with a mark."""
    assert shorten("a" * 200, 10) == '"aaaaaa...'
    assert shorten([1]) == "[1]"

"""Find what differs between two records as plain data."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: The value of a key that one of the two records lacks.
ABSENT = "(absent)"


@dataclass(frozen=True)
class ValueDifference:
    """An innermost difference of two records.

    Attributes:
        key: its path, such as ``curve[2].dev_error``; empty for the records themselves.
        before: the value in the first record; `ABSENT` if it has none.
        after: the value in the second one.
    """

    key: str
    before: Any
    after: Any


def find_differences(before: Any, after: Any, key: str = "", *, whole_lists: bool = False) -> Iterator[ValueDifference]:
    """Yield each innermost difference of two records.

    Lists of unequal length are one difference, by their lengths.

    Args:
        before: plain data.
        after: plain data.
        key: the path of both, with which each key begins.
        whole_lists: whether lists that differ are one difference, by their content, unless they are of records.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            path = f"{key}.{name}" if key else str(name)
            yield from find_differences(
                before.get(name, ABSENT), after.get(name, ABSENT), path, whole_lists=whole_lists
            )
    elif whole_lists and _is_list_of_values(before) and _is_list_of_values(after):
        if before != after:
            yield ValueDifference(key, before, after)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for position, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from find_differences(one, other, f"{key}[{position}]", whole_lists=whole_lists)
    elif isinstance(before, list) and isinstance(after, list):
        yield ValueDifference(f"{key} (length)" if key else "number of records", len(before), len(after))
    # A JSON NaN equals itself here: two equal records must not differ.
    elif json.dumps(before) != json.dumps(after):
        yield ValueDifference(key, before, after)


def _is_list_of_values(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)


def shorten(value: Any, length: int = 120) -> str:
    """Return plain data as JSON, cut to a length."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else text[: length - 3] + "..."

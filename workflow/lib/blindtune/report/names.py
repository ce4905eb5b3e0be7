"""Names as a part of a sentence."""

from collections.abc import Iterable


def join_names(names: Iterable[str]) -> str:
    """Return names as a sentence lists them: "a", "a and b", "a, b and c".

    Args:
        names: at least one.
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

"""Short texts of long lists."""

import pytest

from blindtune.core.short_lists import shorten_lists


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("", ""),
        ("Forced execution", "Forced execution"),
        ("Missing output files: d, c, b, a", "Missing output files: d, c, b, a"),
        ("Missing output files: e, d, c, b, a", "Missing output files: a, b, c and 2 more"),
        ("A: 1, 2; B: z, y, x, w, v; Code has changed", "A: 1, 2; B: v, w, x and 2 more; Code has changed"),
        ("A: " + ", ".join(f"{n:04}" for n in range(2000)), "A: 0000, 0001, 0002 and 1,997 more"),
    ],
)
def test_shorten_lists_names_the_first_and_counts_the_others(text: str, short: str) -> None:
    """A list of up to four names is whole; of a longer one, three are shown."""
    assert shorten_lists(text) == short


def test_shorten_lists_changes_no_short_text() -> None:
    """What was shortened once stays as it is."""
    once = shorten_lists("A: e, d, c, b, a; B: 1, 2, 3, 4, 5, 6")
    assert shorten_lists(once) == once

"""Short texts of long lists, for the terminal."""

#: Names of a list that are shown; of a longer one, these and how many more there are.
_SHOWN = 3


def shorten_lists(text: str) -> str:
    """Return a text with the first names of each list and the number of those that are left out.

    Args:
        text: parts with ``; `` between them, each a list with ``, `` between its names after a title and ``: ``. The
            order of the names has no meaning: they are sorted.

    Examples:
        >>> shorten_lists("Missing output files: e, d, c, b, a; Updated input files: z")
        'Missing output files: a, b, c and 2 more; Updated input files: z'
    """
    return "; ".join(map(_shorten, text.split("; ")))


def _shorten(part: str) -> str:
    title, colon, listed = part.partition(": ")
    names = listed.split(", ")
    if len(names) <= _SHOWN + 1:
        return part
    return f"{title}{colon}{', '.join(sorted(names)[:_SHOWN])} and {len(names) - _SHOWN:,} more"

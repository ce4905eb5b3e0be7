"""Patterns of the paths below a folder, such as ``**/*_eeg.edf``."""

import re
from functools import lru_cache

#: Letters of a pattern.
_LONGEST = 1000


def check_glob(key: str, pattern: str) -> None:
    """Refuse a pattern that no path below a folder can match.

    Args:
        key: config key of the pattern, with which the message begins.
        pattern: the pattern.

    Raises:
        ValueError: it is empty, too long, begins with a slash or leads out of the folder.
    """
    if not pattern or len(pattern) > _LONGEST:
        raise ValueError(f"{key}: must have 1 to {_LONGEST} letters")
    if pattern.startswith("/") or ".." in pattern.split("/") or "\\" in pattern:
        raise ValueError(f"{key}: is a pattern of paths below the folder, with slashes, such as '**/*.edf'")


def matches_glob(pattern: str, path: str) -> bool:
    """Return whether a path matches a pattern; the case of letters does not matter.

    Args:
        pattern: ``*`` is any text without a slash, ``?`` one letter but a slash, ``**`` any folders, none included.
        path: path with slashes below the folder.
    """
    return _translate(pattern).fullmatch(path) is not None


@lru_cache(maxsize=16)
def _translate(pattern: str) -> re.Pattern[str]:
    parts = []
    for piece in re.findall(r"(?:\*\*/)+|\*+|\?|[^*?]+", pattern):
        if piece.startswith("**/"):
            parts.append("(?:[^/]+/)*")
        elif piece == "**":
            parts.append(".*")
        elif piece.startswith("*"):
            parts.append("[^/]*")
        else:
            parts.append("[^/]" if piece == "?" else re.escape(piece))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)

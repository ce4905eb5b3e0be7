"""Which job reads which raw files: groups by a digest of their paths, so that a new file changes one group only.

The files of a split are halved by the first bit of their digests, each half by the next bit, until a job can read the
rest. So which files belong together follows from their own paths, and a group that grows too large is halved without
any other group. (Groups cut from the sorted list would all change when a file comes that sorts first.)
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

#: Bits of a digest; files whose digests are equal in so many are not told apart.
_BITS = 64


def divide_files(files: Sequence[str], is_small: Callable[[Sequence[str]], bool]) -> dict[int, list[str]]:
    """Return the files of each group, by the number of the group.

    Which digests belong to a group follows from its number alone: 0 is all, 1 and 2 are the halves of 0,
    3 and 4 those of 1, and 2n + 1 and 2n + 2 those of n.

    Args:
        files: different paths.
        is_small: whether one job can read some files; files that are not small are divided.

    Returns:
        Sorted paths, by the sorted numbers; groups without files are left out.
    """
    return dict(sorted(_divide(0, 0, sorted(files), is_small)))


def select_files(files: Sequence[str], number: int) -> list[str]:
    """Return the sorted files that belong to a group.

    Args:
        files: different paths, of any groups.
        number: of the group, see `divide_files`.
    """
    # The number plus one is, in binary, a one and then the first bits of the digests.
    depth = (number + 1).bit_length() - 1
    if depth > _BITS:
        return []
    return sorted(file for file in files if _digest(file) >> (_BITS - depth) == number + 1 - (1 << depth))


def _divide(
    number: int, depth: int, files: list[str], is_small: Callable[[Sequence[str]], bool]
) -> Iterator[tuple[int, list[str]]]:
    if not files:
        return
    if depth == _BITS or len(files) == 1 or is_small(files):
        yield number, files
        return
    halves: tuple[list[str], list[str]] = ([], [])
    for file in files:
        halves[_digest(file) >> (_BITS - 1 - depth) & 1].append(file)
    for bit, half in enumerate(halves):
        yield from _divide(2 * number + 1 + bit, depth + 1, half, is_small)


def _digest(file: str) -> int:
    return int.from_bytes(hashlib.sha256(file.encode("utf-8", "surrogateescape")).digest()[: _BITS // 8], "big")

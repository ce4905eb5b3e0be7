"""Pictures that look alike: found by perceptual hashes, and reported as a warning.

Equal pixels are found by `blindtune.datasets.leaks`. A picture that was scaled, saved again as JPEG or slightly changed
has other pixels but nearly the same hash. Hashes may also agree by chance, above all of small or plain pictures, so
nothing is refused or removed because of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.base import SPLITS

if TYPE_CHECKING:
    from PIL import Image

#: Largest number of different bits, of 64, of pictures that look alike.
MAX_BITS = 3

#: A hash is compared with at most so many others that share a part with it, so that plain pictures cost no hours.
MAX_COMPARED = 2_000

#: Number of pairs that are named.
MAX_EXAMPLES = 5

#: Two hashes that differ in at most `MAX_BITS` bits agree in at least one of so many parts of 16 bits.
_PARTS = MAX_BITS + 1

#: Where `describe_look_alikes` has the pictures that were not compared with all others.
_UNCOMPARED = "uncompared"


def hash_picture(picture: "Image.Image") -> int:
    """Return the perceptual hash of a picture, a number of 64 bits."""
    import imagehash

    return int(str(imagehash.phash(picture)), 16)


def describe_look_alikes(
    hashes: Mapping[str, Sequence[int]], names: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Return how many pictures look like one of another split.

    Args:
        hashes: of the pictures of each split, as `hash_picture` returns them.
        names: of the pictures of each split.

    Returns:
        By ``<split> in <other>``, for eval in train, eval in dev and dev in train: ``pictures``, the number of pictures
        of the split that look like one of the other, and ``examples``, some pairs of names. Pairs without any are left
        out. ``uncompared`` has the number of pictures that were not compared with all others, if there are any. Plain
        data.
    """
    contents, numbers = np.unique(
        np.array([value for split in SPLITS for value in hashes[split]], dtype=np.uint64), return_inverse=True
    )
    ends = np.cumsum([len(hashes[split]) for split in SPLITS])[:-1]
    numbers_of = dict(zip(SPLITS, np.split(numbers, ends), strict=True))
    pairs = find_close(contents)
    found = {}
    for split, other in (("eval", "train"), ("eval", "dev"), ("dev", "train")):
        close = _closest(numbers_of[other], pairs, len(contents))
        alike = close[numbers_of[split]]
        rows = np.flatnonzero(alike >= 0)
        if len(rows):
            examples = [
                [names[split][row], names[other][int(np.argmax(numbers_of[other] == alike[row]))]]
                for row in rows[:MAX_EXAMPLES]
            ]
            found[f"{split} in {other}"] = {"pictures": len(rows), "examples": examples}
    uncompared = find_uncompared(contents)
    if len(uncompared):
        found[_UNCOMPARED] = {"pictures": int(np.isin(numbers, uncompared).sum()), "examples": []}
    return found


def find_close(contents: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the pairs of different hashes that differ in at most `MAX_BITS` bits.

    Args:
        contents: different hashes, (n_hashes,).

    Returns:
        (n_pairs, 2) numbers of hashes, each pair once. Some are missing only where more than `MAX_COMPARED` hashes
        share a part of 16 bits.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    for group in _group_by_parts(contents):
        members = group[:MAX_COMPARED]
        for at, member in enumerate(members[:-1]):
            others = members[at + 1 :]
            near = others[np.bitwise_count(contents[others] ^ contents[member]) <= MAX_BITS]
            if len(near):
                found.append(np.stack([np.full(len(near), member), near], axis=1))
    pairs: NDArray[np.int64] = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    return pairs


def find_uncompared(contents: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the hashes that `find_close` did not compare with all that share a part with them.

    Args:
        contents: different hashes, (n_hashes,).

    Returns:
        Their numbers, ascending.
    """
    left_out = [group[MAX_COMPARED:] for group in _group_by_parts(contents)]
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *left_out]))


def _group_by_parts(contents: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of the hashes that share a part of 16 bits, for each part and each of its values."""
    for part in range(_PARTS if len(contents) else 0):
        shares = (contents >> np.uint64(16 * part)) & np.uint64(0xFFFF)
        order = np.argsort(shares, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(shares[order])) + 1)


def _closest(present: NDArray[np.int64], pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return for each hash one that looks like it and is present, itself if it can be; -1 if there is none."""
    is_present = np.zeros(count, dtype=np.bool_)
    is_present[present] = True
    close = np.where(is_present, np.arange(count), -1)
    for one, other in (pairs.T, pairs.T[::-1]):
        fits = is_present[other] & (close[one] < 0)
        close[one[fits]] = other[fits]
    return close


def list_sentences(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each pair of splits, for the log and the report.

    Args:
        found: as `describe_look_alikes` returns it.
    """
    sentences = [
        f"{alike['pictures']:,} pictures of {pair.split(' in ')[0]} look like one of {pair.split(' in ')[1]}, such as "
        + "; ".join(f"{one} and {other}" for one, other in alike["examples"])
        for pair, alike in found.items()
        if pair != _UNCOMPARED
    ]
    if _UNCOMPARED in found:
        sentences.append(
            f"{found[_UNCOMPARED]['pictures']:,} pictures are as plain as more than {MAX_COMPARED:,} others and were "
            "not compared with all of them"
        )
    return sentences

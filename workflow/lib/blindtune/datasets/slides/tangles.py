"""Outlines that cross themselves or each other so often that what they enclose cannot be found in bounded time."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shapely import STRtree

#: How often an outline may cross itself or another one, and how many pairs of their lines may have bounds that overlap.
#: The time of a repair grows with both: so many take up to ten seconds, and freehand outlines have dozens of crossings.
MAX_CROSSINGS, MAX_LINE_PAIRS = 5000, 2_000_000
#: Two outlines are only compared if the product of their numbers of vertices is larger than this: people draw none with
#: as many crossings.
_MIN_PRODUCT = 100_000
#: Pairs of lines that are compared at once, at most.
_PAIRS_AT_ONCE = 1_000_000


def find_tangle(ring: NDArray[np.float64]) -> str | None:
    """Return why a closed line (n_vertices, 2) cannot be repaired in bounded time; None if it can."""
    lines = np.stack([ring[:-1], ring[1:]], axis=1)
    count = _CrossingCount(lines, n_owners=1)
    count.add(lines, np.zeros(len(lines), np.int64), is_same=True)
    if count.crossings[0] > MAX_CROSSINGS:
        return f"it crosses itself more than {MAX_CROSSINGS:,} times"
    if count.pairs[0] > MAX_LINE_PAIRS:
        return f"more than {MAX_LINE_PAIRS:,} pairs of its lines are close to each other"
    return None


def find_tangled(shapes: NDArray[Any]) -> dict[int, tuple[int, str]]:
    """Return the shapes that cross an earlier one too often, by their numbers: the number of that one, and how."""
    import shapely

    counts = shapely.get_num_coordinates(shapes)
    most = counts.max(initial=0)
    found: dict[int, tuple[int, str]] = {}
    candidates = np.flatnonzero(counts * most > _MIN_PRODUCT)
    if len(candidates) < 2:
        return found
    tree = shapely.STRtree(shapes[candidates])
    for at in candidates[np.argsort(-counts[candidates], kind="stable")].tolist():
        if counts[at] ** 2 <= _MIN_PRODUCT:
            break
        others = candidates[tree.query(shapely.boundary(shapes[at]), predicate="intersects")]
        # Each pair once, from the one with more vertices.
        smaller = (counts[others] < counts[at]) | ((counts[others] == counts[at]) & (others > at))
        wanted = smaller & (counts[others] * counts[at] > _MIN_PRODUCT)
        for other, how in _explain_tangled(shapes, at, np.sort(others[wanted])).items():
            found.setdefault(max(at, other), (min(at, other), how))
    return dict(sorted(found.items()))


def _explain_tangled(shapes: NDArray[Any], at: int, others: NDArray[np.int64]) -> dict[int, str]:
    """Return the shapes that cross the one at the number ``at`` too often, and how often."""
    lines, _ = _list_lines(shapes[[at]])
    count = _CrossingCount(lines, len(others))
    count.add(*_list_lines(shapes[others]))
    close = f"have more than {MAX_LINE_PAIRS:,} pairs of lines that are close to each other"
    often = f"cross more than {MAX_CROSSINGS:,} times"
    return {
        int(number): often if crossings > MAX_CROSSINGS else close
        for number, pairs, crossings in zip(others, count.pairs, count.crossings, strict=True)
        if crossings > MAX_CROSSINGS or pairs > MAX_LINE_PAIRS
    }


class _CrossingCount:
    """How many lines are close to some lines, and how many of them cross one; both until they are too many.

    Args:
        lines: (n_lines, 2 ends, 2) the lines to compare with.
        n_owners: number of shapes whose lines are counted apart.

    Attributes:
        pairs: (n_owners,) pairs of lines whose bounds overlap.
        crossings: (n_owners,) pairs of lines that cross.
    """

    def __init__(self, lines: NDArray[np.float64], n_owners: int) -> None:
        import shapely

        self._lines = lines
        self._tree: STRtree = shapely.STRtree(_bounds_of(lines))
        self._low, self._high = np.sort(lines.min(axis=1), axis=0), np.sort(lines.max(axis=1), axis=0)
        self.pairs, self.crossings = np.zeros(n_owners, np.int64), np.zeros(n_owners, np.int64)

    def add(self, lines: NDArray[np.float64], owners: NDArray[np.int64], *, is_same: bool = False) -> None:
        """Count lines.

        Args:
            lines: (n_lines, 2 ends, 2).
            owners: (n_lines,) the number of the shape of each.
            is_same: whether they are those that they are compared with, so that a pair counts once.
        """
        for part in self._divide(lines):
            # Of those that are known to be tangled, no more is counted.
            is_open = (self.pairs <= MAX_LINE_PAIRS) & (self.crossings <= MAX_CROSSINGS)
            numbers = part[is_open[owners[part]]]
            one, other = self._tree.query(_bounds_of(lines[numbers]))
            one = numbers[one]
            if is_same:
                one, other = one[other > one], other[other > one]
            self.pairs += np.bincount(owners[one], minlength=len(self.pairs))
            crosses = _cross(lines[one], self._lines[other])
            self.crossings += np.bincount(owners[one[crosses]], minlength=len(self.pairs))

    def _divide(self, lines: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """Return the numbers of lines, divided so that those of one part are in few pairs."""
        low, high = lines.min(axis=1), lines.max(axis=1)
        # Lines that overlap in x, or those that overlap in y, are at least those whose bounds do.
        most = np.min(
            [
                np.searchsorted(self._low[:, axis], high[:, axis], side="right")
                - np.searchsorted(self._high[:, axis], low[:, axis], side="left")
                for axis in (0, 1)
            ],
            axis=0,
        )
        parts = np.cumsum(np.maximum(most, 1)) // _PAIRS_AT_ONCE
        return np.split(np.arange(len(lines)), np.flatnonzero(np.diff(parts)) + 1)


def _list_lines(shapes: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the lines of outlines and holes, (n_lines, 2 ends, 2), and the number of the shape of each."""
    import shapely

    parts, of_shape = shapely.get_parts(shapes, return_index=True)
    rings, of_part = shapely.get_rings(parts, return_index=True)
    points, of_ring = shapely.get_coordinates(rings, return_index=True)
    joined = np.flatnonzero(of_ring[:-1] == of_ring[1:])
    return np.stack([points[joined], points[joined + 1]], axis=1), of_shape[of_part[of_ring[joined]]]


def _bounds_of(lines: NDArray[np.float64]) -> NDArray[Any]:
    """Return the bounds of lines, (n_lines, 2 ends, 2), as shapes."""
    import shapely

    return np.asarray(shapely.box(*lines.min(axis=1).T, *lines.max(axis=1).T))


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether the two lines of each pair cross within both; lines are (n_pairs, 2 ends, 2)."""

    def is_divided(line: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether the ends are on different sides of the line."""
        along, away = line[:, 1:] - line[:, :1], ends - line[:, :1]
        sides = along[..., 0] * away[..., 1] - along[..., 1] * away[..., 0]
        return np.asarray((np.signbit(sides[:, 0]) != np.signbit(sides[:, 1])) & (sides != 0).all(axis=1))

    return np.asarray(is_divided(first, second) & is_divided(second, first))

"""Where a slide has tissue, from a small picture of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

#: Maximum width and height of the picture in pixels.
SIDE = 1024
#: The least and the largest saturation from which a pixel is tissue: a slide of glass alone, or of tissue alone, has no
#: two groups that a threshold could separate.
_LOWEST, _HIGHEST = 10, 50


@dataclass(frozen=True)
class TissueMask:
    """The tissue of a slide.

    Attributes:
        mask: (n_rows, n_columns) bool, true where there is tissue.
        size: width and height of the slide in pixels of the full resolution.
        damaged: (n_rows, n_columns) bool, true where it is not known.
    """

    mask: NDArray[np.bool_]
    size: tuple[int, int]
    damaged: NDArray[np.bool_]

    def measure_share(self, corners: NDArray[np.int64], side: float) -> NDArray[np.float64]:
        """Return the share of each square that is or may be tissue; outside of the slide is none.

        Args:
            corners: (n_squares, 2) x and y of the upper left corners, in pixels of the full resolution.
            side: side of the squares in the same unit.

        Returns:
            (n_squares,) float64 from 0 to 1.
        """
        rows, columns = self.mask.shape
        scale = np.array([columns / self.size[0], rows / self.size[1]])
        low, high = corners * scale, (corners + side) * scale
        inside = [values.clip(0, [columns, rows]) for values in (low, high)]
        (left, top), (right, bottom) = (values.T for values in inside)
        total = self._sums
        tissue = (
            _look_up(total, bottom, right)
            - _look_up(total, top, right)
            - _look_up(total, bottom, left)
            + _look_up(total, top, left)
        )
        return np.asarray((tissue / (high - low).prod(axis=1)).clip(0, 1))

    def sample_corners(self, count: int, side: float, random: np.random.Generator) -> list[tuple[int, int]]:
        """Return the upper left corners of squares whose centres are in the tissue, in pixels of the full resolution.

        Args:
            count: number of squares, fewer if the mask has fewer pixels of tissue.
            side: side of the squares.
            random: what they are drawn from.
        """
        rows, columns = np.nonzero(self.mask)
        chosen = random.permutation(len(rows))[:count]
        at = np.stack([columns[chosen] / self.mask.shape[1], rows[chosen] / self.mask.shape[0]], axis=1)
        corners = np.floor(at * self.size - side / 2).astype(np.int64)
        return [(int(x), int(y)) for x, y in corners]

    @cached_property
    def _sums(self) -> NDArray[np.float64]:
        """Number of pixels above and to the left that are or may be tissue, (n_rows + 1, n_columns + 1)."""
        total = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1))
        total[1:, 1:] = (self.mask | self.damaged).cumsum(axis=0).cumsum(axis=1)
        return total


def find_tissue(picture: NDArray[np.uint8], damaged: NDArray[np.bool_], size: tuple[int, int]) -> TissueMask:
    """Return the tissue of a slide: the pixels of a small picture that are more saturated than a threshold.

    The threshold is that of Otsu (1979), A threshold selection method from gray-level histograms, IEEE Transactions on
    Systems, Man, and Cybernetics 9(1), on the saturation.

    Args:
        picture: (n_rows, n_columns, 3) uint8, red, green and blue.
        damaged: (n_rows, n_columns) bool, true where the picture shows nothing.
        size: width and height of the slide in pixels of the full resolution.
    """
    high, low = picture.max(axis=2).astype(np.int64), picture.min(axis=2).astype(np.int64)
    saturation = 255 * (high - low) // np.maximum(high, 1)
    counts = np.bincount(saturation[~damaged], minlength=256)
    threshold = min(max(choose_threshold(counts), _LOWEST), _HIGHEST)
    return TissueMask((saturation > threshold) & ~damaged, size, damaged)


def choose_threshold(counts: NDArray[np.int64]) -> int:
    """Return Otsu's threshold: values up to it and values above it have the largest variance between them.

    Args:
        counts: (n_values,) how often each value occurs.
    """
    values = np.arange(len(counts))
    below, sums = counts.cumsum().astype(np.float64), (counts * values).cumsum().astype(np.float64)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return int(np.argmax(np.nan_to_num(between)))


def _look_up(table: Values, rows: Values, columns: Values) -> Values:
    """Return values of a table between its entries, linear in rows and in columns."""
    row = np.minimum(rows.astype(np.int64), table.shape[0] - 2)
    column = np.minimum(columns.astype(np.int64), table.shape[1] - 2)
    right = columns - column
    upper, lower = (table[row + at, column] * (1 - right) + table[row + at, column + 1] * right for at in (0, 1))
    return np.asarray(upper + (lower - upper) * (rows - row))

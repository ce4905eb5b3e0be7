"""Rules that reject a patch: mostly white, marked with ink, or out of focus.

Each rule depends only on the patch as it was scanned, before its stains are normalized, so that the same places give
samples with and without. A pixel is white if its darkest channel is bright. It is ink
if it is greener than red, as blue, green and cyan pens are and stained tissue never is, or nearly black; red pen looks
like blood and is not detected. Focus is the mean square of the discrete Laplacian of the green channel, in which both
stains are dark, over the pixels that are not white.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.config import TissueConfig

#: A pixel is white if its darkest channel is at least this bright.
MIN_WHITE = 215
#: A pixel is ink if its green exceeds its red by more than the first, or its brightest channel is below the second.
INK_GREEN_EXCESS = 20
MAX_BLACK = 50


def rejection_reason(patch: NDArray[np.uint8], limits: TissueConfig) -> str | None:
    """Return the first rule that rejects a patch: "white", "ink" or "blur"; None if it is good.

    Args:
        patch: (n_rows, n_columns, 3) uint8, red, green and blue.
        limits: of white, ink and focus.
    """
    # Separate planes: loops over the three values of each pixel are several times slower.
    red, green, blue = np.ascontiguousarray(patch.transpose(2, 0, 1))
    white = np.minimum(np.minimum(red, green), blue) >= MIN_WHITE
    # Counting is many times faster than the mean of truth values, and the same.
    if np.count_nonzero(white) / white.size > limits.max_white:
        return "white"
    if np.count_nonzero(find_ink(red, green, blue)) / white.size > limits.max_ink:
        return "ink"
    if _compute_focus(green, white) < limits.min_focus:
        return "blur"
    return None


def find_ink(red: NDArray[np.uint8], green: NDArray[np.uint8], blue: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels are ink, black included.

    Args:
        red: brightness of each pixel, of any shape.
        green: as ``red``.
        blue: as ``red``.
    """
    greener = green.astype(np.int16) - red > INK_GREEN_EXCESS
    return np.asarray(greener | (np.maximum(np.maximum(red, green), blue) < MAX_BLACK))


def _compute_focus(green: NDArray[np.uint8], white: NDArray[np.bool_]) -> float:
    """Return the mean square of the Laplacian of green outside white pixels, in grey levels squared."""
    plane: NDArray[Any] = green.astype(np.int16)
    laplacian = plane[:-2, 1:-1] + plane[2:, 1:-1]
    laplacian += plane[1:-1, :-2]
    laplacian += plane[1:-1, 2:]
    laplacian -= 4 * plane[1:-1, 1:-1]
    inner = white[1:-1, 1:-1]
    laplacian[inner] = 0
    # Sums of squares of whole numbers are exact in 64 bits, in any order.
    values = laplacian.ravel().astype(np.float64)
    return float(values @ values / max(1, inner.size - np.count_nonzero(inner)))

"""Rules by which a patch is left out: mostly white, marked with ink, or out of focus.

Each looks at the patch alone, as it would be stored. A pixel is white where its darkest channel is bright. It is ink
where it is greener than red, as blue, green and cyan pens are and stained tissue never is, or nearly black; red pen
looks like blood and is not told apart. Focus is the mean square of the discrete Laplacian of the green channel, where
both stains are dark, over the pixels that are not white.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.config import Tissue

#: A pixel is white if its darkest channel is at least this bright.
WHITE = 215
#: A pixel is ink if green exceeds red by more than this, or if its brightest channel is below `BLACK`.
GREENER = 20
BLACK = 50


def rejection_reason(patch: NDArray[np.uint8], limits: Tissue) -> str | None:
    """The first rule that leaves ``patch`` out: "white", "ink" or "blur"; none where it is good.

    Args:
        patch: (rows, columns, 3) red, green and blue.
        limits: see the config.
    """
    # Planes of their own: whatever runs over the three values of each pixel is several times slower.
    red, green, blue = np.ascontiguousarray(patch.transpose(2, 0, 1))
    white = np.minimum(np.minimum(red, green), blue) >= WHITE
    if white.mean() > limits.white:
        return "white"
    greener = green.astype(np.int16) - red > GREENER
    black = np.maximum(np.maximum(red, green), blue) < BLACK
    if (greener | black).mean() > limits.ink:
        return "ink"
    if _focus(green, white) < limits.focus:
        return "blur"
    return None


def _focus(green: NDArray[np.uint8], white: NDArray[np.bool_]) -> float:
    """The mean square of the Laplacian of ``green`` where it is not white, in grey levels squared."""
    plane: NDArray[Any] = green.astype(np.int16)
    laplacian = plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:] - 4 * plane[1:-1, 1:-1]
    squares = laplacian.astype(np.float32) ** 2
    tissue = ~white[1:-1, 1:-1]
    return float((squares * tissue).sum(dtype=np.float64) / max(1, tissue.sum()))

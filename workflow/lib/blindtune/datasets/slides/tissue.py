"""Rules by which a patch is left out: mostly white, marked with ink, or out of focus.

Each looks at the patch alone, as it would be stored. A pixel is white where its darkest channel is bright. It is ink
where it is greener than red, as blue, green and cyan pens are and stained tissue never is, or nearly black; red pen
looks like blood and is not told apart. Focus is the mean square of the discrete Laplacian of the green channel, where
both stains are dark, over the pixels that are not white.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.settings import Tissue

#: A pixel is white if its darkest channel is at least this bright.
WHITE = 200
#: A pixel is ink if green exceeds red by more than this, or if its brightest channel is below `BLACK`.
GREENER = 20
BLACK = 50


def fault_of(patch: NDArray[np.uint8], limits: Tissue) -> str | None:
    """The first rule that leaves ``patch`` out: "white", "ink" or "blur"; none where it is good.

    Args:
        patch: (rows, columns, 3) red, green and blue.
        limits: see the config.
    """
    white = patch.min(axis=2) >= WHITE
    if white.mean() > limits.white:
        return "white"
    if ink_share(patch) > limits.ink:
        return "ink"
    if focus(patch, white) < limits.focus:
        return "blur"
    return None


def ink_share(patch: NDArray[np.uint8]) -> float:
    """The share of pixels that are ink."""
    red, green = patch[..., 0].astype(np.int16), patch[..., 1].astype(np.int16)
    return float(((green - red > GREENER) | (patch.max(axis=2) < BLACK)).mean())


def focus(patch: NDArray[np.uint8], white: NDArray[np.bool_]) -> float:
    """The mean square of the Laplacian of green where the patch is not white, in grey levels squared."""
    green: NDArray[Any] = patch[..., 1].astype(np.int16)
    middle = green[1:-1, 1:-1]
    laplacian = green[:-2, 1:-1] + green[2:, 1:-1] + green[1:-1, :-2] + green[1:-1, 2:] - 4 * middle
    seen = laplacian[~white[1:-1, 1:-1]].astype(np.float32)
    return float((seen**2).mean()) if seen.size else 0.0

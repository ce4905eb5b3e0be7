"""The two stains of histology slides: their colours, and how much of each a pixel has."""

import numpy as np
from numpy.typing import NDArray

#: Optical density per unit of stain in red, green and blue, of unit length (Ruifrok and Johnston 2001).
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], np.float32) / np.float32(0.9984)
EOSIN = np.array([0.07, 0.99, 0.11], np.float32) / np.float32(0.9986)


def unmix_stains(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the amounts of haematoxylin and eosin, by colour deconvolution (Ruifrok and Johnston 2001).

    Args:
        patches: (n_samples, n_rows, n_columns, 3) red, green and blue, or any array whose last axis is these.

    Returns:
        The same shape with two values on the last axis: the optical density that each stain adds.
    """
    # The least squares fit of two stains to three densities: a table by brightness, then one small product.
    density = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)
    unmix = np.linalg.pinv(np.stack([HAEMATOXYLIN, EOSIN])).astype(np.float32)
    return density[patches] @ unmix

"""Simple features of patches for the reference models: how the stains are spread, at several scales."""

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.simulated.tissue import EOSIN, HAEMATOXYLIN

#: Sides of the blocks that are averaged, in pixels of the patch.
SCALES = (1, 2, 4, 8, 16, 32, 64)


def stains(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Haematoxylin and eosin by colour deconvolution (Ruifrok and Johnston 2001).

    Args:
        patches: (samples, rows, columns, 3) red, green and blue, or any array whose last axis is these.

    Returns:
        As ``patches``, with two values on the last axis: the optical density that each stain adds.
    """
    # The least squares fit of two stains to three densities: a table by brightness, then one small product.
    density = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)
    unmix = np.linalg.pinv(np.stack([HAEMATOXYLIN, EOSIN])).astype(np.float32)
    return density[patches] @ unmix


def architecture(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How coarse the stains are: the logarithm of their deviation between blocks of several sizes.

    Args:
        patches: (samples, rows, columns, 3) red, green and blue.

    Returns:
        (samples, features) float32: for each of haematoxylin and eosin the deviation by scale (`SCALES`, as far as two
        blocks fit), and the correlation of the two stains by scale.
    """
    return np.stack([_of_one(patch) for patch in patches])


def _of_one(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    two_feature_datasets = stains(patch)
    found: list[float] = []
    for coarser in (*SCALES[1:], None):
        flat = two_feature_datasets.reshape(-1, 2)
        deviation = flat.std(axis=0) + 1e-4
        together = ((flat[:, 0] - flat[:, 0].mean()) * (flat[:, 1] - flat[:, 1].mean())).mean()
        found += [*np.log(deviation), together / deviation.prod()]
        if coarser is None or 2 * coarser > min(patch.shape[:2]):
            break
        two_feature_datasets = _halved(two_feature_datasets)
    return np.array(found, np.float32)


def _halved(two_feature_datasets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over 2 x 2 blocks, (rows // 2, columns // 2, 2)."""
    rows, columns = (2 * (side // 2) for side in two_feature_datasets.shape[:2])
    even = two_feature_datasets[:rows, :columns]
    sums: NDArray[np.float32] = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return sums / np.float32(4)

"""Features of patches for the reference models: how the stains are distributed, at several scales."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.stains import unmix_stains

#: Sides of the blocks that are averaged, in pixels of the patch.
SCALES = (1, 2, 4, 8, 16, 32, 64)


def feature_function(x: NDArray[np.uint8], source: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the features of the view ``features``; called by `blindtune.views.features`.

    Args:
        x: (n_patches, n_rows, n_columns, 3) uint8, red, green and blue.
        source: nothing of it is used.

    Returns:
        (n_patches, n_features) float32, see `compute_stain_texture`.
    """
    return compute_stain_texture(x)


def compute_stain_texture(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how coarse the stains are: the logarithm of their deviation between blocks of several sizes.

    Args:
        patches: (n_samples, n_rows, n_columns, 3) red, green and blue.

    Returns:
        (n_samples, n_features) float32: for each of haematoxylin and eosin the deviation by scale (`SCALES`, as far as
        two blocks fit), and the correlation of the two stains by scale.
    """
    return np.stack([_compute_one(patch) for patch in patches])


def _compute_one(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    planes = unmix_stains(patch)
    values: list[float] = []
    for coarser in (*SCALES[1:], None):
        flat = planes.reshape(-1, 2)
        deviation = flat.std(axis=0) + 1e-4
        covariance = ((flat[:, 0] - flat[:, 0].mean()) * (flat[:, 1] - flat[:, 1].mean())).mean()
        values += [*np.log(deviation), covariance / deviation.prod()]
        if coarser is None or 2 * coarser > min(patch.shape[:2]):
            break
        planes = _halve(planes)
    return np.array(values, np.float32)


def _halve(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over 2 x 2 blocks, (n_rows // 2, n_columns // 2, 2)."""
    rows, columns = (2 * (side // 2) for side in planes.shape[:2])
    even = planes[:rows, :columns]
    sums: NDArray[np.float32] = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return sums / np.float32(4)

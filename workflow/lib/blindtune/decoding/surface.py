"""The decision surface of a frozen model, for a figure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.decoding.frozen_model import FrozenModel


def compute_surface(model: FrozenModel, points: int) -> dict[str, NDArray[Any]]:
    """Return the labels that a frozen model predicts on a grid, for data of two features.

    Args:
        model: the frozen model.
        points: number of points along each axis.

    Returns:
        The axes ``x`` and ``y``, (n_points,) float32, and ``label``, (n_points, n_points) int16, by row of y.
    """
    # Far outliers would shrink everything else: the grid covers all but one sample in a hundred.
    low, high = np.quantile(model.data.train.x, [0.005, 0.995], axis=0)
    margin = 0.25 * (high - low)
    axes = [
        np.linspace(low[axis] - margin[axis], high[axis] + margin[axis], points, dtype=np.float32) for axis in (0, 1)
    ]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    label = model.predict(grid).astype(np.int16).reshape(points, points)
    return {"x": axes[0], "y": axes[1], "label": label}

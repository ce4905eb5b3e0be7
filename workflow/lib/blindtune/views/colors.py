"""Random changes of the colours of pictures, for the views that use them in training."""

import numpy as np

from blindtune.views.base import Floats


def jitter_colors(pictures: Floats, share: float, random: np.random.Generator) -> Floats:
    """Return pictures with each colour scaled and shifted at random.

    Args:
        pictures: (n_pictures, n_rows, n_columns, n_channels), normalised.
        share: largest share of the scale, and largest shift in deviations, from 0; 0 draws nothing.
        random: what is drawn from: first the scales, then the shifts.

    Returns:
        New pictures of the same shape.
    """
    if not share:
        return pictures
    columns = pictures.shape[2]
    shape = (len(pictures), 1, pictures.shape[3])
    scale, shift = (random.uniform(-share, share, shape).astype(np.float32) for _ in range(2))
    # A whole row at a time: broadcasting over it is ten times as fast as over the few channels of a pixel.
    rows = pictures.reshape(len(pictures), pictures.shape[1], -1)
    return (rows * np.tile(1 + scale, columns) + np.tile(shift, columns)).reshape(pictures.shape)

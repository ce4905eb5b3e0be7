"""The statistics of train by which views normalise samples."""

import numpy as np

from blindtune.datasets.prepared import Prepared
from blindtune.views.base import Floats


def channel_statistics(data: Prepared) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation of each channel over train.

    Args:
        data: a dataset whose manifest holds the statistics of its channels.

    Returns:
        mean: (n_channels,) float32, in the unit of the samples.
        deviation: (n_channels,) float32, in the same unit; 1 for a channel that is constant.
    """
    statistics = data.manifest["statistics"]
    mean, deviation = (np.array(statistics[name], np.float32) for name in ("mean", "deviation"))
    # A channel that never changes has nothing to divide by.
    return mean, np.where(deviation > 0, deviation, np.float32(1))

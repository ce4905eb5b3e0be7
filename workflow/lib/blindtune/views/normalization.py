"""The statistics of train by which views normalise samples."""

import numpy as np

from blindtune.views.base import Floats, ViewInputs


def channel_statistics(inputs: ViewInputs) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation of each channel over train.

    Args:
        inputs: of a view that declares that it uses statistics.

    Returns:
        mean: (n_channels,) float32, in the unit of the samples.
        deviation: (n_channels,) float32, in the same unit; 1 for a channel that is constant.

    Raises:
        TypeError: the view does not declare them.
    """
    if inputs.statistics is None:
        raise TypeError("the view does not declare in blindtune.views.registry that it uses statistics of train")
    statistics = inputs.statistics
    mean, deviation = (np.array(statistics[name], np.float32) for name in ("mean", "deviation"))
    # A channel that never changes has nothing to divide by.
    return mean, np.where(deviation > 0, deviation, np.float32(1))

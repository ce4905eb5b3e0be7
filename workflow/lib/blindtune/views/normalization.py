"""The statistics of train by which views normalise samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.views.base import Floats, SampleView, ViewFunction, ViewInputs


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


def make_normalized(create: Callable[[NDArray[Any], Floats, Floats], SampleView], inputs: ViewInputs) -> ViewFunction:
    """Return the function that makes a view of pictures, normalised by train.

    Args:
        create: makes the view from stored samples, mean and deviation; raises ValueError if the samples do not fit.
        inputs: the statistics of train, and the name for messages.

    Raises:
        UserError: raised by the function: the samples do not fit the view.
    """
    statistics = channel_statistics(inputs)

    def make(x: NDArray[Any]) -> SampleView:
        try:
            return create(x, *statistics)
        except ValueError as error:
            raise UserError(f"dataset {inputs.dataset}: {error}.") from error

    return make

"""Data behind a view: what is handed to a trainer instead of what is stored."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.prepared import Prepared
from blindtune.views.base import AsFloats, Floats, SampleView
from blindtune.views.config import AnyView, CropsView, FeaturesView, FramesView, SamplesView

#: From stored samples to what a model sees.
Look = Callable[[NDArray[Any]], "Floats | SampleView"]


def make_view(view: AnyView, data: Prepared) -> Look:
    """How samples of a dataset look behind a view; what it needs to know comes from train alone.

    Raises:
        UserError: the dataset cannot be seen so; raised by this function or by the one that it returns.
    """
    match view:
        case SamplesView():
            return lambda x: x if x.dtype == np.float32 else AsFloats(x, x.shape[1:])
        case FeaturesView():
            from blindtune.views.features import features

            return lambda x: features(x, data.manifest["source"])
        case FramesView():
            from blindtune.datasets.eeg.config import Eeg
            from blindtune.views.frames import Framed

            settings = Eeg.model_validate(data.manifest["source"])
            return lambda x: Framed(x, settings, *_of_train(data))
        case CropsView():
            return lambda x: _cropped(x, view, data)


def apply_view(view: AnyView, data: Prepared) -> Prepared:
    """The dataset with its train and dev behind a view.

    Raises:
        UserError: it cannot be seen so.
    """
    look = make_view(view, data)
    train, dev = (replace(split, x=look(split.x)) for split in (data.train, data.dev))
    return replace(data, train=train, dev=dev)


def _cropped(x: NDArray[Any], view: CropsView, data: Prepared) -> SampleView:
    from blindtune.views.crops import Cropped

    try:
        return Cropped(x, view, *_of_train(data))
    except ValueError as error:
        raise UserError(f"dataset {data.name}: {error}.") from error


def _of_train(data: Prepared) -> tuple[Floats, Floats]:
    """Mean and deviation of each channel of train."""
    statistics = data.manifest["statistics"]
    mean, deviation = (np.array(statistics[name], np.float32) for name in ("mean", "deviation"))
    # A channel that never changes has nothing to divide by.
    return mean, np.where(deviation > 0, deviation, np.float32(1))

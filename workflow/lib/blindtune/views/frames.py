"""The view ``frames``: signals as overlapping frames.

Shawki et al. 2021, section IV: 0.1-second frames with 0.3-second windows.
"""

from typing import Any

from numpy.typing import NDArray

from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.segments import frames
from blindtune.datasets.prepared import Prepared
from blindtune.views.base import Floats, Rows, SampleView, ViewFunction
from blindtune.views.config import FramesView
from blindtune.views.normalization import channel_statistics


class SignalFrames(SampleView):
    """Segments (n_samples, n_channels, n_times) as (n_samples, n_frames, n_channels * n_times_per_frame).

    Each channel is normalised to zero mean and unit deviation over train. Neighbouring frames overlap, which triples
    the size of a dataset; therefore they are cut for each batch.

    Args:
        stored: the segments.
        config: gives the length and the hop of frames.
        mean: (n_channels,) of train.
        deviation: (n_channels,) of train.
    """

    def __init__(self, stored: NDArray[Any], config: EegConfig, mean: Floats, deviation: Floats) -> None:
        count, channels, length = frames(stored[:1], config).shape[1:]
        super().__init__(stored, (count, channels * length))
        self._config = config
        self._mean = mean[:, None]
        self._deviation = deviation[:, None]

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Return (n_rows, n_frames, n_channels * n_times_per_frame) float32."""
        normal = (self.stored[self.selected[rows]] - self._mean) / self._deviation
        return frames(normal, self._config).reshape(-1, *self.sample_shape)


def create(config: FramesView, data: Prepared) -> ViewFunction:
    """Return the function that cuts segments into frames.

    Args:
        config: has no settings.
        data: gives the length and the hop of frames, and the statistics of train.
    """
    source = EegConfig.model_validate(data.manifest["source"])
    statistics = channel_statistics(data)
    return lambda x: SignalFrames(x, source, *statistics)

"""The view ``frames``: signals as overlapping frames.

Shawki et al. 2021, section IV: 0.1-second frames with 0.3-second windows.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from blindtune.datasets.eeg.segments import frames
from blindtune.views.base import Floats, Rows, SampleView, ViewFunction, ViewInputs
from blindtune.views.config import FramesView
from blindtune.views.normalization import channel_statistics


class SignalFrames(SampleView):
    """Segments (n_samples, n_channels, n_times) as (n_samples, n_frames, n_channels * n_times_per_frame).

    Each channel is normalised to zero mean and unit deviation over train. Neighbouring frames overlap, which triples
    the size of a dataset; therefore they are cut for each batch.

    Args:
        stored: the segments.
        source: the config keys ``frame_length``, ``frame_hop`` and ``sfreq`` of the dataset.
        mean: (n_channels,) of train.
        deviation: (n_channels,) of train.
    """

    def __init__(self, stored: NDArray[Any], source: Mapping[str, Any], mean: Floats, deviation: Floats) -> None:
        self._keys = dict(source)
        count, channels, length = frames(stored[:1], **self._keys).shape[1:]
        super().__init__(stored, (count, channels * length))
        self._mean = mean[:, None]
        self._deviation = deviation[:, None]

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Return (n_rows, n_frames, n_channels * n_times_per_frame) float32."""
        normal = (self.stored[self.selected[rows]] - self._mean) / self._deviation
        return frames(normal, **self._keys).reshape(-1, *self.sample_shape)


def create(config: FramesView, inputs: ViewInputs) -> ViewFunction:
    """Return the function that cuts segments into frames.

    Args:
        config: has no settings.
        inputs: the length and the hop of frames, and the statistics of train.
    """
    statistics = channel_statistics(inputs)
    return lambda x: SignalFrames(x, inputs.source, *statistics)

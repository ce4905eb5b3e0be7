"""Signals as overlapping frames (Shawki et al. 2021, section IV: 0.1-second frames with 0.3-second windows)."""

from typing import Any

from numpy.typing import NDArray

from blindtune.datasets.eeg.config import Eeg
from blindtune.datasets.eeg.segments import frames
from blindtune.views.base import Floats, Rows, SampleView


class Framed(SampleView):
    """Segments (samples, channels, time) as (samples, frames, channels x samples of a frame).

    Each channel has the mean and the deviation of train taken out. Neighbouring frames share samples, so that a
    dataset in frames is three times as large: they are cut when they are asked for.
    """

    def __init__(self, stored: NDArray[Any], settings: Eeg, mean: Floats, deviation: Floats) -> None:
        count, channels, length = frames(stored[:1], settings).shape[1:]
        super().__init__(stored, (count, channels * length))
        self._settings = settings
        self._mean = mean[:, None]
        self._deviation = deviation[:, None]

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """(rows, frames, channels x samples of a frame) float32."""
        normal = (self.stored[self._chosen[rows]] - self._mean) / self._deviation
        return frames(normal, self._settings).reshape(-1, *self.sample)

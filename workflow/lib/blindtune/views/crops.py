"""The view ``crops``: random crops of pictures in training, fixed crops in scoring (Shawki et al. 2021, section IV).

The paper does not define its jittering and rotating. Here each colour of a crop is scaled and shifted slightly, and
crops are rotated by multiples of 90 degrees and mirrored: that is lossless and suits tissue, which has no upright.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.views.base import Floats, Rows, SampleView, ViewFunction, ViewInputs
from blindtune.views.colors import jitter_colors
from blindtune.views.config import CropsView
from blindtune.views.normalization import make_normalized


class ImageCrops(SampleView):
    """Pictures (n_samples, n_rows, n_columns, n_channels) as crops (n_samples, side, side, n_channels).

    Each channel is normalised to zero mean and unit deviation over train. Only the part of a memory-mapped picture
    that the crop covers is read.

    Args:
        stored: the pictures.
        config: of the view.
        mean: (n_channels,) of train.
        deviation: (n_channels,) of train.

    Raises:
        ValueError: a crop is larger than the pictures.
    """

    is_random = True

    def __init__(self, stored: NDArray[Any], config: CropsView, mean: Floats, deviation: Floats) -> None:
        super().__init__(stored, (config.side, config.side, stored.shape[3]))
        self.n_eval_crops = config.n_eval_crops
        self._config = config
        # For a whole row of a crop: broadcasting over it is ten times as fast as over the few channels of a pixel.
        self._mean = np.tile(mean, config.side)
        self._deviation = np.tile(deviation, config.side)
        self._extent = config.side * config.downsample
        # The last row and the last column at which a crop can begin.
        self._room = (stored.shape[1] - self._extent, stored.shape[2] - self._extent)
        if min(self._room) < 0:
            raise ValueError(
                f"view: side {config.side} times downsample {config.downsample} is {self._extent} pixels, but the "
                f"pictures are {stored.shape[1]} x {stored.shape[2]}. Lower one of the two"
            )

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Return (n_rows * n_eval_crops, side, side, n_channels) float32, each sample's crops from an even grid."""
        places = [(top, left) for top in self._grid(0) for left in self._grid(1)]
        chosen = self.selected[rows]
        crops = [self._crop(number, top, left) for number in chosen for top, left in places]
        return self._normalize(np.stack(crops)) if crops else np.empty((0, *self.sample_shape), np.float32)

    def train_batch(self, rows: Rows, random: np.random.Generator) -> Floats:
        """Return (n_rows, side, side, n_channels) float32, one random crop per sample."""
        chosen = self.selected[rows]
        tops, lefts = (random.integers(room + 1, size=len(chosen)) for room in self._room)
        turns, mirrors = random.integers(4, size=len(chosen)), random.integers(2, size=len(chosen))
        out = np.empty((len(chosen), *self.sample_shape), np.float32)
        for number, top, left, turn, mirror, crop in zip(chosen, tops, lefts, turns, mirrors, out, strict=True):
            cut = self._crop(number, top, left)
            if self._config.rotate:
                cut = np.rot90(cut[::-1] if mirror else cut, turn)
            crop[:] = cut
        return jitter_colors(self._normalize(out), self._config.jitter, random)

    def _grid(self, axis: int) -> list[int]:
        """Return where the fixed crops begin along an axis: in the middle, or evenly from edge to edge."""
        count, room = math.isqrt(self.n_eval_crops), self._room[axis]
        return [room // 2] if count == 1 else [round(number * room / (count - 1)) for number in range(count)]

    def _crop(self, number: int, top: int, left: int) -> NDArray[Any]:
        cut = self.stored[number, top : top + self._extent, left : left + self._extent]
        factor, side = self._config.downsample, self._config.side
        if factor == 1:
            return np.asarray(cut)
        # Sums of small integers are exact, and adding slices is much faster than averaging blocks.
        rows = np.zeros((side, *cut.shape[1:]), np.float32)
        for first in range(factor):
            rows += cut[first::factor]
        blocks = rows[:, ::factor].copy()
        for first in range(1, factor):
            blocks += rows[:, first::factor]
        return np.asarray(blocks / np.float32(factor**2))

    def _normalize(self, crops: NDArray[Any]) -> Floats:
        rows = crops.reshape(len(crops), self._config.side, -1)
        return np.asarray((rows - self._mean) / self._deviation, dtype=np.float32).reshape(crops.shape)


def create(config: CropsView, inputs: ViewInputs) -> ViewFunction:
    """Return the function that crops pictures.

    Args:
        config: of the view.
        inputs: the statistics of train, and the name for messages.

    Raises:
        UserError: raised by the function: a crop is larger than the pictures.
    """
    return make_normalized(lambda x, mean, deviation: ImageCrops(x, config, mean, deviation), inputs)

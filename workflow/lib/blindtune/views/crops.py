"""Pictures as crops: random, jittered, turned ones in training, fixed ones in scoring (Shawki et al. 2021, section IV).

What the paper calls jittering and rotating it does not say; here, each colour of a crop is scaled and shifted by a
little, and crops are turned by quarters and mirrored, which loses nothing and suits tissue, which has no upright.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.views.base import Floats, Rows, SampleView
from blindtune.views.config import CropsView


class Cropped(SampleView):
    """Pictures (samples, rows, columns, channels) as crops (samples, side, side, channels).

    Each channel has the mean and the deviation of train taken out. Of a memory-mapped picture only what the crop
    covers is read.

    Raises:
        ValueError: a crop is larger than the pictures.
    """

    is_random = True

    def __init__(self, stored: NDArray[Any], settings: CropsView, mean: Floats, deviation: Floats) -> None:
        super().__init__(stored, (settings.side, settings.side, stored.shape[3]))
        self.n_eval_crops = settings.n_eval_crops
        self._settings = settings
        # Of a whole row of a crop: ten times as fast as over the few channels of each pixel.
        self._mean = np.tile(mean, settings.side)
        self._deviation = np.tile(deviation, settings.side)
        self._reach = settings.side * settings.downsample
        #: The last place where a crop can begin, by row and column.
        self._room = (stored.shape[1] - self._reach, stored.shape[2] - self._reach)
        if min(self._room) < 0:
            raise ValueError(
                f"sees: side {settings.side} times downsample {settings.downsample} is {self._reach} pixels, but the "
                f"pictures are {stored.shape[1]} x {stored.shape[2]}. Lower one of the two"
            )

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """(rows x looks, side, side, channels) float32, each sample's crops from an even grid."""
        places = [(top, left) for top in self._grid(0) for left in self._grid(1)]
        chosen = self._chosen[rows]
        crops = [self._crop(number, top, left) for number in chosen for top, left in places]
        return self._normal(np.stack(crops)) if crops else np.empty((0, *self.sample), np.float32)

    def train_batch(self, rows: Rows, random: np.random.Generator) -> Floats:
        """(rows, side, side, channels) float32, one random crop of each sample."""
        chosen = self._chosen[rows]
        tops, lefts = (random.integers(room + 1, size=len(chosen)) for room in self._room)
        turns, mirrored = random.integers(4, size=len(chosen)), random.integers(2, size=len(chosen))
        out = np.empty((len(chosen), *self.sample), np.float32)
        for number, top, left, turn, mirror, crop in zip(chosen, tops, lefts, turns, mirrored, out, strict=True):
            cut = self._crop(number, top, left)
            if self._settings.rotate:
                cut = np.rot90(cut[::-1] if mirror else cut, turn)
            crop[:] = cut
        return self._jittered(self._normal(out), random)

    def _grid(self, axis: int) -> list[int]:
        """Where the fixed crops begin along an axis: in the middle, or from the one edge to the other."""
        count, room = math.isqrt(self.n_eval_crops), self._room[axis]
        return [room // 2] if count == 1 else [round(number * room / (count - 1)) for number in range(count)]

    def _crop(self, number: int, top: int, left: int) -> NDArray[Any]:
        cut = self.stored[number, top : top + self._reach, left : left + self._reach]
        factor, side = self._settings.downsample, self._settings.side
        if factor == 1:
            return np.asarray(cut)
        # Sums of small integers are exact, and by slices much faster than means of blocks.
        rows = np.zeros((side, *cut.shape[1:]), np.float32)
        for first in range(factor):
            rows += cut[first::factor]
        blocks = rows[:, ::factor].copy()
        for first in range(1, factor):
            blocks += rows[:, first::factor]
        return np.asarray(blocks / np.float32(factor**2))

    def _normal(self, crops: NDArray[Any]) -> Floats:
        rows = crops.reshape(len(crops), self._settings.side, -1)
        return np.asarray((rows - self._mean) / self._deviation, dtype=np.float32).reshape(crops.shape)

    def _jittered(self, crops: Floats, random: np.random.Generator) -> Floats:
        share, side = self._settings.jitter, self._settings.side
        if not share:
            return crops
        shape = (len(crops), 1, crops.shape[3])
        scale, shift = (random.uniform(-share, share, shape).astype(np.float32) for _ in range(2))
        rows = crops.reshape(len(crops), side, -1)
        return (rows * np.tile(1 + scale, side) + np.tile(shift, side)).reshape(crops.shape)

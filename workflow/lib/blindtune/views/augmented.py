"""The view ``augmented``: whole pictures, mirrored, shifted and changed in colour at random in training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.views.base import Floats, Rows, SampleView, ViewFunction, ViewInputs
from blindtune.views.colors import jitter_colors
from blindtune.views.config import AugmentedView
from blindtune.views.normalization import make_normalized


class AugmentedPictures(SampleView):
    """Pictures (n_samples, n_rows, n_columns, n_channels), each channel with zero mean and unit deviation over train.

    Args:
        stored: the pictures.
        config: of the view.
        mean: (n_channels,) of train.
        deviation: (n_channels,) of train.

    Raises:
        ValueError: the shift is not smaller than the pictures.
    """

    is_random = True

    def __init__(self, stored: NDArray[Any], config: AugmentedView, mean: Floats, deviation: Floats) -> None:
        super().__init__(stored, tuple(stored.shape[1:]))
        self._config = config
        self._mean, self._deviation = mean, deviation
        if config.shift >= min(stored.shape[1:3]):
            raise ValueError(
                f"view: shift {config.shift} is not smaller than the pictures, {stored.shape[1]} x {stored.shape[2]}. "
                "Lower it"
            )

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Return (n_rows, n_rows, n_columns, n_channels) float32, unchanged but normalised."""
        return np.asarray((self.stored[self.selected[rows]] - self._mean) / self._deviation, dtype=np.float32)

    def train_batch(self, rows: Rows, random: np.random.Generator) -> Floats:
        """Return pictures as `eval_batch`, changed at random."""
        pictures = self.eval_batch(rows)
        count, shift = len(pictures), self._config.shift
        # All are drawn in any case, so that one setting does not change what another draws.
        mirror, turn = (random.integers(2, size=count).astype(bool) for _ in range(2))
        tops, lefts = (random.integers(2 * shift + 1, size=count) for _ in range(2))
        if self._config.mirror:
            pictures[mirror] = pictures[mirror, :, ::-1]
        if self._config.upside_down:
            pictures[turn] = pictures[turn, ::-1]
        if shift:
            n_rows, n_columns = pictures.shape[1:3]
            padded = np.pad(pictures, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect")
            for picture, margin, top, left in zip(pictures, padded, tops, lefts, strict=True):
                picture[:] = margin[top : top + n_rows, left : left + n_columns]
        return jitter_colors(pictures, self._config.jitter, random)


def create(config: AugmentedView, inputs: ViewInputs) -> ViewFunction:
    """Return the function that augments pictures.

    Args:
        config: of the view.
        inputs: the statistics of train, and the name for messages.

    Raises:
        UserError: raised by the function: the shift is too large.
    """
    return make_normalized(lambda x, mean, deviation: AugmentedPictures(x, config, mean, deviation), inputs)

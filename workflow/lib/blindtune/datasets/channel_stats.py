"""Mean and deviation of each channel of train, computed while it is written; bit-identical for any chunks."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ChannelStatistics:
    """Mean and deviation of each channel, accumulated over chunks.

    `add` is called with every chunk of train in order, then `result` once.
    """

    def __init__(self, axis: int) -> None:
        """Begin without samples.

        Args:
            axis: axis of the channels; axis 0 is that of the samples.
        """
        self._axis = axis
        #: For bytes: how often each channel has each value.
        self._counts: NDArray[np.int64] | None = None
        #: For other types: an offset of each channel that is subtracted before summing, the number of values per
        #: sample, and for each sample the sum and the sum of squares of each channel.
        self._offset: NDArray[np.float64] | None = None
        self._values = 0
        self._sums: list[NDArray[np.float64]] = []
        self._squares: list[NDArray[np.float64]] = []

    def add(self, samples: NDArray[Any]) -> None:
        """Add the next chunk of samples, (n_chunk, ...)."""
        for sample in samples:
            rows = np.moveaxis(sample, self._axis - 1, 0).reshape(samples.shape[self._axis], -1)
            if samples.dtype == np.uint8:
                self._count(rows)
            else:
                # In one memory order, because the order of a sum changes its last digit.
                self._sum(np.ascontiguousarray(rows, np.float64))

    def result(self) -> dict[str, list[float]]:
        """Return mean and population standard deviation of each channel.

        Returns:
            ``mean`` and ``deviation``, lists with a value for each channel.

        Raises:
            ValueError: nothing was added.
        """
        if self._counts is not None:
            return _as_lists([_moments_from_counts(counts) for counts in self._counts.tolist()])
        if self._offset is None:
            raise ValueError("no samples were added")
        return _as_lists(
            [
                _moments_from_sums(offset, sums, squares, len(self._sums) * self._values)
                for offset, sums, squares in zip(
                    self._offset.tolist(), np.transpose(self._sums), np.transpose(self._squares), strict=True
                )
            ]
        )

    def _count(self, rows: NDArray[np.uint8]) -> None:
        if self._counts is None:
            self._counts = np.zeros((len(rows), 256), np.int64)
        self._counts += np.stack([np.bincount(row, minlength=256) for row in rows])

    def _sum(self, rows: NDArray[np.float64]) -> None:
        if self._offset is None:
            # Sums around an offset near the mean lose no digits if the mean is far from 0.
            self._offset, self._values = rows.mean(axis=1), rows.shape[1]
        rows = rows - self._offset[:, None]
        self._sums.append(rows.sum(axis=1))
        self._squares.append(np.square(rows).sum(axis=1))


def _moments_from_counts(counts: list[int]) -> tuple[float, float]:
    """Return mean and deviation of counted values; Python integers are exact."""
    number = sum(counts)
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value * value * count for value, count in enumerate(counts))
    return total / number, math.sqrt((number * squares - total * total) / (number * number))


def _moments_from_sums(
    offset: float, sums: Sequence[float], squares: Sequence[float], number: int
) -> tuple[float, float]:
    """Return mean and deviation from sums of samples; fsum rounds once, so order and grouping do not matter."""
    mean = math.fsum(sums) / number
    return offset + mean, math.sqrt(max(0.0, math.fsum(squares) / number - mean * mean))


def _as_lists(found: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    return {"mean": [mean for mean, _ in found], "deviation": [deviation for _, deviation in found]}

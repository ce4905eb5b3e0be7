"""Mean and deviation of each channel of train, gathered while it is written; whatever the chunks, to the last bit."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Channels:
    """Takes samples a few at a time."""

    def __init__(self, axis: int) -> None:
        """``axis`` is that of the channels, the one of the samples counted."""
        self._axis = axis
        #: Of bytes: how often each channel has each value.
        self._counts: NDArray[np.int64] | None = None
        #: Of anything else: about which value each channel is summed, values per sample, and for each sample the sum
        #: and the sum of squares of each channel.
        self._about: NDArray[np.float64] | None = None
        self._values = 0
        self._sums: list[NDArray[np.float64]] = []
        self._squares: list[NDArray[np.float64]] = []

    def add(self, samples: NDArray[Any]) -> None:
        """Take the next ``samples``, (some, ...)."""
        for sample in samples:
            rows = np.moveaxis(sample, self._axis - 1, 0).reshape(samples.shape[self._axis], -1)
            if samples.dtype == np.uint8:
                self._count(rows)
            else:
                # In one order of memory, since the order of a sum changes its last digit.
                self._sum(np.ascontiguousarray(rows, np.float64))

    def result(self) -> dict[str, list[float]]:
        """``mean`` and ``deviation`` (over the number of values, not one less), a value for each channel.

        Raises:
            ValueError: nothing was added.
        """
        if self._counts is not None:
            return _as_lists([_of_counts(counts) for counts in self._counts.tolist()])
        if self._about is None:
            raise ValueError("no samples were added")
        return _as_lists(
            [
                _of_sums(about, sums, squares, len(self._sums) * self._values)
                for about, sums, squares in zip(
                    self._about.tolist(), np.transpose(self._sums), np.transpose(self._squares), strict=True
                )
            ]
        )

    def _count(self, rows: NDArray[np.uint8]) -> None:
        if self._counts is None:
            self._counts = np.zeros((len(rows), 256), np.int64)
        self._counts += np.stack([np.bincount(row, minlength=256) for row in rows])

    def _sum(self, rows: NDArray[np.float64]) -> None:
        if self._about is None:
            # Sums about a value amid the others lose no digits where the mean is far from 0.
            self._about, self._values = rows.mean(axis=1), rows.shape[1]
        rows = rows - self._about[:, None]
        self._sums.append(rows.sum(axis=1))
        self._squares.append(np.square(rows).sum(axis=1))


def _of_counts(counts: list[int]) -> tuple[float, float]:
    """Mean and deviation of values that were counted; Python's integers are exact."""
    number = sum(counts)
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value * value * count for value, count in enumerate(counts))
    return total / number, math.sqrt((number * squares - total * total) / (number * number))


def _of_sums(about: float, sums: Sequence[float], squares: Sequence[float], number: int) -> tuple[float, float]:
    """Mean and deviation from the sums of samples; fsum rounds once, so no order or grouping counts."""
    mean = math.fsum(sums) / number
    return about + mean, math.sqrt(max(0.0, math.fsum(squares) / number - mean * mean))


def _as_lists(found: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    return {"mean": [mean for mean, _ in found], "deviation": [deviation for _, deviation in found]}

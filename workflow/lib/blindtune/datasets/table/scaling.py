"""Standardization of the numbers of a table, fitted on train."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.chunked import iterate_chunks


@dataclass(frozen=True)
class Scaling:
    """Mean and scale of the first features of a sample; the others, such as categories, stay as they are.

    Attributes:
        mean: of each number over train.
        scale: standard deviation of each number over train; 1 for one that is constant.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, x: NDArray[np.float32], n_numbers: int) -> Self:
        """Fit scikit-learn's `StandardScaler` on train.

        Args:
            x: samples of train, (n_samples, n_features).
            n_numbers: number of features that are scaled, the first ones.
        """
        from sklearn.preprocessing import StandardScaler

        if n_numbers == 0:
            return cls((), ())
        scaler = StandardScaler()
        for chunk in iterate_chunks(x):
            scaler.partial_fit(chunk[:, :n_numbers].astype(np.float64))
        return cls(tuple(scaler.mean_.tolist()), tuple(scaler.scale_.tolist()))

    def to_plain(self) -> dict[str, list[float]]:
        """Return the scaling as plain data."""
        return {"mean": list(self.mean), "scale": list(self.scale)}

    @classmethod
    def from_plain(cls, plain: dict[str, list[float]]) -> Self:
        """Return the scaling that `to_plain` described."""
        return cls(tuple(plain["mean"]), tuple(plain["scale"]))

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return scaled samples, (n_samples, n_features) float32.

        Args:
            x: samples as they are stored.
        """
        from sklearn.preprocessing import StandardScaler

        scaled = np.array(x, np.float32)
        count = len(self.mean)
        if count == 0 or len(scaled) == 0:
            return scaled
        scaler = StandardScaler()
        scaler.mean_, scaler.scale_ = np.array(self.mean), np.array(self.scale)
        scaler.n_features_in_ = count
        step = max(1, 2**20 // count)
        for first in range(0, len(scaled), step):
            rows = slice(first, first + step)
            scaled[rows, :count] = scaler.transform(scaled[rows, :count].astype(np.float64))
        return scaled

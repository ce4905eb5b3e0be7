"""Stored samples as a model sees them, made when they are asked for: nothing of a dataset need fit into memory."""

from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

#: Values of as many samples as are seen at once, outside of training.
AT_ONCE = 2**22


class SampleView:
    """Samples behind a view.

    Attributes:
        stored: (samples, ...) as they lie on the disk.
        sample: shape of one sample as the model sees it.
        n_eval_crops: how often each sample is looked at when it is scored; the scores are averaged.
        draws: whether training sees something else in each epoch.
    """

    n_eval_crops = 1
    is_random = False

    def __init__(self, stored: NDArray[Any], sample: tuple[int, ...]) -> None:
        self.stored = stored
        self.sample = sample
        self._chosen: Rows = np.arange(len(stored))

    @property
    def shape(self) -> tuple[int, ...]:
        """(samples, ...) as a model sees them."""
        return (len(self), *self.sample)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._chosen)

    def __getitem__(self, rows: Rows) -> Self:
        """Some of the samples, behind the same view."""
        part = copy(self)
        part._chosen = self._chosen[rows]
        return part

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Samples to be scored: (rows x looks, ...), those of one sample behind each other."""
        raise NotImplementedError

    def train_batch(self, rows: Rows, random: np.random.Generator) -> Floats:
        """Samples to be trained on: (rows, ...)."""
        return self.eval_batch(rows)

    def batches(self) -> list[slice]:
        """All samples in their order, so many at a time as may be looked at at once."""
        count = max(1, AT_ONCE // (int(np.prod(self.sample)) * self.n_eval_crops))
        return [slice(first, min(first + count, len(self))) for first in range(0, len(self), count)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All samples at once, for what cannot take them part by part; raises TypeError where there are many looks."""
        if self.n_eval_crops > 1:
            raise TypeError("samples that are looked at several times are no array")
        whole = np.empty(self.shape, dtype or np.float32)
        for part in self.batches():
            whole[part] = self.eval_batch(part)
        return whole


class AsFloats(SampleView):
    """Samples as they are stored, whatever their type, as float32."""

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """As they are stored."""
        return self.stored[self._chosen[rows]].astype(np.float32)

"""The view ``samples``: samples as they are stored, as float32."""

from typing import Any

from numpy import float32
from numpy.typing import NDArray

from blindtune.views.base import Floats, Rows, SampleView, ViewFunction, ViewInputs
from blindtune.views.config import ViewConfig


class StoredSamples(SampleView):
    """Samples of any type, converted to float32 when a batch is asked for."""

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Return the stored values of some samples as float32."""
        return self.stored[self.selected[rows]].astype(float32)


def create(config: ViewConfig, inputs: ViewInputs) -> ViewFunction:
    """Return the function that shows samples as they are stored.

    Args:
        config: has no settings.
        inputs: nothing of them is used.
    """
    return _as_float32


def _as_float32(x: NDArray[Any]) -> Floats | SampleView:
    return x if x.dtype == float32 else StoredSamples(x, x.shape[1:])

"""The view ``standardized``: samples of a table, each number scaled to zero mean and unit deviation over train."""

from blindtune.datasets.table.scaling import Scaling
from blindtune.views.base import ViewFunction, ViewInputs
from blindtune.views.config import StandardizedView


def create(config: StandardizedView, inputs: ViewInputs) -> ViewFunction:
    """Return the function that scales stored samples.

    Args:
        config: has no settings.
        inputs: the scaling that the source fitted on train.
    """
    return Scaling.from_plain(inputs.fitted["scaling"]).apply

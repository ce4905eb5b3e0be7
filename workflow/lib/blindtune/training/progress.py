"""What follows from the losses on dev so far: whether a training ends early, and the next learning rate."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from blindtune.config.training import Training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Name of the losses in the state of a training.
_LOSSES = "dev_losses"


class _Patience:
    """Counts epochs since the loss was lowest."""

    def __init__(self, min_delta: float) -> None:
        self._min_delta = min_delta
        self._lowest = math.inf
        self.waited = 0

    def add(self, loss: float) -> None:
        if loss < self._lowest - self._min_delta:
            self._lowest, self.waited = loss, 0
        else:
            self.waited += 1


class Progress:
    """The losses on dev of a training, and what they decide.

    It depends on the losses and the settings alone: a training that resumes from a state goes on as if it had not
    stopped.
    """

    def __init__(self, training: Training, losses: "Iterable[float] | NDArray[np.float64]" = ()) -> None:
        """Begin after some epochs.

        Args:
            training: the settings.
            losses: on dev, of each epoch so far; nobody asks for them if the settings do not depend on them.
        """
        self._training = training
        self._stopping = _Patience(training.min_delta)
        self._plateau = _Patience(0.0)
        self._n_reductions = 0
        self._losses: list[float] = []
        for loss in losses:
            self.add(float(loss))

    def add(self, loss: float) -> None:
        """Add the loss of the next epoch."""
        self._losses.append(loss)
        self._stopping.add(loss)
        self._plateau.add(loss)
        if self._plateau.waited >= self._training.epochs_of_schedule():
            self._n_reductions += 1
            self._plateau.waited = 0

    def ends_early(self) -> bool:
        """Return whether early stopping ends the training now."""
        patience = self._training.early_stopping
        return patience is not None and self._stopping.waited >= patience

    def learning_rate(self, epochs_done: int) -> float | None:
        """Return the learning rate of the next epoch; None if it never changes.

        Args:
            epochs_done: epochs trained so far.
        """
        training, epochs = self._training, self._training.epochs_of_schedule()
        match training.schedule:
            case "constant":
                return None
            case "cosine":
                return training.learning_rate * (1 + math.cos(math.pi * min(1.0, epochs_done / epochs))) / 2
            case "step":
                return training.learning_rate * training.schedule_factor ** (epochs_done // epochs)
            case "plateau":
                return training.learning_rate * training.schedule_factor**self._n_reductions

    def arrays(self) -> "dict[str, NDArray[np.float64]]":
        """Return what a state must hold: the losses, if the settings depend on them."""
        import numpy as np

        needed = self._training.early_stopping is not None or self._training.schedule == "plateau"
        return {_LOSSES: np.array(self._losses, dtype=np.float64)} if needed else {}


def resume_progress(training: Training, arrays: "dict[str, NDArray[np.float64]]") -> Progress:
    """Return the progress of a training that resumes.

    Args:
        training: the settings.
        arrays: of the state from which it resumes; empty: it begins.
    """
    return Progress(training, arrays.get(_LOSSES, ()))

"""The interface of a tuner: it proposes hyperparameters and hears scores, and does nothing else.

A tuner is one module of this package with a pydantic model derived from `TunerSettings`. Its state is
never stored: after a kill it is asked again, told the recorded scores, and so brought to where it was.
"""

from dataclasses import dataclass
from typing import Protocol

from blindtune.spaces import Hyperparameters, Space
from blindtune.strict import Strict
from blindtune.trials import Trial


@dataclass(frozen=True)
class Proposal:
    """One hyperparameter set to try.

    Attributes:
        hyperparameters: the active values.
        parent: number of the trial that this one continues; None for a new one.
    """

    hyperparameters: Hyperparameters
    parent: int | None = None


class Tuner(Protocol):
    """What the study asks of a tuner."""

    def ask(self) -> Proposal | None:
        """The next proposal, or None where the tuner has no more."""

    def tell(self, trial: Trial) -> None:
        """The record of the proposal asked for last; `Trial.told` is the error it is to be ranked by."""


class TunerSettings(Strict):
    """The config of a tuner: what every one has in common."""

    def check(self, space: Space) -> None:
        """Refuse, while the study is planned, what the library cannot express.

        Raises:
            ValueError: the message names the dimension.
        """

    def start(self, space: Space, trials: int, seed: int) -> Tuner:
        """A fresh tuner.

        Args:
            space: the search space.
            trials: the budget in trials.
            seed: seeds the proposals.
        """
        raise NotImplementedError


class Given:
    """Proposes the sets of a list, in order: manual models and the candidates of a baseline."""

    def __init__(self, sets: list[Hyperparameters]) -> None:
        self._waiting = list(sets)

    def ask(self) -> Proposal | None:
        """The next set of the list."""
        return Proposal(self._waiting.pop(0)) if self._waiting else None

    def tell(self, trial: Trial) -> None:
        """Nothing to learn."""


def check_grid(space: Space) -> None:
    """Refuse dimensions without a list of values, which no grid can hold; raises ValueError naming the first."""
    for name, dimension in space.root.items():
        if dimension.values() is None or getattr(dimension, "log", False):
            raise ValueError(f"{name}: a grid needs a list of values; give it a step or use a choice")

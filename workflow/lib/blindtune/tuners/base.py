"""The interface of a tuner: it proposes hyperparameters and hears scores, and does nothing else.

A tuner is one module of this package with a pydantic model derived from `TunerSettings`. Its state is
never stored: after a kill it is asked again, told the recorded scores, and so brought to where it was.
"""

from dataclasses import dataclass
from typing import Protocol

from blindtune.spaces import Hyperparameters, Space
from blindtune.strict import Strict


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

    def tell(self, proposal: Proposal, error: float) -> None:
        """The dev error (0 to 1) of the proposal asked for last; the worst legal value if it has none."""


class TunerSettings(Strict):
    """The config of a tuner: what every one has in common."""

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

    def tell(self, proposal: Proposal, error: float) -> None:
        """Nothing to learn."""

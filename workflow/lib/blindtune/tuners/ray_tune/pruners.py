"""Config of Ray Tune's schedulers that end trainings early, with Ray's arguments. Time is counted in epochs, from 1."""

import math
from typing import Annotated, Literal

from pydantic import Field

from blindtune.core.bounds import MAX_EPOCHS, MAX_FACTOR, MAX_TRIALS
from blindtune.core.validation import Strict

#: More brackets than any training has rungs.
_MAX_BRACKETS = 32


class _RayPrunerConfig(Strict):
    def check(self, max_epochs: int) -> None:
        """Refuse what the scheduler cannot do.

        Args:
            max_epochs: epochs of the longest training.

        Raises:
            ValueError: the message names the key.
        """


class RayNoPrunerConfig(_RayPrunerConfig):
    """No scheduler: every trial is trained to its end."""

    algorithm: Literal["none"] = "none"


class RayAshaPrunerConfig(_RayPrunerConfig):
    """ASHAScheduler: asynchronous successive halving, at epochs that grow by a factor."""

    algorithm: Literal["asha"]
    grace_period: int = Field(default=1, gt=0, le=MAX_EPOCHS, description="epoch of the first decision")
    reduction_factor: int = Field(
        default=4, ge=2, le=MAX_FACTOR, description="one trial in this many goes on, to this many times the epochs"
    )
    brackets: int = Field(
        default=1,
        gt=0,
        le=_MAX_BRACKETS,
        description="number of brackets, each of which decides later for the first time; a trial gets one at random",
    )

    def check(self, max_epochs: int) -> None:
        """Refuse decisions after the end, and brackets without any decision."""
        if self.grace_period > max_epochs:
            raise ValueError(f"pruner: grace_period: {self.grace_period} is above the {max_epochs} epochs of training")
        rungs = int(math.log(max_epochs / self.grace_period) / math.log(self.reduction_factor)) + 1
        if self.brackets > rungs:
            raise ValueError(f"pruner: brackets: {self.brackets} is above the {rungs} epochs at which it can decide")


class RayMedianPrunerConfig(_RayPrunerConfig):
    """MedianStoppingRule: ends a trial whose best error is worse than the median of the running means of the others."""

    algorithm: Literal["median"]
    grace_period: int = Field(
        default=1, gt=0, le=MAX_EPOCHS, description="epoch of the first decision; earlier errors are no part of a mean"
    )
    min_samples_required: int = Field(
        default=3, gt=0, le=MAX_TRIALS, description="number of other trials of as many epochs before any is ended"
    )


RayPrunerConfig = Annotated[
    RayNoPrunerConfig | RayAshaPrunerConfig | RayMedianPrunerConfig, Field(discriminator="algorithm")
]

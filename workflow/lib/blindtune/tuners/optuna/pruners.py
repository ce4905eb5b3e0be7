"""Config of Optuna's pruners, with Optuna's arguments and defaults.

A step is an epoch, counted from 1: a training that has reached step n has spent n epochs.
"""

from typing import Annotated, Literal

from pydantic import Field

from blindtune.core.bounds import MAX_EPOCHS, MAX_FACTOR, MAX_TRIALS
from blindtune.core.validation import Strict
from blindtune.search_space import Space
from blindtune.tuners.base import check_fidelity


class _BasePrunerConfig(Strict):
    def check(self, space: Space, epochs: int) -> None:
        """Refuse what the pruner cannot express.

        Args:
            space: the search space.
            epochs: epochs of one complete training.

        Raises:
            ValueError: the message names the dimension or the key.
        """


class NoPrunerConfig(_BasePrunerConfig):
    """No pruner: every trial is trained to its end."""

    algorithm: Literal["none"] = "none"


class MedianPrunerConfig(_BasePrunerConfig):
    """Prunes a trial whose best error so far is worse than the median of the others at the same epoch."""

    algorithm: Literal["median"]
    n_startup_trials: int = Field(
        default=5, ge=0, le=MAX_TRIALS, description="number of trials that complete before any is pruned"
    )
    n_warmup_steps: int = Field(default=0, ge=0, le=MAX_EPOCHS, description="no trial is pruned before this epoch")


class SuccessiveHalvingPrunerConfig(_BasePrunerConfig):
    """Prunes all but the best share of the earlier trials, at epochs that grow by a factor."""

    algorithm: Literal["successive-halving"]
    min_resource: int | None = Field(
        default=None,
        gt=0,
        le=MAX_EPOCHS,
        description="epoch of the first decision; null: a hundredth of the epochs of the first complete trial, or 1",
    )
    reduction_factor: int = Field(
        default=4, ge=2, le=MAX_FACTOR, description="one trial in this many goes on, to this many times the epochs"
    )


class HyperbandPrunerConfig(_BasePrunerConfig):
    """Successive halving in several brackets, each with another first epoch; the last one ends with the training."""

    algorithm: Literal["hyperband"]
    min_resource: int = Field(default=1, gt=0, le=MAX_EPOCHS, description="epoch of the first decision")
    reduction_factor: int = Field(
        default=3, ge=2, le=MAX_FACTOR, description="one trial in this many goes on, to this many times the epochs"
    )

    def check(self, space: Space, epochs: int) -> None:
        """Refuse searched or too few epochs: the brackets follow from the epochs of a complete training."""
        check_fidelity(space, "Optuna's hyperband pruner")
        if self.min_resource > epochs:
            raise ValueError(f"pruner: min_resource: {self.min_resource} is above the {epochs} epochs of training")


PrunerConfig = Annotated[
    NoPrunerConfig | MedianPrunerConfig | SuccessiveHalvingPrunerConfig | HyperbandPrunerConfig,
    Field(discriminator="algorithm"),
]

"""Optuna's pruners, with their own arguments and defaults.

A step is an epoch, counted from 1: a training that has reached step n has spent n epochs.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from blindtune.core.validation import Strict
from blindtune.search_space import Space
from blindtune.tuners.base import check_fidelity

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


class _Pruner(Strict):
    def check(self, space: Space, epochs: int) -> None:
        """Refuse what the pruner cannot express; raises ValueError naming the dimension or the key."""

    def create(self, epochs: int) -> "BasePruner":
        """A fresh pruner for trainings of ``epochs``."""
        raise NotImplementedError


class NoPruner(_Pruner):
    """Every trial is trained to its end."""

    algorithm: Literal["none"] = "none"

    def create(self, epochs: int) -> "BasePruner":
        """The pruner that prunes nothing."""
        from optuna.pruners import NopPruner

        return NopPruner()


class MedianPruner(_Pruner):
    """Prunes a trial whose best error so far is worse than the median of the others at the same epoch."""

    algorithm: Literal["median"]
    n_startup_trials: int = Field(default=5, ge=0, description="trials that complete before any is pruned")
    n_warmup_steps: int = Field(default=0, ge=0, description="no trial is pruned before this epoch")

    def create(self, epochs: int) -> "BasePruner":
        """Optuna's MedianPruner."""
        from optuna.pruners import MedianPruner

        return MedianPruner(self.n_startup_trials, self.n_warmup_steps)


class SuccessiveHalvingPruner(_Pruner):
    """Prunes at epochs that grow by a factor all but the best share of the trials that came so far."""

    algorithm: Literal["successive-halving"]
    min_resource: int | None = Field(
        default=None,
        gt=0,
        description="epoch of the first decision; null: a hundredth of the first complete trial's, or 1",
    )
    reduction_factor: int = Field(
        default=4, ge=2, description="one of so many trials goes on, to so many times the epochs"
    )

    def create(self, epochs: int) -> "BasePruner":
        """Optuna's SuccessiveHalvingPruner."""
        from optuna.pruners import SuccessiveHalvingPruner

        return SuccessiveHalvingPruner(self.min_resource or "auto", self.reduction_factor)


class HyperbandPruner(_Pruner):
    """Successive halving in several brackets, each with another first epoch; the last one is that of training."""

    algorithm: Literal["hyperband"]
    min_resource: int = Field(default=1, gt=0, description="epoch of the first decision")
    reduction_factor: int = Field(
        default=3, ge=2, description="one of so many trials goes on, to so many times the epochs"
    )

    def check(self, space: Space, epochs: int) -> None:
        """Its brackets follow from the epochs of a whole training, so these must be known and not too few."""
        check_fidelity(space, "Optuna's hyperband pruner")
        if self.min_resource > epochs:
            raise ValueError(f"pruner: min_resource: {self.min_resource} lies above the {epochs} epochs of training")

    def create(self, epochs: int) -> "BasePruner":
        """Optuna's HyperbandPruner."""
        from optuna.pruners import HyperbandPruner

        return HyperbandPruner(self.min_resource, epochs, self.reduction_factor)


Pruner = Annotated[
    NoPruner | MedianPruner | SuccessiveHalvingPruner | HyperbandPruner, Field(discriminator="algorithm")
]

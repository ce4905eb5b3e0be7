"""Config of SMAC 3 (Lindauer et al. 2022)."""

from typing import Literal, Self

from pydantic import Field, model_validator

from blindtune.core.bounds import MAX_EPOCHS, MAX_FACTOR, MAX_TRIALS
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import Conditions, TunerConfig, check_fidelity

#: Keys that only some algorithms take.
_ALGORITHMS_OF_KEY = {
    "n_initial": ("forest", "multi-fidelity"),
    "eta": ("hyperband", "multi-fidelity"),
    "min_epochs": ("hyperband", "multi-fidelity"),
}


class SmacConfig(TunerConfig):
    """A facade of SMAC, an optional engine; a trial without a score is told as the worst error."""

    library: Literal["smac"]
    algorithm: Literal["random", "forest", "hyperband", "multi-fidelity"] = Field(
        description="random: draws of ConfigSpace; forest: HyperparameterOptimizationFacade, a random forest and "
        "expected improvement; hyperband: HyperbandFacade; multi-fidelity: MultiFidelityFacade, Hyperband whose sets "
        "come from a random forest"
    )
    n_initial: int | None = Field(
        default=None,
        gt=0,
        le=MAX_TRIALS,
        description="forest, multi-fidelity: number of sets before the forest is used; null: SMAC's rule, ten per "
        "hyperparameter, but at most a quarter of the trials that the budget allows",
    )
    eta: int | None = Field(
        default=None,
        ge=2,
        le=MAX_FACTOR,
        description="hyperband, multi-fidelity: one set in this many is promoted, to this many times the epochs; "
        "null: 3",
    )
    min_epochs: int | None = Field(
        default=None,
        gt=0,
        le=MAX_EPOCHS,
        description="hyperband, multi-fidelity: least epochs of the first rung; null: 1",
    )

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        for key, algorithms in _ALGORITHMS_OF_KEY.items():
            if getattr(self, key) is not None and self.algorithm not in algorithms:
                raise ValueError(f"{key}: only {' and '.join(algorithms)} take it; set it to null or take it out")
        return self

    @property
    def engine(self) -> str:
        """SMAC."""
        return "smac"

    @property
    def conditions(self) -> Conditions:
        """Exact: ConfigSpace has conditions."""
        return "exact"

    @property
    def depends_on_budget(self) -> bool:
        """Whether the budget decides how many sets come before the forest."""
        return self.algorithm in ("forest", "multi-fidelity") and self.n_initial is None

    @property
    def resumes_trials(self) -> bool:
        """Whether trials are promoted: with the two that allocate epochs."""
        return self.promotes_trials

    @property
    def promotes_trials(self) -> bool:
        """Whether good sets are tried again with more epochs."""
        return self.algorithm in ("hyperband", "multi-fidelity")

    @property
    def epoch_allocator(self) -> str | None:
        """The algorithm, if it allocates epochs."""
        return f"SMAC's {self.algorithm}" if self.promotes_trials else None

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores: all but random draws."""
        return self.algorithm != "random"

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether it needs each score before the next proposal; those that promote trials give a rung."""
        return self.algorithm == "forest"

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse searched epochs, and too few, where the algorithm allocates them."""
        if self.promotes_trials:
            check_fidelity(space, f"SMAC's {self.algorithm}")
            if (self.min_epochs or 1) > epochs:
                raise ValueError(f"min_epochs: {self.min_epochs} is above the {epochs} epochs of a complete training")

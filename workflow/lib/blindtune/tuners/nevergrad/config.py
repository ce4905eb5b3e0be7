"""Config of Nevergrad (Rapin and Teytaud 2018)."""

from typing import Literal, Self

from pydantic import Field, model_validator

from blindtune.core.bounds import MAX_TRIALS
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import Conditions, TunerConfig
from blindtune.tuners.engine_space import list_dimensions

_WITH_POPULATION = ("cma", "pso", "de", "two-points-de")

#: Dimensions of which CMA adapts the covariances: with 3,000 a set takes half a second; memory grows with the square.
_MAX_CMA_DIMENSIONS = 5_000


class NevergradConfig(TunerConfig):
    """An optimizer of Nevergrad, an optional engine; a trial without a score is told as the worst error."""

    library: Literal["nevergrad"]
    algorithm: Literal["random", "cma", "ngopt", "one-plus-one", "pso", "de", "two-points-de"] = Field(
        description="random: draws of its parameters, as RandomSearch makes them; cma: CMA, covariance matrix "
        "adaptation; ngopt: NGOpt, which chooses an optimizer by the space and the budget; one-plus-one: OnePlusOne, "
        "mutations of the best set; pso: PSO, a particle swarm; de: DE, differential evolution; two-points-de: "
        "TwoPointsDE, the same with two-point crossover"
    )
    population_size: int | None = Field(
        default=None,
        ge=4,
        le=MAX_TRIALS,
        description="cma, pso, de, two-points-de: number of sets of a generation; the first one is random; null: "
        "Nevergrad's own, for cma 4 and three times the logarithm of the number of dimensions, for pso 40, for the "
        "others 30",
    )

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.population_size is not None and self.algorithm not in _WITH_POPULATION:
            raise ValueError(
                f"population_size: only {', '.join(_WITH_POPULATION)} take it; set it to null or take it out"
            )
        return self

    @property
    def engine(self) -> str:
        """Nevergrad."""
        return "nevergrad"

    @property
    def conditions(self) -> Conditions:
        """Flattened: Nevergrad's parameters do not depend on each other."""
        return "flattened"

    @property
    def depends_on_budget(self) -> bool:
        """Whether the budget decides which optimizer proposes: with NGOpt."""
        return self.algorithm == "ngopt"

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores: all but random draws."""
        return self.algorithm != "random"

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether it needs each score before the next proposal."""
        return self.proposals_need_scores

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse a space of plain numbers for NGOpt, and one with too many options for CMA.

        There it may take its meta-model, which converts an array to a number in a way that NumPy 2.4 refuses, leaves
        a thread that keeps the process from ending, and is limited by the clock.
        """
        told_all = list_dimensions(space)
        n_dimensions = sum(told.count if told.kind == "category" else 1 for told in told_all)
        if self.algorithm == "cma" and n_dimensions > _MAX_CMA_DIMENSIONS:
            raise ValueError(
                f"space: has {n_dimensions:,} dimensions, one for each option of a choice, and CMA adapts at most "
                f"{_MAX_CMA_DIMENSIONS:,}; give fewer options, or take algorithm: de"
            )
        if self.algorithm == "ngopt" and all(told.kind == "number" for told in told_all):
            raise ValueError(
                "space: has plain numbers alone, for which NGOpt takes a meta-model that does not run with NumPy 2.4; "
                "give a dimension a step or options, or take algorithm: cma"
            )

"""Config of Google Vizier (Song et al. 2022)."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from blindtune.core.bounds import MAX_TRIALS
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import Conditions, TunerConfig, check_grid
from blindtune.tuners.engine_space import check_grid_size


class VizierConfig(TunerConfig):
    """A designer of Google Vizier, an optional engine; a trial without a score is told as the worst error."""

    library: Literal["vizier"]
    algorithm: Literal["random", "quasi-random", "grid", "eagle", "nsga2"] = Field(
        description="designer; quasi-random: a Halton sequence; grid: every set once, in a random order of values; "
        "eagle: the Eagle strategy, fireflies that attract each other; nsga2: an evolutionary algorithm"
    )
    population_size: int | None = Field(
        default=None,
        ge=2,
        le=MAX_TRIALS,
        description="nsga2: number of sets that survive; twice as many random ones come first; null: 50",
    )
    objectives: list[Literal["dev_error", "n_parameters"]] = Field(
        default=["dev_error"],
        description="what nsga2 minimises: [dev_error], or [dev_error, n_parameters] together (n_parameters: number of "
        "trainable weights); dev_error alone decides which trial is frozen",
    )

    @field_validator("objectives")
    @classmethod
    def _check_objectives(cls, value: list[str]) -> list[str]:
        if value not in (["dev_error"], ["dev_error", "n_parameters"]):
            raise ValueError("must be [dev_error] or [dev_error, n_parameters]")
        return value

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.population_size is not None and self.algorithm != "nsga2":
            raise ValueError("population_size: only nsga2 takes it; set it to null or take it out")
        if self.minimizes_parameters and self.algorithm != "nsga2":
            raise ValueError("objectives: only nsga2 takes two; leave n_parameters out")
        return self

    @property
    def engine(self) -> str:
        """Vizier."""
        return "vizier"

    @property
    def conditions(self) -> Conditions:
        """Flattened, since Vizier's designers refuse conditions; a grid leaves out repeated sets, so it is exact."""
        return "exact" if self.algorithm == "grid" else "flattened"

    @property
    def minimizes_parameters(self) -> bool:
        """Whether the number of parameters is the second objective."""
        return len(self.objectives) > 1

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores: with Eagle and NSGA2."""
        return self.algorithm in ("eagle", "nsga2")

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether it needs each score before the next proposal."""
        return self.proposals_need_scores

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse grids without lists of values, and those that are too large."""
        if self.algorithm != "grid":
            return
        check_grid(space)
        check_grid_size(space, "Vizier")

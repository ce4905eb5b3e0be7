"""Config of Optuna: a sampler, a pruner and the objectives."""

import math
from typing import Literal

from pydantic import Field, field_validator

from blindtune.core.budget import Budget
from blindtune.search_space import BoolDimension, ChoiceDimension, Dimension, Space
from blindtune.tuners.base import TunerConfig, check_grid
from blindtune.tuners.optuna.pruners import NoPrunerConfig, PrunerConfig

#: Optuna's grid sampler holds the whole product of the lists in memory.
_MAX_GRID_SIZE = 1_000_000


class OptunaConfig(TunerConfig):
    """A sampler of Optuna; a trial without a score is told as the worst error, since Optuna ignores failed trials."""

    library: Literal["optuna"]
    algorithm: Literal["random", "tpe", "tpe-2024", "grid", "cma-es", "gp"] = Field(
        description="sampler; tpe: with the defaults of Optuna 5, tpe-2024: with those of Optuna 3 and 4 "
        "(univariate, no constant liar); gp: a Gaussian process"
    )
    pruner: PrunerConfig = Field(
        default=NoPrunerConfig(), description="ends trainings early: none, or a pruner and its arguments"
    )
    batch: int = Field(
        default=1,
        gt=0,
        le=100_000,
        description="number of configurations proposed per batch (tpe only). Pending ones are imputed with the worst "
        "value (constant liar). Changing it changes the search",
    )
    objectives: list[Literal["dev_error", "n_parameters"]] = Field(
        default=["dev_error"],
        description="what the sampler minimises: [dev_error], or [dev_error, n_parameters] together (n_parameters: "
        "number of trainable weights); with a 'metric' of the comparison, dev_error means that metric on dev, which "
        "alone decides which trial is frozen",
    )

    @field_validator("objectives")
    @classmethod
    def _check_objectives(cls, value: list[str]) -> list[str]:
        if value not in (["dev_error"], ["dev_error", "n_parameters"]):
            raise ValueError("must be [dev_error] or [dev_error, n_parameters]")
        return value

    @property
    def minimizes_parameters(self) -> bool:
        """Whether the number of parameters is the second objective."""
        return len(self.objectives) > 1

    @property
    def epoch_allocator(self) -> str | None:
        """The pruner, if there is one."""
        return None if self.pruner.algorithm == "none" else f"Optuna's {self.pruner.algorithm} pruner"

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores, as do those of all but random and grid, or a pruner's decision does."""
        return self.algorithm not in ("random", "grid") or self.pruner.algorithm != "none"

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether it needs each score before the next proposal: without a batch, all but random and grid do."""
        return self.proposals_need_scores and self.batch == 1

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse what Optuna cannot express.

        Its grid and Gaussian process take no conditions, CMA-ES neither conditions nor choices. Pruners, CMA-ES,
        random and grid take one objective. Only TPE without a pruner takes batches.
        """
        if self.batch > 1 and self.algorithm != "tpe":
            raise ValueError(f"batch: belongs to tpe; {self.algorithm} does not take it")
        if self.batch > 1 and self.pruner.algorithm != "none":
            raise ValueError("batch: a pruner compares a trial with those before it; set it to none, or batch to 1")
        if self.algorithm == "grid":
            check_grid(space)
            _check_grid_size(space)
        for name, dimension in space.root.items():
            if self.algorithm in ("grid", "cma-es", "gp") and (dimension.when or dimension.repeat):
                raise ValueError(f"{name}: Optuna's {self.algorithm} takes no dimension that depends on another")
            if self.algorithm == "cma-es" and _is_choice(dimension):
                raise ValueError(f"{name}: Optuna's cma-es takes numbers only, no choices")
        if len(self.objectives) > 1 and self.algorithm == "cma-es":
            raise ValueError(
                "objectives: Optuna's cma-es takes one; leave n_parameters out or choose another algorithm"
            )
        if len(self.objectives) > 1 and self.algorithm in ("random", "grid"):
            raise ValueError(f"objectives: {self.algorithm} proposes the same sets for any; leave n_parameters out")
        if len(self.objectives) > 1 and self.pruner.algorithm != "none":
            raise ValueError("pruner: Optuna's pruners take one objective; set it to none or leave n_parameters out")
        self.pruner.check(space, epochs)


def grid_size(space: Space) -> int:
    """Return the number of sets of a grid over a space without conditions."""
    return math.prod(len(spec.dimension.values() or []) for spec in space.hyperparameters())


def _check_grid_size(space: Space) -> None:
    size = grid_size(space)
    if size > _MAX_GRID_SIZE:
        raise ValueError(
            f"space: is a grid of {size:,} sets, of which Optuna holds at most {_MAX_GRID_SIZE:,}; "
            "take larger steps or another algorithm"
        )


def _is_choice(dimension: Dimension) -> bool:
    return isinstance(dimension, ChoiceDimension | BoolDimension) and len(dimension.values()) > 1

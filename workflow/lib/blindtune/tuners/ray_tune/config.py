"""Config of Ray Tune (Liaw et al. 2018): a sampler, and a scheduler that ends trainings early."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from blindtune.core.bounds import MAX_TRIALS
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import Conditions, TunerConfig, check_grid, max_epochs
from blindtune.tuners.engine_space import check_grid_size
from blindtune.tuners.engines import refuse_by_name
from blindtune.tuners.ray_tune.pruners import RayNoPrunerConfig, RayPrunerConfig

_OTHER_PACKAGE = "is another package, which Ray only calls"

#: Samplers of Ray that are not offered, and why.
_REFUSED_SAMPLERS = {
    "optuna": "Ray's sampler calls Optuna; take library: optuna",
    "bohb": "Ray's TuneBOHB learns nothing from scores that are told to it without its own HyperBandForBOHB; take "
    "library: smac, algorithm: multi-fidelity",
    "bayesopt": f"bayesian-optimization {_OTHER_PACKAGE}, and takes plain floats alone; take library: optuna, "
    "algorithm: gp",
    "nevergrad": f"nevergrad {_OTHER_PACKAGE}, without a seed",
    "zoopt": f"ZOOpt {_OTHER_PACKAGE}",
    "hebo": f"HEBO {_OTHER_PACKAGE}, of 492 MB",
    "ax": f"Ax {_OTHER_PACKAGE}, of 311 MB",
}

#: Schedulers of Ray that are not offered, and why.
_REFUSED_SCHEDULERS = {
    "hyperband": "Ray's HyperBandScheduler fills a bracket by the trials that are alive at the same time, so with one "
    "trial after the other it is random search (ray-project/ray#12536); take asha, or library: smac, algorithm: "
    "hyperband",
    "bohb": "Ray's HyperBandForBOHB has the fault of its HyperBandScheduler (ray-project/ray#12536); take library: "
    "smac, algorithm: multi-fidelity",
    "pbt": "Ray's population-based training perturbs values out of their bounds, and draws from the global random "
    "state; it also changes hyperparameters within a training, so no set would belong to a model",
    "pb2": "it is population-based training, which changes hyperparameters within a training",
}


class RayTuneConfig(TunerConfig):
    """A sampler of Ray Tune, an optional engine; a trial without a score is told as the worst error."""

    library: Literal["ray-tune"]
    algorithm: Literal["random", "grid", "hyperopt"] = Field(
        description="random: BasicVariantGenerator, independent draws; grid: its grid_search; hyperopt: "
        "HyperOptSearch, the tree-structured Parzen estimator of HyperOpt"
    )
    n_initial: int | None = Field(
        default=None,
        gt=0,
        le=MAX_TRIALS,
        description="hyperopt: number of random sets before the estimator is used; null: 20",
    )
    pruner: RayPrunerConfig = Field(
        default=RayNoPrunerConfig(), description="Ray's scheduler, which ends trainings early: none, asha or median"
    )

    @field_validator("algorithm", mode="before")
    @classmethod
    def _refuse_samplers(cls, value: Any) -> Any:
        return refuse_by_name(value, _REFUSED_SAMPLERS | {"hyperband": _REFUSED_SCHEDULERS["hyperband"]})

    @field_validator("pruner", mode="before")
    @classmethod
    def _refuse_schedulers(cls, value: Any) -> Any:
        if isinstance(value, dict):
            refuse_by_name(value.get("algorithm"), _REFUSED_SCHEDULERS)
        return value

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.n_initial is not None and self.algorithm != "hyperopt":
            raise ValueError("n_initial: only hyperopt takes it; set it to null or take it out")
        return self

    @property
    def engine(self) -> str:
        """Ray Tune."""
        return "ray-tune"

    @property
    def conditions(self) -> Conditions:
        """Flattened: Ray's domains do not depend on each other; a grid leaves out repeated sets, so it is exact."""
        return "exact" if self.algorithm == "grid" else "flattened"

    @property
    def epoch_allocator(self) -> str | None:
        """The scheduler, if there is one."""
        return None if self.pruner.algorithm == "none" else f"Ray Tune's {self.pruner.algorithm} scheduler"

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores, or the scheduler's decision does."""
        return self.algorithm == "hyperopt" or self.pruner.algorithm != "none"

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether it needs each score before the next proposal."""
        return self.proposals_need_scores

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse grids without lists of values, those that are too large, and a scheduler that cannot decide."""
        if self.algorithm == "grid":
            check_grid(space)
            check_grid_size(space, "Ray Tune")
        self.pruner.check(max_epochs(space, epochs))

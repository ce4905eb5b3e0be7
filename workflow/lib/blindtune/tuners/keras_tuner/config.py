"""Keras Tuner, driven through its oracles (Shawki et al. 2021, Table 2)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import FixedListTuner, Tuner, TunerConfig, TunerContext, check_fidelity, check_grid
from blindtune.tuners.keras_tuner.oracles import (
    HyperbandTuner,
    IndependentOracleTuner,
    OracleTuner,
    ReplayableTuner,
    in_memory,
    remembering,
)
from blindtune.tuners.keras_tuner.space import hyperparameters

if TYPE_CHECKING:
    import keras_tuner

#: Keys that only one algorithm takes.
_ONLY = {
    "max_epochs": "hyperband",
    "factor": "hyperband",
    "hyperband_iterations": "hyperband",
    "num_initial_points": "bayesian",
}


class KerasTunerConfig(TunerConfig):
    """Arguments of Keras Tuner; its ``max_trials`` is the study's budget, its seed the study's."""

    library: Literal["keras-tuner"]
    algorithm: Literal["random", "bayesian", "grid", "hyperband", "default"] = Field(
        description="random: RandomSearch; bayesian: BayesianOptimization, a Gaussian process; grid: GridSearch; "
        "hyperband: Hyperband; default: no search, the one set of every entry's default"
    )
    allow_new_entries: bool = Field(
        default=True, description="Table 2; every entry is declared up front, so none is ever new"
    )
    tune_new_entries: bool = Field(default=True, description="Table 2; see allow_new_entries")
    num_initial_points: int | None = Field(
        default=None, gt=0, description="bayesian: random sets before the first learnt one; null: 3 per hyperparameter"
    )
    max_epochs: int | None = Field(
        default=None, gt=0, description="hyperband: epochs of the last round; null: those of training"
    )
    factor: int | None = Field(
        default=None,
        ge=2,
        description="hyperband: one of so many sets is promoted, to so many times the epochs; null: 3",
    )
    hyperband_iterations: int | None = Field(
        default=None, gt=0, description="hyperband: runs of the whole algorithm; null: as many as the budget pays for"
    )

    @property
    def resumes_trials(self) -> bool:
        """Hyperband does."""
        return self.algorithm == "hyperband"

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """A grid needs lists of values, Hyperband gives out the epochs, a key must be one of the algorithm's."""
        for key, algorithm in _ONLY.items():
            if getattr(self, key) is not None and self.algorithm != algorithm:
                raise ValueError(f"{key}: only {algorithm} takes it; set it to null or take it out")
        if self.algorithm == "grid":
            check_grid(space)
        if self.algorithm == "hyperband":
            check_fidelity(space, "Keras Tuner's Hyperband")

    def create(self, start: TunerContext) -> Tuner:
        """A fresh oracle; Keras Tuner takes a seed of 0 for none, so seeds start at 1."""
        import keras_tuner

        space, oracles, most = start.space, keras_tuner.oracles, start.budget.most_trials()
        match self.algorithm:
            case "default":
                return FixedListTuner([space.from_library_values(hyperparameters(space).values)])
            case "random":
                return IndependentOracleTuner(space, self._oracle(oracles.RandomSearchOracle, start, max_trials=most))
            case "grid":
                return OracleTuner(space, self._oracle(oracles.GridSearchOracle, start, max_trials=most))
            case "bayesian":
                kind = remembering(oracles.BayesianOptimizationOracle, space, start.seed)
                first = self.num_initial_points
                return ReplayableTuner(space, self._oracle(kind, start, max_trials=most, num_initial_points=first))
            case "hyperband":
                oracle = self._oracle(
                    oracles.HyperbandOracle,
                    start,
                    max_epochs=self.max_epochs or start.epochs,
                    factor=self.factor or 3,
                    hyperband_iterations=self.hyperband_iterations,
                )
                return HyperbandTuner(space, oracle)

    def _oracle(self, kind: Any, start: TunerContext, **arguments: Any) -> "keras_tuner.Oracle":
        import keras_tuner

        oracle = in_memory(kind)(
            objective=keras_tuner.Objective(OracleTuner.OBJECTIVE, "min"),
            seed=start.seed,
            hyperparameters=hyperparameters(start.space),
            allow_new_entries=self.allow_new_entries,
            tune_new_entries=self.tune_new_entries,
            **arguments,
        )
        oracle.verbose = 0
        return oracle

"""Config of Keras Tuner (Shawki et al. 2021, Table 2)."""

from collections.abc import Iterator
from itertools import count
from math import ceil, log
from typing import Literal

from pydantic import Field

from blindtune.core.bounds import MAX_EPOCHS, MAX_FACTOR, MAX_TRIALS
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import TunerConfig, check_fidelity, check_grid
from blindtune.tuners.rungs import BracketRung

#: Keys that only one algorithm takes.
_ALGORITHM_OF_KEY = {
    "max_epochs": "hyperband",
    "factor": "hyperband",
    "hyperband_iterations": "hyperband",
    "num_initial_points": "bayesian",
}


class KerasTunerConfig(TunerConfig):
    """Arguments of Keras Tuner; its ``max_trials`` is the study's budget, its seed the study's seed."""

    library: Literal["keras-tuner"]
    algorithm: Literal["random", "bayesian", "grid", "hyperband", "default"] = Field(
        description="random: RandomSearch; bayesian: BayesianOptimization, a Gaussian process; grid: GridSearch; "
        "hyperband: Hyperband; default: no search, one set with the default of every entry"
    )
    allow_new_entries: bool = Field(
        default=True, description="as in Table 2; without effect, since every entry is declared before the search"
    )
    tune_new_entries: bool = Field(default=True, description="as in Table 2; without effect, see allow_new_entries")
    num_initial_points: int | None = Field(
        default=None,
        gt=0,
        le=MAX_TRIALS,
        description="bayesian: number of random sets before the model is used; null: 3 per hyperparameter",
    )
    max_epochs: int | None = Field(
        default=None,
        gt=0,
        le=MAX_EPOCHS,
        description="hyperband: epochs of the last round; null: the epochs of training",
    )
    factor: int | None = Field(
        default=None,
        ge=2,
        le=MAX_FACTOR,
        description="hyperband: one set in this many is promoted, and trains this many times the epochs; null: 3",
    )
    hyperband_iterations: int | None = Field(
        default=None,
        gt=0,
        le=MAX_TRIALS,
        description="hyperband: runs of the whole algorithm; null: as many as the budget allows",
    )

    @property
    def resumes_trials(self) -> bool:
        """Whether trials are promoted: with Hyperband."""
        return self.algorithm == "hyperband"

    @property
    def promotes_trials(self) -> bool:
        """Whether good sets are tried again with more epochs."""
        return self.algorithm == "hyperband"

    @property
    def epoch_allocator(self) -> str | None:
        """Hyperband, if it is the algorithm."""
        return "Keras Tuner's Hyperband" if self.algorithm == "hyperband" else None

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores: with the Gaussian process, and with Hyperband after its first rung."""
        return self.algorithm in ("bayesian", "hyperband")

    @property
    def plans_rungs(self) -> bool:
        """Whether proposals need scores between rungs alone: with Hyperband."""
        return self.algorithm == "hyperband"

    def list_rungs(self, space: Space, budget: Budget, epochs: int) -> Iterator[BracketRung]:
        """List the rungs of Hyperband, counted as in Keras Tuner 1.4 (``HyperbandOracle``)."""
        factor, longest = self.factor or 3, self.max_epochs or epochs
        n_brackets, shortest = 0, float(longest)
        while shortest >= 1:
            n_brackets, shortest = n_brackets + 1, shortest / factor
        # That of the last bracket, which has one rung.
        size = ceil(1 + log(longest, factor))
        for _ in count() if self.hyperband_iterations is None else range(self.hyperband_iterations):
            for bracket in reversed(range(n_brackets)):
                for left in reversed(range(bracket + 1)):
                    n_trials = ceil(size / (bracket + 1) * factor**left)
                    yield BracketRung(bracket - left + 1, n_trials, ceil(longest / factor**left))

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether each proposal waits for the last score: the Gaussian process learns, and the grid takes its turn."""
        return self.algorithm in ("bayesian", "grid")

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse keys of another algorithm, grids without lists of values, and searched epochs under Hyperband."""
        for key, algorithm in _ALGORITHM_OF_KEY.items():
            if getattr(self, key) is not None and self.algorithm != algorithm:
                raise ValueError(f"{key}: only {algorithm} takes it; set it to null or take it out")
        if self.algorithm == "grid":
            check_grid(space)
        if self.algorithm == "hyperband":
            check_fidelity(space, "Keras Tuner's Hyperband")

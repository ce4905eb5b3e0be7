"""Config of Microsoft NNI 2.10 (2022), which is no longer maintained."""

from collections.abc import Iterator
from itertools import count
from math import ceil, floor
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from blindtune.core.bounds import MAX_FACTOR, MAX_TRIALS
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import Conditions, TunerConfig, check_fidelity, check_grid
from blindtune.tuners.engine_space import check_grid_size
from blindtune.tuners.engines import refuse_by_name
from blindtune.tuners.nni.pruners import NniNoPrunerConfig, NniPrunerConfig
from blindtune.tuners.rungs import BracketRung

#: Tuners and advisors of NNI that are not offered, and why.
_REFUSED = {
    "metis": "it does not run with SciPy 1.11 and later (`x0` must have one dimension)",
    "gp": "it does not run with NumPy 2 and SciPy 1.11, and its defaults take minutes for a set; take library: optuna, "
    "algorithm: gp",
    "bohb": "it calls what ConfigSpace 1 no longer has; take library: smac, algorithm: multi-fidelity",
    "smac": "it needs a fork of SMAC that does not install with today's Python; take library: smac",
    "dngo": "it needs pybnn, which is no longer on PyPI",
    "ppo": "it needs gym, and searches architectures alone",
    "pbt": "it changes hyperparameters within a training, so no set would belong to a model",
    "regularized-evolution": "it takes choices alone, for architectures",
    "network-morphism": "it searches architectures alone",
    "batch": "it goes through a list of sets; take a manual model for each",
}

#: Assessors of NNI that are not offered, and why.
_REFUSED_ASSESSORS = {
    "curve-fitting": "with NumPy 1.24 and later it logs an error at every epoch, and ends no training "
    "(microsoft/nni#5604); take median",
}

#: With Hyperband, one set in this many is promoted, if the config does not say how many.
DEFAULT_ETA = 3

#: By which NNI rounds the sizes of rungs.
_EPSILON = 1e-6

#: Keys that only some algorithms take.
_ALGORITHMS_OF_KEY = {
    "n_initial": ("tpe",),
    "population_size": ("evolution",),
    "eta": ("hyperband",),
}


class NniConfig(TunerConfig):
    """A tuner of NNI, an optional engine that is unmaintained; a trial without a score is told as the worst error."""

    library: Literal["nni"]
    algorithm: Literal["random", "grid", "tpe", "anneal", "evolution", "hyperband"] = Field(
        description="random: Random, without its rule against repetition; grid: GridSearch; tpe: TPE, NNI's own; "
        "anneal: Anneal, of HyperOpt; evolution: naive evolution; hyperband: the brackets of the Hyperband advisor, "
        "one after the other"
    )
    n_initial: int | None = Field(
        default=None,
        gt=0,
        le=MAX_TRIALS,
        description="tpe: number of random sets before the estimator is used; null: 20",
    )
    population_size: int | None = Field(
        default=None,
        ge=2,
        le=MAX_TRIALS,
        description="evolution: number of sets that live; as many random ones come first; null: 32",
    )
    eta: int | None = Field(
        default=None,
        ge=2,
        le=MAX_FACTOR,
        description="hyperband: one set in this many is promoted, to this many times the epochs; null: 3",
    )
    pruner: NniPrunerConfig = Field(
        default=NniNoPrunerConfig(), description="NNI's assessor, which ends trainings early: none or median"
    )

    @field_validator("algorithm", mode="before")
    @classmethod
    def _refuse_algorithms(cls, value: Any) -> Any:
        return refuse_by_name(value, _REFUSED)

    @field_validator("pruner", mode="before")
    @classmethod
    def _refuse_assessors(cls, value: Any) -> Any:
        if isinstance(value, dict):
            refuse_by_name(value.get("algorithm"), _REFUSED_ASSESSORS)
        return value

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        for key, algorithms in _ALGORITHMS_OF_KEY.items():
            if getattr(self, key) is not None and self.algorithm not in algorithms:
                raise ValueError(f"{key}: only {' and '.join(algorithms)} takes it; set it to null or take it out")
        if self.pruner.algorithm != "none" and self.algorithm == "hyperband":
            raise ValueError("pruner: hyperband ends trainings itself; set it to none or take it out")
        return self

    @property
    def engine(self) -> str:
        """NNI."""
        return "nni"

    @property
    def conditions(self) -> Conditions:
        """Flattened: NNI's nested choices cannot say `repeat`; a grid leaves out repeated sets, so it is exact."""
        return "exact" if self.algorithm == "grid" else "flattened"

    @property
    def resumes_trials(self) -> bool:
        """Whether trials are promoted: with Hyperband."""
        return self.promotes_trials

    @property
    def promotes_trials(self) -> bool:
        """Whether good sets are tried again with more epochs."""
        return self.algorithm == "hyperband"

    @property
    def epoch_allocator(self) -> str | None:
        """Hyperband, or the assessor if there is one."""
        if self.promotes_trials:
            return "NNI's hyperband"
        return None if self.pruner.algorithm == "none" else f"NNI's {self.pruner.algorithm} assessor"

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores, or the assessor's decision does."""
        return self.algorithm not in ("random", "grid") or self.pruner.algorithm != "none"

    @property
    def plans_rungs(self) -> bool:
        """Whether proposals need scores between rungs alone: with Hyperband."""
        return self.promotes_trials

    def list_rungs(self, space: Space, budget: Budget, epochs: int) -> Iterator[BracketRung]:
        """List the rungs of Hyperband, counted as in NNI 2.10 (``hyperband_advisor.Bracket``)."""
        eta = self.eta or DEFAULT_ETA
        most = count_rungs(epochs, eta) - 1
        for _ in count():
            for bracket in range(most, -1, -1):
                n_sets = ceil((most + 1) * eta**bracket / (bracket + 1) - _EPSILON)
                for rung in range(bracket + 1):
                    ends = floor(epochs / eta**bracket * eta**rung + _EPSILON)
                    yield BracketRung(rung + 1, floor(n_sets / eta**rung + _EPSILON), ends)

    @property
    def proposes_one_at_a_time(self) -> bool:
        """Whether it needs each score before the next proposal; Hyperband gives a rung."""
        return self.proposals_need_scores and not self.promotes_trials

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse grids without lists of values, those that are too large, and searched epochs with Hyperband."""
        if self.algorithm == "grid":
            check_grid(space)
            check_grid_size(space, "NNI")
        if self.promotes_trials:
            check_fidelity(space, "NNI's hyperband")


def count_rungs(epochs: int, eta: int) -> int:
    """Return the number of rungs of the longest bracket: one, and one for each time that `eta` divides the epochs.

    Args:
        epochs: of a complete training.
        eta: one set in this many is promoted.
    """
    rungs = 1
    while eta**rungs <= epochs:
        rungs += 1
    return rungs

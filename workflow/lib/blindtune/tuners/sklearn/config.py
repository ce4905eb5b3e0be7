"""Config of scikit-learn: lists of sets (guide, 5.1.1) and searchers (guide, 5.1)."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from blindtune.core.bounds import MAX_EPOCHS, MAX_FACTOR
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import TunerConfig, check_fidelity, check_grid, max_epochs
from blindtune.tuners.rungs import BracketRung
from blindtune.tuners.sklearn.budget import Rung, halving_rungs, max_affordable_sets
from blindtune.tuners.sklearn.grid import count_grid

_LISTS = ("parameter-sampler", "parameter-grid")
_GRIDS = ("parameter-grid", "grid-search", "halving-grid-search")
_HALVING = ("halving-random-search", "halving-grid-search")


class SklearnConfig(TunerConfig):
    """A list of sets, or a searcher; the number of sets that a searcher tries follows from the study's budget."""

    library: Literal["scikit-learn"]
    algorithm: Literal[
        "parameter-sampler",
        "parameter-grid",
        "randomized-search",
        "grid-search",
        "halving-random-search",
        "halving-grid-search",
    ] = Field(
        description="parameter-sampler, randomized-search: independent draws; parameter-grid, grid-search: every set, "
        "in the library's order, until the budget is spent; halving: the better share goes on for more epochs"
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=MAX_FACTOR,
        description="searchers: number of folds of a cross-validation on train, with even classes and whole groups; "
        "the best set is then trained on all of train; null: dev is the single fold",
    )
    factor: int = Field(
        default=3,
        ge=2,
        le=MAX_FACTOR,
        description="halving: one set in this many goes on, to this many times the epochs",
    )
    min_epochs: int | None = Field(
        default=None,
        gt=0,
        le=MAX_EPOCHS,
        description="halving: epochs of the first rung; null: as many as let the last rung reach a complete training",
    )
    aggressive_elimination: bool = Field(
        default=False,
        description="halving: repeat the epochs of the first rung until few enough sets are left for the last one",
    )

    _resumes: bool = PrivateAttr(default=True)

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.algorithm in _LISTS:
            self._refuse(["folds"], "a searcher")
        if not self._is_halving:
            self._refuse(["factor", "min_epochs", "aggressive_elimination"], "halving")
        return self

    def _refuse(self, keys: list[str], owner: str) -> None:
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key}: belongs to {owner}; {self.algorithm} does not take it")

    @property
    def _is_halving(self) -> bool:
        return self.algorithm in _HALVING

    @property
    def depends_on_budget(self) -> bool:
        """Whether the budget decides with how many sets the search begins.

        Halving begins with as many as the budget covers; so does a cross-validation, which ends with a choice.
        """
        return self._is_halving or self.folds is not None

    @property
    def promotes_trials(self) -> bool:
        """Whether good sets are tried again with more epochs."""
        return self._is_halving

    @property
    def epoch_allocator(self) -> str | None:
        """Halving, if it is the algorithm."""
        return f"scikit-learn's {self.algorithm}" if self._is_halving else None

    @property
    def resumes_trials(self) -> bool:
        """Whether trials are promoted: with halving; on folds every rung trains from the start."""
        return self._is_halving and self.folds is None and self._resumes

    @property
    def proposals_need_scores(self) -> bool:
        """Whether a proposal depends on scores: with halving, after its first rung."""
        return self._is_halving

    @property
    def plans_rungs(self) -> bool:
        """Whether proposals need scores between rungs alone: with halving."""
        return self._is_halving

    def list_rungs(self, space: Space, budget: Budget, epochs: int) -> Iterator[BracketRung]:
        """List the rungs of halving, which is one bracket; on folds, each set is as many trials."""
        limit = budget.max_trials()
        if self.algorithm in _GRIDS:
            limit = min(limit, count_grid(space))
        number, before = 1, 0
        for rung in self._rungs(self.count_sets(space, budget, epochs, limit), epochs):
            if rung.epochs > before:  # one that repeats the epochs of the one before has the same scores
                yield BracketRung(number, rung.n_sets * (self.folds or 1), rung.epochs)
                number, before = number + 1, rung.epochs

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Refuse grids without lists of values, halving over searched epochs, and budgets that plan no search."""
        if self.algorithm in _GRIDS:
            check_grid(space)
        if self._is_halving:
            check_fidelity(space, self.algorithm)
        if self.algorithm in _LISTS:
            return
        if budget.trials is None and budget.epochs is None:
            raise ValueError(
                f"budget.seconds: {self.algorithm} needs the number of sets before it begins; give trials or epochs too"
            )
        if self.folds is not None and budget.seconds is not None:
            raise ValueError(
                "folds: the cross-validation ends with the training of its best set, which budget.seconds could cut "
                "off; give trials or epochs instead"
            )
        if self._is_halving and (self.min_epochs or 1) > epochs:
            raise ValueError(f"min_epochs: {self.min_epochs} is above the {epochs} epochs of a complete training")
        self.count_sets(space, budget, epochs, limit=1)

    def without_resuming(self) -> Self:
        """Return the same config for models that are trained from the start in each rung."""
        copy = self.model_copy()
        copy._resumes = False
        return copy

    def with_folds(self, n_folds: int) -> "SklearnConfig | None":
        """Return the config of a searcher that divides train into folds itself; a list of sets does not."""
        return None if self.algorithm in _LISTS else self.model_copy(update={"folds": n_folds})

    def count_sets(self, space: Space, budget: Budget, epochs: int, limit: int) -> int:
        """Return how many sets a searcher tries; without halving and folds the budget itself ends the search.

        Args:
            space: the search space.
            budget: what the search may spend.
            epochs: epochs of one complete training.
            limit: number of sets that there are.

        Raises:
            ValueError: the budget does not cover one set.
        """
        if not self.depends_on_budget:
            return min(limit, budget.max_trials())
        if self._is_halving:
            return max_affordable_sets(
                budget, self.folds, limit, lambda n_sets: self._rungs(n_sets, epochs), resumes=self._resumes
            )
        longest = max_epochs(space, epochs)
        return max_affordable_sets(budget, self.folds, limit, lambda n_sets: [Rung(n_sets, longest)])

    def _rungs(self, n_sets: int, epochs: int) -> list[Rung]:
        return halving_rungs(n_sets, epochs, self.factor, self.min_epochs, self.aggressive_elimination)

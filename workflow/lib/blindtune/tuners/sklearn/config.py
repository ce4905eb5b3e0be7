"""scikit-learn: lists of sets, drawn before anything is trained (guide, 5.1.1), and its searchers (guide, 5.1)."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from blindtune.core.budget import Budget
from blindtune.search_space import Hyperparameters, Parameter, Space
from blindtune.tuners.base import FixedListTuner, Tuner, TunerConfig, TunerContext, check_fidelity, check_grid
from blindtune.tuners.sklearn.budget import Rung, halving_rungs, most_sets

if TYPE_CHECKING:
    import numpy as np

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
        "in the library's order, as far as the budget reaches; halving: the better share goes on for more epochs"
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        description="of a searcher's cross-validation on train, which keeps classes even and groups together; the best "
        "set is then trained on all of train; null: dev is the single fold",
    )
    factor: int = Field(
        default=3, ge=2, description="of halving: the share of sets that goes on, and how many times the epochs"
    )
    min_epochs: int | None = Field(
        default=None,
        gt=0,
        description="of halving: epochs of the first rung; null: as many as let the last rung reach a whole training",
    )
    aggressive_elimination: bool = Field(
        default=False,
        description="of halving: repeat the first rung's epochs until few enough sets are left for the last one",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.algorithm in _LISTS:
            self._refuse(["folds"], "a searcher")
        if not self._halves:
            self._refuse(["factor", "min_epochs", "aggressive_elimination"], "halving")
        return self

    def _refuse(self, keys: list[str], whose: str) -> None:
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key}: belongs to {whose}; {self.algorithm} does not take it")

    @property
    def _halves(self) -> bool:
        return self.algorithm in _HALVING

    @property
    def depends_on_budget(self) -> bool:
        """Halving begins with as many sets as the budget pays for; so does a cross-validation, to end with a choice."""
        return self._halves or self.folds is not None

    @property
    def resumes_trials(self) -> bool:
        """Halving does; on folds every rung trains from the start."""
        return self._halves and self.folds is None

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """A grid needs lists of values; halving gives epochs out; a searcher must be told how many sets to try."""
        if self.algorithm in _GRIDS:
            check_grid(space)
        if self._halves:
            check_fidelity(space, self.algorithm)
        if self.algorithm in _LISTS:
            return
        if budget.trials is None and budget.epochs is None:
            raise ValueError(
                f"budget.seconds: {self.algorithm} must know before it begins how many sets it may try; "
                "give trials or epochs too"
            )
        if self.folds is not None and budget.seconds is not None:
            raise ValueError(
                "folds: the cross-validation ends with the training of its best set, which budget.seconds could cut "
                "off; give trials or epochs instead"
            )
        if self._halves and (self.min_epochs or 1) > epochs:
            raise ValueError(f"min_epochs: {self.min_epochs} lies above the {epochs} epochs of a whole training")
        self.sets(space, budget, epochs, limit=1)

    def create(self, start: TunerContext) -> Tuner:
        """A list, or a searcher, which begins with the first question."""
        match self.algorithm:
            case "parameter-grid":
                return FixedListTuner(grid(start.space))
            case "parameter-sampler":
                return FixedListTuner(sampled(start.space, start.budget.most_trials(), start.seed))
            case _:
                # Imports scikit-learn, which planning a workflow does not wait for.
                from blindtune.tuners.sklearn.search import tuner

                return tuner(self, start)

    def sets(self, space: Space, budget: Budget, epochs: int, limit: int) -> int:
        """How many of ``limit`` sets a searcher tries; without halving and folds the budget itself ends the search.

        Raises:
            ValueError: the budget does not pay for one.
        """
        if not self.depends_on_budget:
            return min(limit, budget.most_trials())
        if self._halves:
            return most_sets(budget, self.folds, limit, lambda sets: self._rungs(sets, epochs))
        longest = _most_epochs(space, epochs)
        return most_sets(budget, self.folds, limit, lambda sets: [Rung(sets, longest)])

    def _rungs(self, sets: int, epochs: int) -> list[Rung]:
        return halving_rungs(sets, epochs, self.factor, self.min_epochs, self.aggressive_elimination)


def _most_epochs(space: Space, epochs: int) -> int:
    """Epochs of the longest training that a space allows."""
    if "epochs" not in space.root:
        return epochs
    dimension = space.root["epochs"]
    searched = [value for value in dimension.values() or [] if isinstance(value, int)]
    return max([*searched, epochs] if dimension.when or not searched else searched)


def sampled(space: Space, trials: int, seed: int) -> Iterator[Hyperparameters]:
    """``trials`` independent sets, each drawn when it is asked for.

    A dict of distributions cannot say that one depends on another, and a list of dicts would draw each combination of
    layers equally often. So the whole space is one distribution, under one name.
    """
    from sklearn.model_selection import ParameterSampler

    draws = ParameterSampler({"set": Distribution(space)}, n_iter=trials, random_state=seed)
    return (draw["set"] for draw in draws)


def grid(space: Space, most: int | None = None) -> Iterator[Hyperparameters]:
    """Every set of a space whose dimensions have lists of values, each once; ``most``: only so many, the first."""
    from sklearn.model_selection import ParameterGrid

    # One dict for each way in which parameters can be active: a plain dict would repeat sets that differ only in
    # values of inactive parameters.
    return (dict(point) for point in islice(ParameterGrid(_branches(space)), most))


def _branches(space: Space) -> list[dict[str, list[Any]]]:
    parents = {parent for parameter in space.parameters() for parent in parameter.conditions}
    branches: list[Hyperparameters] = [{}]
    for parameter in space.parameters():
        if parameter.name in parents:
            branches = [grown for branch in branches for grown in _grown(branch, parameter)]
    return [dict(_lists(branch, space)) for branch in branches]


def _grown(branch: Hyperparameters, parameter: Parameter) -> list[Hyperparameters]:
    if not parameter.active(branch):
        return [branch]
    return [{**branch, parameter.name: value} for value in parameter.dimension.values() or []]


def _lists(branch: Hyperparameters, space: Space) -> Iterator[tuple[str, list[Any]]]:
    for parameter in space.parameters():
        if parameter.active(branch):
            fixed = parameter.name in branch
            yield parameter.name, [branch[parameter.name]] if fixed else list(parameter.dimension.values() or [])


class Distribution:
    """A search space as scikit-learn takes a distribution: by ``rvs``."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def rvs(self, random_state: "np.random.RandomState | None" = None) -> Hyperparameters:
        """One set of the space."""
        import numpy as np

        state = random_state or np.random.RandomState()
        return self._space.draw(np.random.default_rng(state.randint(2**31)))

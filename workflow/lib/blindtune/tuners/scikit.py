"""scikit-learn's ParameterSampler and ParameterGrid: lists of sets, drawn before anything is trained (guide, 5.1.1)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from blindtune.budgets import Budget
from blindtune.spaces import Hyperparameters, Parameter, Space
from blindtune.tuners.base import Given, Start, Tuner, TunerSettings, check_grid

if TYPE_CHECKING:
    import numpy as np


class ScikitSettings(TunerSettings):
    """How the list of sets is made."""

    library: Literal["scikit-learn"]
    algorithm: Literal["parameter-sampler", "parameter-grid"] = Field(
        description="parameter-sampler: independent draws; parameter-grid: every set, in the library's order"
    )

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """A grid needs lists of values."""
        if self.algorithm == "parameter-grid":
            check_grid(space)

    def start(self, start: Start) -> Tuner:
        """The list; nothing is learnt on the way."""
        if self.algorithm == "parameter-grid":
            return Given(grid(start.space))
        return Given(sampled(start.space, start.budget.most_trials(), start.seed))


def sampled(space: Space, trials: int, seed: int) -> Iterator[Hyperparameters]:
    """``trials`` independent sets, each drawn when it is asked for.

    A dict of distributions cannot say that one depends on another, and a list of dicts would draw each combination of
    layers equally often. So the whole space is one distribution, under one name.
    """
    from sklearn.model_selection import ParameterSampler

    draws = ParameterSampler({"set": _Distribution(space)}, n_iter=trials, random_state=seed)
    return (draw["set"] for draw in draws)


def grid(space: Space) -> Iterator[Hyperparameters]:
    """Every set of a space whose dimensions have lists of values, each once."""
    from sklearn.model_selection import ParameterGrid

    # One dict for each way in which parameters can be active: a plain dict would repeat sets that differ only in
    # values of inactive parameters.
    return (dict(point) for point in ParameterGrid(_branches(space)))


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


class _Distribution:
    """A search space as scikit-learn takes a distribution: by ``rvs``."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def rvs(self, random_state: "np.random.RandomState | None" = None) -> Hyperparameters:
        import numpy as np

        state = random_state or np.random.RandomState()
        return self._space.draw(np.random.default_rng(state.randint(2**31)))

"""Lists of sets of a search space, by scikit-learn's ``ParameterSampler`` and ``ParameterGrid``."""

from collections.abc import Iterator
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any

from blindtune.search_space import Hyperparameters, HyperparameterSpec, Space

if TYPE_CHECKING:
    import numpy as np


def draw_sets(space: Space, n_sets: int, seed: int) -> Iterator[Hyperparameters]:
    """Draw independent sets, each when it is asked for.

    A dict of distributions cannot express that one depends on another, and a list of dicts would draw each combination
    of layers equally often. So the whole space is one distribution, under one name.

    Args:
        space: the search space.
        n_sets: number of sets.
        seed: seed of the draws.
    """
    from sklearn.model_selection import ParameterSampler

    draws = ParameterSampler({"set": SpaceDistribution(space)}, n_iter=n_sets, random_state=seed)
    return (draw["set"] for draw in draws)


def list_grid(space: Space, limit: int | None = None) -> Iterator[Hyperparameters]:
    """List every set of a space whose dimensions have lists of values, each once.

    Args:
        space: the search space.
        limit: end after this many sets; None: list all.
    """
    from sklearn.model_selection import ParameterGrid

    # One dict for each combination of active parameters: a plain dict would repeat sets that differ only in values of
    # inactive parameters.
    return (dict(point) for point in islice(ParameterGrid(_list_branches(space)), limit))


def count_grid(space: Space) -> int:
    """Return the number of sets of `list_grid`, without listing them."""
    return sum(prod(map(len, branch.values())) for branch in _list_branches(space))


def _list_branches(space: Space) -> list[dict[str, list[Any]]]:
    parents = {parent for spec in space.hyperparameters() for parent in spec.conditions}
    branches: list[Hyperparameters] = [{}]
    for spec in space.hyperparameters():
        if spec.name in parents:
            branches = [longer for branch in branches for longer in _extend(branch, spec)]
    return [dict(_list_values(branch, space)) for branch in branches]


def _extend(branch: Hyperparameters, spec: HyperparameterSpec) -> list[Hyperparameters]:
    if not spec.is_active(branch):
        return [branch]
    return [{**branch, spec.name: value} for value in spec.dimension.values() or []]


def _list_values(branch: Hyperparameters, space: Space) -> Iterator[tuple[str, list[Any]]]:
    for spec in space.hyperparameters():
        if spec.is_active(branch):
            is_fixed = spec.name in branch
            yield spec.name, [branch[spec.name]] if is_fixed else list(spec.dimension.values() or [])


class SpaceDistribution:
    """A search space as a distribution of scikit-learn, which draws by ``rvs``."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def rvs(self, random_state: "np.random.RandomState | None" = None) -> Hyperparameters:
        """Draw one set of the space."""
        import numpy as np

        state = random_state or np.random.RandomState()
        return self._space.draw(np.random.default_rng(state.randint(2**31)))

"""Creates tuners of Ray Tune, whose parts are called in this process: `ray.init` is never called."""

from collections.abc import Iterator, Mapping
from typing import Any

from blindtune.core.light_imports import leave_out
from blindtune.core.random_state import keep_random_state
from blindtune.core.seeds import derive
from blindtune.records.trial import Trial
from blindtune.search_space import Space
from blindtune.tuners.base import FixedListTuner, Proposal, Tuner, TunerContext, max_epochs
from blindtune.tuners.engine_space import EngineDimension, list_dimensions, list_grid_sets, to_hyperparameters
from blindtune.tuners.pruned import PrunedTuner, last_objective
from blindtune.tuners.ray_tune.config import RayTuneConfig
from blindtune.tuners.ray_tune.pruners import RayNoPrunerConfig
from blindtune.tuners.ray_tune.schedulers import SchedulerRule

_ERROR = "dev_error"
_DEFAULT_N_INITIAL = 20


def create(config: RayTuneConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of Ray Tune describes.

    Args:
        config: sampler and scheduler.
        context: search space, epochs and seed.
    """
    space = context.space
    with keep_random_state(), leave_out("matplotlib"):
        import ray.tune  # noqa: F401
    tuner = _create_sampler(config, space, context.seed)
    if isinstance(config.pruner, RayNoPrunerConfig):
        return tuner
    seed = derive("ray-tune", "scheduler", context.seed)
    return PrunedTuner(tuner, SchedulerRule(config.pruner, max_epochs(space, context.epochs), seed))


def _create_sampler(config: RayTuneConfig, space: Space, seed: int) -> Tuner:
    if not list_dimensions(space):
        # Ray's samplers need a dimension.
        return FixedListTuner([to_hyperparameters(space, {})])
    match config.algorithm:
        case "random":
            return FixedListTuner(to_hyperparameters(space, numbers) for numbers in _draw(space, seed))
        case "grid":
            return FixedListTuner(list_grid_sets(space, _go_through_grid(space)))
        case "hyperopt":
            return HyperOptTuner(space, config.n_initial or _DEFAULT_N_INITIAL, seed)


def _draw(space: Space, seed: int) -> Iterator[Mapping[str, float]]:
    """Yield independent draws: what `BasicVariantGenerator` makes, which itself writes into the home folder."""
    import numpy as np
    from ray.tune.search.variant_generator import generate_variants

    random = np.random.default_rng(seed)
    spec = {"config": build_domains(space)}
    while True:
        for _, variant in generate_variants(spec, random_state=random):
            yield variant["config"]


def _go_through_grid(space: Space) -> Iterator[Mapping[str, float]]:
    """Yield every point of the grid in which all hyperparameters are active."""
    from ray import tune
    from ray.tune.search.variant_generator import generate_variants

    lists = {told.name: tune.grid_search(list(range(told.count))) for told in list_dimensions(space)}
    for _, variant in generate_variants({"config": lists}, random_state=0):
        yield variant["config"]


def build_domains(space: Space) -> dict[str, Any]:
    """Return Ray's domains of a space, without conditions.

    Args:
        space: the search space.
    """
    return {told.name: _build_domain(told) for told in list_dimensions(space)}


def _build_domain(told: EngineDimension) -> Any:
    from ray import tune

    match told.kind:
        case "category":
            return tune.choice(list(range(told.count)))
        case "index":
            return tune.randint(0, told.count)
        case "number":
            return (tune.loguniform if told.log else tune.uniform)(told.low, told.high)


class HyperOptTuner(Tuner):
    """HyperOpt's tree-structured Parzen estimator, as Ray calls it.

    Args:
        space: the search space.
        n_initial: number of random sets before the estimator is used.
        seed: of its draws.
    """

    def __init__(self, space: Space, n_initial: int, seed: int) -> None:
        with keep_random_state(), leave_out("matplotlib"):
            from ray.tune.search.hyperopt import HyperOptSearch

            search = HyperOptSearch(metric=_ERROR, mode="min", n_initial_points=n_initial, random_state_seed=seed)
            search.set_search_properties(None, None, build_domains(space))
        self._space = space
        self._search = search
        self._n_asked = 0
        self._n_told = 0

    def ask(self) -> Proposal:
        """Return the next set."""
        with keep_random_state():
            numbers = self._search.suggest(str(self._n_asked))
        self._n_asked += 1
        return Proposal(to_hyperparameters(self._space, numbers))

    def tell(self, trial: Trial) -> None:
        """Pass a score to the search: the last one of a pruned trial, as Ray does, and the worst if there is none."""
        with keep_random_state():
            self._search.on_trial_complete(str(self._n_told), {_ERROR: last_objective(trial)})
        self._n_told += 1

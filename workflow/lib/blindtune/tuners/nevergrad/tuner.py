"""Creates tuners of Nevergrad, whose optimizers are asked and told."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from blindtune.core.light_imports import leave_out
from blindtune.core.random_state import OwnRandomState, keep_random_state
from blindtune.core.seeds import derive
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import FixedListTuner, Proposal, Tuner, TunerContext
from blindtune.tuners.engine_space import EngineDimension, list_dimensions, to_hyperparameters
from blindtune.tuners.nevergrad.config import NevergradConfig

#: Nevergrad's configurable optimizers and their arguments.
_OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "cma": ("ParametrizedCMA", {}),
    "one-plus-one": ("ParametrizedOnePlusOne", {}),
    "pso": ("ConfPSO", {"transform": "arctan"}),
    "de": ("DifferentialEvolution", {}),
    "two-points-de": ("DifferentialEvolution", {"crossover": "twopoints"}),
}

#: With more trials NGOpt may take its meta-model, see `NevergradConfig.check`.
_MAX_NGOPT_TRIALS = 6000

#: Name of a dimension that nothing uses; no hyperparameter has such a name.
_UNUSED = " "


def create(config: NevergradConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of Nevergrad describes.

    Args:
        config: algorithm.
        context: search space, budget and seed.
    """
    space = context.space
    if not list_dimensions(space):
        # Nevergrad's optimizers need a dimension.
        return FixedListTuner([to_hyperparameters(space, {})])
    _load_nevergrad()
    if config.algorithm == "random":
        return FixedListTuner(_draw(space, context.seed))
    create_optimizer = partial(_create_optimizer, config, space, context.budget.max_trials())
    return OptimizerTuner(space, create_optimizer, context.seed)


def _load_nevergrad() -> None:
    """Import Nevergrad, and what its CMA imports at its first proposal, which warns where Matplotlib is missing."""
    with keep_random_state(), leave_out("matplotlib"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        import cma  # noqa: F401
        import nevergrad  # noqa: F401


def _draw(space: Space, seed: int) -> Iterator[Hyperparameters]:
    """Yield independent draws of each of Nevergrad's parameters, which is what its RandomSearch makes.

    RandomSearch takes a time that grows with the square of the number of dimensions, a tenth of a second for 34.
    """
    random_state = OwnRandomState(seed)
    # Parameters take the seeds of their states from the global one, when they are made and when they are used first.
    with random_state.use():
        parameters = {told.name: _build_parameter(told) for told in list_dimensions(space)}
    while True:
        with random_state.use():
            drawn = {name: parameter.sample().value for name, parameter in parameters.items()}
        yield to_hyperparameters(space, drawn)


def _create_optimizer(config: NevergradConfig, space: Space, n_trials: int, parameters: Any) -> Any:
    """Return an optimizer of Nevergrad.

    Args:
        config: algorithm and arguments.
        space: the search space.
        n_trials: that the budget allows.
        parameters: of the search space.
    """
    from nevergrad import optimizers

    if config.algorithm == "ngopt":
        return optimizers.NGOpt(parameters, budget=min(n_trials, _MAX_NGOPT_TRIALS))
    if config.algorithm == "pso":
        for told in list_dimensions(space):
            if told.kind == "number":
                _clip_at_bounds(parameters[told.name])
    # Created here and not taken from its registry, where what it finds out about one space stays for all.
    name, arguments = _OPTIMIZERS[config.algorithm]
    size = {} if config.population_size is None else {"popsize": config.population_size}
    return getattr(optimizers, name)(**arguments, **size)(parameters)


def build_parameters(space: Space) -> Any:
    """Return Nevergrad's parameters of a space, without conditions.

    Args:
        space: the search space.
    """
    import nevergrad

    # Set one by one, since a hyperparameter may be called `self`, which is no name of an argument.
    parameters = nevergrad.p.Dict()
    for told in list_dimensions(space):
        parameters[told.name] = _build_parameter(told)
    if parameters.dimension == 1:
        # CMA needs two: with one it calls a package that is not installed.
        parameters[_UNUSED] = nevergrad.p.Scalar(lower=0, upper=1)
    return parameters


def _build_parameter(told: EngineDimension) -> Any:
    import nevergrad

    match told.kind:
        case "category":
            return nevergrad.p.Choice(told.count)
        case "index":
            # The index of its ordered choice, which itself holds an object for each value and copies all of them at
            # every proposal. These bounds make a mutation from the middle, N(0, 1), uniform over the values. With those
            # of Scalar a mutation is a sixth of the range, and CMA hardly leaves the middle of a range of few values.
            index = nevergrad.p.Scalar(init=(told.count - 1) / 2)
            return index.set_bounds(-0.5, told.count - 0.5, method="gaussian").set_integer_casting()
        case "number":
            return (nevergrad.p.Log if told.log else nevergrad.p.Scalar)(lower=told.low, upper=told.high)


def _clip_at_bounds(parameter: Any) -> None:
    """Clip what leaves the bounds of a number.

    By default it bounces off them, and no further than to the other bound. PSO moves its particles in a box whose sides
    are at infinity in the parameter's own terms, so that one at the upper side gets the lower bound, and the other way
    round: the swarm ends at the bounds, and is worse than random search.
    """
    from nevergrad.parametrization._datalayers import Bound
    from nevergrad.parametrization.transforms import Clipping

    for layer in parameter._layers:
        if isinstance(layer, Bound):
            layer._method, layer._transform = "clipping", Clipping(*layer.bounds)


class OptimizerTuner(Tuner):
    """An optimizer of Nevergrad, asked and told one trial at a time.

    Args:
        space: the search space.
        create_optimizer: creates an optimizer from Nevergrad's parameters.
        seed: of the proposals.
    """

    def __init__(self, space: Space, create_optimizer: Callable[[Any], Any], seed: int) -> None:
        self._space = space
        self._running: deque[Any] = deque()
        # Its parameters have a random state, but some parts of it draw from the global one.
        self._random_state = OwnRandomState(derive("nevergrad", "global", seed))
        with self._use_random_state():
            parameters = build_parameters(space)
            parameters.random_state.seed(seed)
            self._optimizer = create_optimizer(parameters)

    @contextmanager
    def _use_random_state(self) -> Iterator[None]:
        with self._random_state.use(), warnings.catch_warnings():
            # It warns of what cannot be changed here, such as few trials for many dimensions.
            warnings.simplefilter("ignore")
            yield

    def ask(self) -> Proposal:
        """Return the optimizer's next set."""
        with self._use_random_state():
            candidate = self._optimizer.ask()
        self._running.append(candidate)
        return Proposal(to_hyperparameters(self._space, candidate.value))

    def tell(self, trial: Trial) -> None:
        """Pass a score to the optimizer; a trial without one has the worst."""
        with self._use_random_state():
            self._optimizer.tell(self._running.popleft(), trial.objective_value())

"""Creates tuners of Google Vizier, whose designers are asked and told in this process, without its service."""

import warnings
from collections import deque
from typing import Any

from blindtune.core.bounds import MAX_VALUES
from blindtune.core.light_imports import leave_out
from blindtune.core.random_state import keep_random_state
from blindtune.records.trial import Trial
from blindtune.search_space import Space
from blindtune.tuners.base import FixedListTuner, Proposal, Tuner, TunerContext
from blindtune.tuners.engine_space import grid_size, list_dimensions, list_grid_sets, to_hyperparameters
from blindtune.tuners.parameter_counts import ParameterCounts
from blindtune.tuners.vizier.config import VizierConfig

_ERROR, _N_PARAMETERS = "dev_error", "n_parameters"
_DEFAULT_POPULATION = 50

#: By how much NSGA2 changes each dimension at most, as a share of its range: the default of Vizier's mutation. That of
#: its NSGA2, a thousandth, never changes a whole number or a category of a usual range.
_MUTATION = 0.1

#: Values of a dimension that Vizier is told as whole numbers: it makes a list of all of them at every step.
_MAX_WHOLE_NUMBERS = MAX_VALUES


def create(config: VizierConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of Vizier describes.

    Args:
        config: algorithm and arguments.
        context: search space and seed.
    """
    space = context.space
    if not list_dimensions(space):
        # A sequence needs a dimension.
        return FixedListTuner([to_hyperparameters(space, {})])
    with keep_random_state(), leave_out("matplotlib", "pandas"):
        designer = _create_designer(config, space, context.seed)
    if config.proposals_need_scores:
        return LearningDesignerTuner(space, designer, config.objectives)
    if config.algorithm == "grid":
        # Vizier's own begins again at its end, and repeats sets that differ in what is not active.
        points = (_to_numbers(_suggest(designer)[0]) for _ in range(grid_size(space)))
        return FixedListTuner(list_grid_sets(space, points))
    return DesignerTuner(space, designer)


def _create_designer(config: VizierConfig, space: Space, seed: int) -> Any:
    # Not from vizier.algorithms.designers, whose module imports the Gaussian processes and all that they need.
    from vizier import pyvizier

    problem = pyvizier.ProblemStatement(build_search_space(space))
    for name in config.objectives:
        goal = pyvizier.ObjectiveMetricGoal.MINIMIZE
        problem.metric_information.append(pyvizier.MetricInformation(name=name, goal=goal))
    match config.algorithm:
        case "random":
            from vizier._src.algorithms.designers.random import RandomDesigner

            return RandomDesigner(problem.search_space, seed=seed)
        case "quasi-random":
            from vizier._src.algorithms.designers.quasi_random import QuasiRandomDesigner

            return QuasiRandomDesigner(problem.search_space, seed=seed)
        case "grid":
            from vizier._src.algorithms.designers.grid import GridSearchDesigner

            return GridSearchDesigner(problem.search_space, seed)
        case "eagle":
            from vizier._src.algorithms.designers.eagle_strategy.eagle_strategy import EagleStrategyDesigner

            return EagleStrategyDesigner(problem, seed=seed)
        case "nsga2":
            from vizier._src.algorithms.evolution.nsga2 import NSGA2Designer
            from vizier._src.algorithms.evolution.numpy_populations import LinfMutation

            mutation = LinfMutation(norm=_MUTATION, seed=seed)
            return NSGA2Designer(problem, config.population_size or _DEFAULT_POPULATION, adaptation=mutation, seed=seed)


def build_search_space(space: Space) -> Any:
    """Return Vizier's search space, without conditions, which its designers refuse.

    Args:
        space: the search space.
    """
    from vizier import pyvizier

    built = pyvizier.SearchSpace()
    for told in list_dimensions(space):
        match told.kind:
            case "category":
                # Vizier's categories are texts; `_to_numbers` turns them back.
                built.root.add_categorical_param(told.name, [str(index) for index in range(told.count)])
            case "index" if told.count <= _MAX_WHOLE_NUMBERS:
                built.root.add_int_param(told.name, 0, told.count - 1)
            case "index":
                # Rounded by `to_hyperparameters`, each with the same probability.
                built.root.add_float_param(told.name, -0.5, told.count - 0.5)
            case "number":
                scale = pyvizier.ScaleType.LOG if told.log else pyvizier.ScaleType.LINEAR
                built.root.add_float_param(told.name, told.low, told.high, scale_type=scale)
    return built


class DesignerTuner(Tuner):
    """A designer of Vizier that learns nothing.

    Args:
        space: the search space.
        designer: proposes.
    """

    def __init__(self, space: Space, designer: Any) -> None:
        self._space = space
        self._designer = designer

    def ask(self) -> Proposal:
        """Return the designer's next set."""
        [suggestion] = _suggest(self._designer)
        return Proposal(to_hyperparameters(self._space, _to_numbers(suggestion)))

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return the designer's next `n` sets."""
        return [self.ask() for _ in range(n)]


def _suggest(designer: Any) -> list[Any]:
    """Return a designer's next suggestion: one at a time, since a larger batch would be other ones.

    NSGA2 returns a mutation of each member of its population, however many it is asked for.
    """
    with warnings.catch_warnings(), keep_random_state():
        # It draws by a method that NumPy will not have for ever.
        warnings.simplefilter("ignore", DeprecationWarning)
        return list(designer.suggest(1))


def _to_numbers(suggestion: Any) -> dict[str, float]:
    return {name: float(value) for name, value in suggestion.parameters.as_dict().items()}


class LearningDesignerTuner(DesignerTuner):
    """A designer of Vizier that learns from scores.

    Args:
        space: the search space.
        designer: proposes.
        objectives: what it minimises.
    """

    def __init__(self, space: Space, designer: Any, objectives: list[Any]) -> None:
        super().__init__(space, designer)
        self._objectives = objectives
        self._counts = ParameterCounts()
        self._suggested: deque[Any] = deque()
        self._running: deque[Any] = deque()
        self._n_asked = 0

    def ask(self) -> Proposal:
        """Return the designer's next set."""
        if not self._suggested:
            self._suggested.extend(_suggest(self._designer))
        suggestion = self._suggested.popleft()
        self._n_asked += 1
        self._running.append(suggestion.to_trial(self._n_asked))
        return Proposal(to_hyperparameters(self._space, _to_numbers(suggestion)))

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return the designer's next set: the one after it may depend on its score."""
        return [self.ask()]

    def tell(self, trial: Trial) -> None:
        """Pass a score to the designer; a trial without one has the worst.

        Vizier's own mark for failures ends NSGA2 with an error.
        """
        from vizier import algorithms, pyvizier

        metrics = {_ERROR: trial.objective_value()}
        if _N_PARAMETERS in self._objectives:
            metrics[_N_PARAMETERS] = self._counts.to_tell(trial)
        told = self._running.popleft()
        told.complete(pyvizier.Measurement(metrics=metrics))
        with keep_random_state():
            self._designer.update(algorithms.CompletedTrials([told]), algorithms.ActiveTrials())

"""Creates tuners of SMAC, whose facades are asked and told, with nothing on disk."""

import logging
import warnings
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.core.light_imports import leave_out
from blindtune.core.random_state import keep_random_state
from blindtune.records.trial import Trial
from blindtune.search_space import Space
from blindtune.tuners.base import FixedListTuner, Proposal, RungTuner, Tuner, TunerContext
from blindtune.tuners.engine_space import list_dimensions, to_hyperparameters
from blindtune.tuners.smac.config import SmacConfig
from blindtune.tuners.smac.space import build_configuration_space, to_numbers

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

#: More trials than any study has, for SMAC's rules that take a share of them.
_MANY_TRIALS = 10**9


def create(config: SmacConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of SMAC describes.

    Args:
        config: algorithm and arguments.
        context: search space, budget, epochs and seed.
    """
    _load_smac()
    space = context.space
    if config.algorithm == "random":
        return DrawTuner(space, build_configuration_space(space, context.seed))
    if not list_dimensions(space):
        # SMAC's designs need a dimension, and it never tries a set twice.
        return FixedListTuner([to_hyperparameters(space, {})])
    facade = create_facade(config, context)
    return RungFacadeTuner(space, facade) if config.promotes_trials else FacadeTuner(space, facade)


def _load_smac() -> None:
    """Import SMAC, and keep its log to errors: it warns wherever a finite space is almost used up."""
    with keep_random_state(), leave_out("matplotlib", "pandas"):
        import smac  # noqa: F401
    logging.getLogger("smac").setLevel(logging.ERROR)


class DrawTuner(Tuner):
    """Independent draws of ConfigSpace.

    SMAC's own random facade makes the same draws, but begins with the middle of every range and never tries a set
    twice, which is another distribution where a space has few sets.

    Args:
        space: the search space.
        configuration_space: the same in ConfigSpace's classes.
    """

    def __init__(self, space: Space, configuration_space: "ConfigurationSpace") -> None:
        self._space = space
        self._configuration_space = configuration_space

    def ask(self) -> Proposal:
        """Return the next draw."""
        drawn = self._configuration_space.sample_configuration()
        return Proposal(to_hyperparameters(self._space, to_numbers(drawn)))

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return the next `n` draws."""
        return [self.ask() for _ in range(n)]


class FacadeTuner(Tuner):
    """A facade of SMAC, asked and told one trial at a time.

    Args:
        space: the search space.
        facade: what `create_facade` returns.
    """

    def __init__(self, space: Space, facade: Any) -> None:
        self._space = space
        self._facade = facade
        self._running: deque[Any] = deque()
        self._is_exhausted = False

    def ask(self) -> Proposal | None:
        """Return the next set; None once SMAC finds no set that it has not tried."""
        from smac.main.exceptions import ConfigurationSpaceExhaustedException

        if self._is_exhausted:
            return None
        try:
            with warnings.catch_warnings():
                # It averages an empty list for its log.
                warnings.simplefilter("ignore", RuntimeWarning)
                info = self._facade.ask()
        except (StopIteration, ConfigurationSpaceExhaustedException):
            self._is_exhausted = True
            return None
        self._running.append(info)
        return self._propose(info)

    def tell(self, trial: Trial) -> None:
        """Pass a score to SMAC; a trial without one has the worst.

        SMAC's statuses for failures would give its forest infinite costs, which it refuses to learn from.
        """
        from smac.runhistory import TrialValue

        self._facade.tell(self._running.popleft(), TrialValue(cost=trial.objective_value(), time=0.0), save=False)

    def _propose(self, info: Any) -> Proposal:
        return Proposal(to_hyperparameters(self._space, to_numbers(info.config)))


class RungFacadeTuner(RungTuner, FacadeTuner):
    """A facade that allocates epochs: the best sets of a rung are tried again, with more epochs.

    Args:
        space: the search space.
        facade: what `create_facade` returns.
    """

    def __init__(self, space: Space, facade: Any) -> None:
        super().__init__(space, facade)
        #: By configuration, the number of the last trial with it.
        self._trials: dict[Any, int] = {}
        self._n_asked = 0

    def count_remaining_of_rung(self) -> int:
        """Count the sets still to come of the rung to which the last set belongs."""
        intensifier, last = self._facade.intensifier, self._running[-1]
        history = self._facade.runhistory
        for (bracket, stage), rungs in intensifier._tracker.items():
            budget = intensifier._budgets_in_stage[bracket][stage]
            for _, configurations in rungs:
                if budget == last.budget and last.config in configurations:
                    # SMAC's first rung may hold a set several times, which is tried once.
                    distinct = dict.fromkeys(configurations)
                    return sum(budget not in {info.budget for info in _list_trials(history, one)} for one in distinct)
        raise RuntimeError("SMAC has no rung with its last set")

    def _propose(self, info: Any) -> Proposal:
        parent = self._trials.get(info.config)
        self._trials[info.config] = self._n_asked
        self._n_asked += 1
        # A budget such as 8.999999999999998 is nine epochs.
        epochs = max(1, int(info.budget + 1e-6))
        return Proposal(to_hyperparameters(self._space, to_numbers(info.config)), parent, epochs)


def _list_trials(history: Any, configuration: Any) -> list[Any]:
    """Return the trials of a configuration, those included that have not been told."""
    told = history.get_trials(configuration, highest_observed_budget_only=False)
    return [*told, *history.get_running_trials(configuration)]


def create_facade(config: SmacConfig, context: TunerContext) -> Any:
    """Create the facade of SMAC that a config names, with nothing on disk and the same proposals in every process.

    Args:
        config: algorithm and arguments.
        context: search space, budget, epochs and seed.
    """
    from smac import HyperbandFacade, HyperparameterOptimizationFacade, MultiFidelityFacade, Scenario

    facade_class = {
        "forest": HyperparameterOptimizationFacade,
        "hyperband": HyperbandFacade,
        "multi-fidelity": MultiFidelityFacade,
    }[config.algorithm]
    scenario = Scenario(
        build_configuration_space(context.space, context.seed),
        deterministic=True,
        n_trials=context.budget.max_trials() if config.n_initial is None else _MANY_TRIALS,
        seed=context.seed,
        output_directory=Path("never-written"),
        **({"min_budget": config.min_epochs or 1, "max_budget": context.epochs} if config.promotes_trials else {}),
    )
    parts: dict[str, Any] = {}
    if config.n_initial is not None:
        parts["initial_design"] = facade_class.get_initial_design(scenario, n_configs=config.n_initial)
    if config.promotes_trials:
        parts["intensifier"] = facade_class.get_intensifier(scenario, eta=config.eta or 3)
    if config.algorithm != "hyperband":
        parts["acquisition_maximizer"] = _create_maximizer(facade_class, scenario)
    return _make_in_memory(facade_class)(scenario, logging_level=False, **parts)


def _make_in_memory(facade_class: Any) -> Any:
    """Return a subclass of a facade that reads and writes no files: our log is the record."""
    from smac.main.smbo import SMBO

    class InMemoryOptimizer(SMBO):  # type: ignore[misc]
        def _initialize_state(self) -> None:
            pass

        def save(self) -> None:
            pass

    class InMemoryFacade(facade_class):  # type: ignore[misc]
        def _get_optimizer(self) -> SMBO:
            return InMemoryOptimizer(
                scenario=self._scenario,
                runner=self._runner,
                runhistory=self._runhistory,
                intensifier=self._intensifier,
                overwrite=self._overwrite,
            )

    return InMemoryFacade


def _create_maximizer(facade_class: Any, scenario: Any) -> Any:
    """Return the facade's own maximizer of the acquisition function, with a local search that begins in one order.

    SMAC 2.4 collects the starting points of its local search in a set of configurations and passes on its list
    (``smac/acquisition/maximizer/local_search.py``, since automl/SMAC3#1244). The order of a set of objects that hash
    texts is another one in every process, unless PYTHONHASHSEED is set, and with it all proposals after the initial
    design: no study could be resumed.
    """
    from smac.acquisition.maximizer import LocalSearch

    class OrderedLocalSearch(LocalSearch):  # type: ignore[misc]
        def _get_init_points_from_previous_configs(self, *arguments: Any, **keywords: Any) -> list[Any]:
            points = super()._get_init_points_from_previous_configs(*arguments, **keywords)
            return sorted(points, key=lambda point: point.get_array().tobytes())

    maximizer = facade_class.get_acquisition_maximizer(scenario)
    maximizer._local_search = OrderedLocalSearch(scenario.configspace, seed=scenario.seed)
    return maximizer

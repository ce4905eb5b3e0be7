"""Creates tuners of NNI, whose classes are called in this process: its manager and its server never start."""

import logging
import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any

from blindtune.core.light_imports import leave_out
from blindtune.core.random_state import OwnRandomState, keep_random_state
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import FixedListTuner, Proposal, RungTuner, Tuner, TunerContext
from blindtune.tuners.engine_space import EngineDimension, list_dimensions, list_grid_sets, to_hyperparameters
from blindtune.tuners.nni.config import DEFAULT_ETA, NniConfig, count_rungs
from blindtune.tuners.nni.pruners import NniNoPrunerConfig
from blindtune.tuners.pruned import PrunedTuner, StoppingRule, last_objective

_DEFAULT_N_INITIAL = 20
_DEFAULT_POPULATION = 32

#: End of the name that the Hyperband advisor is told of a hyperparameter; no name of its own has it.
_SUFFIX = " "


def create(config: NniConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of NNI describes.

    Args:
        config: algorithm, arguments and assessor.
        context: search space, epochs and seed.
    """
    space = context.space
    if not list_dimensions(space):
        # NNI refuses a space without dimensions.
        return FixedListTuner([to_hyperparameters(space, {})])
    with keep_random_state(), leave_out("matplotlib"), warnings.catch_warnings():
        # It has texts with wrong escapes, and asks for the versions of packages in an old way.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        import nni  # noqa: F401

        logging.getLogger("nni").setLevel(logging.ERROR)
        tuner = _create_tuner(config, context)
        return tuner if isinstance(config.pruner, NniNoPrunerConfig) else PrunedTuner(tuner, _create_rule(config))


def _create_tuner(config: NniConfig, context: TunerContext) -> Tuner:
    space, seed = context.space, context.seed
    match config.algorithm:
        case "random":
            return FixedListTuner(_draw(space, seed))
        case "grid":
            return FixedListTuner(list_grid_sets(space, _go_through_grid(space)))
        case "tpe":
            from nni.algorithms.hpo.tpe_tuner import TpeTuner

            arguments = {"n_startup_jobs": config.n_initial or _DEFAULT_N_INITIAL}
            return NniTuner(space, TpeTuner("minimize", seed, arguments), seed)
        case "anneal":
            return NniTuner(space, _create_anneal_tuner(seed), seed)
        case "evolution":
            return NniTuner(space, _create_evolution_tuner(config.population_size or _DEFAULT_POPULATION, seed), seed)
        case "hyperband":
            return BracketTuner(space, config.eta or DEFAULT_ETA, context.epochs, seed)


def build_search_space(space: Space) -> dict[str, Any]:
    """Return NNI's search space, without conditions.

    Args:
        space: the search space.
    """
    return {told.name: _build_dimension(told) for told in list_dimensions(space)}


def _build_dimension(told: EngineDimension) -> dict[str, Any]:
    match told.kind:
        case "category":
            return {"_type": "choice", "_value": list(range(told.count))}
        case "index":
            # NNI's whole numbers have no order, and the ends of its quantised ones are half as probable.
            return {"_type": "uniform", "_value": [-0.5, told.count - 0.5]}
        case "number":
            return {"_type": "loguniform" if told.log else "uniform", "_value": [told.low, told.high]}


def _draw(space: Space, seed: int) -> Iterator[Hyperparameters]:
    """Yield independent draws of NNI's random tuner.

    Its rule against repetition is another distribution where a space has few sets, and takes what is not active for a
    difference.
    """
    from nni.algorithms.hpo.random_tuner import RandomTuner

    tuner = RandomTuner(seed)
    tuner.update_search_space(build_search_space(space))
    tuner.dedup = lambda parameters: parameters
    while True:
        yield to_hyperparameters(space, tuner.generate_parameters(0))


def _go_through_grid(space: Space) -> Iterator[dict[str, float]]:
    """Yield every point of the grid in which all hyperparameters are active."""
    import nni
    from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner

    tuner = GridSearchTuner()
    lists = {told.name: {"_type": "choice", "_value": list(range(told.count))} for told in list_dimensions(space)}
    tuner.update_search_space(lists)
    while True:
        try:
            yield tuner.generate_parameters(0)
        except nni.NoMoreTrialError:
            return


def _create_anneal_tuner(seed: int) -> Any:
    """Return HyperOpt's simulated annealing, with a seed, which NNI does not give it."""
    import numpy as np
    from nni.algorithms.hpo.hyperopt_tuner import HyperoptTuner

    class SeededTuner(HyperoptTuner):  # type: ignore[misc]
        def update_search_space(self, search_space: Any) -> None:
            super().update_search_space(search_space)
            self.rval.rstate = np.random.RandomState(seed)

    return SeededTuner("anneal", "minimize")


def _create_evolution_tuner(population_size: int, seed: int) -> Any:
    """Return NNI's evolution, with a seed, which it does not take."""
    import numpy as np
    from nni.algorithms.hpo.evolution_tuner import EvolutionTuner

    class SeededTuner(EvolutionTuner):  # type: ignore[misc]
        def update_search_space(self, search_space: Any) -> None:
            super().update_search_space(search_space)
            self.random_state = np.random.RandomState(seed)
            self.population: list[Any] = []
            for _ in range(self.population_size):
                self._random_generate_individual()

    return SeededTuner("minimize", population_size)


class NniTuner(Tuner):
    """A tuner of NNI, asked and told one trial at a time.

    Args:
        space: the search space.
        tuner: proposes.
        seed: of what it draws from the global random states.
    """

    def __init__(self, space: Space, tuner: Any, seed: int) -> None:
        self._space = space
        self._tuner = tuner
        self._random_state = OwnRandomState(seed)
        self._n_asked = 0
        self._n_told = 0
        with self._random_state.use():
            tuner.update_search_space(build_search_space(space))

    def ask(self) -> Proposal | None:
        """Return the next set; None if NNI has no more."""
        with self._random_state.use(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found = self._tuner.generate_multiple_parameters([self._n_asked], st_callback=None)
        if not found:
            return None
        self._n_asked += 1
        return Proposal(to_hyperparameters(self._space, found[0]))

    def tell(self, trial: Trial) -> None:
        """Pass a score: the last one of a pruned trial, as NNI does, and the worst if there is none."""
        with self._random_state.use():
            self._tuner.receive_trial_result(self._n_told, None, last_objective(trial))
            self._tuner.trial_end(self._n_told, True)
        self._n_told += 1


class BracketTuner(RungTuner):
    """The brackets of NNI's Hyperband advisor, one after the other; the advisor itself needs NNI's manager.

    Args:
        space: the search space.
        eta: one set in this many is promoted.
        epochs: of a complete training.
        seed: of the draws.
    """

    def __init__(self, space: Space, eta: int, epochs: int, seed: int) -> None:
        import numpy as np

        self._space = space
        # NNI adds the epochs of a set to it, under a name that a hyperparameter may have.
        self._built = {f"{name}{_SUFFIX}": built for name, built in build_search_space(space).items()}
        self._eta = eta
        self._epochs = epochs
        self._random_state = np.random.RandomState(seed)
        self._max_s = count_rungs(epochs, eta) - 1
        self._n_brackets = 0
        self._bracket: Any = None
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._running: deque[str] = deque()
        #: By the number of a set within NNI, the number of its last trial.
        self._trials: dict[str, int] = {}
        self._n_asked = 0

    def ask(self) -> Proposal:
        """Return the next set of the rung, or the first of the next rung or bracket."""
        if not self._waiting:
            self._begin_bracket()
        name, parameters = self._waiting.popleft()
        self._running.append(name)
        _, _, number = name.split("_")
        parent = self._trials.get(number)
        self._trials[number] = self._n_asked
        self._n_asked += 1
        numbers = {key.removesuffix(_SUFFIX): value for key, value in parameters.items() if key.endswith(_SUFFIX)}
        return Proposal(to_hyperparameters(self._space, numbers), parent, int(parameters["TRIAL_BUDGET"]))

    def count_remaining_of_rung(self) -> int:
        """Count the sets still to come of the rung to which the last set belongs."""
        return len(self._waiting)

    def tell(self, trial: Trial) -> None:
        """Pass a score to the bracket; a trial without one has the worst."""
        name = self._running.popleft()
        _, rung, _ = name.split("_")
        self._bracket.set_config_perf(int(rung), name, 0, trial.objective_value())
        for promoted, parameters in self._bracket.inform_trial_end(int(rung)) or []:
            self._waiting.append((promoted, dict(parameters)))

    def _begin_bracket(self) -> None:
        from nni.algorithms.hpo.hyperband_advisor import Bracket

        s = self._max_s - self._n_brackets % (self._max_s + 1)
        self._bracket = Bracket(str(self._n_brackets), s, self._max_s, self._eta, self._epochs, "minimize")
        self._n_brackets += 1
        n_sets, epochs = self._bracket.get_n_r()
        drawn = self._bracket.get_hyperparameter_configurations(n_sets, epochs, self._built, self._random_state)
        self._waiting.extend((name, dict(parameters)) for name, parameters in drawn)


def _create_rule(config: NniConfig) -> StoppingRule:
    from nni.algorithms.hpo.medianstop_assessor import MedianstopAssessor

    if isinstance(config.pruner, NniNoPrunerConfig):
        raise TypeError("there is no assessor")
    start_step = config.pruner.start_step
    return AssessorRule("NNI's median assessor", MedianstopAssessor("minimize", start_step), start_step)


class AssessorRule(StoppingRule):
    """An assessor of NNI.

    Args:
        name: of the assessor.
        assessor: ends trainings.
        start_step: the epoch from which it knows a trial.
    """

    def __init__(self, name: str, assessor: Any, start_step: int) -> None:
        self.name = name
        self._assessor = assessor
        self._start_step = start_step
        self._number = 0
        self._history: list[float] = []

    def begin(self, number: int) -> None:
        """Begin the history of a trial."""
        self._number = number
        self._history = []

    def is_bad(self, epoch: int, dev_error: float) -> bool:
        """Return whether the assessor finds the trial bad."""
        from nni.assessor import AssessResult

        self._history.append(dev_error)
        return bool(self._assessor.assess_trial(self._number, list(self._history)) is AssessResult.Bad)

    def end(self, trial: Trial) -> None:
        """Pass the end of the trial; only a completed one is compared with later ones."""
        if len(self._history) >= self._start_step:
            self._assessor.trial_end(self._number, trial.status == "completed")

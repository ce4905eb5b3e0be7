"""Which hyperparameters mattered: PED-ANOVA over the recorded trials of all tuners with the same space.

PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255) asks how differently a hyperparameter is distributed among the best
sets and among all that were tried; what a search proposed more often counts for both. Optuna's version knows
hyperparameters that only some sets have (arXiv 2601.20800): each is compared among the sets in which it is active, with
their share as a weight. It is deterministic. The ranges are those that were tried, since records hold no space.
"""

import json
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.core.seeds import derive
from blindtune.records.trial import Trial
from blindtune.report.once import once
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats, select_scored_on_dev
from blindtune.report.stats.statistics import mean
from blindtune.search_space import Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

#: With fewer sets of a seed, the best of them say too little.
MIN_SETS = 40
#: The spaces that figures show.
MOST_SPACES = 4
#: Of more sets of a seed, so many are taken, evenly over the search.
MOST_SETS = 500
#: A hyperparameter that is active in fewer sets of a seed is left out.
MIN_ACTIVE = 10
#: The best are this share of the sets, and at least so many of them.
TOP_SHARE, MIN_TOP = 0.1, 5
#: How often the values are shuffled, over all seeds together, to see what chance gives.
SHUFFLES = 20
#: A number whose highest value is so many times its lowest is taken on the logarithmic scale.
LOG_RATIO = 50


@dataclass(frozen=True)
class Importance:
    """The importance of one hyperparameter.

    Attributes:
        name: of the hyperparameter.
        of_seeds: its share of the importance of all, from 0 to 1, per seed.
        active: the share of the sets in which it is active, from 0 to 1.
        chance: the highest share that it had with shuffled values.
    """

    name: str
    of_seeds: list[float]
    active: float
    chance: float

    @property
    def mean(self) -> float:
        """The mean share over the seeds."""
        return mean(self.of_seeds)


@dataclass(frozen=True)
class SpaceTrials:
    """The sets of all tuners of a dataset that have the same space and the same training.

    Attributes:
        space: the name of the space.
        systems: the tuners.
        seeds: the sets of each seed that were scored on dev.
        found: the hyperparameters, the most important first; empty if there is none to rank.
        refused: why nothing was ranked; empty if it was.
        left_out: the hyperparameters that are active in too few sets of a seed, or have one value there.
    """

    space: str
    systems: list[SystemRecords]
    seeds: list[list[Trial]]
    found: list[Importance] = field(default_factory=list)
    refused: str = ""
    left_out: list[str] = field(default_factory=list)

    @property
    def tuners(self) -> str:
        """The names of the tuners as text."""
        return ", ".join(system.name for system in self.systems)

    @property
    def sets(self) -> int:
        """The number of sets of all seeds."""
        return sum(map(len, self.seeds))


def list_ranked_spaces(dataset: DatasetRecords) -> list[SpaceTrials]:
    """Return the first spaces whose hyperparameters are ranked, as many as figures show.

    Args:
        dataset: the records of the dataset.
    """
    if not has_enough_sets(dataset):
        return []
    return [group for group in rank_hyperparameters(dataset) if group.found][:MOST_SPACES]


def describe_too_few(dataset: DatasetRecords) -> str:
    """Return the sentence in place of a figure where no space is ranked."""
    return f"No space on {dataset.name} has {MIN_SETS} sets in each seed: too few to rank."


@once
def rank_hyperparameters(dataset: DatasetRecords) -> list[SpaceTrials]:
    """Rank the hyperparameters of each space that was searched on a dataset.

    Args:
        dataset: its records.

    Returns:
        One entry for each space and training, in the order of the config.
    """
    groups: dict[str, list[SystemRecords]] = {}
    for system in dataset.systems_of_kind("tuner"):
        groups.setdefault(_name_group(system), []).append(system)
    return [_rank(dataset.name, systems) for systems in groups.values()]


@once
def has_enough_sets(dataset: DatasetRecords) -> bool:
    """Return whether some space of a dataset has enough sets to rank its hyperparameters; nothing is computed."""
    groups: dict[str, list[SystemRecords]] = {}
    for system in dataset.systems_of_kind("tuner"):
        groups.setdefault(_name_group(system), []).append(system)
    return any(not _refuse(_collect(systems)) for systems in groups.values())


def select_final_sets(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that were scored on dev; of sets that were promoted, only the last, with the most epochs."""
    scored = select_scored_on_dev(trials)
    promoted = {trial.parent for trial in scored}
    return [trial for trial in scored if trial.number not in promoted]


def _name_group(system: SystemRecords) -> str:
    settings = system.runs[0].card.settings
    keys = ("space", "model", "family", "estimator", "training", "view")
    return json.dumps({key: settings.get(key) for key in keys}, sort_keys=True)


def _name_space(system: SystemRecords) -> str:
    settings = system.runs[0].card.settings
    return str(settings.get("space") or settings.get("model") or settings.get("family") or "its own")


def _collect(systems: list[SystemRecords]) -> list[list[Trial]]:
    """Return the sets of each seed, of all tuners together."""
    runs = zip(*(system.runs for system in systems), strict=True)
    return [[trial for run in of_seed for trial in select_final_sets(run.trials)] for of_seed in runs]


def _refuse(seeds: list[list[Trial]]) -> str:
    """Return why the hyperparameters cannot be ranked; empty if they can."""
    fewest = min(map(len, seeds))
    return f"{fewest} sets scored on dev in a seed, {MIN_SETS} are needed" if fewest < MIN_SETS else ""


def _rank(dataset: str, systems: list[SystemRecords]) -> SpaceTrials:
    seeds = _collect(systems)
    space = _name_space(systems[0])
    refused = _refuse(seeds)
    if refused:
        return SpaceTrials(space, systems, seeds, refused=refused)
    used = [thin(trials, MOST_SETS) for trials in seeds]
    names = _list_varied(used)
    rare = [name for name in names if min(map(partial(_count_values, name), used)) < 2]
    rare += [name for name in names if name not in rare and min(map(partial(_count_active, name), used)) < MIN_ACTIVE]
    kept = [name for name in names if name not in rare]
    if len(kept) < 2:
        return SpaceTrials(space, systems, seeds, refused="fewer than two hyperparameters vary", left_out=rare)
    tables = _Tables(used, kept)
    numbers = [run.card.seed for run in systems[0].runs]
    found = tables.rank([derive("shuffled importance", dataset, _name_group(systems[0]), seed) for seed in numbers])
    return SpaceTrials(space, systems, seeds, found, left_out=rare)


def thin(trials: Sequence[Trial], most: int) -> list[Trial]:
    """Return at most ``most`` of the trials, evenly spaced in their order."""
    if len(trials) <= most:
        return list(trials)
    return [trials[place] for place in np.linspace(0, len(trials) - 1, most).round().astype(int)]


def _list_varied(seeds: list[list[Trial]]) -> list[str]:
    """Return the hyperparameters that have at least two values in some seed, in the order of the records."""
    values = [_values(trials) for trials in seeds]
    names = dict.fromkeys(name for of_seed in values for name in of_seed)
    return [name for name in names if any(len(set(of_seed.get(name, ()))) > 1 for of_seed in values)]


def _values(trials: Iterable[Trial]) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for trial in trials:
        for name, value in trial.hyperparameters.items():
            found.setdefault(name, []).append(value)
    return found


def _count_values(name: str, trials: Iterable[Trial]) -> int:
    return len({trial.hyperparameters[name] for trial in trials if name in trial.hyperparameters})


def _count_active(name: str, trials: Iterable[Trial]) -> int:
    return sum(name in trial.hyperparameters for trial in trials)


class _Tables:
    """The sets of each seed as studies of Optuna, with one distribution per hyperparameter for all seeds."""

    def __init__(self, seeds: list[list[Trial]], names: list[str]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._names, self._seeds = names, seeds
        values = _values(trial for trials in seeds for trial in trials)
        self._distributions = {name: _distribution(values[name]) for name in names}
        self._studies = [self._study(trials) for trials in seeds]

    def rank(self, shuffling: list[int]) -> list[Importance]:
        """Return the importance of every hyperparameter, the highest first.

        Args:
            shuffling: the seed of the shuffles of each study.
        """
        measured = [self._measure(place) for place in range(len(self._seeds))]
        totals = [max(sum(found.values()), 1e-300) for found in measured]
        shuffled = [
            {name: value / totals[place] for name, value in self._measure(place, order).items()}
            for place, seed in enumerate(shuffling)
            for order in self._orders(place, seed, len(shuffling))
        ]
        found = [
            Importance(
                name,
                [of_seed[name] / total for of_seed, total in zip(measured, totals, strict=True)],
                mean([_count_active(name, trials) / len(trials) for trials in self._seeds]),
                max(one[name] for one in shuffled),
            )
            for name in self._names
        ]
        return sorted(found, key=lambda one: -one.mean)

    def _study(self, trials: list[Trial]) -> "Study":
        import optuna

        study = optuna.create_study()
        study.add_trials([self._convert(trial) for trial in trials])
        return study

    def _convert(self, trial: Trial) -> Any:
        import optuna

        params = {
            name: _as_parameter(trial.hyperparameters[name]) for name in self._names if name in trial.hyperparameters
        }
        distributions = {name: self._distributions[name] for name in params}
        return optuna.trial.create_trial(params=params, distributions=distributions, value=trial.objective_value())

    def _orders(self, place: int, seed: int, seeds: int) -> list[Floats]:
        """Return the values of a seed in shuffled orders."""
        values = np.array([trial.objective_value() for trial in self._seeds[place]])
        random = np.random.default_rng(seed)
        return [random.permutation(values) for _ in range(math.ceil(SHUFFLES / seeds))]

    def _measure(self, place: int, values: Floats | None = None) -> dict[str, float]:
        """Return the importance of every hyperparameter in one seed, with these values or with its own."""
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        own = [trial.objective_value() for trial in self._seeds[place]]
        taken = own if values is None else values.tolist()
        evaluator = PedAnovaImportanceEvaluator(target_quantile=max(TOP_SHARE, MIN_TOP / len(taken)))
        with warnings.catch_warnings():
            # It warns of every target that is a function, and that `normalize` is new.
            warnings.simplefilter("ignore")
            return get_param_importances(
                self._studies[place],
                evaluator=evaluator,
                params=self._names,
                target=lambda trial: float(taken[trial.number]),
                normalize=False,
            )


def _as_parameter(value: Value) -> Value:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _distribution(values: list[Value]) -> "BaseDistribution":
    """Return the distribution of Optuna that holds all recorded values of a hyperparameter."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if any(isinstance(value, bool | str) for value in values):
        return CategoricalDistribution(sorted(set(map(_as_parameter, values)), key=str))
    numbers = [float(value) for value in values]
    low, high = min(numbers), max(numbers)
    is_log = low > 0 and high / low >= LOG_RATIO
    if all(isinstance(value, int) for value in values):
        step = math.gcd(*(int(number - low) for number in numbers))
        return IntDistribution(int(low), int(high), log=is_log, step=1 if is_log else step)
    return FloatDistribution(low, high, log=is_log)

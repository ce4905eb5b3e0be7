"""What the report says of a search: which tuner it was, what it spent on the way, and how far it had come."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.report.records import DatasetRecords, Run, SystemRecords
from blindtune.trials import Trial

Floats = NDArray[np.float64]

#: Algorithms that draw every set at random and train it whole, by library.
RANDOM = {("keras-tuner", "random"), ("optuna", "random"), ("scikit-learn", "parameter-sampler")}
#: Random as well, but part of the budget goes into folds; stands in where none of the others was run.
RANDOM_ON_FOLDS = {("scikit-learn", "randomized-search")}


def settings(system: SystemRecords) -> dict[str, Any]:
    """The tuner's part of the config."""
    found: dict[str, Any] = system.runs[0].card.settings["tuner"]
    return found


def library(system: SystemRecords) -> str:
    """The library of a tuner."""
    return str(settings(system)["library"])


def algorithm(system: SystemRecords) -> str:
    """Library, algorithm, pruner and objectives of a tuner, for a reader."""
    tuner = settings(system)
    pruner = f" + {tuner['pruner']}" if _prunes(tuner) else ""
    objectives = f", {len(tuner['objectives'])} objectives" if several_objectives(system) else ""
    return f"{tuner['library']} {tuner['algorithm']}{pruner}{objectives}"


def several_objectives(system: SystemRecords) -> bool:
    """Whether the tuner minimised more than the dev error."""
    return system.kind == "tuner" and len(settings(system).get("objectives") or []) > 1


def random_searches(dataset: DatasetRecords) -> list[SystemRecords]:
    """The tuners of a dataset that are plain random search, the zero of the scale.

    Those that score on dev count; only where there is none, one that scores on folds.
    """
    for known in (RANDOM, RANDOM_ON_FOLDS):
        found = [system for system in dataset.of_kind("tuner") if _is_one_of(system, known)]
        if found:
            return found
    return []


def scored_on_dev(trials: Sequence[Trial]) -> list[Trial]:
    """The trials with a dev error; a score on a fold of a cross-validation is none."""
    return [trial for trial in trials if trial.score is not None and trial.fold is None]


def best_so_far(trials: Sequence[Trial]) -> Floats:
    """The lowest dev error in % up to each trial, (trials,); NaN before the first that has one."""
    known = [trial.score if trial.fold is None else None for trial in trials]
    scores = np.array([np.nan if score is None else 100 * score for score in known], dtype=float)
    return np.fmin.accumulate(scores) if len(scores) else scores


def seconds_spent(trials: Sequence[Trial]) -> Floats:
    """Wall seconds of all parts up to the end of each trial, (trials,)."""
    return np.cumsum([sum(part.wall for part in trial.seconds.values()) for trial in trials])


def epochs_spent(trials: Sequence[Trial]) -> Floats:
    """Training epochs up to the end of each trial, whatever became of it, (trials,)."""
    return np.cumsum([float(trial.epochs) for trial in trials])


def wall(run: Run) -> float:
    """Wall seconds of a whole study."""
    return sum(part.wall for part in run.card.spent.seconds.values())


def _prunes(tuner: dict[str, Any]) -> bool:
    return tuner.get("pruner") not in (None, "none")


def _is_one_of(system: SystemRecords, known: set[tuple[str, str]]) -> bool:
    tuner = settings(system)
    return (tuner["library"], tuner["algorithm"]) in known and not _prunes(tuner) and not several_objectives(system)

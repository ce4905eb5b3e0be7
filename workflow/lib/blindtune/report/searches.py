"""What the report says of a search: which tuner it was, what it spent on the way, and how far it had come."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.timing import total_wall_seconds
from blindtune.records.model_card import ModelCard
from blindtune.records.trial import Trial
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords, pair_by_group
from blindtune.report.stats.seed_statistics import compare_paired_by_seed
from blindtune.report.stats.statistics import Difference

Floats = NDArray[np.float64]

#: Algorithms that draw every set at random.
RANDOM_ALGORITHMS = ("random", "parameter-sampler", "randomized-search")
#: Algorithms that do not learn from what they have seen.
NON_ADAPTIVE = (*RANDOM_ALGORITHMS, "grid", "parameter-grid", "grid-search", "default")


def tuner_settings(system: SystemRecords) -> dict[str, Any]:
    """The tuner's part of the config."""
    found: dict[str, Any] = system.runs[0].card.settings["tuner"]
    return found


def library_of(system: SystemRecords) -> str:
    """The library of a tuner."""
    return str(tuner_settings(system)["library"])


def describe_tuner(system: SystemRecords) -> str:
    """Library, algorithm, pruner, folds and objectives of a tuner, for a reader."""
    tuner = tuner_settings(system)
    pruner = f" + {tuner['pruner']['algorithm']}" if _prunes(tuner) else ""
    folds = f", {tuner['folds']} folds" if tuner.get("folds") else ""
    objectives = f", {len(tuner['objectives'])} objectives" if has_several_objectives(system) else ""
    return f"{tuner['library']} {tuner['algorithm']}{pruner}{folds}{objectives}"


def is_adaptive(system: SystemRecords) -> bool:
    """Whether what a tuner does next depends on the scores so far."""
    return tuner_settings(system)["algorithm"] not in NON_ADAPTIVE or _prunes(tuner_settings(system))


def describe_view(card: ModelCard) -> str | None:
    """What of a stored sample a system sees, for a reader; None where it is the sample itself."""
    view = dict(card.settings.get("view") or {"kind": "samples"})
    name = view.pop("kind")
    details = ", ".join(f"{key} {str(value).lower()}" for key, value in view.items())
    return None if name == "samples" else f"{name} ({details})" if details else str(name)


def has_several_objectives(system: SystemRecords) -> bool:
    """Whether the tuner minimised more than the dev error."""
    return system.kind == "tuner" and len(tuner_settings(system).get("objectives") or []) > 1


def find_random_searches(dataset: DatasetRecords) -> list[SystemRecords]:
    """The tuners of a dataset that are plain random search, the zero of the scale.

    Those that score on dev count; only where there is none, those that spend a part of their budget on folds.
    """
    found = [system for system in dataset.systems_of_kind("tuner") if _is_plain_random(system)]
    return [system for system in found if not tuner_settings(system).get("folds")] or found


def compare_by_seed(first: SystemRecords, second: SystemRecords) -> Difference:
    """The mean eval error of ``first`` minus that of ``second``, paired by seed."""
    return compare_paired_by_seed(first.wrong(), second.wrong(), pair_by_group(first, second))


def select_scored_on_dev(trials: Sequence[Trial]) -> list[Trial]:
    """The trials with a dev error; a score on a fold of a cross-validation is none."""
    return [trial for trial in trials if trial.score is not None and trial.fold is None]


def accumulate_best(trials: Sequence[Trial]) -> Floats:
    """The lowest dev error in % up to each trial, (trials,); NaN before the first that has one."""
    known = [trial.score if trial.fold is None else None for trial in trials]
    scores = np.array([np.nan if score is None else 100 * score for score in known], dtype=float)
    return np.fmin.accumulate(scores) if len(scores) else scores


def accumulate_seconds(trials: Sequence[Trial]) -> Floats:
    """Wall seconds of all parts up to the end of each trial, (trials,)."""
    return np.cumsum([total_wall_seconds(trial.seconds) for trial in trials])


def accumulate_epochs(trials: Sequence[Trial]) -> Floats:
    """Training epochs up to the end of each trial, whatever became of it, (trials,)."""
    return np.cumsum([float(trial.epochs) for trial in trials])


def study_seconds(run: RunRecords) -> float:
    """Wall seconds of a whole study."""
    return total_wall_seconds(run.card.spent.seconds)


def _prunes(tuner: dict[str, Any]) -> bool:
    pruner: dict[str, Any] = tuner.get("pruner") or {"algorithm": "none"}
    return bool(pruner["algorithm"] != "none")


def _is_plain_random(system: SystemRecords) -> bool:
    return (
        tuner_settings(system)["algorithm"] in RANDOM_ALGORITHMS
        and not is_adaptive(system)
        and not has_several_objectives(system)
    )

"""Describe searches: which tuner, what it spent up to each trial, and the best value by then."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.timing import total_wall_seconds
from blindtune.metrics.registry import ERROR, is_error
from blindtune.records.model_card import ModelCard
from blindtune.records.trial import Trial
from blindtune.report.minimised import get_scale
from blindtune.report.once import once
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords, pair_errors
from blindtune.report.stats import metric_samples
from blindtune.report.stats.comparisons import compare_systems
from blindtune.report.stats.crossed import compare_crossed_by_seed
from blindtune.report.stats.statistics import Difference

Floats = NDArray[np.float64]

#: Algorithms that draw every configuration at random.
RANDOM_ALGORITHMS = ("random", "parameter-sampler", "randomized-search")
#: Algorithms whose proposals do not depend on earlier scores.
NON_ADAPTIVE = (*RANDOM_ALGORITHMS, "quasi-random", "grid", "parameter-grid", "grid-search", "default")


def get_tuner_settings(system: SystemRecords) -> dict[str, Any]:
    """Return the tuner's part of the config."""
    found: dict[str, Any] = system.runs[0].card.settings["tuner"]
    return found


def get_library(system: SystemRecords) -> str:
    """Return the library of a tuner."""
    return str(get_tuner_settings(system)["library"])


def get_folds(system: SystemRecords) -> int | None:
    """Return the number of folds on which a tuner scores its sets; None: it scores them on dev."""
    return system.runs[0].card.settings.get("folds") or get_tuner_settings(system).get("folds")


def describe_trainer(card: ModelCard) -> str | None:
    """Return what trained a model: the trainer of a network, or the estimator; None for a reference model."""
    steps = card.settings.get("estimator")
    trainer = f"estimator {', '.join(steps)}" if steps else card.settings.get("trainer")
    return None if trainer is None else str(trainer)


def describe_tuner(system: SystemRecords) -> str:
    """Return library, algorithm, pruner, folds, objectives and estimator of a tuner as text."""
    tuner = get_tuner_settings(system)
    pruner = f" + {tuner['pruner']['algorithm']}" if _prunes(tuner) else ""
    folds = f", {get_folds(system)} folds" if get_folds(system) else ""
    objectives = f", {len(tuner['objectives'])} objectives" if has_several_objectives(system) else ""
    steps = system.runs[0].card.settings.get("estimator")
    estimator = f", {' + '.join(steps)}" if steps else ""
    return f"{tuner['library']} {tuner['algorithm']}{pruner}{folds}{objectives}{estimator}"


def is_adaptive(system: SystemRecords) -> bool:
    """Return whether the tuner's proposals or its pruning depend on earlier scores."""
    return get_tuner_settings(system)["algorithm"] not in NON_ADAPTIVE or _prunes(get_tuner_settings(system))


def describe_view(card: ModelCard) -> str | None:
    """Return the view of a system as text; None if it takes the stored samples as they are."""
    view = dict(card.settings.get("view") or {"kind": "samples"})
    name = view.pop("kind")
    if name == "extracted":
        return _describe_extracted(view)
    details = ", ".join(f"{key} {str(value).lower()}" for key, value in view.items())
    return None if name == "samples" else f"{name} ({details})" if details else str(name)


def _describe_extracted(view: dict[str, Any]) -> str:
    """Return what computes the features of a sample; of a file its name alone."""
    weights = f", weights {PurePath(view['weights']).name}" if view.get("weights") else ""
    arguments = "".join(f", {name} {value}" for name, value in view["arguments"].items())
    scaled = ", standardized" if view["standardize"] else ""
    return f"extracted ({PurePath(view['build']).name}{weights}{arguments}{scaled})"


def has_several_objectives(system: SystemRecords) -> bool:
    """Return whether the tuner minimized more than one value of a trial."""
    return system.kind == "tuner" and len(get_tuner_settings(system).get("objectives") or []) > 1


def find_random_searches(dataset: DatasetRecords) -> list[SystemRecords]:
    """Return the tuners of a dataset that are plain random search, the zero of the scale of scores.

    Random searches that score on cross-validation folds are returned only if there is no other.
    """
    found = [system for system in dataset.systems_of_kind("tuner") if _is_plain_random(system)]
    return [system for system in found if not get_folds(system)] or found


@once
def compare_by_seed(first: SystemRecords, second: SystemRecords) -> Difference:
    """Estimate the difference of two mean eval errors, paired by seed.

    Args:
        first: a system.
        second: another system on the same dataset with the same seeds.

    Returns:
        The mean eval error of ``first`` minus that of ``second``.
    """
    return compare_crossed_by_seed(*pair_errors(first, second))


@once
def compare_minimised_by_seed(first: SystemRecords, second: SystemRecords) -> Difference:
    """Estimate the difference of what two systems minimised, on eval and paired by seed; see `compare_by_seed`.

    Args:
        first: a system.
        second: another system on the same dataset with the same seeds.
    """
    if is_error(first.metric):
        return compare_by_seed(first, second)
    one, other = first.metric_sample, second.metric_sample
    return (
        compare_systems(first, second) if one is None or other is None else metric_samples.compare_by_seed(one, other)
    )


def select_scored_on_dev(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that were scored on dev; scores on cross-validation folds are not dev errors."""
    return [trial for trial in trials if trial.score is not None and trial.fold is None]


def accumulate_best(trials: Sequence[Trial]) -> Floats:
    """Return the lowest value on dev up to each trial, ``(n_trials,)``; NaN before the first one.

    It is what the tuner minimised, the error or the metric of the comparison; a share is in %.

    Args:
        trials: of one study.
    """
    scale = get_scale((trials[0].metric if trials else None) or ERROR)
    scored = [trial.score is not None and trial.fold is None for trial in trials]
    values = [scale * trial.objective_value() if known else np.nan for trial, known in zip(trials, scored, strict=True)]
    scores = np.array(values, dtype=float)
    return np.fmin.accumulate(scores) if len(scores) else scores


def accumulate_seconds(trials: Sequence[Trial]) -> Floats:
    """Return the wall seconds of all parts spent up to the end of each trial, ``(n_trials,)``."""
    return np.cumsum([total_wall_seconds(trial.seconds) for trial in trials])


def accumulate_epochs(trials: Sequence[Trial]) -> Floats:
    """Return the training epochs spent up to the end of each trial of any status, ``(n_trials,)``."""
    return np.cumsum([float(trial.epochs) for trial in trials])


def sum_study_seconds(run: RunRecords) -> float:
    """Return the wall seconds of a whole study."""
    return total_wall_seconds(run.card.spent.seconds)


def _prunes(tuner: dict[str, Any]) -> bool:
    pruner: dict[str, Any] = tuner.get("pruner") or {"algorithm": "none"}
    return bool(pruner["algorithm"] != "none")


def _is_plain_random(system: SystemRecords) -> bool:
    return (
        get_tuner_settings(system)["algorithm"] in RANDOM_ALGORITHMS
        and not is_adaptive(system)
        and not has_several_objectives(system)
    )

"""Export each trial as a JSON file in the format of the guide (section 6.2; exceptions as in 6.3)."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from blindtune.core.timing import total_wall_seconds
from blindtune.exports.folders import make_study_folder
from blindtune.exports.stored_study import StoredStudy
from blindtune.metrics.registry import ERROR, METRICS
from blindtune.records.trial import Trial
from blindtune.study.checkpoints import file_name


def write(studies: list[StoredStudy], folder: Path) -> None:
    """Write ``<config>/<dataset>/<system>/<seed>/trial_<number>.json`` for every trial.

    Args:
        studies: the studies to export.
        folder: the folder of the export.
    """
    for stored in studies:
        study_folder = make_study_folder(stored, folder)
        for trial in stored.trials:
            text = json.dumps(build_content(stored, trial), indent=6, allow_nan=False)
            (study_folder / f"trial_{trial.number}.json").write_text(f"{text}\n", encoding="utf-8")


def build_content(stored: StoredStudy, trial: Trial) -> dict[str, Any]:
    """Return the content of a trial's file: the guide's fields first, then the other fields of the record.

    The guide maximizes its objective, so ``val_accuracy`` is 1 minus the dev error, and ``value`` is the same of what
    the study minimised: 1 minus a share, such as the area under the ROC curve, or minus the log loss. Both are null for
    a trial without a score.

    Args:
        stored: the study of the trial.
        trial: the record of the trial.

    Returns:
        The fields by name, ready for JSON.
    """
    accuracy = None if trial.score is None else 1 - trial.score
    scored = trial.curve[trial.scored_epoch - trial.trained_before - 1] if trial.scored_epoch else None
    weights = Path("weights") / file_name(trial.number)
    return {
        "trial_number": trial.number,
        "value": _maximized(trial),
        "val_accuracy": accuracy,
        "val_loss": scored.dev_loss if scored else None,
        "params": trial.configuration(),
        "output_exception_list": trial.exceptions,
        "status": trial.status,
        "reason": trial.reason,
        "retries": trial.retries,
        "datetime_start": trial.started,
        "datetime_complete": compute_end_time(trial).isoformat(timespec="milliseconds"),
        "epochs": trial.epochs,
        "history": [epoch.model_dump() for epoch in trial.curve],
        "n_parameters": trial.n_parameters,
        "parent": trial.parent,
        "fold": trial.fold,
        "seeds": trial.seeds,
        "weights": weights.as_posix() if (stored.folder / weights).exists() else None,
        "weights_sha256": trial.weights_sha256,
        "study": trial.study,
        **({} if trial.metric is None else {"metric": trial.metric, "metric_value": trial.metric_value}),
    }


def _maximized(trial: Trial) -> float | None:
    """Return what a maximizer would have been told of a trial; None without a score."""
    if trial.score is None:
        return None
    return 1 - trial.objective_value() if METRICS[trial.metric or ERROR].is_share else -trial.objective_value()


def compute_end_time(trial: Trial) -> datetime:
    """Return when a trial ended: its start plus the wall time of all its parts."""
    return datetime.fromisoformat(trial.started) + timedelta(seconds=total_wall_seconds(trial.seconds))

"""One JSON file per trial in the form of the guide (section 6.2; the exceptions of 6.3)."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from blindtune.core.timing import wall_of
from blindtune.exports.folders import place_of
from blindtune.exports.stored import StoredStudy
from blindtune.records.trial import Trial
from blindtune.study.checkpoints import file_name


def write(studies: list[StoredStudy], folder: Path) -> None:
    """Write ``<config>/<dataset>/<system>/<seed>/trial_<number>.json`` below ``folder``."""
    for stored in studies:
        place = place_of(stored, folder)
        for trial in stored.trials:
            text = json.dumps(content(stored, trial), indent=6, allow_nan=False)
            (place / f"trial_{trial.number}.json").write_text(f"{text}\n", encoding="utf-8")


def content(stored: StoredStudy, trial: Trial) -> dict[str, Any]:
    """A trial in the guide's names first, then what its record has beside them.

    The guide maximizes: ``val_accuracy`` and ``value`` are one minus the dev error. A trial without a score has
    null for both.
    """
    accuracy = None if trial.score is None else 1 - trial.score
    scored = trial.curve[trial.scored_epoch - trial.trained_before - 1] if trial.scored_epoch else None
    weights = Path("weights") / file_name(trial.number)
    return {
        "trial_number": trial.number,
        "value": accuracy,
        "val_accuracy": accuracy,
        "val_loss": scored.dev_loss if scored else None,
        "params": trial.hyperparameters,
        "output_exception_list": trial.exceptions,
        "status": trial.status,
        "reason": trial.reason,
        "retries": trial.retries,
        "datetime_start": trial.started,
        "datetime_complete": ended(trial).isoformat(timespec="milliseconds"),
        "epochs": trial.epochs,
        "history": [epoch.model_dump() for epoch in trial.curve],
        "parameters": trial.parameters,
        "parent": trial.parent,
        "fold": trial.fold,
        "seeds": trial.seeds,
        "weights": weights.as_posix() if (stored.folder / weights).exists() else None,
        "weights_sha256": trial.weights_sha256,
        "study": trial.study,
    }


def ended(trial: Trial) -> datetime:
    """When a trial ended: its start and every second that it took."""
    return datetime.fromisoformat(trial.started) + timedelta(seconds=wall_of(trial.seconds))

"""Trials with chosen values, in the place of those that the builder of records made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from blindtune.core.timing import CpuWallTime
from blindtune.records.trial import EpochMetrics, Status, Trial
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords
from support.report_searches import PARTS, VERSIONS


def make_trial(
    number: int, score: float | None, hyperparameters: dict[str, Any] | None = None, **changes: Any
) -> Trial:
    """Return a trial of two epochs that took a second.

    Args:
        number: of the trial.
        score: its dev error; None: it is invalid, unless ``changes`` have another status.
        hyperparameters: its set; None: an empty one.
        changes: other fields.
    """
    status: Status = "invalid" if score is None else "completed"
    curve = [EpochMetrics(train_loss=0.5, train_error=0.3, dev_loss=0.6, dev_error=score)] * (0 if score is None else 2)
    fields: dict[str, Any] = {
        "study": "tiny/set_10/any/42",
        "number": number,
        "hyperparameters": hyperparameters or {},
        "status": status,
        "score": score,
        "epochs": len(curve),
        "curve": curve,
        "best_epoch": len(curve) or None,
        "scored_epoch": len(curve) or None,
        "n_parameters": None,
        "weights_sha256": None,
        "seeds": {"study": 42, "trial": number},
        "seconds": {part: CpuWallTime(wall=1 / len(PARTS)) for part in PARTS},
        "started": "2026-01-02T03:04:05.678+00:00",
        "host": "maker",
        "versions": VERSIONS,
    }
    return Trial(**fields | changes)


def replace_trials(dataset: DatasetRecords, trials: dict[str, Sequence[Sequence[Trial]]]) -> DatasetRecords:
    """Return a dataset whose systems have these trials, per seed; the cards stay as they are.

    Args:
        dataset: the records.
        trials: by the name of the system; systems that are not named keep theirs.
    """
    return replace(dataset, systems=[_replace_system(system, trials.get(system.name)) for system in dataset.systems])


def _replace_system(system: SystemRecords, trials: Sequence[Sequence[Trial]] | None) -> SystemRecords:
    if trials is None:
        return system
    runs: list[RunRecords] = [
        replace(run, trials=list(of_seed)) for run, of_seed in zip(system.runs, trials, strict=True)
    ]
    return replace(system, runs=runs)

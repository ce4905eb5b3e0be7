"""Collect what several charts of a dataset show: its runs, and its trials, thinned if there are too many."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from blindtune.core.timing import total_wall_seconds
from blindtune.records.trial import Trial
from blindtune.report.charts.spec import Rows, round_number
from blindtune.report.minimised import get_scale
from blindtune.report.once import once
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords

#: The most trials of a dataset that charts show.
MOST_TRIALS = 2000
#: Longer values and reasons are cut.
MOST_LETTERS = 80

#: The outcome of a trial that was scored on a fold of a cross-validation.
ON_FOLD = "scored on a fold"


@dataclass(frozen=True)
class TrialSample:
    """Trials of a dataset for its charts.

    Attributes:
        rows: one per shown trial, the lowest on dev last, so that it is drawn on top.
        names: the hyperparameters; ``h0``, ``h1``, ... in a row are their values.
        total: number of trials that were recorded.
    """

    rows: Rows
    names: list[str]
    total: int

    @property
    def sentence(self) -> str:
        """How many trials are shown, for the text of a chart."""
        shown = len(self.rows)
        if shown == self.total:
            return f"All {self.total:,} trials are shown."
        return (
            f"{shown:,} of {self.total:,} trials are shown: the chosen trial of every study, and of all others every "
            f"{self.total / shown:.3g}th on average, evenly spaced."
        )


def number_runs(dataset: DatasetRecords) -> list[tuple[SystemRecords, RunRecords]]:
    """Return the runs of all classifiers in order; the position of a run is its number in the data of the charts."""
    return [(system, run) for system in dataset.classifiers for run in system.runs]


def collect_runs(dataset: DatasetRecords) -> Rows:
    """Return one row per run of a classifier: system, seed, and the paths of its records."""
    return [
        {
            "run": number,
            "system": system.name,
            "seed": run.card.seed,
            "log": str(PurePosixPath(run.paths[0]).parent / "trials.jsonl"),
            "card": run.paths[0],
            # Lines of a log that repeat a record make the number of a line another one.
            "lines": run.doubled == 0,
        }
        for number, (system, run) in enumerate(number_runs(dataset))
    ]


@once
def collect_trials(dataset: DatasetRecords, limit: int = MOST_TRIALS) -> TrialSample:
    """Return the trials of a dataset, thinned to ``limit``.

    The chosen trial of every study is always kept; of the others, in the order of systems, seeds and numbers, those at
    evenly spaced places are.

    Args:
        dataset: the records of the dataset.
        limit: the most rows.
    """
    recorded = [
        (number, place, run) for number, (_, run) in enumerate(number_runs(dataset)) for place in range(len(run.trials))
    ]
    kept = thin([run.trials[place].number == run.card.trial for _, place, run in recorded], limit)
    scale = get_scale(dataset.metric)
    ranks = _rank(recorded)
    names = _list_hyperparameters([recorded[index][2].trials[recorded[index][1]] for index in kept])
    rows = []
    for index in kept:
        number, place, run = recorded[index]
        rows.append(_make_row(number, run.trials[place], run, scale, names) | {"rank": ranks.get(index)})
    rows.sort(key=lambda row: (row["value"] is not None, -(row["value"] or 0)))
    return TrialSample([{"id": number} | row for number, row in enumerate(rows)], names, len(recorded))


def thin(required: Sequence[bool], limit: int) -> list[int]:
    """Return at most ``limit`` places: the required ones, and evenly spaced ones of the others.

    Args:
        required: whether each place is kept in any case.
        limit: the most places; more are returned only if more are required.
    """
    if len(required) <= limit:
        return list(range(len(required)))
    kept = [place for place, needed in enumerate(required) if needed]
    others = [place for place, needed in enumerate(required) if not needed]
    free = max(0, limit - len(kept))
    picked: Sequence[float] = (
        np.unique(np.linspace(0, len(others) - 1, free).round().astype(int)).tolist() if free and others else []
    )
    return sorted([*kept, *(others[int(place)] for place in picked)])


def show_value(value: Any) -> float | int | str | None:
    """Return the value of a hyperparameter as charts show it: a number with five digits, or text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return round_number(value)
    if value is None or isinstance(value, str):
        return value if value is None else cut(value)
    return cut(json.dumps(value, default=str))


def cut(text: str) -> str:
    """Return a text in one line, cut after `MOST_LETTERS` letters."""
    text = " ".join(text.split())
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def _make_row(number: int, trial: Trial, run: RunRecords, scale: float, names: list[str]) -> dict[str, Any]:
    scored = trial.score is not None and trial.fold is None
    values = {f"h{place}": show_value(trial.hyperparameters.get(name)) for place, name in enumerate(names)}
    return {
        "run": number,
        "trial": trial.number,
        "outcome": ON_FOLD if trial.score is not None and not scored else trial.status,
        "value": round_number(scale * trial.objective_value()) if scored else None,
        "reason": None if trial.reason is None else cut(trial.reason),
        "chosen": trial.number == run.card.trial,
        "parameters": trial.n_parameters,
        "epochs": trial.epochs + trial.trained_before,
        "seconds": round_number(total_wall_seconds(trial.seconds), 4),
        **values,
    }


def _rank(recorded: list[tuple[int, int, RunRecords]]) -> dict[int, float | int | None]:
    """Return the share of all scored trials that are as low on dev or lower, in %, by place."""
    trials = [run.trials[place] for _, place, run in recorded]
    scored = [place for place, trial in enumerate(trials) if trial.score is not None and trial.fold is None]
    values = np.array([trials[place].objective_value() for place in scored], dtype=float)
    below = np.searchsorted(np.sort(values), values, side="right")
    return {place: round_number(100 * int(rank) / len(scored), 4) for place, rank in zip(scored, below, strict=True)}


def _list_hyperparameters(trials: list[Trial]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.hyperparameters))

"""The table of costs: the budget of each system, what it spent, and the outcomes of its trials."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

from blindtune.core.files import canonical_json
from blindtune.records.trial import Status, Trial
from blindtune.report.records import DatasetRecords, ReportRecords, RunRecords, SystemRecords
from blindtune.report.searches import sum_study_seconds
from blindtune.report.stats.statistics import mean
from blindtune.report.table import (
    ABSENT,
    Cell,
    Column,
    ReportTable,
    Row,
    format_number,
    join_paths,
    number_column,
    text_column,
)
from blindtune.report.tables.times import format_seconds

STATUSES: tuple[str, ...] = get_args(Status)
UNITS = ("trials", "epochs", "seconds")

#: The counts of each study, besides the trials by status.
COUNTED: dict[str, Callable[[RunRecords], float]] = {
    "trials": lambda run: run.card.spent.trials,
    "trials_valid": lambda run: run.card.spent.trials - run.card.statuses.get("invalid", 0),
    "epochs": lambda run: run.card.spent.epochs,
    "wall_seconds": sum_study_seconds,
    "cpu_seconds": lambda run: sum(part.cpu for part in run.card.spent.seconds.values()),
    "on_folds": lambda run: sum(trial.fold is not None for trial in run.trials),
    "promoted": lambda run: sum(trial.parent is not None for trial in run.trials),
    "continued": lambda run: sum(trial.trained_before > 0 for trial in run.trials),
    "repeated": lambda run: _count_repeated(run.trials),
}

RANDOM_KERAS_TUNER = (
    "Keras Tuner's random search never tries a configuration twice. A space has few configurations with one layer, so "
    "a long search exhausts them and drifts to deeper networks; in a small space it ends before its budget is spent. "
    "The published method does the same."
)


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and system, with means over the seeds."""
    rows = [_row(dataset, system) for dataset in records.datasets for system in dataset.systems]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        *(number_column(f"given_{unit}", unit, 0, "budget") for unit in UNITS),
        _count("trials", "trials", "spent"),
        _count("trials_valid", "without invalid", "spent"),
        _count("epochs", "epochs", "spent"),
        Column("seconds, wall / CPU", _seconds, "spent", numeric=True),
        *(_count(status, status, "of the trials") for status in STATUSES),
        Column("of which", _kinds, "of the trials", wide=True),
        Column("Ended early", _exhausted, numeric=True),
    ]
    return ReportTable("costs", "Budgets and what was spent", rows, columns, _notes(records))


def _count_repeated(trials: Sequence[Trial]) -> int:
    """Count the trials with the configuration of an earlier one, without those that were promoted or are on a fold."""
    new = [trial for trial in trials if trial.parent is None and trial.fold is None]
    return len(new) - len({canonical_json(trial.configuration()) for trial in new})


def _notes(records: ReportRecords) -> list[str]:
    notes = [
        "Every number is the mean over the seeds. If a budget has several limits, the first that is reached ends the "
        "search. The table of times shows where the seconds went.",
        "Trials are counted twice: all of them, and those without the invalid ones, whose configuration gives no "
        "model. No configuration stops a search. Epochs are those of all trials of any status; an invalid trial has "
        "none, but is charged one.",
        "Promoted: repeats the configuration of an earlier trial, usually with more epochs. Continued: starts from "
        "that trial's weights, and only the additional epochs are counted. On a fold: scored within train by "
        "cross-validation. Repeated: has the configuration of an earlier trial and was not promoted, as tuners propose "
        "to which hyperparameters that are not active are noise. Ended early: the number of studies whose tuner had "
        "nothing more to propose.",
        "Each candidate of a reference system counts as a trial.",
    ]
    cards = [run.card for run in records.runs if run.card.kind == "tuner"]
    tuners = [card.settings["tuner"] for card in cards]
    if any((tuner["library"], tuner["algorithm"]) == ("keras-tuner", "random") for tuner in tuners):
        notes.append(RANDOM_KERAS_TUNER)
    if len({card.budget.model_dump_json() for card in cards if card.budget}) > 1:
        notes.append("Not all tuners had the same budget: compare only those that had.")
    return [*notes, *filter(None, map(_describe_warnings, records.datasets))]


def _describe_warnings(dataset: DatasetRecords) -> str | None:
    """Return a sentence on what the fits of estimators warned of; None if there was nothing."""
    found: list[str] = []
    for system in dataset.systems:
        trials = [trial for run in system.runs if run.card.estimator is not None for trial in run.trials]
        warned = [trial.exceptions[0] for trial in trials if trial.exceptions]
        if warned:
            [(text, count)] = Counter(warned).most_common(1)
            found.append(f"{system.name} in {len(warned)} of {len(trials)} trials (most often, {count}: {text})")
    return f"Fits on {dataset.title} gave warnings, which the records hold: {'; '.join(found)}." if found else None


def _row(dataset: DatasetRecords, system: SystemRecords) -> Row:
    budget = system.runs[0].card.budget
    row: Row = {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": system.name,
        "kind": system.kind,
        "seeds": len(system.runs),
        **{f"given_{unit}": getattr(budget, unit, None) for unit in UNITS},
    }
    for name, count in COUNTED.items():
        row[name] = mean([count(run) for run in system.runs])
    for status in STATUSES:
        row[status] = mean([run.card.statuses.get(status, 0) for run in system.runs])
    return row | {"exhausted": sum(run.card.exhausted for run in system.runs), "records": join_paths(system.paths)}


def _count(key: str, title: str, group: str) -> Column:
    return Column(title, lambda row: _format_count(row[key]), group, numeric=True)


def _format_count(value: Cell) -> str:
    return format_number(value, 0 if value == int(value) else 1) if isinstance(value, int | float) else ABSENT


def _kinds(row: Row) -> str:
    kinds = {"promoted": "promoted", "continued": "continued", "on_folds": "on a fold", "repeated": "repeated"}
    return ", ".join(f"{_format_count(row[key])} {word}" for key, word in kinds.items() if row[key]) or ABSENT


def _seconds(row: Row) -> str:
    return f"{format_seconds(row['wall_seconds'])} / {format_seconds(row['cpu_seconds'])}"


def _exhausted(row: Row) -> str:
    return f"{row['exhausted']} of {row['seeds']}" if row["exhausted"] else "0"

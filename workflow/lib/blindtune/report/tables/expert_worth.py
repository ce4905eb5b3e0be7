"""The table of what an expert is worth: the best of n trials, and how many of them match the manual model on dev."""

import math

import numpy as np

from blindtune.report.minimised import format_cell, format_metric, get_title, get_unit, to_cell
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.searches import describe_tuner, get_folds
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
    to_percent,
)
from blindtune.report.tables.times import format_seconds
from blindtune.report.worth import Needed, RecordedSearch, list_searches, mean_trial_seconds

#: The numbers of trials whose expected best is shown; beyond them, that of all trials of a search.
SHOWN = (1, 10, 100)
#: The probabilities of matching the manual model that are shown.
PROBABILITIES = {"half": 0.5, "most": 0.95}

RESAMPLED, RECORDED = "any order", "recorded order"


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and tuner that scores its trials on dev."""
    rows = [
        _row(dataset, search, dataset.lowest_on_dev("manual"))
        for dataset in records.datasets
        for search in list_searches(dataset)
    ]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("tuner", "Tuner"),
        Column("Trials", _trials, numeric=True),
        text_column("order", "Counted in"),
        *(_lowest_column(f"lowest_{count}", f"{count}") for count in SHOWN),
        _lowest_column("lowest_all", "all of a seed"),
        text_column("manual", "model", "expert"),
        _lowest_column("manual_dev", "dev", "expert"),
        number_column("good", "trials as good, %", 2, "expert"),
        Column("half of the time", lambda row: _needed(row, "half"), "trials needed to match", numeric=True),
        Column("95%", lambda row: _needed(row, "most"), "trials needed to match", numeric=True),
        Column("seconds for half", lambda row: format_seconds(row["half_seconds"]), "trials needed to match"),
    ]
    return ReportTable(
        "expert_worth", "How many trials an expert is worth, on dev", rows, columns, _notes(records), _findings(records)
    )


def _row(dataset: DatasetRecords, search: RecordedSearch, manual: SystemRecords | None) -> Row:
    metric, most = dataset.metric, min(map(len, search.values))
    lowest = {f"lowest_{count}": _lowest(search, count, metric) for count in SHOWN}
    target = None if manual is None else manual.objective("dev")
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "tuner": search.system.name,
        "what": describe_tuner(search.system),
        "seeds": len(search.values),
        "trials": len(search.pooled),
        "trials_of_a_seed": most,
        "scored": int(np.isfinite(search.pooled).sum()),
        "order": RESAMPLED if search.resampled else RECORDED,
        "metric": get_title(metric),
        "unit": get_unit(metric),
        **lowest,
        "lowest_all": _lowest(search, most, metric),
        "manual": None if manual is None else manual.name,
        "manual_dev": None if target is None else to_cell(metric, target),
        **_matching(search, target),
        **_over_seeds(search, manual),
        "records": join_paths(search.system.paths + ([] if manual is None else manual.paths)),
    }


def _lowest(search: RecordedSearch, count: int, metric: str) -> Cell:
    found = search.expect_lowest(np.array([count]))[0] if count <= search.most else math.nan
    return None if math.isnan(found) else to_cell(metric, float(found))


def _matching(search: RecordedSearch, target: float | None) -> Row:
    """Return the share of trials as good as the manual model, and how many trials are needed to match it."""
    if target is None:
        keys = [f"{name}_{key}" for name in PROBABILITIES for key in ("count", "low", "high")]
        nothing: Row = dict.fromkeys(["good", *keys, "half_seconds"])
        return nothing
    cells: Row = {"good": to_percent(search.count_good(target) / len(search.pooled))}
    for name, probability in PROBABILITIES.items():
        needed = search.need(target, probability)
        cells |= {f"{name}_count": needed.count, f"{name}_low": needed.low, f"{name}_high": _finite(needed)}
    count = cells["half_count"]
    seconds = mean_trial_seconds(search.system)
    return cells | {"half_seconds": count * seconds if isinstance(count, int) else None}


def _finite(needed: Needed) -> float | None:
    return needed.high if needed.high is not None and math.isfinite(needed.high) else None


def _over_seeds(search: RecordedSearch, manual: SystemRecords | None) -> Row:
    """Return the trials needed half of the time for the best and for the worst seed of the manual model."""
    targets = [] if manual is None else manual.objectives("dev")
    counts = [search.need(target, 0.5).count for target in (max(targets), min(targets))] if targets else [None, None]
    return dict(zip(("half_of_worst_manual_seed", "half_of_best_manual_seed"), counts, strict=True))


def _lowest_column(key: str, title: str, group: str = "expected lowest on dev of n trials") -> Column:
    return Column(title, lambda row: format_cell(row["unit"], row[key]), group, numeric=True)


def _trials(row: Row) -> str:
    return f"{format_number(row['trials'], 0)} in {row['seeds']} {'seed' if row['seeds'] == 1 else 'seeds'}"


def _needed(row: Row, name: str) -> str:
    """Return the number of trials with its interval as text."""
    if row["manual"] is None:
        return ABSENT
    count, low, high = row[f"{name}_count"], row[f"{name}_low"], row[f"{name}_high"]
    if low is None:
        most = format_number(row["trials_of_a_seed"], 0)
        return f"not in {most}" if count is None else format_number(count, 0)
    lower = format_number(low, 0)
    if count is None:
        return f"at least {lower}"
    return f"{format_number(count, 0)} ({lower} to {format_number(high, 0) if high is not None else 'any number'})"


def _findings(records: ReportRecords) -> list[str]:
    return [
        _finding(dataset, search, manual)
        for dataset in records.datasets
        for search in list_searches(dataset)
        if search.resampled and (manual := dataset.lowest_on_dev("manual")) is not None
    ]


def _finding(dataset: DatasetRecords, search: RecordedSearch, manual: SystemRecords) -> str:
    """Say how many random sets the expert of a dataset is worth."""
    target, trials = manual.objective("dev"), format_number(len(search.pooled), 0)
    half, most = (search.need(target, probability) for probability in PROBABILITIES.values())
    expert = f"{manual.name} (dev {format_metric(dataset.metric, target)})"
    name = search.system.name
    if half.count is None:
        return (
            f"{dataset.title}: none of the {trials} random sets of {name} is as good on dev as {expert}: to match it "
            f"half of the time takes at least {format_number(half.low, 0)} of them (95% confidence)."
        )
    high = "more than the records tell" if half.high == math.inf else format_number(half.high, 0)
    sets = "random set" if half.count == 1 else "random sets"
    return (
        f"{dataset.title}: {expert} is worth {format_number(half.count, 0)} {sets} of {name} (95% interval "
        f"{format_number(half.low, 0)} to {high}): with so many, the lowest on dev is at least as good half of the "
        f"time; {format_number(most.count, 0)} do it 95% of the time."
    )


def _notes(records: ReportRecords) -> list[str]:
    searches = [search for dataset in records.datasets for search in list_searches(dataset)]
    notes = [
        "Expert: the manual model with the lowest mean on dev. Trials as good: the share of all trials, of any status, "
        "that are at least as good on dev as the mean of that model over its seeds. All numbers are of dev, by which "
        "both the search and its user choose, not of eval: what is as good on dev may be worse on eval.",
        "An expert tried sets too before the manual model was written down; they are in no record. Trials needed: of "
        "this search, with its space, its training and its number of epochs.",
    ]
    if any(search.resampled for search in searches):
        notes.append(
            f"{RESAMPLED.capitalize()}: the tuner draws its sets independently, so every choice of n recorded trials, "
            "of all seeds together, is a search of n trials. Expected lowest and probability are exact means over all "
            "choices without replacement, which is unbiased; with replacement they are not (Dodge et al. 2019, arXiv "
            "1909.03004; Tang et al. 2020, arXiv 2004.13705). A choice without any scored trial does not count. In "
            "parentheses the 95% interval that follows from the share of trials as good (Clopper and Pearson); "
            "'at least' is its lower end where no trial is as good. Keras Tuner's random search tries no set twice, so "
            "its draws are nearly, not exactly, independent."
        )
    if any(not search.resampled for search in searches):
        notes.append(
            f"{RECORDED.capitalize()}: what the tuner proposes or prunes depends on earlier trials, so only the "
            "recorded order counts: the mean over the seeds of the lowest so far, and the trial by which half, or 95%, "
            "of the seeds had matched the expert. A few seeds tell that roughly: of fewer than 20, 95% are all. Trials "
            "that were pruned early, or promoted, count as one each."
        )
    left_out = [
        f"{system.name} ({dataset.name})"
        for dataset in records.datasets
        for system in dataset.systems_of_kind("tuner")
        if get_folds(system)
    ]
    if left_out:
        notes.append(
            f"Left out, since they score their trials on folds of train and not on dev: {', '.join(left_out)}."
        )
    return notes

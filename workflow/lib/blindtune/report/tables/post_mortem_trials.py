"""The table of all trials of post-mortems: dev against eval; the file has every trial, the page those that matter."""

from blindtune.report.minimised import format_cell, get_unit, to_cell
from blindtune.report.post_mortem import SearchAutopsy, find_autopsies
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import Cell, Column, ReportTable, Row, join_paths, number_column, text_column


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per trial; displayed are the chosen and the best one of each search."""
    rows = [
        row for dataset in records.datasets for autopsy in find_autopsies(dataset) for row in _rows(dataset, autopsy)
    ]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        number_column("seed", "Seed"),
        number_column("trial", "Trial"),
        text_column("which", "Which"),
        _value("dev", "dev"),
        _value("eval", "eval"),
        number_column("n_parameters", "Parameters"),
        text_column("restored", "Model"),
        text_column("reason", "Why not evaluated", wide=True),
    ]
    notes = [
        "Of each search the chosen trial and the one that was best on eval are shown, and those that could not be "
        "restored as they were recorded; the file has all trials. An analysis after the fact: nothing was chosen by "
        "eval.",
        "Model: its weights were kept, it was trained again with the same seed, or it was fitted again on train.",
    ]
    shown = [row for row in rows if row["which"]]
    return ReportTable("post_mortem_trials", "Trials of the post-mortem", rows, columns, notes, shown=shown)


def _value(key: str, title: str) -> Column:
    return Column(title, lambda row: format_cell(row["unit"], row[key]), "value", numeric=True)


def _rows(dataset: DatasetRecords, autopsy: SearchAutopsy) -> list[Row]:
    metric, card = dataset.metric, autopsy.run.card
    names: dict[int, list[str]] = {trial.trial: ["not restored"] for trial in autopsy.unmatched}
    names.setdefault(autopsy.found.chosen, []).append("chosen")
    if autopsy.best is not None:
        names.setdefault(autopsy.best.trial, []).append("best on eval")
    hyperparameters = {trial.number: trial.hyperparameters for trial in autopsy.run.trials}
    rows: list[Row] = []
    for trial in autopsy.found.trials:
        is_error = trial.dev_metric is None and trial.metric_value is None
        dev, on_eval = (trial.dev_error, trial.error) if is_error else (trial.dev_metric, trial.metric_value)
        values: dict[str, Cell] = {
            "dev": to_cell(metric, dev),
            "eval": to_cell(metric, on_eval),
            "dev_error": to_cell("error", trial.dev_error),
            "eval_error": to_cell("error", trial.error),
        }
        rows.append(
            {
                "dataset": dataset.name,
                "data": dataset.data,
                "system": autopsy.system.name,
                "seed": card.seed,
                "metric": metric,
                "unit": get_unit(metric),
                "trial": trial.trial,
                "which": ", ".join(names.get(trial.trial, [])) or None,
                **values,
                "n_parameters": trial.n_parameters,
                "status": trial.status,
                "restored": trial.restored,
                "same_weights": None if trial.same_weights is None else str(trial.same_weights),
                "reason": trial.reason,
                "hyperparameters": str(dict(hyperparameters.get(trial.trial, {}))),
                "records": join_paths(list(filter(None, [autopsy.run.post_mortem_path]))),
            }
        )
    return rows

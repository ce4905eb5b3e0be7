"""The table of confusion matrices."""

import numpy as np

from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.table import (
    Column,
    ReportTable,
    Row,
    format_number,
    join_paths,
    number_column,
    text_column,
    to_percent,
)


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset, system and true class, one column per predicted class."""
    classes = max((len(dataset.manifest.classes) for dataset in records.datasets), default=0)
    rows = [
        row for dataset in records.datasets for system in dataset.classifiers for row in _rows(dataset, system, classes)
    ]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        text_column("true", "True class"),
        number_column("error", "Missed %", 2),
        *(_predicted(at) for at in range(1, classes + 1)),
    ]
    seeds = len(records.seeds)
    notes = [
        "Eval samples of the true class (row) by predicted class (column); the rows number the classes of a dataset. "
        + (f"Summed over the {seeds} seeds." if seeds > 1 else "For the single seed."),
        "Missed: the share of the samples of a class that were predicted as another class.",
    ]
    return ReportTable("confusion", "Confusion matrices on eval", rows, columns, notes)


def _rows(dataset: DatasetRecords, system: SystemRecords, classes: int) -> list[Row]:
    found = [run.decode.confusion for run in system.runs if run.decode.confusion is not None]
    if len(found) < len(system.runs):
        return []
    matrix = np.array(found).sum(axis=0)
    rows: list[Row] = []
    for at, (name, counts) in enumerate(zip(dataset.manifest.classes, matrix, strict=True)):
        samples = int(counts.sum())
        rows.append(
            {
                "dataset": dataset.name,
                "data": dataset.data,
                "system": system.name,
                "seeds": len(system.runs),
                "true": f"{at + 1}: {name}",
                "samples": samples,
                **{f"as_{to + 1}": int(counts[to]) if to < len(counts) else None for to in range(classes)},
                "error": to_percent(1 - int(counts[at]) / samples),
                "records": join_paths([path for run in system.runs for path in run.paths[1:]]),
            }
        )
    return rows


def _predicted(at: int) -> Column:
    # Empty for a class that the dataset does not have; a dash would read as a missing value.
    return Column(
        str(at), lambda row: "" if row[f"as_{at}"] is None else format_number(row[f"as_{at}"], 0), "predicted as", True
    )

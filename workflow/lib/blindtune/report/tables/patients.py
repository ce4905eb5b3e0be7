"""The table of eval errors per patient."""

from statistics import median

from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.stats.statistics import mean
from blindtune.report.table import (
    ABSENT,
    Column,
    ReportTable,
    Row,
    format_number,
    join_paths,
    number_column,
    text_column,
    to_percent,
)
from blindtune.report.tables.datasets import STAND_IN_NOTE


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per system on a dataset with groups; the CSV lists every patient."""
    datasets = [dataset for dataset in records.datasets if dataset.has_groups]
    rows = [_row(dataset, system) for dataset in datasets for system in dataset.classifiers]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        number_column("patients", "Patients"),
        Column("samples of each", _samples, numeric=True),
        number_column("eval", "all samples", 2, "eval error %"),
        number_column("mean", "mean", 2, "error % of a patient"),
        number_column("median", "median", 2, "error % of a patient"),
        number_column("lowest", "lowest", 2, "error % of a patient"),
        number_column("highest", "highest", 2, "error % of a patient"),
    ]
    return ReportTable("patients", "Error per patient on eval", rows, columns, _notes(records, datasets, rows))


def _notes(records: ReportRecords, datasets: list[DatasetRecords], rows: list[Row]) -> list[str]:
    notes = [
        "All samples of a patient are in one split. For images in folders, a patient is the group in the file names. "
        "The error of a patient is the mean over the seeds; all patients have the same weight.",
        "A patient may have samples of one class only; its error is then the share of them that was missed. The column "
        "by_patient of the CSV lists each patient with its error and its number of samples.",
    ]
    if not rows:
        notes.append("No dataset of this report has patients.")
    if any(row["patients"] is None for row in rows):
        notes.append("A dash: the decode did not record errors per patient.")
    if any(dataset.stand_in for dataset in datasets):
        notes.append(STAND_IN_NOTE)
    return notes


def _row(dataset: DatasetRecords, system: SystemRecords) -> Row:
    found = compute_errors_by_patient(dataset, system)
    errors, samples = [error for _, error, _ in found], [count for _, _, count in found]
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": system.name,
        "seeds": len(system.runs),
        "patients": len(found) or None,
        "fewest_samples": min(samples, default=None),
        "most_samples": max(samples, default=None),
        "eval": to_percent(system.error("eval")),
        "mean": to_percent(mean(errors)) if found else None,
        "median": to_percent(median(errors)) if found else None,
        "lowest": to_percent(min(errors, default=None)),
        "highest": to_percent(max(errors, default=None)),
        "by_patient": "; ".join(f"{name}: {100 * error:.2f}% of {count}" for name, error, count in found),
        "records": join_paths([dataset.path, *system.paths]),
    }


def compute_errors_by_patient(dataset: DatasetRecords, system: SystemRecords) -> list[tuple[str, float, int]]:
    """Compute the eval error of each patient.

    Args:
        dataset: the dataset.
        system: a system on it.

    Returns:
        The name, the mean error over the seeds from 0 to 1, and the number of samples of each patient; empty if the
        decode did not record them.
    """
    found = system.wrong_by_group()
    if found is None:
        return []
    wrong, samples = found
    numbers = [one.group for one in system.runs[0].decode.groups or []]
    errors = wrong.mean(axis=0) / samples
    return [
        (dataset.group_name(number), float(error), int(count))
        for number, error, count in zip(numbers, errors, samples, strict=True)
    ]


def _samples(row: Row) -> str:
    if row["patients"] is None:
        return ABSENT
    low, high = format_number(row["fewest_samples"], 0), format_number(row["most_samples"], 0)
    return low if low == high else f"{low} to {high}"

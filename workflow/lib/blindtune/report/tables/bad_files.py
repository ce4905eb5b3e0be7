"""The table of rejected raw files, with the reasons."""

from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, text_column


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per file."""
    rows = [row for dataset in records.datasets for row in _rows(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("file", "File", wide=True),
        text_column("reason", "Reason", wide=True),
    ]
    notes = [
        "Paths are relative to the folder of the corpus. These files gave no sample and were not repaired or replaced."
    ]
    whole = [dataset.title for dataset in records.datasets if dataset.manifest.bad_files == {}]
    if whole:
        notes.append(f"No file was bad in {', '.join(whole)}.")
    notes += [
        f"{dataset.title}: not or not wholly used are {_count(dataset.manifest.unused)}; unused.tsv next to its "
        "manifest lists them with the reasons."
        for dataset in records.datasets
        if dataset.manifest.unused
    ]
    return ReportTable("bad_files", "Bad files", rows, columns, notes)


def _count(unused: dict[str, int]) -> str:
    """Return numbers of things in words."""
    return ", ".join(f"{count:,} {kind}{'s' * (count != 1)}" for kind, count in unused.items() if count)


def _rows(dataset: DatasetRecords) -> list[Row]:
    return [
        {
            "dataset": dataset.name,
            "data": dataset.data,
            "file": file,
            "reason": reason,
            "records": join_paths([dataset.path]),
        }
        for file, reason in sorted((dataset.manifest.bad_files or {}).items())
    ]

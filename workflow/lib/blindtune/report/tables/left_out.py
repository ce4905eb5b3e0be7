"""The table of what each filter left out of a corpus, by class and split."""

from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column
from blindtune.report.tables.datasets import SPLITS


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset, rule and class."""
    datasets = [dataset for dataset in records.datasets if dataset.manifest.of_corpus]
    rows = [row for dataset in datasets for row in _rows(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("rule", "Rule", wide=True),
        text_column("class", "Class"),
        *(number_column(split, split) for split in SPLITS),
    ]
    notes = [
        "Counted over all accepted files, before samples were selected. The name of a rule states the unit; without a "
        "unit, the count is of candidate positions, of which only as many were tried as needed.",
    ]
    if not datasets:
        notes.append("No dataset of this report was extracted from a corpus of raw files.")
    return ReportTable("left_out", "What each filter left out", rows, columns, notes)


def _rows(dataset: DatasetRecords) -> list[Row]:
    counts = {(rule, label, split): count for split, rule, label, count in dataset.manifest.left_out}
    kinds = sorted({(rule, label) for rule, label, _ in counts})
    return [
        {
            "dataset": dataset.name,
            "data": dataset.data,
            "rule": rule,
            "class": label,
            **{split: counts.get((rule, label, split), 0) for split in SPLITS},
            "records": join_paths([dataset.path]),
        }
        for rule, label in kinds
    ]

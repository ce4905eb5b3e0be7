"""The table of equal samples, across the splits of a dataset and within each of them."""

from blindtune.datasets.look_alikes import list_sentences
from blindtune.report.manifests import ReportLeaks
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column
from blindtune.report.tables.datasets import SPLITS, shared_notes

#: Number of equal raw files that a note names.
MAX_FILES = 5


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and split."""
    rows = [row for dataset in records.datasets for row in _rows(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("split", "Split"),
        number_column("samples", "Samples"),
        *(number_column(f"in_{split}", split, 0, "also in") for split in SPLITS),
        number_column("repeated", "Repeat an earlier one"),
        number_column("repeated_in_class", "Of the same class"),
        number_column("other_label", "Equal one of another class"),
        number_column("removed", "Removed"),
        text_column("rule", "leaks"),
    ]
    notes = [
        "Samples are equal if all their values are, in any order, file or class. Counted as they were "
        "found, before any was removed; 'leaks' is the key of the config.",
        *(note for dataset in records.datasets for note in shared_notes(dataset)),
    ]
    notes += [note for dataset in records.datasets for note in _file_notes(dataset)]
    notes += [
        f"{dataset.title}: {sentence}. An error on it is not that of unseen data."
        for dataset in records.datasets
        if dataset.manifest.leaks is not None
        for sentence in dataset.manifest.leaks.elsewhere
    ]
    notes += [
        f"{dataset.title}: {sentence}. They have nearly the same perceptual hash, which is no proof."
        for dataset in records.datasets
        for sentence in list_sentences(dataset.manifest.parameters.get("look_alikes", {}))
    ]
    unknown = [dataset.title for dataset in records.datasets if dataset.manifest.leaks is None]
    if unknown:
        notes.append(f"Prepared by a version that did not look for equal samples: {', '.join(unknown)}.")
    return ReportTable("equal_samples", "Equal samples", rows, columns, notes)


def _file_notes(dataset: DatasetRecords) -> list[str]:
    """Return a sentence about raw files that hold the same and were kept; those that were left out are bad files."""
    pairs = dataset.manifest.equal_files
    if not pairs or dataset.manifest.leaks is None or dataset.manifest.leaks.rule == "remove":
        return []
    listed = [f"{file} ({split}) and {other} ({of})" for file, split, other, of in pairs[:MAX_FILES]]
    more = f"; and {len(pairs) - MAX_FILES} more" if len(pairs) > MAX_FILES else ""
    return [f"{dataset.title}: raw files that hold the same data, and were kept: {'; '.join(listed)}{more}."]


def _rows(dataset: DatasetRecords) -> list[Row]:
    leaks = dataset.manifest.leaks
    return [] if leaks is None else [_row(dataset, leaks, split) for split in SPLITS]


def _row(dataset: DatasetRecords, leaks: ReportLeaks, split: str) -> Row:
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "split": split,
        "samples": sum(dataset.manifest.counts[split].values()) + leaks.removed.get(split, 0),
        **{f"in_{other}": leaks.shared[split].get(other) for other in SPLITS},
        "repeated": leaks.repeated[split],
        "repeated_in_class": leaks.repeated_in_class[split],
        "other_label": leaks.other_label[split],
        "removed": leaks.removed.get(split, 0),
        "rule": leaks.rule,
        "records": join_paths([dataset.path]),
    }

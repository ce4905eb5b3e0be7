"""Table 1: the datasets, published and ours."""

from blindtune.report.published import PublishedSizes, load_published
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column

SPLITS = ("train", "dev", "eval")

STAND_IN_NOTE = (
    "Rows marked 'stand-in' are from simulated data that resemble the published ones. Their numbers must not be "
    "compared with the published ones."
)


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset."""
    notes = ["Sizes: samples of all classes. Samples per class: in train / dev / eval."]
    if any(dataset.stand_in for dataset in records.datasets):
        notes.append(STAND_IN_NOTE)
    notes += [note for dataset in records.datasets for note in shared_notes(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("source", "Source"),
        text_column("published_number", "No.", "published"),
        text_column("published_description", "description", "published"),
        number_column("published_classes", "classes", 0, "published"),
        *(number_column(f"published_{split}", split, 0, "published") for split in SPLITS),
        number_column("classes", "classes", 0, "ours"),
        *(number_column(split, split, 0, "ours") for split in SPLITS),
        text_column("per_class", "Samples per class", wide=True),
        text_column("sample", "One sample", wide=True),
    ]
    rows = [_row(dataset) for dataset in records.datasets]
    return ReportTable("table1_datasets", "Table 1. The datasets", rows, columns, notes)


def shared_notes(dataset: DatasetRecords) -> list[str]:
    """Return a sentence if samples of eval were in train or dev and were kept there; else nothing.

    Args:
        dataset: the dataset.
    """
    leaks = dataset.manifest.leaks
    if leaks is None or leaks.rule == "remove":
        return []
    samples = sum(dataset.manifest.counts["eval"].values())
    shared = [(count, split) for split in ("train", "dev") if (count := leaks.shared["eval"][split])]
    if not shared:
        return []
    parts = " and ".join(f"{count:,} in {split}" for count, split in shared)
    return [
        f"{dataset.title}: of the {samples:,} samples of eval, {parts} too (leaks: {leaks.rule}). The error on these "
        "is not that of unseen data."
    ]


def _row(dataset: DatasetRecords) -> Row:
    manifest = dataset.manifest
    known = load_published().sizes.get(manifest.published or "")
    shape = " × ".join(str(length) for length in manifest.sample_shape)
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "source": str(manifest.source.get("source", "")),
        "published_number": f"#{known.number}" if known else None,
        "published_description": known.description if known else None,
        **_published_sizes(known),
        "classes": len(manifest.classes),
        **{split: sum(manifest.counts[split].values()) for split in SPLITS},
        "per_class": _per_class(dataset),
        "sample": f"{shape} values, {manifest.units}",
        "records": join_paths([dataset.path]),
    }


def _published_sizes(known: PublishedSizes | None) -> Row:
    return {f"published_{key}": getattr(known, key, None) for key in ("classes", *SPLITS)}


def _per_class(dataset: DatasetRecords) -> str:
    counts = [_counts(dataset, name) for name in dataset.manifest.classes]
    if len(counts) > 1 and len(set(counts)) == 1:
        return f"{', '.join(dataset.manifest.classes)}: {counts[0]} each"
    return "; ".join(f"{name}: {count}" for name, count in zip(dataset.manifest.classes, counts, strict=True))


def _counts(dataset: DatasetRecords, name: str) -> str:
    return " / ".join(f"{dataset.manifest.counts[split][name]:,}" for split in SPLITS)

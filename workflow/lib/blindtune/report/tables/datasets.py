"""Table 1: the datasets, published and ours."""

from blindtune.report.published import Sizes, published
from blindtune.report.records import DatasetRecords, Records
from blindtune.report.table import Row, Table, joined, number, plain

SPLITS = ("train", "dev", "eval")

STAND_IN_NOTE = (
    "Rows marked 'stand-in' were made from data that only look like the published ones. Their numbers and the "
    "published numbers are not measurements of the same thing."
)


def build(records: Records) -> Table:
    """One row per dataset."""
    notes = ["Sizes are samples over all classes. Classes are listed with their samples in train / dev / eval."]
    if any(dataset.stand_in for dataset in records.datasets):
        notes.append(STAND_IN_NOTE)
    columns = [
        plain("dataset", "Dataset"),
        plain("data", "Data"),
        plain("source", "Source"),
        plain("published_number", "No.", "published"),
        plain("published_description", "description", "published"),
        number("published_classes", "classes", 0, "published"),
        *(number(f"published_{split}", split, 0, "published") for split in SPLITS),
        number("classes", "classes", 0, "ours"),
        *(number(split, split, 0, "ours") for split in SPLITS),
        plain("per_class", "Samples per class", wide=True),
        plain("sample", "One sample", wide=True),
    ]
    rows = [_row(dataset) for dataset in records.datasets]
    return Table("table1_datasets", "Table 1. The datasets", rows, columns, notes)


def _row(dataset: DatasetRecords) -> Row:
    manifest = dataset.manifest
    known = published().sizes.get(manifest.published or "")
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
        "records": joined([dataset.path]),
    }


def _published_sizes(known: Sizes | None) -> Row:
    return {f"published_{key}": getattr(known, key, None) for key in ("classes", *SPLITS)}


def _per_class(dataset: DatasetRecords) -> str:
    counts = [_counts(dataset, name) for name in dataset.manifest.classes]
    if len(counts) > 1 and len(set(counts)) == 1:
        return f"{', '.join(dataset.manifest.classes)}: {counts[0]} each"
    return "; ".join(f"{name}: {count}" for name, count in zip(dataset.manifest.classes, counts, strict=True))


def _counts(dataset: DatasetRecords, name: str) -> str:
    return " / ".join(f"{dataset.manifest.counts[split][name]:,}" for split in SPLITS)

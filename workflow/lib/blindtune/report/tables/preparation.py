"""The parameters of the preparation: what the config said, and what followed from it."""

from collections.abc import Iterator, Mapping
from typing import Any

from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, text_column

#: Of a manifest's parameters: what has a table of its own, or is a list of all files.
ELSEWHERE = ("bad_files", "left_out", "groups", "raw_sha256")


def build(records: ReportRecords) -> ReportTable:
    """One row per dataset and parameter."""
    rows = [row for dataset in records.datasets for row in _rows(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("given", "Given by"),
        text_column("parameter", "Parameter"),
        text_column("value", "Value", wide=True),
    ]
    notes = [
        "Every value with which a dataset was prepared, those that nobody set included. Config: a key of the dataset's "
        "entry. Preparation: what was done with it, as the manifest says.",
    ]
    return ReportTable("preparation", "The parameters of the preparation", rows, columns, notes)


def _rows(dataset: DatasetRecords) -> Iterator[Row]:
    manifest = dataset.manifest
    made = {key: value for key, value in manifest.parameters.items() if key not in ELSEWHERE}
    for given, content in (("config", manifest.source), ("preparation", made)):
        for parameter, value in _flat(content):
            yield {
                "dataset": dataset.name,
                "data": dataset.data,
                "given": given,
                "parameter": parameter,
                "value": value,
                "records": join_paths([dataset.path]),
            }


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every value by its path, ``tissue.white``; lists of plain values in one."""
    for key, value in content.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        elif isinstance(value, list) and any(isinstance(part, Mapping | list) for part in value):
            yield from _flat({str(number): part for number, part in enumerate(value, 1)}, f"{path}.")
        else:
            yield path, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_text, value)) if value else "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None or value in ("", {}) else str(value)

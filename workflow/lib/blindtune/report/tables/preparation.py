"""The table of preparation parameters: those of the config, and those derived from them."""

from collections.abc import Iterator, Mapping
from typing import Any

from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, text_column

#: Parameters of a manifest that another table shows, or that list all files.
ELSEWHERE = ("bad_files", "left_out", "groups", "raw_sha256")


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and parameter."""
    rows = [row for dataset in records.datasets for row in _rows(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("given", "Given by"),
        text_column("parameter", "Parameter"),
        text_column("value", "Value", wide=True),
    ]
    notes = [
        "All parameters of the preparation, defaults included. Config: a key of the dataset in the config. "
        "Preparation: derived from the config and the data, as recorded in the manifest.",
    ]
    return ReportTable("preparation", "Preparation parameters", rows, columns, notes)


def _rows(dataset: DatasetRecords) -> Iterator[Row]:
    manifest = dataset.manifest
    derived = {key: value for key, value in manifest.parameters.items() if key not in ELSEWHERE}
    for given, content in (("config", manifest.source), ("preparation", derived)):
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
    """Yield every value with its path, such as ``tissue.max_white``; lists of plain values stay together."""
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

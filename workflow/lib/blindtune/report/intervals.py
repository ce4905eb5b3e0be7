"""The 95% interval of a difference in a row of a table, and the notes on what varies and on rows without one."""

from blindtune.report.minimised import format_cell, get_title, to_cell
from blindtune.report.stats.comparisons import NO_INTERVAL, NO_METRIC_INTERVAL
from blindtune.report.stats.statistics import Difference
from blindtune.report.table import ABSENT, Row, format_number, to_percent

_ERROR = get_title("error")


def interval_cells(found: Difference) -> Row:
    """Return the standard error of a difference and the ends of its interval, in points; None where unknown."""
    known = found.has_interval
    return {
        "standard_error": to_percent(found.error) if known else None,
        "low": to_percent(found.low) if known else None,
        "high": to_percent(found.high) if known else None,
    }


def metric_interval_cells(metric: str, found: Difference) -> Row:
    """Return the ends of the interval of a difference in a metric, as `to_cell`; None where unknown.

    Args:
        metric: a key of `blindtune.metrics.registry.METRICS`.
        found: the difference.
    """
    known = found if found.has_interval else None
    return {
        "metric_low": to_cell(metric, known.low) if known else None,
        "metric_high": to_cell(metric, known.high) if known else None,
    }


def format_value(row: Row, key: str) -> str:
    """Return a cell of a metric, whose unit is in ``metric_unit``, as text with that unit.

    Args:
        row: of the table.
        key: of the cell.
    """
    unit = row["metric_unit"]
    return format_cell(unit, row[key]) + (f" {unit}" if unit and row[key] is not None else "")


def format_metric_interval(row: Row) -> str:
    """Return the interval of a row in its metric as text."""
    if row["metric_low"] is None:
        return ABSENT
    unit = row["metric_unit"]
    return f"{format_cell(unit, row['metric_low'])} to {format_cell(unit, row['metric_high'])}"


def format_interval(row: Row) -> str:
    """Return the interval of a row as text."""
    if row["low"] is None:
        return ABSENT
    return f"{format_number(row['low'], 2)} to {format_number(row['high'], 2)}"


def note_missing_intervals(rows: list[Row]) -> list[str]:
    """Return a note on the datasets whose differences have no interval, if there are any."""
    without = list(dict.fromkeys(str(row["dataset"]) for row in rows if row["low"] is None))
    notes = [f"{', '.join(without)}: {NO_INTERVAL}."] if without else []
    unknown = dict.fromkeys(
        str(row["dataset"])
        for row in rows
        if row.get("metric") not in (None, _ERROR) and row["metric_low"] is None and row["low"] is not None
    )
    return notes + ([f"{', '.join(unknown)}, by the metric: {NO_METRIC_INTERVAL}."] if unknown else [])

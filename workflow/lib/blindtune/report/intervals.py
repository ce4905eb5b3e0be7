"""The 95% interval of a difference in a row of a table, and the note on rows without one."""

from blindtune.report.stats.comparisons import NO_INTERVAL
from blindtune.report.stats.statistics import Difference
from blindtune.report.table import ABSENT, Row, format_number, to_percent


def interval_cells(found: Difference) -> Row:
    """Return the standard error of a difference and the ends of its interval, in points; None where unknown."""
    known = found.has_interval
    return {
        "standard_error": to_percent(found.error) if known else None,
        "low": to_percent(found.low) if known else None,
        "high": to_percent(found.high) if known else None,
    }


def format_interval(row: Row) -> str:
    """Return the interval of a row as text."""
    if row["low"] is None:
        return ABSENT
    return f"{format_number(row['low'], 2)} to {format_number(row['high'], 2)}"


def note_missing_intervals(rows: list[Row]) -> list[str]:
    """Return a note on the datasets whose differences have no interval, if there are any."""
    without = list(dict.fromkeys(str(row["dataset"]) for row in rows if row["low"] is None))
    return [f"{', '.join(without)}: {NO_INTERVAL}."] if without else []

"""The cells that say how the systems of a row were decoded: blind or not, and what came before."""

from blindtune.report.records import SystemRecords
from blindtune.report.table import Cell, Column, Row


def decode_cells(*systems: SystemRecords) -> dict[str, Cell]:
    """Return the cells of the systems that a row is about.

    Args:
        *systems: one, or the two of a pair, of which the cell then names the one that it means.
    """
    before = [(system.name, str(system.precedents)) for system in systems if system.precedents]
    named = len(systems) > 1
    return {
        "blind": "blind" if all(system.blind for system in systems) else "not blind",
        "before": " | ".join(f"{name}: {what}" if named else what for name, what in before) or None,
    }


def decode_column(title: str, group: str = "") -> Column:
    """Create the column that shows these cells.

    Args:
        title: the heading.
        group: a heading over several columns.
    """
    return Column(title, _text, group, wide=True)


def _text(row: Row) -> str:
    return "; ".join(str(row[key]) for key in ("blind", "before") if row[key])

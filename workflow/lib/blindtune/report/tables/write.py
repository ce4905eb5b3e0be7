"""Every table of the report by its name; `blindtune.report.contents` has the list."""

from collections.abc import Callable
from pathlib import Path

from blindtune.core.files import write_text
from blindtune.report import contents as names
from blindtune.report.records import Records
from blindtune.report.table import Table, as_csv, as_latex, as_markdown

TABLES: dict[str, Callable[[Records], Table]] = names.members(names.TABLES, "build")

FORMATS: dict[str, Callable[[Table], str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}


def write_tables(records: Records, folder: Path) -> None:
    """Write every table as ``<name>.csv``, ``<name>.md`` and ``<name>.tex``.

    Raises:
        UserError: a published table is missing, or the disk refuses.
    """
    for name, build in TABLES.items():
        table = build(records)
        for suffix, form in FORMATS.items():
            write_text(folder / f"{name}.{suffix}", form(table))

"""Write all tables of the report; `blindtune.report.contents` lists them."""

from collections.abc import Callable
from pathlib import Path

from blindtune.core.files import write_text
from blindtune.core.garbage import pause_collection
from blindtune.report import contents
from blindtune.report.records import ReportRecords
from blindtune.report.table import ReportTable, to_csv, to_latex, to_markdown

#: The function that builds each table, by the table's name.
BUILD: dict[str, Callable[[ReportRecords], ReportTable]] = contents.load_members(contents.TABLES, "build")

FORMATS: dict[str, Callable[[ReportTable], str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


def write_tables(records: ReportRecords, folder: Path) -> None:
    """Write every table as ``<name>.csv``, ``<name>.md`` and ``<name>.tex``.

    Args:
        records: the records of the report.
        folder: the folder of the tables.

    Raises:
        UserError: a published table is missing, or a file cannot be written.
    """
    # Not to go through ten thousand records while scipy is imported.
    with pause_collection():
        for name, build in BUILD.items():
            table = build(records)
            for suffix, form in FORMATS.items():
                write_text(folder / f"{name}.{suffix}", form(table))

"""Every table of the report by its name; `blindtune.report.contents` lists them."""

from collections.abc import Callable
from pathlib import Path

from blindtune.core.files import write_text
from blindtune.report import contents
from blindtune.report.records import ReportRecords
from blindtune.report.table import ReportTable, to_csv, to_latex, to_markdown

BUILD: dict[str, Callable[[ReportRecords], ReportTable]] = contents.load_members(contents.TABLES, "build")

FORMATS: dict[str, Callable[[ReportTable], str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


def write_tables(records: ReportRecords, folder: Path) -> None:
    """Write every table as ``<name>.csv``, ``<name>.md`` and ``<name>.tex``.

    Raises:
        UserError: a published table is missing, or the disk refuses.
    """
    for name, build in BUILD.items():
        table = build(records)
        for suffix, form in FORMATS.items():
            write_text(folder / f"{name}.{suffix}", form(table))

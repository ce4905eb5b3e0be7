"""Every table of the report by its name."""

from collections.abc import Callable
from pathlib import Path

from blindtune.files import write_text
from blindtune.report import (
    table_architectures,
    table_arguments,
    table_choices,
    table_comparisons,
    table_costs,
    table_datasets,
    table_errors,
    table_libraries,
    table_scores,
    table_times,
    table_tuner_pairs,
    table_tuner_ranks,
)
from blindtune.report.records import Records
from blindtune.report.table import Table, as_csv, as_latex, as_markdown

TABLES: dict[str, Callable[[Records], Table]] = {
    "table1_datasets": table_datasets.build,
    "table2_arguments": table_arguments.build,
    "table3_errors": table_errors.build,
    "table4_architectures": table_architectures.build,
    "comparisons": table_comparisons.build,
    "scores": table_scores.build,
    "tuner_pairs": table_tuner_pairs.build,
    "tuner_ranks": table_tuner_ranks.build,
    "costs": table_costs.build,
    "times": table_times.build,
    "libraries": table_libraries.build,
    "choices": table_choices.build,
}

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

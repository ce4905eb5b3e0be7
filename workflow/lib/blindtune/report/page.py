"""Write the report as one self-contained HTML page."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, write_text
from blindtune.decoding.known_heads import keep_head
from blindtune.report.charts.assemble import assemble_charts
from blindtune.report.contents import SECTIONS
from blindtune.report.decodes import describe_uses
from blindtune.report.figures.write import describe_figure
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.stats.comparisons import describe_published_gaps
from blindtune.report.table import ReportTable, Row
from blindtune.report.tables.comparisons import answer_questions
from blindtune.report.tables.write import BUILD, FORMATS

TEMPLATE = Path(__file__).parents[3] / "report" / "page.html.j2"

#: Tables with more rows than this get a scrolling box.
LONG = 40


@dataclass(frozen=True)
class RecordLink:
    """A link from a row to a record: its path, its anchor in the list of records, and its frozen model."""

    path: str
    anchor: str
    frozen: str


@dataclass(frozen=True)
class PageRow:
    """A displayed row; ``mark`` is its CSS class."""

    cells: list[str]
    mark: str
    records: list[RecordLink]


@dataclass(frozen=True)
class Figure:
    """A figure as a data URI."""

    title: str
    caption: str
    uri: str


def write_page(records: ReportRecords, tables: Path, figures: Path, path: Path) -> None:
    """Write the page.

    Args:
        records: the records of the report.
        tables: the folder written by `blindtune.report.tables.write.write_tables`.
        figures: the folder written by `blindtune.report.figures.write.write_figures`.
        path: the path of the page.

    Raises:
        UserError: a table or figure is missing, or the page cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.loader = FileSystemLoader(TEMPLATE.parent)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    write_text(path, template.render(_content(records, tables, figures)))
    keep_head(path.parent, records.ledger_head)


def _content(records: ReportRecords, tables: Path, figures: Path) -> dict[str, Any]:
    built = {name: build(records) for name, build in BUILD.items()}
    shown = {name: (table, _rows(records, table)) for name, table in built.items()}
    return {
        "name": records.root.name,
        "seeds": records.seeds,
        "datasets": records.datasets,
        "answers": answer_questions(records),
        "gaps": describe_published_gaps(records),
        "sections": [(section, [shown[name] for name in section.tables]) for section in SECTIONS],
        "long": LONG,
        "table_files": [_listed(tables, f"{name}.{suffix}") for name in BUILD for suffix in FORMATS],
        "figures": {dataset.name: _figures(dataset, figures) for dataset in records.datasets},
        "records": [(file, _anchor(file), sha256) for file, sha256 in sorted(records.files.items())],
        "decodes": [run.decode for run in records.runs],
        "uses": [_describe_uses(dataset) for dataset in records.datasets],
        "marked": [title for dataset in records.datasets for title in _marked_systems(dataset)],
        "ledger": records.ledger_line,
        "interactive": assemble_charts(records),
        "faults": [*records.ledger_faults, *_missing_drawings(records)],
        "versions": _versions(records),
        "doubled": [(run.card.study, run.doubled) for run in records.runs if run.doubled],
        "stand_in": [dataset.name for dataset in records.datasets if dataset.stand_in],
    }


def _rows(records: ReportRecords, table: ReportTable) -> list[PageRow]:
    return [
        PageRow([column.text(row) for column in table.columns], _mark(row), _link_records(records, row))
        for row in table.displayed
    ]


def _mark(row: Row) -> str:
    marks = {"stand-in": "stand-in", "partly stand-in": "stand-in", "published": "published"}
    found = [marks[str(row["data"])]] if row["data"] in marks else []
    found += ["not-blind"] if row.get("blind") == "not blind" else []
    found += ["not-first"] if re.search(r"(^|: )after ", str(row.get("before") or "")) else []
    return " ".join(found)


def _describe_uses(dataset: DatasetRecords) -> str:
    marked = [f"{system.name} ({system.precedents})" for system in dataset.systems if system.precedents]
    return describe_uses(dataset.title, dataset.uses, marked)


def _marked_systems(dataset: DatasetRecords) -> list[str]:
    """Name the systems of a dataset that were decoded after others, after samples were drawn, or without a record."""
    return [
        f"{system.name} on {dataset.title} ({system.precedents})" for system in dataset.systems if system.precedents
    ]


def _missing_drawings(records: ReportRecords) -> list[str]:
    return [
        f"{dataset.title}: samples of eval were drawn for a figure of this report, and the ledger does not hold it."
        for dataset in records.datasets
        if dataset.uses.lacks_drawing
    ]


def _link_records(records: ReportRecords, row: Row) -> list[RecordLink]:
    paths = str(row["records"]).split("; ") if row["records"] else []
    return [
        RecordLink(path, _anchor(path) if path in records.files else "", records.frozen.get(path, "")[:12])
        for path in paths
    ]


def _figures(dataset: DatasetRecords, folder: Path) -> list[Figure]:
    return [
        Figure(f"{dataset.title}: {kind}", describe_figure(kind, dataset), _uri(folder / f"{kind}_{dataset.name}.svg"))
        for kind in dataset.figure_kinds
    ]


def _uri(path: Path) -> str:
    try:
        return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Remove it and run again.") from error


def _listed(folder: Path, file: str) -> tuple[str, str]:
    return file, digest_file(folder / file)


def _anchor(path: str) -> str:
    return f"record-{path.replace('/', '-')}"


def _versions(records: ReportRecords) -> list[tuple[str, list[str]]]:
    """Return each library with all its versions that wrote a record."""
    found: dict[str, set[str]] = {}
    sources = [dataset.manifest.versions for dataset in records.datasets] + [run.card.versions for run in records.runs]
    for versions in sources:
        for library, version in versions.items():
            found.setdefault(library, set()).add(version)
    return sorted((library, sorted(versions)) for library, versions in found.items())

"""Write the report as one HTML page, which can be opened alone or next to its tables and figures."""

import base64
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindtune.core.files import digest_file, write_text
from blindtune.core.paths import ResultPaths
from blindtune.decoding.known_heads import keep_head
from blindtune.report.answer import DatasetAnswer, answer_all, headline, list_names
from blindtune.report.charts.assemble import Chart, assemble_charts
from blindtune.report.contents import FIGURES, SECTIONS, TEMPLATES, VIEWS, Section, View
from blindtune.report.decodes import describe_uses
from blindtune.report.margin import keep_margin
from blindtune.report.overview import anchor_of, draw_answers, rank_systems
from blindtune.report.page_figures import PageFigure, limit_packed, load_figures
from blindtune.report.page_svg import SvgPacker
from blindtune.report.page_tables import PageTable, RecordLink, group_records, link_systems, show_table
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.stats.comparisons import describe_published_gaps
from blindtune.report.system_order import keep_system_order
from blindtune.report.table import ReportTable
from blindtune.report.tables.comparisons import DatasetAnswers, answer_questions
from blindtune.report.tables.over_datasets import describe_over_datasets
from blindtune.report.tables.write import BUILD, FORMATS

TEMPLATE_FOLDER = Path(__file__).parents[3] / "report"

#: Tables with more rows than this get a scrolling box.
LONG = 40
#: Of a table with more rows than this, the others are packed: a browser takes seconds to lay out thousands.
MOST_ROWS = 200
#: If all tables together have more rows than this, fewer of each are in the page without being packed.
MANY_ROWS, MOST_ROWS_OF_MANY = 5000, 50
#: Of more records than this, the page has the paths, and the digests are in the file next to it alone.
MANY_RECORDS = 5000
#: The file next to the page with the digest of every record, in the form that ``sha256sum --check`` reads.
RECORDS = Path(ResultPaths("").record_list()).name


@dataclass(frozen=True)
class ShownSection:
    """A section with those of its tables that have rows."""

    section: Section
    tables: list[PageTable]

    @property
    def in_summary(self) -> bool:
        """Whether the printed summary has one of its tables."""
        return any(table.in_summary for table in self.tables)


@dataclass(frozen=True)
class ShownView:
    """A view with its sections that have tables, and its figures with their datasets, by the titles of their kinds."""

    view: View
    sections: list[ShownSection]
    figures: list[tuple[str, list[tuple[PageFigure, str]]]]

    @property
    def in_summary(self) -> bool:
        """Whether the printed summary has one of its sections."""
        return any(section.in_summary for section in self.sections)


@dataclass(frozen=True)
class ShownDataset:
    """The view of a dataset.

    Attributes:
        dataset: its records.
        anchor: the id of the view.
        answers: the sentences about it.
        answer: manual against tuned; None if no manual or no tuned model was run.
        figures: those that apply to it.
        charts: the interactive ones; most of them show what a figure does.
        tables: those with rows of the dataset.
        records: links to the records of the dataset and of each system.
    """

    dataset: DatasetRecords
    anchor: str
    answers: DatasetAnswers
    answer: DatasetAnswer | None
    figures: list[PageFigure]
    charts: list[Chart]
    tables: list[ReportTable]
    records: list[RecordLink]

    @property
    def placed(self) -> dict[str, list[Chart]]:
        """The charts without a figure, by the kind of the figure that they come after; "": before all figures.

        That is the figure that tells most of the same; where it is not shown, the last that would come before it.
        """
        order, found = list(FIGURES), dict[str, list[Chart]]()
        for chart in self.charts:
            if chart.figure is None:
                last = len(order) if chart.instead is None else order.index(chart.instead)
                before = [one.kind for one in self.figures if order.index(one.kind) <= last]
                found.setdefault(before[-1] if before else "", []).append(chart)
        return found


def write_page(records: ReportRecords, tables: Path, figures: Path, path: Path) -> None:
    """Write the page.

    Args:
        records: the records of the report.
        tables: the folder written by `blindtune.report.tables.write.write_tables`, next to the page.
        figures: the folder written by `blindtune.report.figures.write.write_figures`, next to the page.
        path: the path of the page.

    Raises:
        UserError: a table or figure is missing, or the page cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pack"] = pack
    template = environment.get_template(TEMPLATES[0])
    listed = "".join(f"{records.files[name]}  {name}\n" for name in sorted(records.files))
    write_text(path.parent / RECORDS, listed)
    content = _content(records, tables, figures)
    write_text(path, template.render(content, listed=_listed(path.parent, RECORDS)))
    keep_head(path.parent, records.ledger_head)
    keep_margin(path.parent, records.margin)
    compared = [(dataset.name, [system.name for system in dataset.systems]) for dataset in records.datasets]
    keep_system_order(path.parent, compared)


def pack(text: str) -> str:
    """Return a text compressed with zlib, in base64; the script of the page unpacks it."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _content(records: ReportRecords, tables: Path, figures: Path) -> dict[str, Any]:
    from markupsafe import Markup

    shown = {name: show_table(records, build(records)) for name, build in BUILD.items()}
    interactive = assemble_charts(records)
    packer = SvgPacker()
    listed = [one.table for one in shown.values()]
    datasets = _show_datasets(records, figures, interactive.charts, packer, listed)
    all_figures = [figure for one in datasets for figure in one.figures]
    # Files of the project, not texts of records.
    style, script = (Markup((TEMPLATE_FOLDER / name).read_text(encoding="utf-8")) for name in TEMPLATES[1:])  # noqa: S704
    return {
        "style": style,
        "script": script,
        "name": records.root.name,
        "seeds": records.seeds,
        "headline": headline(records),
        "overall": describe_over_datasets(records),
        "pictures": draw_answers(records),
        "rankings": rank_systems(records),
        "datasets": datasets,
        "letters": packer.letters,
        "unpacked": (sum(not figure.packed for figure in all_figures), len(all_figures)),
        "gaps": describe_published_gaps(records),
        "views": [_show_view(view, shown, datasets) for view in VIEWS],
        "empty": [one.table for one in shown.values() if not one.rows],
        "long": LONG,
        "most": MOST_ROWS if sum(len(one.rows) for one in shown.values()) <= MANY_ROWS else MOST_ROWS_OF_MANY,
        "brief": len(records.files) > MANY_RECORDS,
        "figure_folder": figures.name,
        "table_folder": tables.name,
        "table_files": [_listed(tables, f"{name}.{suffix}") for name in BUILD for suffix in FORMATS],
        "groups": group_records(records),
        "decodes": [run.decode for run in records.runs],
        "uses": [_describe_uses(dataset) for dataset in records.datasets],
        "marked": [title for dataset in records.datasets for title in _marked_systems(dataset)],
        "ledger": records.ledger_line,
        "interactive": interactive,
        "faults": [*records.ledger_faults, *_missing_drawings(records)],
        "versions": _versions(records),
        "doubled": [(run.card.study, run.doubled) for run in records.runs if run.doubled],
        "stand_in": list_names(stand_ins) if (stand_ins := _name_stand_ins(records)) else "",
    }


def _show_datasets(
    records: ReportRecords,
    figures: Path,
    charts: dict[str, list[Chart]],
    packer: SvgPacker,
    tables: list[ReportTable],
) -> list[ShownDataset]:
    answers = {answer.dataset: answer for answer in answer_all(records)}
    loaded = [figure for dataset in records.datasets for figure in load_figures(dataset, figures, packer)]
    charted = {f"{chart.figure}_{chart.dataset}" for found in charts.values() for chart in found}
    packed = {figure.stem: figure for figure in limit_packed(loaded, charted)}
    return [
        ShownDataset(
            dataset,
            anchor_of(dataset),
            said,
            answers.get(dataset.title),
            [packed[stem] for kind in dataset.figure_kinds if (stem := f"{kind}_{dataset.name}") in packed],
            charts.get(dataset.name, []),
            [table for table in tables if any(row.get("dataset") == dataset.name for row in table.displayed)],
            link_systems(dataset),
        )
        for dataset, said in zip(records.datasets, answer_questions(records), strict=True)
    ]


def _show_view(view: View, tables: dict[str, PageTable], datasets: list[ShownDataset]) -> ShownView:
    sections = []
    for section in SECTIONS:
        found = [tables[name] for name in section.tables if tables[name].rows]
        if section.anchor in view.sections and found:
            sections.append(ShownSection(section, found))
    figures = []
    for kind in view.figures:
        of_kind = [(figure, one.dataset.name) for one in datasets for figure in one.figures if figure.kind == kind]
        if of_kind:
            figures.append((FIGURES[kind].title or kind, of_kind))
    return ShownView(view, sections, figures)


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


def _name_stand_ins(records: ReportRecords) -> list[str]:
    return [dataset.name for dataset in records.datasets if dataset.stand_in]


def _listed(folder: Path, file: str) -> tuple[str, str]:
    return file, digest_file(folder / file)


def _versions(records: ReportRecords) -> list[tuple[str, list[str]]]:
    """Return each library with all its versions that wrote a record."""
    found: dict[str, set[str]] = {}
    sources = [dataset.manifest.versions for dataset in records.datasets] + [run.card.versions for run in records.runs]
    for versions in sources:
        for library, version in versions.items():
            found.setdefault(library, set()).add(version)
    return sorted((library, sorted(versions)) for library, versions in found.items())

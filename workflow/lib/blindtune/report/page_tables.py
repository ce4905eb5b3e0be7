"""The tables of the page: displayed rows with the records that they were made from."""

import re
from dataclasses import dataclass

from blindtune.core.post_mortem_paths import FOLDER
from blindtune.report.contents import SUMMARY_TABLES
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row

#: The most links of a row to the records of a system or dataset.
MOST_LINKS = 100


@dataclass(frozen=True)
class RecordLink:
    """A link from a row to the records of a system, or of a dataset; without an anchor if they were not read."""

    text: str
    anchor: str


@dataclass(frozen=True)
class PageRow:
    """A displayed row; ``mark`` is its CSS class."""

    cells: list[str]
    mark: str
    records: list[RecordLink]


@dataclass(frozen=True)
class PageTable:
    """A table of the page.

    Attributes:
        table: the table.
        rows: its displayed rows.
        in_summary: whether the printed summary has it.
    """

    table: ReportTable
    rows: list[PageRow]
    in_summary: bool


@dataclass(frozen=True)
class RecordGroup:
    """The records of a system on a dataset, or those of a dataset alone.

    Attributes:
        name: ``<dataset>/<system>`` or ``<dataset>``.
        anchor: the id of the group within the page.
        files: the sha256 and the path of each file.
        frozen: the sha256 of each frozen model and the seed of its study.
        brief: the paths of the files, those that differ in the seed alone as one: ``studies/a/b/{42,43}/card.json``.
    """

    name: str
    anchor: str
    files: list[tuple[str, str]]
    frozen: list[tuple[str, str]]
    brief: list[str]


def show_table(records: ReportRecords, table: ReportTable) -> PageTable:
    """Prepare a table for the page."""
    rows = [
        PageRow([column.text(row) for column in table.columns], mark_row(row), link_records(records, row))
        for row in table.displayed
    ]
    return PageTable(table, rows, table.name in SUMMARY_TABLES)


def mark_row(row: Row) -> str:
    """Return the CSS classes of a row: stand-in data, published numbers, decodes that were not blind or not first."""
    marks = {"stand-in": "stand-in", "partly stand-in": "stand-in", "published": "published"}
    found = [marks[str(row["data"])]] if row.get("data") in marks else []
    found += ["not-blind"] if row.get("blind") == "not blind" else []
    found += ["not-first"] if re.search(r"(^|: )after ", str(row.get("before") or "")) else []
    return " ".join(found)


def link_records(records: ReportRecords, row: Row) -> list[RecordLink]:
    """Return links to the records of a row, one for all records of a system on a dataset.

    A link names the seeds if the row has not all of them. A row with more than `MOST_LINKS` has one link to all records
    of the page; its CSV has the paths.

    Args:
        records: the records of the report.
        row: of a table.
    """
    paths = str(row["records"]).split("; ") if row.get("records") else []
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(_group_of(path), []).append(path)
    if len(groups) > MOST_LINKS:
        return [RecordLink(f"those of {len(groups)} systems and datasets", "records")]
    return [
        RecordLink(_describe(records, name, members), anchor_records(name) if _is_known(records, members) else "")
        for name, members in groups.items()
    ]


def link_systems(dataset: DatasetRecords) -> list[RecordLink]:
    """Return links to the records of a dataset and of each of its systems."""
    names = [(dataset.name, dataset.name), *((one.name, f"{dataset.name}/{one.name}") for one in dataset.systems)]
    return [RecordLink(text, anchor_records(name)) for text, name in names]


def group_records(records: ReportRecords) -> list[RecordGroup]:
    """Return all records of the report, by dataset and system."""
    groups: dict[str, list[str]] = {}
    for path in sorted(records.files):
        groups.setdefault(_group_of(path), []).append(path)
    return [
        RecordGroup(
            name,
            anchor_records(name),
            [(records.files[path], path) for path in members],
            [(records.frozen[path], _seed_of(path)) for path in members if _is_result(records, path)],
            _shorten(members),
        )
        for name, members in groups.items()
    ]


def _shorten(paths: list[str]) -> list[str]:
    """Write paths that differ in the seed alone as one, in the form that a shell expands."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        parts = path.split("/")
        of_run = len(parts) > 4 and parts[0] in ("studies", "decodes")
        place = ("/".join(parts[:3]), "/".join(parts[4:])) if of_run else (path, "")
        seeds.setdefault(place, []).append(parts[3] if of_run else "")
    written = []
    for (folder, file), found in seeds.items():
        names = f"{{{','.join(found)}}}" if len(found) > 1 else found[0]
        written.append(f"{folder}/{names}/{file}" if file else folder)
    return written


def _group_of(path: str) -> str:
    """Return ``<dataset>/<system>`` of a record of a study, a decode or a post-mortem, ``<dataset>`` of others."""
    stage, *parts = path.split("/")
    of_system = stage in ("studies", "decodes", FOLDER) and len(parts) > 3
    return "/".join(parts[:2]) if of_system else parts[0] if parts else stage


def _seed_of(path: str) -> str:
    return path.split("/")[3]


def _is_result(records: ReportRecords, path: str) -> bool:
    return path in records.frozen and path.startswith("decodes/")


def _is_known(records: ReportRecords, paths: list[str]) -> bool:
    return all(path in records.files for path in paths)


def _describe(records: ReportRecords, name: str, paths: list[str]) -> str:
    if "/" not in name:
        return name
    seeds = list(dict.fromkeys(map(_seed_of, paths)))
    return name if len(seeds) == len(records.seeds) else f"{name} {', '.join(seeds)}"


def anchor_records(name: str) -> str:
    """Return the id of a group of records within the page.

    Args:
        name: ``<dataset>/<system>`` or ``<dataset>``.
    """
    return f"records/{name}"

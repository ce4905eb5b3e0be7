"""Assemble the charts of a report for its page: specifications, data that charts share, and the library's scripts.

Everything is packed with gzip and base64 into elements that the browser does not read as HTML or JavaScript. The page
opens without parsing any of it, and no name in the records can end an element.
"""

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.report.charts.registry import CHARTS, LIBRARY, SCRIPT
from blindtune.report.charts.spec import Rows, Spec
from blindtune.report.figures.style import assign_styles
from blindtune.report.figures.write import fill_in_metric
from blindtune.report.records import ReportRecords

#: The page's parts that are not made of records.
FOLDER = Path(__file__).parents[4] / "report"


@dataclass(frozen=True)
class Chart:
    """A chart of the page; its specification is in the data of its dataset.

    Attributes:
        id: of its element.
        kind: a key of `blindtune.report.charts.registry.CHARTS`.
        dataset: the name of the dataset in the config.
        data: id of the element with its data.
        title: what it shows.
        description: its text alternative.
        caption: how to read it.
        figure: the kind of static figure that shows the same; None: there is none.
        instead: the kind of static figure that tells most of it on paper then.
    """

    id: str
    kind: str
    dataset: str
    data: str
    title: str
    description: str
    caption: str
    figure: str | None
    instead: str | None


@dataclass(frozen=True)
class PageCharts:
    """All charts of a page.

    Attributes:
        charts: the charts of each dataset, by its name in the config.
        data: the packed data by the ids of their elements.
        library: the packed scripts of the library.
        script: the script that draws the charts.
    """

    charts: dict[str, list[Chart]]
    data: dict[str, str]
    library: str
    script: str


def assemble_charts(records: ReportRecords) -> PageCharts:
    """Build all charts of a report.

    Args:
        records: the records of the report.

    Raises:
        UserError: a script of the page is missing.
    """
    styles = assign_styles(records)
    builds = {kind: entry.load_build() for kind, entry in CHARTS.items()}
    charts: dict[str, list[Chart]] = {}
    data = {}
    for number, dataset in enumerate(records.datasets):
        built = {kind: build(dataset, styles) for kind, build in builds.items()}
        specs = {kind: spec for kind, spec in built.items() if spec is not None}
        place = f"chart-data-{number}"
        charts[dataset.name] = [
            Chart(
                f"chart-{number}-{kind}",
                kind,
                dataset.name,
                place,
                CHARTS[kind].title,
                spec["description"],
                fill_in_metric(CHARTS[kind].load_caption(), dataset),
                CHARTS[kind].figure,
                CHARTS[kind].instead,
            )
            for kind, spec in specs.items()
        ]
        if specs:
            data[place] = pack(dump_json(share_data(specs)))
    library = "\n".join(_read(file) for file in LIBRARY)
    return PageCharts(charts, data, pack(library), _read(SCRIPT))


def share_data(specs: dict[str, Spec]) -> dict[str, Any]:
    """Take the data out of specifications, so that charts of one dataset share them.

    Args:
        specs: complete specifications by kind.

    Returns:
        ``specs`` with the names of their tables under ``datasets``; ``tables`` as shortened columns by name.
    """
    tables: dict[str, Any] = {}
    names: dict[str, str] = {}
    shared = {}
    for kind, spec in specs.items():
        used = {}
        for name, rows in spec["datasets"].items():
            columns = to_columns(rows)
            key = dump_json(columns)
            if key not in names:
                names[key] = name if name not in tables else f"{kind}.{name}"
                tables[names[key]] = {field: shorten_column(values) for field, values in columns.items()}
            used[name] = names[key]
        shared[kind] = {**spec, "datasets": used}
    return {"specs": shared, "tables": tables}


def to_columns(rows: Rows) -> dict[str, list[Any]]:
    """Return rows as columns, which are shorter; all rows have the same fields."""
    return {field: [row[field] for row in rows] for field in (rows[0] if rows else {})}


def shorten_column(values: list[Any]) -> list[Any] | dict[str, Any]:
    """Return numbers as steps from one to the next where these take fewer letters, as in sorted columns.

    Args:
        values: numbers, texts or None.

    Returns:
        The values, or ``{"steps": integers, "scale": a power of ten}``: the sum of the steps up to a value, divided by
        the scale, is exactly the value. A missing value is a missing step.
    """
    known = [value for value in values if value is not None]
    if not all(type(value) in (int, float) for value in known) or any("e" in repr(value) for value in known):
        return values
    scale = 10 ** max((len(repr(value).partition(".")[2]) for value in known if type(value) is float), default=0)
    steps: list[int | None] = []
    at = 0
    for value in values:
        if value is None:
            steps.append(None)
            continue
        number = round(value * scale)
        if number / scale != value:
            return values
        steps.append(number - at)
        at = number
    shortened = {"steps": steps, "scale": scale}
    return shortened if len(dump_json(shortened)) < len(dump_json(values)) else values


def restore_column(column: list[Any] | dict[str, Any]) -> list[Any]:
    """Return the values that `shorten_column` was given, as the script of the page does."""
    if isinstance(column, list):
        return column
    values: list[Any] = []
    at = 0
    for step in column["steps"]:
        at += step or 0
        values.append(None if step is None else at / column["scale"])
    return values


def pack(text: str) -> str:
    """Return a text compressed and in base64; the same text gives the same result."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def unpack(packed: str) -> str:
    """Return the text that `pack` was given."""
    return gzip.decompress(base64.b64decode(packed)).decode()


def dump_json(content: Any) -> str:
    """Return content as JSON without spaces; a number that is not finite is an error."""
    return json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def _read(file: str) -> str:
    try:
        return (FOLDER / file).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{FOLDER / file}: cannot be read ({error.strerror}). Restore the file.") from error

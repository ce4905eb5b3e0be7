"""Tables as data, and their formats CSV, Markdown and LaTeX."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

from blindtune.core.files import inert_cell

Cell = str | int | float | None
Row = dict[str, Cell]

ABSENT = "–"


@dataclass(frozen=True)
class Column:
    """A column as it is displayed.

    Attributes:
        title: the heading.
        text: returns the text of the cell of a row.
        group: a heading over this and the adjacent columns of the same group.
        numeric: whether the cells are right-aligned.
        wide: whether the text may break into several lines.
    """

    title: str
    text: Callable[[Row], str]
    group: str = ""
    numeric: bool = False
    wide: bool = False

    @property
    def heading(self) -> str:
        """The group and the title in one line."""
        return f"{self.group}: {self.title}" if self.group else self.title


@dataclass(frozen=True)
class ReportTable:
    """A table: rows with all digits, and the columns that are displayed.

    Attributes:
        name: the stem of its files.
        title: the title, one line.
        rows: the rows, all with the same keys, which are the header of the CSV. ``records`` has the paths of the
            records that a row was made from, separated by "; ".
        columns: the displayed columns.
        notes: sentences under the table on how to read it.
        findings: sentences under the table on what follows from it.
        shown: the rows that are displayed, if there are too many for that; None: all. The CSV has all rows.
    """

    name: str
    title: str
    rows: list[Row]
    columns: list[Column]
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    shown: list[Row] | None = None

    @property
    def displayed(self) -> list[Row]:
        """The rows that are displayed."""
        return self.rows if self.shown is None else self.shown

    def groups(self) -> list[tuple[str, int]]:
        """Return the headings over the columns, each with the number of columns below it."""
        runs = groupby(column.group for column in self.columns)
        return [(group, len(list(members))) for group, members in runs]


def text_column(key: str, title: str, group: str = "", wide: bool = False) -> Column:
    """Create a column of text.

    Args:
        key: the key of the cell in a row.
        title: the heading.
        group: a heading over several columns.
        wide: whether the text may break into several lines.

    Returns:
        The column.
    """
    return Column(title, lambda row: _format_text(row[key]), group, wide=wide)


def number_column(key: str, title: str, digits: int = 0, group: str = "") -> Column:
    """Create a column of numbers.

    Args:
        key: the key of the cell in a row.
        title: the heading.
        digits: digits after the decimal point.
        group: a heading over several columns.

    Returns:
        The column.
    """
    return Column(title, lambda row: format_number(row[key], digits), group, numeric=True)


def format_number(value: Cell, digits: int) -> str:
    """Write a number with separated thousands.

    Args:
        value: the number; a text is returned unchanged.
        digits: digits after the decimal point.

    Returns:
        The text; a dash if there is no value.
    """
    if value is None or isinstance(value, str):
        return value or ABSENT
    # No "-0.00" either.
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def to_percent(error: float | None) -> float | None:
    """Convert an error from 0 to 1 to %, without the binary rounding error of ``100 * x``."""
    return None if error is None else round(100 * error, 10)


def join_paths(paths: list[str]) -> str:
    """Join paths to the ``records`` of a row."""
    return "; ".join(paths)


def to_csv(table: ReportTable) -> str:
    """Format the rows of a table as CSV; missing values are empty, and no text is a formula."""
    stream = io.StringIO()
    names = list(table.rows[0]) if table.rows else ["records"]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writerow({name: inert_cell(name) for name in names})
    writer.writerows({name: inert_cell(value) for name, value in row.items()} for row in table.rows)
    return stream.getvalue()


def to_markdown(table: ReportTable) -> str:
    """Format a table as GitHub Markdown; markup in texts is escaped."""
    headings = " | ".join(_markdown(column.heading) for column in table.columns)
    rule = " | ".join("---:" if column.numeric else "---" for column in table.columns)
    body = [" | ".join(_markdown(column.text(row)) for column in table.columns) for row in table.displayed]
    lines = [f"| {line} |" for line in (headings, rule, *body)]
    notes = [f"- {_markdown(note)}" for note in _below(table)]
    return "\n".join([f"### {_markdown(table.title)}", "", *lines, "", *notes, ""])


def to_latex(table: ReportTable) -> str:
    """Format a table as LaTeX; the package graphicx shrinks it if it is wider than the text."""
    form = "".join("r" if column.numeric else "p{3.4cm}" if column.wide else "l" for column in table.columns)
    headings = " & ".join(_latex(column.title) for column in table.columns)
    groups = " & ".join(rf"\multicolumn{{{span}}}{{c}}{{{_latex(group)}}}" for group, span in table.groups())
    body = [" & ".join(_latex_cell(column, row) for column in table.columns) for row in table.displayed]
    notes = [rf"\item {_latex(note)}" for note in _below(table)]
    lines = [
        "% Written by blindtune from its records. Needs \\usepackage{graphicx}.",
        r"\begin{table}[htbp]",
        rf"\caption{{{_latex(_unnumbered(table.title))}}}\label{{tab:{table.name}}}",
        r"\footnotesize\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{form}}}",
        r"\hline",
        *([rf"{groups} \tabularnewline"] if any(column.group for column in table.columns) else []),
        rf"{headings} \tabularnewline",
        r"\hline",
        *(rf"{line} \tabularnewline" for line in body),
        r"\hline",
        r"\end{tabular}}",
        r"\footnotesize\begin{itemize}",
        *notes,
        r"\end{itemize}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _below(table: ReportTable) -> list[str]:
    """Return all sentences under a table; the last one names the CSV."""
    return [*table.findings, *table.notes, f"All digits and the records of each row are in {table.name}.csv."]


def _format_text(value: Cell) -> str:
    return ABSENT if value is None or value == "" else str(value)


def _markdown(text: str) -> str:
    flat = " ".join(text.split())
    escaped = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", escaped)


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}


def _latex_cell(column: Column, row: Row) -> str:
    # Ragged: justified text in narrow columns has large gaps.
    return (r"\raggedright " if column.wide else "") + _latex(column.text(row))


def _unnumbered(title: str) -> str:
    """Remove the number of a table from its title, since LaTeX numbers tables itself."""
    return re.sub(r"^Table \d+\. ", "", title)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))

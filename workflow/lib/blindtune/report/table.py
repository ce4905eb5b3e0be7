"""A table as data, and as CSV, Markdown and LaTeX."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

Cell = str | int | float | None
Row = dict[str, Cell]

ABSENT = "–"


@dataclass(frozen=True)
class Column:
    """A column as a reader sees it.

    Attributes:
        title: its heading.
        text: what stands in it, made from a row.
        group: a heading over this column and its neighbours of the same group.
        numeric: set flush right.
        wide: may break into lines.
    """

    title: str
    text: Callable[[Row], str]
    group: str = ""
    numeric: bool = False
    wide: bool = False

    @property
    def heading(self) -> str:
        """Group and title in one line."""
        return f"{self.group}: {self.title}" if self.group else self.title


@dataclass(frozen=True)
class ReportTable:
    """Rows with every number in full, and the columns in which a reader sees them.

    Attributes:
        name: stem of its files.
        title: one line.
        rows: all with the same keys, which are the header of the CSV; ``records`` holds the paths of the
            records that a row was made from, with "; " between them.
        columns: for a reader.
        notes: sentences under the table: how to read it.
        findings: sentences under the table: what follows from it.
    """

    name: str
    title: str
    rows: list[Row]
    columns: list[Column]
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def groups(self) -> list[tuple[str, int]]:
        """The headings over the columns, each with the number of columns below it."""
        runs = groupby(column.group for column in self.columns)
        return [(group, len(list(members))) for group, members in runs]


def text_column(key: str, title: str, group: str = "", wide: bool = False) -> Column:
    """A column of text."""
    return Column(title, lambda row: _shown(row[key]), group, wide=wide)


def number_column(key: str, title: str, digits: int = 0, group: str = "") -> Column:
    """A column of numbers with this many digits behind the point."""
    return Column(title, lambda row: format_number(row[key], digits), group, numeric=True)


def format_number(value: Cell, digits: int) -> str:
    """``value`` with ``digits`` behind the point and thousands apart; a dash where there is none."""
    if value is None or isinstance(value, str):
        return value or ABSENT
    return f"{value:,.{digits}f}".replace("-", "−")


def to_percent(error: float | None) -> float | None:
    """An error from 0 to 1 in %, free of the binary rounding that 100 * x brings."""
    return None if error is None else round(100 * error, 10)


def join_paths(paths: list[str]) -> str:
    """The ``records`` of a row."""
    return "; ".join(paths)


def to_csv(table: ReportTable) -> str:
    """The rows as CSV; nothing stands where there is no value."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(table.rows[0]) if table.rows else ["records"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.rows)
    return stream.getvalue()


def to_markdown(table: ReportTable) -> str:
    """The table in GitHub's Markdown; whatever could be read as markup is escaped."""
    headings = " | ".join(_markdown(column.heading) for column in table.columns)
    rule = " | ".join("---:" if column.numeric else "---" for column in table.columns)
    body = [" | ".join(_markdown(column.text(row)) for column in table.columns) for row in table.rows]
    lines = [f"| {line} |" for line in (headings, rule, *body)]
    notes = [f"- {_markdown(note)}" for note in _below(table)]
    return "\n".join([f"### {_markdown(table.title)}", "", *lines, "", *notes, ""])


def to_latex(table: ReportTable) -> str:
    """The table in LaTeX; it needs the package graphicx, which shrinks it where it is wider than the text."""
    form = "".join("r" if column.numeric else "p{3.4cm}" if column.wide else "l" for column in table.columns)
    headings = " & ".join(_latex(column.title) for column in table.columns)
    groups = " & ".join(rf"\multicolumn{{{span}}}{{c}}{{{_latex(group)}}}" for group, span in table.groups())
    body = [" & ".join(_latex_cell(column, row) for column in table.columns) for row in table.rows]
    notes = [rf"\item {_latex(note)}" for note in _below(table)]
    lines = [
        "% Made by blindtune from its records. Needs \\usepackage{graphicx}.",
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
    """Every sentence under a table, the last one for who wants to check it."""
    return [*table.findings, *table.notes, f"The records behind each row, and every digit, stand in {table.name}.csv."]


def _shown(value: Cell) -> str:
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
    # Set ragged, since narrow columns set flush are full of holes.
    return (r"\raggedright " if column.wide else "") + _latex(column.text(row))


def _unnumbered(title: str) -> str:
    """``title`` without the number, which LaTeX gives itself."""
    return re.sub(r"^Table \d+\. ", "", title)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))

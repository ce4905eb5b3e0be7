"""Formats of tables."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.report import table


def test_to_markdown_escapes_cells() -> None:
    """The text of a cell cannot break a Markdown table."""
    shown = table.ReportTable("x", "a | b", [{"a": "c | d\n*e*", "records": ""}], [table.text_column("a", "head")])
    assert r"| c \| d \*e\* |" in table.to_markdown(shown)


#: Texts as a hostile user would name a class, a file or a reason.
TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        *("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "a\r=1", "a\n=1", "-", "−1", "="),
        *("1e5", "-3.5", "<script>alert(1)</script>", "a|b", r"\\", "[x](javascript:1)", "`x`"),
        *("$x_1^2$", r"\input{/etc/passwd}", "50% & #1", "~"),
    ]
)


def one_cell(text: str) -> table.ReportTable:
    """Return a table with one text in a cell, the title, a note and a finding."""
    shown = [table.text_column("a", text or "head"), table.text_column("a", "b")]
    return table.ReportTable("x", text, [{"a": text, "b": 1.5, "records": ""}], shown, [text], [text])


@given(TEXTS)
def test_to_csv_gives_no_formula(text: str) -> None:
    """No text of a CSV is a formula to a spreadsheet; what is not one, and every number, is unchanged."""
    header, row = csv.reader(io.StringIO(table.to_csv(one_cell(text)), newline=""))
    assert header == ["a", "b", "records"]
    assert row[1:] == ["1.5", ""]
    flat = text.replace("\r", " ")
    if row[0].strip(" ")[:1] in tuple("=+-@\t\n"):
        float(row[0])
    assert row[0] == flat or (row[0] == f"'{flat}" and flat.strip(" ")[0] in "=+-@\t\n")


@pytest.mark.parametrize("value", [-0.25, -3, "-0.25", "+3", "-1e-05", "-inf", None, "", "a=b"])
def test_to_csv_leaves_numbers_alone(value: table.Cell) -> None:
    """Negative numbers stay numbers."""
    rows: list[table.Row] = [{"a": value, "records": ""}]
    shown = table.to_csv(table.ReportTable("x", "x", rows, [table.text_column("a", "a")]))
    assert shown.splitlines()[1] == f"{'' if value is None else value},"


@given(TEXTS)
def test_to_markdown_gives_no_markup(text: str) -> None:
    """No text breaks the table, makes a tag or begins a link."""
    lines = table.to_markdown(one_cell(text)).split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3
    assert all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3 for row in rows)
    assert "<" not in "".join(lines) and ">" not in "".join(lines)
    assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]`*_]", "".join(lines))
    assert sum(line.startswith("#") for line in lines) == 1


@given(TEXTS)
def test_to_latex_gives_no_command(text: str) -> None:
    """Without the commands that stand for a letter, a text has no letter that LaTeX would act on."""
    shown = table._latex(text)
    for command in sorted({*table._LATEX.values()}, key=len, reverse=True):
        shown = shown.replace(command, "")
    assert not re.search(r"[\\{}$&#^_~%]", shown)
    assert "\n" not in shown

"""Formats of tables."""

from blindtune.report import table


def test_to_markdown_escapes_cells() -> None:
    """The text of a cell cannot break a Markdown table."""
    shown = table.ReportTable("x", "a | b", [{"a": "c | d\n*e*", "records": ""}], [table.text_column("a", "head")])
    assert r"| c \| d \*e\* |" in table.to_markdown(shown)

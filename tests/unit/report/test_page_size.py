"""The size of the page of a large report."""

from dataclasses import replace
from pathlib import Path

import pytest

from blindtune.report import page as page_module
from blindtune.report import page_tables
from blindtune.report.charts.assemble import assemble_charts
from blindtune.report.figures import write as figures
from blindtune.report.page import write_page
from blindtune.report.page_figures import PageFigure, limit_packed
from blindtune.report.page_tables import RecordLink, group_records, link_records
from blindtune.report.records import DatasetRecords
from blindtune.report.table import Row
from blindtune.report.tables import write as tables
from support.report_records import RecordsBuilder
from support.report_searches import TUNERS

#: Bytes of the page without the library of the charts. `workflow/benchmarks/report_size.py` measures a report of 2,900
#: runs; here, the parts that each dataset has once count for more.
MOST_BYTES_OF_RUN = 2800


def test_page_of_many_systems_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With many systems and seeds, the page has few bytes for each system, dataset and seed, and leads to all."""
    # A small report, so what counts as large is small too; a few figures are enough.
    for name, value in (("MANY_ROWS", 200), ("MOST_ROWS_OF_MANY", 4), ("MANY_RECORDS", 100)):
        monkeypatch.setattr(page_module, name, value, raising=False)
    monkeypatch.setattr(DatasetRecords, "figure_kinds", property(lambda _: ["surfaces", "search", "pareto"]))
    builder = RecordsBuilder(
        tmp_path / "large", systems=["knn", "mlp_m1", "mlp_m2", *TUNERS], seeds=list(range(8)), trials=16, samples=100
    ).write()
    records, folder = builder.read(), builder.root / "report"
    tables.write_tables(records, folder / "tables")
    figures.write_figures(records, folder / "figures")
    write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert (len(page.encode()) - len(assemble_charts(records).library)) / len(records.runs) < MOST_BYTES_OF_RUN
    assert "studies/set_10/kt_bayes/{0,1,2,3,4,5,6,7}/trials.jsonl\n" in page
    assert "their paths are listed, without their digests" in page and "This report is large." in page
    listed = dict(line.split("  ")[::-1] for line in (folder / "records.sha256").read_text("utf-8").splitlines())
    assert listed == records.files
    assert (folder / "tables" / "tuner_pairs.csv").read_text(encoding="utf-8").count("\n") == 1 + 45


def test_limit_packed_leaves_out_what_a_chart_shows_first() -> None:
    """Figures are left out until the others fit: those with a chart, then the largest, those of the summary last."""

    def make(stem: str, size: int, in_summary: bool = False) -> PageFigure:
        return PageFigure("kind", stem, "", "", f"figures/{stem}.svg", (1, 1), "x" * size, "image/svg+xml", in_summary)

    figures = [make("a", 10), make("b", 30), make("c", 20), make("d", 40, in_summary=True), make("e", 5)]

    def kept(most: int) -> list[str]:
        limited = limit_packed(figures, {"a", "c"}, most)
        assert [replace(one, packed="") for one in limited] == [replace(one, packed="") for one in figures]
        return [one.stem for one in limited if one.packed]

    assert kept(105) == ["a", "b", "c", "d", "e"]
    assert kept(104) == ["a", "b", "d", "e"]
    assert kept(80) == ["b", "d", "e"]
    assert kept(74) == ["d", "e"]
    assert kept(44) == ["d"] and kept(0) == []


def test_link_records_of_many_systems_is_one_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row made from the records of very many systems has one link to the list of all records."""
    records = RecordsBuilder(tmp_path / "tiny", systems=["knn", "rnf", "mlp_m1"], seeds=[42]).write().read()
    row: Row = {"records": "; ".join(path for run in records.runs for path in run.paths)}
    assert [link.anchor for link in link_records(records, row)] == [
        f"records/set_10/{name}" for name in ("knn", "rnf", "mlp_m1")
    ]
    monkeypatch.setattr(page_tables, "MOST_LINKS", 2)
    assert link_records(records, row) == [RecordLink("those of 3 systems and datasets", "records")]


def test_group_records_writes_runs_in_one_line(tmp_path: Path) -> None:
    """Paths that differ in the seed alone are one line, which a shell expands to all of them."""
    records = RecordsBuilder(tmp_path / "tiny", systems=["knn", "bayes"], seeds=[42, 7]).write().read()
    groups = {group.name: group for group in group_records(records)}
    assert groups["set_10"].brief == ["data/set_10/manifest.json", "decodes/set_10/sample_splits.npz"]
    assert groups["set_10/knn"].brief[-2:] == [
        "studies/set_10/knn/{42,7}/card.json",
        "studies/set_10/knn/{42,7}/trials.jsonl",
    ]
    for group in groups.values():
        folders = [line.replace("{42,7}", seed) for line in group.brief for seed in ("42", "7")]
        assert set(folders) == {path for _, path in group.files}

"""The report of any combination of systems, seeds and eval samples: complete, and no number out of its bounds."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from blindtune.report.figures.style import assign_styles
from blindtune.report.figures.write import DRAW
from blindtune.report.library_verdicts import list_libraries
from blindtune.report.records import ReportRecords
from blindtune.report.table import ReportTable, to_csv, to_latex, to_markdown
from blindtune.report.tables.comparisons import answer_questions
from blindtune.report.tables.write import BUILD
from support.report_records import RecordsBuilder

SYSTEMS = ("knn", "mlp_m1", "mlp_a1", "mlp_a2", "bayes")
SETS = [list(chosen) for count in range(1, len(SYSTEMS) + 1) for chosen in combinations(SYSTEMS, count)]

#: Columns of differences of errors in points, and of errors in %, in every table.
DIFFERENCES = ("difference", "difference_low", "difference_high", "low", "high", "gap")
ERRORS = ("train", "dev", "eval", "better_eval", "other_eval", "mean", "median", "lowest", "highest")

#: Patients of a dataset, all of whose eval samples belong to one of them.
ONE_PATIENT: dict[str, Any] = {"parameters": {"groups": ["p1"]}, "published": "12"}


def build_all(records: ReportRecords) -> dict[str, ReportTable]:
    """Build every table in every format, and the answers of the page; check that numbers are possible."""
    tables = {name: build(records) for name, build in BUILD.items()}
    for name, table in tables.items():
        errors = () if name == "table1_datasets" else ERRORS
        for form in (to_csv, to_markdown, to_latex):
            assert form(table)
        for row in table.rows:
            for column in table.columns:
                assert "nan" not in column.text(row) and "inf" not in column.text(row).split()
            assert all(-100 <= float(row.get(key) or 0) <= 100 for key in DIFFERENCES), row
            assert all(0 <= float(row.get(key) or 0) <= 100 for key in errors), row
    assert len(answer_questions(records)) == len(records.datasets)
    assert isinstance(list_libraries(records), list)
    return tables


@pytest.mark.parametrize("seeds", [[42], [42, 43]], ids=["one_seed", "two_seeds"])
@pytest.mark.parametrize("systems", SETS, ids="-".join)
def test_tables_of_any_systems(systems: list[str], seeds: list[int], tmp_path: Path) -> None:
    """Any systems with one or two seeds give all tables, and a row of errors for each."""
    records = RecordsBuilder(tmp_path / "run", seeds=seeds, systems=systems, samples=40, trials=4).write().read()
    tables = build_all(records)
    assert {row["system"].split(":")[0] for row in tables["table3_errors"].rows} == set(systems)  # type: ignore[union-attr]
    [answers] = answer_questions(records)
    if systems == ["bayes"]:
        assert answers.winner == "No classifier was compared."
        assert answers.headline == "Manual and tuned models cannot be compared: no manual model was run."
        assert tables["comparisons"].rows == []


@pytest.mark.parametrize("systems", [["bayes"], ["knn"], ["mlp_a1"], ["bayes", "mlp_m1"]], ids="-".join)
def test_figures_of_few_systems(systems: list[str], tmp_path: Path) -> None:
    """A single system, or a system without trials, gives every figure of the dataset."""
    records = RecordsBuilder(tmp_path / "run", seeds=[42], systems=systems, samples=40, trials=4).write().read()
    styles = assign_styles(records)
    for dataset in records.datasets:
        assert [DRAW[kind](dataset, styles) is not None for kind in dataset.figure_kinds]


@pytest.mark.parametrize("errors", [{}, dict.fromkeys(SYSTEMS, -1.0), dict.fromkeys(SYSTEMS, 2.0)],
                         ids=["some", "none", "all"])  # fmt: skip
@pytest.mark.parametrize("samples", [2, 200])
@pytest.mark.parametrize("groups", [1, 2, 5])
def test_tables_of_degenerate_evals(groups: int, samples: int, errors: dict[str, float], tmp_path: Path) -> None:
    """Few samples or patients, and systems that are never or always wrong, give possible numbers and words."""
    names = {"parameters": {"groups": [f"p{number}" for number in range(groups)]}, "published": "12"}
    builder = RecordsBuilder(
        tmp_path / "run", seeds=[42], systems=list(SYSTEMS), samples=samples, trials=4, errors=errors,
        datasets={"eeg": names if samples == 200 or groups == 1 else {"published": "12"}},
    )  # fmt: skip
    build_all(builder.write().read())


def test_a_single_patient_gives_no_interval_but_words(tmp_path: Path) -> None:
    """With one eval patient no interval is given and nothing is distinguishable, and every table says why."""
    builder = RecordsBuilder(
        tmp_path / "run", systems=["knn", "deep_m", "deep_a"], samples=40, trials=4, datasets={"eeg": ONE_PATIENT},
        errors={"knn": 0.0, "deep_m": 1.0, "deep_a": 0.4},
    )  # fmt: skip
    records = builder.write().read()
    tables = build_all(records)
    for name in ("comparisons", "table3_errors"):
        assert any("the eval samples belong to fewer than 5 patients" in note for note in tables[name].notes), name
    for row in tables["comparisons"].rows:
        assert (row["low"], row["high"], row["verdict"]) == (None, None, "not decided")
    judged = [row for row in tables["table3_errors"].rows if row["published_system"]]
    assert judged and all(row["verdict"] == "not judged: too few patients" for row in judged)
    [answers] = answer_questions(records)
    assert "no interval: the eval samples belong to fewer than 5 patients" in answers.headline

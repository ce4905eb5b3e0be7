"""The page, the tables and the figures: true to their records, clear about stand-in data, and safe to open."""

import base64
import csv
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from blindtune.config.training import OPTIONAL_SETTINGS, Training
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.report import contents
from blindtune.report import page as page_module
from blindtune.report.figures import write as figures
from blindtune.report.figures.style import NOT_APPLICABLE, assign_styles, save_figure
from blindtune.report.page import write_page
from blindtune.report.stats import comparisons
from blindtune.report.tables import arguments
from blindtune.report.tables import write as tables
from support.report_page import PAGE_SCRIPTS, list_scripts
from support.report_records import ESTIMATES, RecordsBuilder

STAND_IN = {"stand_in": True, "source": {"source": "drawing"}}
SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
DRAWN = {f"{SVG}{tag}" for tag in ("path", "use", "image", "text", "rect")}
EVIL = "<script>alert(1)</script>"


def list_parts(svg: str) -> dict[str, int]:
    """Return how many parts of each kind an SVG draws; every reference must lead to a part."""
    root = ElementTree.fromstring(svg)  # noqa: S314
    defined = {part for group in root.iter(f"{SVG}defs") for part in group.iter()}
    links = [part.get("href") or part.get(LINK) or "" for part in root.iter(f"{SVG}use")]
    assert {link.removeprefix("#") for link in links} <= {part.get("id") for part in root.iter()}
    return Counter(str(part.tag) for part in root.iter() if part not in defined and part.tag in DRAWN)


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[RecordsBuilder, Path]:
    """A report with real and stand-in data, images, hostile names, and a decode that was not blind."""
    datasets: dict[str, dict[str, Any]] = {
        "set_10": {},
        "drawn_10": STAND_IN,
        "digits": {
            "published": None,
            "sample_shape": [4, 4],
            "classes": [EVIL, "$x_1$ & 50%"],
            "counts": {split: {EVIL: 200, "$x_1$ & 50%": 200} for split in ("train", "dev", "eval")},
            "units": EVIL,
        },
    }
    builder = RecordsBuilder(
        tmp_path_factory.mktemp("results") / "tiny", datasets=datasets, not_blind=("set_10/mlp_a1",)
    ).write()
    records = builder.read()
    folder = builder.root / "report"
    tables.write_tables(records, folder / "tables")
    figures.write_figures(records, folder / "figures")
    write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    return builder, folder


def test_write_makes_every_file_of_the_workflow(report: tuple[RecordsBuilder, Path]) -> None:
    """Every table and figure that the workflow expects is written."""
    builder, folder = report
    expected = {f"{name}.{kind}" for name in contents.TABLES for kind in ("csv", "md", "tex")}
    assert {path.name for path in (folder / "tables").iterdir()} == expected
    expected = {f"{name}.{kind}" for name in contents.list_figures(list(builder.datasets)) for kind in ("svg", "png")}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    assert all(path.stat().st_size > 500 for path in (folder / "figures").iterdir())


def test_errors_are_those_of_the_records(report: tuple[RecordsBuilder, Path]) -> None:
    """Every error of Table 3 is that of the records."""
    builder, folder = report
    rows = {(row["dataset"], row["system"]): row for row in rows_of(folder / "tables", "table3_errors")}
    for dataset in builder.datasets:
        for system in builder.systems:
            row = rows[dataset, "bayes: closed loop" if system == "bayes" else system]
            cards = [read_json(builder.root / f"studies/{dataset}/{system}/{seed}/card.json") for seed in builder.seeds]
            results = [
                read_json(builder.root / f"decodes/{dataset}/{system}/{seed}/result.json") for seed in builder.seeds
            ]
            measured = {
                "train": [card["train_error"] for card in cards],
                "dev": [card["dev_error"] for card in cards],
                "eval": [result["error"] for result in results],
            }
            for split, errors in measured.items():
                assert float(row[split]) == pytest.approx(100 * np.mean(errors), abs=1e-9)
                assert float(row[f"{split}_sd"]) == pytest.approx(100 * np.std(errors, ddof=1), abs=1e-9)
            assert row["records"].split("; ")[0] == f"studies/{dataset}/{system}/{builder.seeds[0]}/card.json"
            assert all((builder.root / path).exists() for path in row["records"].split("; "))


def test_errors_list_all_estimates_of_the_bayes_error(report: tuple[RecordsBuilder, Path]) -> None:
    """Table 3 has the other estimates of the Bayes error below the closed loop."""
    rows = {row["system"]: row for row in rows_of(report[1] / "tables", "table3_errors") if row["dataset"] == "set_10"}
    assert float(rows["bayes: closed loop"]["published_eval"]) == 13.74
    assert float(rows["bayes: leave-one-out nearest neighbour"]["eval"]) == pytest.approx(21.0)
    assert float(rows["bayes: Cover-Hart lower bound"]["dev"]) == pytest.approx(100 * ESTIMATES["lower_bound"])
    assert rows["bayes: Cover-Hart lower bound"]["published_eval"] == ""
    assert rows["bayes: closed loop"]["verdict"] == "not judged: an estimate"


def test_stand_in_rows_are_marked_in_every_format(report: tuple[RecordsBuilder, Path]) -> None:
    """Rows of stand-in data are marked in every format and get no verdict."""
    folder = report[1] / "tables"
    for row in rows_of(folder, "table3_errors"):
        assert row["data"] == ("stand-in" if row["dataset"] == "drawn_10" else "real")
        if row["dataset"] == "drawn_10":
            assert row["verdict"] in ("", "not judged: stand-in data")
            assert row["difference_low"] == ""
    judged = [row["verdict"] for row in rows_of(folder, "table3_errors") if row["dataset"] == "set_10"]
    assert any("sampling error" in verdict for verdict in judged)
    per_dataset = ("table1_datasets", "table3_errors", "comparisons", "scores", "tuner_pairs", "costs", "times")
    for name in (*per_dataset, "table4_architectures"):
        for kind in ("md", "tex"):
            lines = (folder / f"{name}.{kind}").read_text(encoding="utf-8").splitlines()
            rows = [line for line in lines if re.match(r"(\| )?drawn\\_10 ", line)]
            assert rows
            assert all("stand-in" in line or "published" in line for line in rows)
    page = (report[1] / "report.html").read_text(encoding="utf-8")
    marks = re.findall(r'<tr(?: class="([^"]*)")?>\s*<td[^>]*>drawn_10</td>', page)
    assert marks and all(mark in ("stand-in", "published") for mark in marks)


def test_decodes_that_were_not_blind_are_marked(report: tuple[RecordsBuilder, Path]) -> None:
    """Decodes that were not blind are marked in the table and on the page."""
    rows = rows_of(report[1] / "tables", "table3_errors")
    marked = [(row["dataset"], row["system"]) for row in rows if row["blind"] == "not blind"]
    assert marked == [("set_10", "mlp_a1")]
    page = (report[1] / "report.html").read_text(encoding="utf-8")
    assert "Not every decode was blind: mlp_a1." in page
    assert '<tr class="not-blind">' in page


def test_write_page_is_escaped_and_self_contained(report: tuple[RecordsBuilder, Path]) -> None:
    """The page escapes all markup and refers to nothing outside."""
    page = (report[1] / "report.html").read_text(encoding="utf-8")
    assert EVIL not in page and "&lt;script&gt;" in page
    assert list_scripts(page) <= PAGE_SCRIPTS
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?\s*(https?:)?//""", page)
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'id="([^"]+)"', page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_write_page_lists_every_record(report: tuple[RecordsBuilder, Path]) -> None:
    """The page lists every record with its digest, in the groups that the rows of tables link to."""
    builder, folder = report
    page = (folder / "report.html").read_text(encoding="utf-8")
    records = builder.read()
    assert len(records.files) == 3 * (2 + 6 * 2 * 5 + 2 * 2)
    for path, sha256 in records.files.items():
        assert f"{sha256}  {path}\n" in page
    group = page.split('id="records/set_10/mlp_a1"')[1].split("</pre>")[0]
    assert group.count("studies/set_10/mlp_a1/") == 2 * 2 and group.count("(frozen model, seed ") == 2
    row = re.search(r"<tr[^>]*>\s*<td>set_10</td>\s*<td>real</td>\s*<td[^>]*>mlp_a1</td>.*?</tr>", page, re.DOTALL)
    assert row is not None and '<a href="#records/set_10/mlp_a1">set_10/mlp_a1</a>' in row[0]


def test_write_page_leaves_out_what_does_not_apply(report: tuple[RecordsBuilder, Path]) -> None:
    """Tables without rows are only named, and figures that are a sentence are not shown; nothing else is missing."""
    builder, folder = report
    page = (folder / "report.html").read_text(encoding="utf-8")
    records = builder.read()
    for name, build in tables.BUILD.items():
        assert (f'<section id="{name}"' in page) == bool(build(records).rows), name
        assert f'<a href="tables/{name}.csv">' in page
    assert '<section id="metrics"' not in page and 'id="figure-splits_digits"' not in page
    for stem in contents.list_figures(list(builder.datasets)):
        applies = NOT_APPLICABLE not in (folder / "figures" / f"{stem}.svg").read_text(encoding="utf-8")
        assert (f'<img src="figures/{stem}.svg"' in page) == applies, stem
    # Those that apply: neither none nor all.
    assert page.count("<img ") == 28


def test_write_page_packs_its_figures(report: tuple[RecordsBuilder, Path]) -> None:
    """A page that is opened alone has its figures in itself: as SVGs that look the same, which share their letters."""
    page = (report[1] / "report.html").read_text(encoding="utf-8")
    found = re.findall(r'<script type="text/plain" id="packed-(\w+)" data-media="([^"]+)">([^<]+)</script>', page)
    assert len(found) == page.count("<img ")
    shared = re.search(r'<script type="text/plain" id="packed-letters">([^<]+)</script>', page)
    assert shared is not None
    letters = zlib.decompress(base64.b64decode(shared[1])).decode()
    for stem, media, text in found:
        assert media == "image/svg+xml"
        packed = zlib.decompress(base64.b64decode(text)).decode()
        at = packed.index(">") + 1
        file = (report[1] / "figures" / f"{stem}.svg").read_text(encoding="utf-8")
        assert list_parts(packed[:at] + letters + packed[at:]) == list_parts(file)
        assert len(packed) < 0.7 * len(file), stem


def test_write_page_is_reproducible(report: tuple[RecordsBuilder, Path], tmp_path: Path) -> None:
    """The same records give the same page, byte by byte."""
    builder, folder = report
    write_page(builder.read(), folder / "tables", folder / "figures", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == (folder / "report.html").read_bytes()


def test_write_page_packs_the_rest_of_a_long_table(
    report: tuple[RecordsBuilder, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a table with very many rows, the first are in the page and the others are packed into it."""
    builder, folder = report
    whole = (folder / "report.html").read_text(encoding="utf-8")
    monkeypatch.setattr(page_module, "MOST_ROWS", 3)
    write_page(builder.read(), folder / "tables", folder / "figures", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    table = page.split('<section id="costs"')[1].split("</section>")[0]
    body = table.split("<tbody>")[1].split("</tbody>")[0]
    rest = re.search(r'class="rest" data-rows="(\d+)">([^<]+)</script>', table)
    assert rest is not None and body.count("<tr") == 3
    packed = zlib.decompress(base64.b64decode(rest[2])).decode()
    assert packed.count("<tr") == int(rest[1])
    rows = whole.split('<section id="costs"')[1].split("<tbody>")[1].split("</tbody>")[0]
    assert "".join((body + packed).split()) == "".join(rows.split())


def test_to_markdown_and_latex_escape_names(report: tuple[RecordsBuilder, Path]) -> None:
    """Markup in a name does not reach Markdown or LaTeX."""
    folder = report[1] / "tables"
    assert "<script" not in (folder / "table1_datasets.md").read_text(encoding="utf-8")
    latex = (folder / "table1_datasets.tex").read_text(encoding="utf-8")
    assert r"\$x\_1\$ \& 50\%" in latex
    assert r"\textless{}script\textgreater{}" in latex


def test_save_figure_is_reproducible(report: tuple[RecordsBuilder, Path], tmp_path: Path) -> None:
    """The same records give the same files of a figure, byte by byte."""
    builder, folder = report
    records = builder.read()
    again = figures.DRAW["cost"](records.datasets[0], assign_styles(records))
    save_figure(again, tmp_path, "cost_set_10")
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (folder / "figures" / path.name).read_bytes()


def test_write_page_names_a_missing_figure(report: tuple[RecordsBuilder, Path], tmp_path: Path) -> None:
    """A missing figure is named in the message."""
    builder, folder = report
    with pytest.raises(UserError, match=r"splits_set_10\.svg"):
        write_page(builder.read(), folder / "tables", tmp_path, tmp_path / "report.html")


def test_architectures_count_layers_as_published(report: tuple[RecordsBuilder, Path]) -> None:
    """Table 4 counts layers as the published table does."""
    rows = {row["network"]: row for row in rows_of(report[1] / "tables", "table4_architectures")}
    published = rows["MLP-A2"]
    assert published["origin"] == "published (#10)"
    assert published["layer_2"] == "Dense (62), exponential, dropout (0.25)"
    assert (published["layer_3"], published["layer_4"]) == ("Dense (37), tanh, dropout (0.25)", "")
    assert published["output_layer"] == "Dense (2), sigmoid"
    # 2 x 64 + 64, 64 x 32 + 32, 32 x 2 + 2
    assert rows["MLP-M2"]["parameters"] == str(192 + 2080 + 66)


def test_arguments_show_published_and_ours(report: tuple[RecordsBuilder, Path]) -> None:
    """Table 2 has the published arguments next to ours."""
    rows = rows_of(report[1] / "tables", "table2_arguments")
    tuner = {row["argument"]: row for row in reversed(rows) if row["kind"] == "tuner"}
    assert (tuner["max_trials"]["published"], tuner["max_trials"]["ours"]) == ("500", "12")
    assert tuner["seed"]["ours"] == "42, 43"
    assert tuner["allow_new_entries"]["ours"] == "True"
    assert tuner["loss"]["ours"] == "sparse_categorical_crossentropy (in the search space)"
    assert "drawn_10 (stand-in data): mlp_a1, mlp_a2" in tuner["max_trials"]["systems"]


def test_arguments_show_optional_settings_that_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table 2 has a row for early stopping and the like only if a system has it."""
    records = RecordsBuilder(tmp_path / "tiny", systems=["knn", "mlp_m1"], seeds=[42]).write().read()
    assert not {row["argument"] for row in arguments.build(records).rows} & set(OPTIONAL_SETTINGS)
    card = next(run.card for run in records.datasets[0].systems[1].runs)
    monkeypatch.setattr(card, "training", Training(early_stopping=4, schedule="cosine"))
    rows = {row["argument"]: row for row in arguments.build(records).rows}
    assert (rows["early_stopping"]["ours"], rows["schedule"]["ours"], rows["schedule"]["published"]) == (
        "4",
        "cosine",
        None,
    )
    assert not {"clip_norm", "weight_decay", "schedule_epochs"} & set(rows)


def test_costs_count_trials_with_and_without_invalid(report: tuple[RecordsBuilder, Path]) -> None:
    """The costs have the trials with and without the invalid ones."""
    rows = {(row["dataset"], row["system"]): row for row in rows_of(report[1] / "tables", "costs")}
    row = rows["set_10", "mlp_a1"]
    assert (float(row["trials"]), float(row["trials_valid"]), float(row["invalid"])) == (12, 10, 2)


def test_a_single_seed_covers_sampling_error_only(tmp_path: Path) -> None:
    """With a single seed, the report says that only the sampling error is covered."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["knn", "mlp_m1"], seeds=[42]).write()
    records = builder.read()
    [(dataset, found)] = comparisons.compare_report(records)
    assert "the variance over seeds is unknown" in comparisons.describe_winner(dataset, found)
    assert "cannot be compared: no tuner was run" in comparisons.describe_manual_and_tuned(dataset, found)
    errors = tables.BUILD["table3_errors"](records)
    assert any("a single seed" in note for note in errors.notes)
    assert errors.rows[0]["eval_sd"] is None

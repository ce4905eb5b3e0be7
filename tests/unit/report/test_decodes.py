"""What the report says of all decodes of an eval: by others, of dropped seeds, under other names, and drawn samples."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.core.files import digest_json, read_json, write_json
from blindtune.datasets.content import digest_content
from blindtune.decoding.chain import Head
from blindtune.decoding.entries import describe_writer, name_writer
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.known_heads import keep_head
from blindtune.decoding.ledger import Ledger
from blindtune.report import contents
from blindtune.report.decodes import describe_uses
from blindtune.report.figures import write as figures
from blindtune.report.page import write_page
from blindtune.report.tables import write as tables
from blindtune.report.tables.comparisons import list_findings
from support.report_page import PAGE_SCRIPTS, list_scripts
from support.report_records import RecordsBuilder

SYSTEMS = ["knn", "mlp_m1"]
EVAL = digest_json(["set_10", "eval"])


def identify(first: int, count: int, sha256: str = EVAL) -> EvalIdentity:
    """Return an eval of ``count`` samples with the numbers from ``first``."""
    digests = np.sort(np.array([f"{number:016d}".encode() for number in range(first, first + count)]))
    return EvalIdentity(sha256, digest_content(digests), digests)


def build(folder: Path, **changes: Any) -> RecordsBuilder:
    """Write the records of a small report, with an eval of 400 samples."""
    given = {"systems": SYSTEMS, "identities": {"set_10": identify(0, 400)}} | changes
    return RecordsBuilder(folder / "tiny", **given).write()


def row_of(builder: RecordsBuilder, table: str, **wanted: Any) -> dict[str, Any]:
    """Return the only row of a table with these cells."""
    rows = tables.BUILD[table](builder.read()).rows
    [row] = [row for row in rows if wanted.items() <= row.items()]
    return row


def begin(builder: RecordsBuilder, study: str, identity: EvalIdentity | None = None, frozen: str = "f" * 64) -> None:
    """Let another study begin a decode."""
    identity = identity or builder.identities["set_10"]
    ledger = Ledger(builder.root.parent / "ledger")
    ledger.begin(study, frozen, identity, allow_repeats=True)


def test_decodes_of_the_report_alone_mark_nothing(tmp_path: Path) -> None:
    """If the ledger holds the decodes of the report and none else, all are listed and nothing is marked."""
    builder = build(tmp_path).record()
    records = builder.read()
    rows = tables.BUILD["all_decodes"](records).rows
    assert [row["study"] for row in rows] == [f"tiny/set_10/{system}/{seed}" for system in SYSTEMS for seed in (42, 43)]
    assert {row["report"] for row in rows} == {"yes"} and {row["decode"] for row in rows} == {"blind"}
    assert {row["writer"] for row in rows} == {name_writer(describe_writer())}
    assert not any(system.precedents for system in records.datasets[0].systems)
    counts = row_of(builder, "decode_counts", system="knn")
    assert (counts["models"], counts["in_report"], counts["seeds"], counts["most"]) == (2, 2, 2, 1)
    errors = tables.BUILD["table3_errors"](records)
    assert all(row["before"] is None for row in errors.rows)
    assert not any("Rows marked 'after'" in note for note in errors.notes)


@pytest.mark.parametrize(
    ("study", "identity"),
    [
        ("other/set_10/knn/42", identify(0, 400)),
        ("tiny/set_10/forest/42", identify(0, 400)),
        ("tiny/set_10/knn/7", identify(0, 400)),
        ("tiny/renamed/knn/42", identify(0, 400, "another order")),
        ("other/part/knn/42", identify(10, 395, "a part")),
    ],
    ids=["another config", "a dropped system", "a dropped seed", "another name and order", "a part of eval"],
)
def test_decodes_of_others_mark_what_came_after(tmp_path: Path, study: str, identity: EvalIdentity) -> None:
    """A decode by any other study marks the systems that were decoded after it, and no earlier one."""
    said = (
        f"after 1 earlier decode of {'an eval that shares samples with this one' if 'part' in study else 'this eval'}"
    )
    builder = build(tmp_path).record(["knn"])
    begin(builder, study, identity)
    builder.record(["mlp_m1"])
    records = builder.read()
    assert [str(system.precedents) for system in records.datasets[0].systems] == [
        "",
        said,
    ]
    assert row_of(builder, "table3_errors", system="mlp_m1")["before"] == said
    assert row_of(builder, "table3_errors", system="knn")["before"] is None
    row = row_of(builder, "all_decodes", study=study)
    assert (row["report"], row["decode"], row["entry"], row["records"]) == ("other", "begun, not done", 5, "")
    assert row["eval"] == ("shares 390 of 400 samples" if "part" in study else "the same")


def test_decode_counts_show_best_of_several(tmp_path: Path) -> None:
    """Models of dropped seeds and repeated models of a seed are counted with their system, whenever they came."""
    builder = build(tmp_path).record()
    for seed, frozen in ((7, "a"), (8, "a"), (42, "b")):
        begin(builder, f"tiny/set_10/knn/{seed}", frozen=frozen)
    row = row_of(builder, "decode_counts", system="knn")
    assert (row["models"], row["in_report"], row["seeds"], row["most"]) == (5, 2, 4, 2)
    assert row["before"] == "", "they came later, which does not make them invisible"
    uses = builder.read().datasets[0].uses
    said = describe_uses("set_10", uses, [])
    assert "7 decodes of this eval, 4 of them in this report and 3 of others (tiny/set_10/knn: 3 models)" in said


def test_drawn_samples_mark_what_came_after(tmp_path: Path) -> None:
    """Samples that were drawn of the same eval, under any name, mark the systems that were decoded after."""
    builder = build(tmp_path).record(["knn"])
    Ledger(tmp_path / "ledger").note_sample_splits("renamed", identify(0, 400, "another order"))
    builder.record(["mlp_m1"])
    assert row_of(builder, "table3_errors", system="mlp_m1")["before"] == "after samples of this eval were drawn"
    assert row_of(builder, "table3_errors", system="knn")["before"] is None
    assert row_of(builder, "all_decodes", study="samples drawn for a figure (renamed)")["entry"] == 5
    dataset = builder.read().datasets[0]
    said = describe_uses("set_10", dataset.uses, ["mlp_m1 (why)"])
    assert "Samples of it were drawn for a figure at 20" in said and "Marked in the tables: mlp_m1 (why)." in said


def test_samples_drawn_of_frozen_models_mark_nothing(tmp_path: Path) -> None:
    """A model that was frozen when samples were drawn is not marked, though it is decoded later."""
    builder = build(tmp_path)
    frozen = [read_json(path)["frozen_sha256"] for path in builder.root.glob("studies/set_10/knn/*/card.json")]
    Ledger(tmp_path / "ledger").note_sample_splits("set_10", builder.identities["set_10"], frozen)
    builder.record()
    assert row_of(builder, "table3_errors", system="knn")["before"] is None
    assert row_of(builder, "table3_errors", system="mlp_m1")["before"] == "after samples of this eval were drawn"


def test_another_eval_marks_nothing(tmp_path: Path) -> None:
    """Decodes of an eval that shares no sample are not listed."""
    builder = build(tmp_path)
    begin(builder, "other/set_09/knn/42", identify(1000, 50, "another"))
    builder.record()
    assert len(tables.BUILD["all_decodes"](builder.read()).rows) == 4


def test_a_decode_that_is_not_in_the_ledger_is_named(tmp_path: Path) -> None:
    """A result without an entry is in the tables as such; without any ledger, all are."""
    builder = build(tmp_path).record(["knn"])
    assert row_of(builder, "table3_errors", system="mlp_m1")["before"] == "2 not in the ledger"
    assert row_of(builder, "all_decodes", study="tiny/set_10/mlp_m1/42")["decode"] == "not in the ledger"
    uses = builder.read().datasets[0].uses
    assert uses.unrecorded == ["tiny/set_10/mlp_m1/42", "tiny/set_10/mlp_m1/43"]
    assert "Not in the ledger" in describe_uses("set_10", uses, [])
    assert len(build(tmp_path / "none").read().datasets[0].uses.unrecorded) == 4


@pytest.mark.parametrize(("field", "value"), [("blind", False), ("decoded", "never"), ("groups", [])])
def test_a_result_that_the_ledger_contradicts_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    """A result that is not the one of its entry is refused with the field and both values."""
    builder = build(tmp_path, systems=["bayes" if field == "decoded" else "knn"]).record()
    path = next(builder.root.glob("decodes/set_10/*/42/result.json"))
    write_json(path, read_json(path) | {field: value})
    message = rf"result\.json: is not what the ledger .* recorded: '{field}' is|'groups"
    with pytest.raises(UserError, match=message):
        builder.read()


@pytest.mark.parametrize(
    ("field", "value"), [("error", 0.0), ("wrong", 0), ("samples", 1), ("confusion", [[200, 200], [0, 0]])]
)
def test_a_score_that_the_predictions_contradict_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    """An edited score is not believed, with or without a ledger."""
    builder = build(tmp_path, systems=["knn"])
    path = builder.root / "decodes/set_10/knn/42/result.json"
    write_json(path, read_json(path) | {field: value})
    with pytest.raises(UserError, match=rf"result\.json: contradicts the answers: '{field}"):
        builder.read()


def test_a_broken_chain_stops_the_report(tmp_path: Path) -> None:
    """The report is not written from a ledger whose chain is broken."""
    builder = build(tmp_path).record()
    path = tmp_path / "ledger" / "ledger.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:2], *lines[4:]]), encoding="utf-8")
    with pytest.raises(UserError, match=r"ledger\.jsonl, line 3: "):
        builder.read()


def test_page_shows_the_decodes_and_the_head(tmp_path: Path) -> None:
    """The page has the tables, a sentence per dataset, the head of the chain and a warning, and escapes every name."""
    builder = build(tmp_path)
    evil = "<script>alert(1)</script>"
    begin(builder, f"{evil}/set_10/knn/42")
    begin(builder, evil)
    Ledger(tmp_path / "ledger").note_sample_splits(evil, builder.identities["set_10"])
    builder.record()
    records, folder = builder.read(), builder.root / "report"
    tables.write_tables(records, folder / "tables")
    figures.write_figures(records, folder / "figures")
    write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert evil not in page and list_scripts(page) <= PAGE_SCRIPTS and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    head = Ledger(tmp_path / "ledger").verify()
    assert f"As of entry {head.entries} of the ledger" in page and str(head.sha256) in page
    assert "the ledger holds 6 decodes of this eval, 4 of them in this report and 2 of others" in page
    assert (
        "Eval was used before, or the ledger cannot tell:" in page
        and "knn on set_10 (after 2 earlier decodes of this eval; after samples of it were drawn)" in page
    )
    assert 'class="not-first"' in page
    targets = set(re.findall(r'href="#([^"]+)"', page))
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert {"decodes", "all_decodes"} <= targets <= anchors
    assert {"decode_counts", "ledger"} <= anchors
    for name in ("all_decodes", "decode_counts"):
        assert name in contents.TABLES
        with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            assert len(list(csv.DictReader(stream))) >= 4
        assert "<script" not in (folder / "tables" / f"{name}.md").read_text(encoding="utf-8")


def test_every_statement_of_a_winner_says_what_came_before(tmp_path: Path) -> None:
    """A winner that was decoded after others is named with that: in sentences, verdicts and tables."""
    systems = ["mlp_m1", "opt_tpe", "kt_random"]
    builder = build(tmp_path, systems=systems, errors={"mlp_m1": 0.3, "opt_tpe": 0.05, "kt_random": 0.4})
    builder.record(["mlp_m1"])
    begin(builder, "other/set_10/knn/42")
    builder.record(["opt_tpe", "kt_random"])
    records = builder.read()
    said = "after 1 earlier decode of this eval"
    for sentence in list_findings(records)[:2]:
        assert f"{_percent(records)}; {said})" in sentence and f"opt_tpe and kt_random ({said})" in sentence
    libraries = [str(row) for row in tables.BUILD["libraries"](records).rows]
    assert any(f"opt_tpe, {_percent(records)} ({said})" in row for row in libraries)
    assert any(said in str(row["verdict"]) for row in tables.BUILD["choices"](records).rows)
    for table, wanted in (
        ("comparisons", f"opt_tpe: {said}"),
        ("tuner_pairs", f"opt_tpe: {said} | kt_random: {said}"),
        ("scores", said),
    ):
        built = tables.BUILD[table](records)
        shown = {column.text(row) for row in built.rows for column in built.columns if column.title == "Decodes"}
        assert f"blind; {wanted}" in shown, table
    assert "blind" in {str(row["blind"]) for row in tables.BUILD["scores"](records).rows if row["before"] is None}


def _percent(records: Any) -> str:
    [system] = [one for one in records.datasets[0].systems if one.name == "opt_tpe"]
    return f"{100 * system.error('eval'):.2f}%"


def test_decodes_of_the_same_raw_data_mark_what_came_after(tmp_path: Path) -> None:
    """A decode of another preparation of the same recordings is listed and marks what came after it."""
    origins = np.array([f"{number:016d}".encode() for number in range(20)])
    own = replace(identify(0, 400), origins=origins)
    builder = build(tmp_path, identities={"set_10": own}).record(["knn"])
    begin(builder, "tiny/windows/knn/42", replace(identify(5000, 90, "other windows"), origins=origins[:19]))
    begin(builder, "tiny/other/knn/42", replace(identify(7000, 90, "other recordings"), origins=origins[:17]))
    builder.record(["mlp_m1"])
    marked = "after 1 earlier decode of this raw data prepared in another way"
    assert row_of(builder, "table3_errors", system="mlp_m1")["before"] == marked
    assert row_of(builder, "table3_errors", system="knn")["before"] is None
    row = row_of(builder, "all_decodes", study="tiny/windows/knn/42")
    assert row["eval"] == "made of the same raw data: 19 of 20 recordings, pictures or rows"
    assert not [row for row in tables.BUILD["all_decodes"](builder.read()).rows if row["study"] == "tiny/other/knn/42"]


def test_a_ledger_that_lost_its_end_is_named(tmp_path: Path) -> None:
    """A head that results have seen and the ledger lacks, and a ledger that was adopted, are named on the page."""
    builder = build(tmp_path).record()
    ledger = Ledger(tmp_path / "ledger")
    assert builder.read().ledger_faults == []
    lost = Head(9, "a" * 64)
    keep_head(builder.root / "decodes/set_10/knn/42", lost)
    [fault] = builder.read().ledger_faults
    assert "knn/42/ledger_head.json: " in fault and "had 9 entries then, and the last of them is not in it now" in fault
    ledger.adopt([lost])
    [fault] = builder.read().ledger_faults
    assert fault.startswith("Entry 9 of ") and "took the ledger over as it was" in fault
    folder = builder.root / "report"
    records = builder.read()
    tables.write_tables(records, folder / "tables")
    figures.write_figures(records, folder / "figures")
    write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "The ledger is not complete:" in page and "took the ledger over as it was" in page
    assert "samples of eval were drawn for a figure of this report, and the ledger does not hold it" in page
    assert read_json(folder / "ledger_head.json")["sha256"] == ledger.verify().sha256

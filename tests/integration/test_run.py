"""A tiny study of every kind of system, from the command line to the report."""

from pathlib import Path

import pytest

from blindtune.report import contents
from support.workflow_runs import ROOT, SYSTEMS, TINY, ledger, only, records, snakemake

pytestmark = pytest.mark.integration

AUDIT = Path(__file__).parents[1] / "support" / "audit"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which TINY ran on two cores; whoever opened a sealed file stands in ``opened``."""
    folder = tmp_path_factory.mktemp("done")
    ended = snakemake(folder, TINY, PYTHONPATH=str(AUDIT), BLINDTUNE_AUDIT=str(folder / "opened"))
    assert ended.returncode == 0, ended.stdout
    return folder


def test_every_record_and_every_part_of_the_report_is_there(done):
    results = done / "results" / "tiny"
    for system in SYSTEMS:
        assert (results / "studies" / "toy" / system / "42" / "card.json").is_file()
        assert (results / "decodes" / "toy" / system / "42" / "result.json").is_file()
    for name in contents.TABLES:
        assert all((results / "report" / "tables" / f"{name}.{kind}").stat().st_size for kind in ("csv", "md", "tex"))
    for name in contents.list_figures(["toy"]):
        assert all((results / "report" / "figures" / f"{name}.{kind}").stat().st_size for kind in ("svg", "png"))
    page = (results / "report" / "report.html").read_text(encoding="utf-8")
    assert "http-equiv" not in page
    assert all(system in page for system in SYSTEMS)


def test_each_model_looked_once_and_the_ledger_says_so(done):
    entries = ledger(done)
    for system in SYSTEMS:
        assert [entry["event"] for entry in entries if entry.get("study") == f"tiny/toy/{system}/42"] == [
            "begun",
            "done",
        ]
    assert [entry["event"] for entry in entries if "study" not in entry] == ["sampled"]


def test_none_but_prepare_decode_and_picture_opened_a_sealed_file(done):
    lines = [line.split("\t") for line in (done / "opened").read_text(encoding="utf-8").splitlines()]
    who = {(script, mode) for script, mode, path in lines if not path.endswith("seal.json")}
    # Beside the data lies seal.json, an input: Snakemake itself reads it, to compare its hash.
    assert who == {("prepare", "write"), ("decode", "read"), ("picture", "read")}
    assert {script for script, mode, _ in lines if mode == "write"} == {"prepare"}
    assert {script for script, _, _ in lines} <= {"prepare", "decode", "picture", "snakemake", "__main__.py"}


def test_a_second_run_has_nothing_to_do(done):
    before = _times(done)
    ended = snakemake(done, TINY)
    assert ended.returncode == 0
    assert "Nothing to be done" in ended.stdout
    assert _times(done) == before


def test_one_core_gives_the_same_records_as_two(done, tmp_path):
    systems = ("near", "expert", "tuner", "tpe", "halving")
    ended = snakemake(tmp_path, only(*systems), "--until", "decode", cores=1)
    assert ended.returncode == 0, ended.stdout
    found = records(tmp_path / "results" / "tiny")
    assert len(found) == 2 + 3 * len(systems)
    assert found.items() <= records(done / "results" / "tiny").items()


def test_snakemake_makes_its_own_report(done):
    ended = snakemake(done, TINY, "--report", "own.html")
    assert ended.returncode == 0, ended.stdout
    text = (done / "own.html").read_text(encoding="utf-8")
    assert "table3_errors" in text


def test_the_linter_is_content(tmp_path):
    ended = snakemake(tmp_path, TINY, "--lint")
    assert ended.returncode == 0, ended.stdout


def test_the_working_directory_may_be_any(done):
    assert not list(done.glob("*.smk"))
    assert not (ROOT / "results" / "tiny").exists()


def _times(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*") if path.is_file()}

"""A tiny study of every kind of system, from the command line to the report."""

import base64
import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from blindtune.report import contents
from support.workflow_runs import NO_WAIT, ROOT, SNAKEMAKE, SYSTEMS, TINY, ledger, only, records, snakemake

pytestmark = pytest.mark.integration

AUDIT = Path(__file__).parents[1] / "support" / "audit"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Return a folder in which TINY ran on two cores; its file ``opened`` lists who opened sealed files."""
    folder = tmp_path_factory.mktemp("done")
    ended = snakemake(folder, TINY, PYTHONPATH=str(AUDIT), BLINDTUNE_AUDIT=str(folder / "opened"))
    assert ended.returncode == 0, ended.stdout
    return folder


def test_run_writes_every_record_and_report_part(workdir):
    """A run writes the records of every system, and every table, figure and page of the report."""
    results = workdir / "results" / "tiny"
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


def test_module_with_a_prefix_leaves_the_same_records(workdir, tmp_path):
    """Another workflow runs blindtune below a prefix, to the same records; a lost array is noticed there too."""
    text = f"""
configfile: "config.yaml"
module tuning:
    snakefile: {str(ROOT / "Snakefile")!r}
    config: config["tuning"]
    prefix: "below"
use rule * from tuning as tuning_*
rule all:
    default_target: True
    input: rules.tuning_all.input
onstart:
    tuning.onstart()
"""
    (tmp_path / "Snakefile").write_text(text, encoding="utf-8")
    overlay = {"tuning": only("near"), "samples": ["a"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    command = [SNAKEMAKE, "--cores", "2", *NO_WAIT]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"Snakefile", "config.yaml", "below", ".snakemake"}
    found = records(tmp_path / "below" / "results" / "tiny")
    assert (tmp_path / "below" / "results" / "ledger" / "ledger.jsonl").is_file()
    systems = {name.split("/")[2] for name in found if name.startswith("studies/")}
    assert systems == {"near"}
    assert found == {name: record for name, record in records(workdir / "results" / "tiny").items() if name in found}
    (tmp_path / "below/results/tiny/data/toy/train/x.npy").unlink()
    planned = subprocess.run([*command, "-n"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "missing or cut: below/results/tiny/data/toy/train/x.npy. They will be made again." in planned.stdout
    assert "tuning_prepare" in planned.stdout


def test_ledger_has_one_decode_per_model(workdir):
    """The ledger records one decode of each model, and one sampling of the splits."""
    entries = ledger(workdir)
    for system in SYSTEMS:
        assert [entry["event"] for entry in entries if entry.get("study") == f"tiny/toy/{system}/42"] == [
            "begun",
            "done",
        ]
    assert [entry["event"] for entry in entries if "study" not in entry] == ["sampled"]


def test_few_scripts_open_sealed_files(workdir):
    """Only `prepare` writes sealed files, and only the two scripts that read eval read them."""
    lines = [line.split("\t") for line in (workdir / "opened").read_text(encoding="utf-8").splitlines()]
    who = {(script, mode) for script, mode, path in lines if not path.endswith("seal.json")}
    # seal.json, next to the data, is an input: Snakemake itself reads it, to compare its hash.
    assert who == {("prepare", "write"), ("decode", "read"), ("sample_splits", "read")}
    assert {script for script, mode, _ in lines if mode == "write"} == {"prepare"}
    assert {script for script, _, _ in lines} <= {"prepare", "decode", "sample_splits", "snakemake", "__main__.py"}


def test_second_run_changes_nothing(workdir):
    """A second run has nothing to do and changes no file."""
    before = _read_times(workdir)
    ended = snakemake(workdir, TINY)
    assert ended.returncode == 0
    assert "Nothing to be done" in ended.stdout
    assert _read_times(workdir) == before


def test_one_core_gives_the_records_of_two(workdir, tmp_path):
    """One core gives the same records as two."""
    systems = ("near", "tuner", "tpe", "halving")  # a tuner of each library, with Keras and with PyTorch
    ended = snakemake(tmp_path, only(*systems), "--until", "decode", cores=1)
    assert ended.returncode == 0, ended.stdout
    found = records(tmp_path / "results" / "tiny")
    assert len(found) == 2 + 3 * len(systems)
    assert found.items() <= records(workdir / "results" / "tiny").items()


def test_predict_answers_new_data_and_opens_nothing_sealed(workdir):
    """A frozen model answers new rows from the command line; no sealed file is opened."""
    (workdir / "new.csv").write_text("0.1,0.2\n-0.4,0.5\n", encoding="utf-8")
    study = "results/tiny/studies/toy/tpe/42"
    ended = subprocess.run(
        [sys.executable, "-m", "blindtune", "predict", study, "--on", "new.csv", "--to", "answers.csv"],
        cwd=workdir,
        env=os.environ
        | {
            "PYTHONPATH": f"{AUDIT}{os.pathsep}{ROOT / 'workflow' / 'lib'}",
            "BLINDTUNE_AUDIT": str(workdir / "opened_by_predict"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    rows = list(csv.DictReader((workdir / "answers.csv").open(encoding="utf-8")))
    assert [row.pop("row") for row in rows] == ["1", "2"]
    for row in rows:
        answer = row.pop("class")
        shares = {name: float(share) for name, share in row.items()}
        assert abs(sum(shares.values()) - 1) < 1e-4 and max(shares, key=shares.get) == f"probability_{answer}"
    assert not (workdir / "opened_by_predict").exists()


def test_snakemake_report_can_be_made(workdir):
    """Snakemake's report can be made, and contains the page, the tables and the figures as they are."""
    ended = snakemake(workdir, TINY, "--report", "own.html")
    assert ended.returncode == 0, ended.stdout
    text = (workdir / "own.html").read_text(encoding="utf-8")
    folder = workdir / "results" / "tiny" / "report"
    for name in ("report.html", "tables/table3_errors.csv", "figures/search_toy.svg"):
        assert base64.b64encode((folder / name).read_bytes()).decode() in text


def test_run_works_in_any_working_directory(workdir):
    """A run needs no rule file in its working directory, and writes no results into the project."""
    assert not list(workdir.glob("*.smk"))
    assert not (ROOT / "results" / "tiny").exists()


def _read_times(folder):
    """Return the modification time of every file of the results, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*") if path.is_file()}


def test_jobs_use_the_copy_that_planned(tmp_path):
    """Another checkout's library that comes first in PYTHONPATH is not what jobs import; the run says which is."""
    other = tmp_path / "other"
    shutil.copytree(ROOT / "workflow/lib/blindtune", other / "blindtune")
    (other / "blindtune/core/job_log.py").write_text("raise RuntimeError('the other copy')\n", encoding="utf-8")
    ended = snakemake(tmp_path / "run", only("near"), "--until", "prepare", PYTHONPATH=str(other))
    assert ended.returncode == 0, ended.stdout
    assert f"from {ROOT / 'workflow/lib'}" in ended.stdout

"""The walk of docs/tables.md, from a CSV of 30 named columns to the report, with a bundled table, both small."""

import csv
import re
from pathlib import Path

import pytest
import yaml

from blindtune.cli import main
from support.builders import ROOT
from support.tables import write_table
from support.workflow_runs import snakemake

pytestmark = pytest.mark.integration

WALK = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
#: Class names that a page, a CSV and LaTeX must escape.
CLASSES = ["<b>benign</b>", "=malignant & more"]


def commands(program: str) -> list[list[str]]:
    """Return the arguments of each command of the walk that calls a program."""
    blocks = re.findall(r"```sh\n(.*?)```", WALK, re.DOTALL)
    return [line.split()[1:] for block in blocks for line in block.splitlines() if line.split()[0] == program]


def test_walk_ends_in_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of the page work in their order, and the report shows the names of the classes, escaped."""
    monkeypatch.chdir(tmp_path)
    text = write_table(tmp_path / "tumours.csv", rows=150, features=30, classes=CLASSES).read_text(encoding="utf-8")
    Path("tumours.csv").write_text(text.replace(",class\n", ",diagnosis\n", 1), encoding="utf-8")
    for arguments in commands("blindtune"):
        assert main(arguments) == 0
    written = yaml.safe_load(Path("tumours.yaml").read_text(encoding="utf-8"))
    shown = yaml.safe_load(re.findall(r"```yaml\n(name: tumours\n.*?)```", WALK, re.DOTALL)[0])
    assert written == shown | {"systems": written["systems"]}
    assert commands("snakemake") == [["--cores", "all", "--configfile", "tumours.yaml"]]
    overlay = yaml.safe_load((ROOT / "workflow" / "studies" / "tables.yaml").read_text(encoding="utf-8"))
    small = {
        "name": "tumours",
        "seeds": [1],
        "report": {"points": 20, "surface": 5},
        "compare": [
            {"dataset": "tumours", "systems": ["knn", "rnf", "mlp_a1"], "budget": {"trials": 2}},
            {"dataset": "wine", "systems": ["mlp_m1", "mlp_raw"], "budget": {"trials": 1}},
        ],
        "datasets": written["datasets"] | {"wine": overlay["datasets"]["wine"]},
        "systems": overlay["systems"],
    }
    ended = snakemake(tmp_path, small)
    assert ended.returncode == 0, ended.stdout
    report = tmp_path / "results" / "tumours" / "report"
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;benign&lt;/b&gt;" in page
    assert CLASSES[0] not in page
    with (report / "tables" / "confusion.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["dataset"], row["system"], row["true"]): row for row in csv.DictReader(stream)}
    assert ("tumours", "mlp_a1", f"1: {CLASSES[0]}") in rows
    assert ("wine", "mlp_raw", "3: class_2") in rows
    missed = {
        name: sum(float(row["error"]) for (_, system, _), row in rows.items() if system == name)
        for name in ("mlp_m1", "mlp_raw")
    }
    assert missed["mlp_m1"] < missed["mlp_raw"], "standardized features are easier to learn from"

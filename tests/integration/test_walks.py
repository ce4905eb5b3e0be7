"""The short walks of the documents: what a reader types gives a report."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.workflow_runs import ROOT, ledger, snakemake

pytestmark = pytest.mark.integration


def read_walk(document: str, title: str) -> dict[str, Any]:
    """Return the first YAML block of a section of a document."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    block = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert block is not None and len(block[1].splitlines()) <= 10
    content: dict[str, Any] = yaml.safe_load(block[1])
    return content


def write_code(folder: Path, title: str, name: str) -> dict[str, Any]:
    """Write the Python block of a section of the page on models, and return its YAML block."""
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block is not None and len(block[1].splitlines()) <= 20
    (folder / name).write_text(block[1], encoding="utf-8")
    return read_walk("models.md", title)


def test_one_with_an_optuna_script_reaches_a_report(tmp_path: Path) -> None:
    """Two libraries search the space that the script asks for; each model is frozen and decoded once."""
    done = snakemake(tmp_path, write_code(tmp_path, "Bring an Optuna script", "script.py"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "results" / "script" / "report" / "report.html").is_file()
    assert len(ledger(tmp_path)) == 2 * 2
    for system in ("tpe", "random"):
        path = tmp_path / f"results/script/studies/digits/{system}/42/card.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        assert card["network"]["source"] == "script.py" and card["network"]["code_sha256"]
        assert {"n_layers", "n_units_l0", "optimizer", "lr"} <= set(card["hyperparameters"])


def test_one_with_build_model_reaches_a_report(tmp_path: Path) -> None:
    """Keras Tuner searches the space of its own function; the model is frozen and decoded once."""
    done = snakemake(tmp_path, write_code(tmp_path, "Bring a build_model(hp)", "tuned.py"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "results" / "tuned" / "report" / "report.html").is_file()
    card = json.loads((tmp_path / "results/tuned/studies/digits/bayesian/42/card.json").read_text(encoding="utf-8"))
    assert card["network"]["hyperparameters"] == card["hyperparameters"] and card["dev_error"] < 0.5


def test_one_who_tunes_a_support_vector_machine_reaches_a_report(tmp_path: Path) -> None:
    """A tuner of each library searches an SVC; each is frozen, decoded once, and in the tables."""
    done = snakemake(tmp_path, read_walk("models.md", "Tune a support vector machine"))
    assert done.returncode == 0, done.stdout[-3000:]
    report = tmp_path / "results" / "svc" / "report"
    assert (report / "report.html").is_file()
    rows = {name: list(csv.DictReader((report / "tables" / f"{name}.csv").open(encoding="utf-8")))
            for name in ("table3_errors", "table2_arguments", "table5_architectures")}  # fmt: skip
    systems = {"svc_optuna", "svc_keras_tuner", "svc_sklearn"}
    errors = {row["system"]: row for row in rows["table3_errors"]}
    assert set(errors) == systems
    assert any(row["argument"] == "estimator" and row["ours"] == "sklearn.svm.SVC" for row in rows["table2_arguments"])
    assert any(row["argument"] == "C" for row in rows["table2_arguments"])
    assert {row["network"] for row in rows["table5_architectures"]} == systems
    assert len(ledger(tmp_path)) == 2 * len(systems)
    for system in systems:
        card = json.loads((tmp_path / f"results/svc/studies/digits/{system}/42/card.json").read_text(encoding="utf-8"))
        assert card["estimator"]["steps"] == ["sklearn.svm.SVC"] and card["weights"] is None
        assert card["dev_error"] < 0.2

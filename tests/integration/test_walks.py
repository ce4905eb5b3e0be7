"""The walks of docs/start/walks.md: what a reader types and writes gives a report."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from support.builders import ROOT
from support.tables import write_table
from support.walks import Walk, read_walk, take
from support.workflow_runs import ledger

pytestmark = pytest.mark.integration

#: Class names that a page, a CSV and LaTeX must escape.
CLASSES = ["<b>benign</b>", "=malignant & more"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder of the reader."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def short_walk(title: str) -> Walk:
    """Return a walk of at most ten lines."""
    walk = read_walk(title)
    assert 1 <= walk.n_lines <= 10
    return walk


def smaller(config: dict[str, Any]) -> dict[str, Any]:
    """Return a described config with one seed and few trials."""
    config["compare"][0]["budget"] = {"trials": 2}
    config["compare"][0]["tuner_overrides"]["training"]["epochs"] = 2
    return config | {"seeds": [1], "report": {"points": 20, "surface": 5}}


def read_rows(report: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a table of a report."""
    with (report / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_with_a_table_reaches_a_report(place: Path) -> None:
    """The report shows the names of the classes, escaped; standardized features are easier to learn from."""
    text = write_table(place / "tumours.csv", rows=150, features=30, classes=CLASSES).read_text(encoding="utf-8")
    Path("tumours.csv").write_text(text.replace(",class\n", ",diagnosis\n", 1), encoding="utf-8")
    overlay = yaml.safe_load((ROOT / "workflow" / "studies" / "tables.yaml").read_text(encoding="utf-8"))

    def with_wine(config: dict[str, Any]) -> dict[str, Any]:
        found = smaller(config)
        found["compare"][0]["systems"] = ["knn", "rnf", "mlp_a1"]
        found["compare"].append({"dataset": "wine", "systems": ["mlp_m1", "mlp_raw"], "budget": {"trials": 1}})
        found["datasets"]["wine"] = overlay["datasets"]["wine"]
        return found | {"systems": overlay["systems"]}

    take(short_walk("A table of 30 named columns"), place, with_wine)
    report = place / "results" / "tumours" / "report"
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;benign&lt;/b&gt;" in page
    assert CLASSES[0] not in page
    rows = {(row["dataset"], row["system"], row["true"]): row for row in read_rows(report, "confusion")}
    assert ("tumours", "mlp_a1", f"1: {CLASSES[0]}") in rows
    assert ("wine", "mlp_raw", "3: class_2") in rows
    missed = {
        name: sum(float(row["error"]) for (_, system, _), row in rows.items() if system == name)
        for name in ("mlp_m1", "mlp_raw")
    }
    assert missed["mlp_m1"] < missed["mlp_raw"], "standardized features are easier to learn from"


def test_one_with_folders_of_pictures_reaches_a_report(place: Path) -> None:
    """Train and val are kept, eval is drawn from train, and every system answers it once."""
    random = np.random.default_rng(0)
    for split, count in (("train", 20), ("val", 8)):
        for label, name in enumerate(("cat", "dog")):
            folder = place / "pets" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = (
                    random.integers(0, 100, (10, 8, 3), np.uint8) + np.uint8(120) * np.eye(3, dtype=np.uint8)[label]
                )
                Image.fromarray(pixels).save(folder / f"{number}.png")
    take(short_walk("Folders of pictures"), place, smaller)
    report = place / "results" / "pets" / "report"
    assert (report / "report.html").is_file()
    errors = {row["system"]: row for row in read_rows(report, "table3_errors")}
    assert set(errors) == {"knn", "rnf", "convnet_m", "op_tpe_median"}
    manifest = json.loads((place / "results/pets/data/pets/manifest.json").read_text(encoding="utf-8"))
    assert manifest["classes"] == ["cat", "dog"]
    assert len(ledger(place)) == 2 * len(errors)


def test_one_with_an_optuna_script_reaches_a_report(place: Path) -> None:
    """Two libraries search the space that the script asks for; each model is frozen and decoded once."""
    walk = short_walk("An Optuna script")
    assert len(walk.files["script.py"].splitlines()) <= 20
    take(walk, place)
    assert (place / "results" / "script" / "report" / "report.html").is_file()
    assert len(ledger(place)) == 2 * 2
    for system in ("tpe", "random"):
        path = place / f"results/script/studies/digits/{system}/42/card.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        assert card["network"]["source"] == "script.py" and card["network"]["code_sha256"]
        assert {"n_layers", "n_units_l0", "optimizer", "lr"} <= set(card["hyperparameters"])


def test_one_with_build_model_reaches_a_report(place: Path) -> None:
    """Keras Tuner searches the space of its own function; the model is frozen and decoded once."""
    walk = short_walk("A build_model(hp)")
    assert len(walk.files["tuned.py"].splitlines()) <= 20
    take(walk, place)
    assert (place / "results" / "tuned" / "report" / "report.html").is_file()
    card = json.loads((place / "results/tuned/studies/digits/bayesian/42/card.json").read_text(encoding="utf-8"))
    assert card["network"]["hyperparameters"] == card["hyperparameters"] and card["dev_error"] < 0.5


def test_one_who_tunes_a_support_vector_machine_reaches_a_report(place: Path) -> None:
    """A tuner of each library searches an SVC; each is frozen, decoded once, and in the tables."""
    take(short_walk("A support vector machine"), place)
    report = place / "results" / "svc" / "report"
    assert (report / "report.html").is_file()
    rows = {name: read_rows(report, name) for name in ("table3_errors", "table2_arguments", "table5_architectures")}
    systems = {"svc_optuna", "svc_keras_tuner", "svc_sklearn"}
    errors = {row["system"]: row for row in rows["table3_errors"]}
    assert set(errors) == systems
    assert any(row["argument"] == "estimator" and row["ours"] == "sklearn.svm.SVC" for row in rows["table2_arguments"])
    assert any(row["argument"] == "C" for row in rows["table2_arguments"])
    assert {row["network"] for row in rows["table5_architectures"]} == systems
    assert len(ledger(place)) == 2 * len(systems)
    for system in systems:
        card = json.loads((place / f"results/svc/studies/digits/{system}/42/card.json").read_text(encoding="utf-8"))
        assert card["estimator"]["steps"] == ["sklearn.svm.SVC"] and card["weights"] is None
        assert card["dev_error"] < 0.2

"""Wrong data end a run with one message that names them, and leave nothing that looks prepared."""

import shutil

import pytest
import yaml

from support.builders import config, merged, write_csv_folder
from support.workflow_runs import ROOT, snakemake

pytestmark = pytest.mark.integration


def _replace(path, row, text):
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[row - 1] = text
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _missing_file(csv):
    (csv / "dev.csv").unlink()


def _missing_value(csv):
    _replace(csv / "train.csv", 17, "1,,0.5")


def _word(csv):
    _replace(csv / "eval.csv", 3, "1,left,0.5")


def _same_file(csv):
    shutil.copy(csv / "train.csv", csv / "eval.csv")


def _absent_class(csv):
    path = csv / "dev.csv"
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("0")]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _empty_file(csv):
    (csv / "train.csv").write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_missing_file, "datasets.toy: csv/dev.csv does not exist"),
        (_missing_value, "csv/train.csv, row 17: x is missing"),
        (_word, "csv/eval.csv, row 3: x is not a number: 'left'"),
        (_same_file, "dataset toy: train and eval hold the same samples"),
        (_absent_class, "dataset toy, dev: class 1 has no sample"),
        (_empty_file, "csv/train.csv: is empty"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_wrong_files_are_named(tmp_path, spoil, said):
    write_csv_folder(tmp_path / "csv")
    spoil(tmp_path / "csv")
    _ends_with(snakemake(tmp_path, config(), cores=1), said)
    assert not (tmp_path / "results" / "test" / "data").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"compare": [{"dataset": "toy", "systems": ["knn"], "budget": {"trials": 0}}]}, "compare.0.budget.trials"),
        (
            {
                "compare": [{"dataset": "toy", "systems": ["mine"], "budget": {"trials": 2}}],
                "systems": {
                    "mine": {
                        "kind": "tuner",
                        "tuner": {"library": "keras-tuner", "algorithm": "random"},
                        "space": "empty.yaml",
                    }
                },
            },
            "empty.yaml",
        ),
    ],
    ids=["no trials", "empty space"],
)
def test_a_study_that_cannot_search_is_refused_while_it_is_planned(tmp_path, changes, said):
    write_csv_folder(tmp_path / "csv")
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    _ends_with(snakemake(tmp_path, merged(config(), changes), cores=1), said)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("served", [True, False], ids=["other content", "no file"])
def test_a_fetched_file_must_be_the_registered_one(tmp_path, served):
    """A copy of the project has a registry of its own, which points to files here."""
    project = tmp_path / "project"
    for part in ("workflow", "envs", "resources"):
        shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / part, project / part)
    if served:
        write_csv_folder(tmp_path / "served")
    wrong = {f"{split}.csv": "0" * 64 for split in ("train", "dev", "eval")}
    registry = {"mine": {"url": (tmp_path / "served").as_uri(), "sha256": wrong}}
    (project / "resources" / "datasets.yaml").write_text(yaml.safe_dump(registry), encoding="utf-8")
    fetched = config() | {"datasets": {"toy": {"source": "csv_folder", "fetch": "mine"}}}

    ended = snakemake(tmp_path / "run", fetched, root=project, cores=1)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout
    said = {line for line in ended.stdout.splitlines() if line.startswith("blindtune:")}
    assert len(said) == 1
    assert (f"but {'0' * 64} was expected" if served else "cannot be fetched") in said.pop()
    results = tmp_path / "run" / "results" / "test"
    assert not (results / "data").exists()
    assert not list((results / "downloads").rglob("*.csv"))


def _ends_with(ended, said):
    """Whether Snakemake failed with this, said once."""
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stdout
    lines = ended.stdout.splitlines()
    assert len([line for line in lines if said in line]) == 1, ended.stdout

"""Wrong input ends a run in one message that names it, and nothing is left that looks prepared."""

import shutil

import pytest
import yaml

from support.builders import config, merged, write_csv_folder
from support.stage_jobs import run_needed
from support.workflow_runs import ROOT, snakemake

pytestmark = pytest.mark.integration


def _replace(path, row, text):
    """Replace one line of a file, counted from one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[row - 1] = text
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _missing_file(csv):
    """Delete the file of dev."""
    (csv / "dev.csv").unlink()


def _missing_value(csv):
    """Remove a value from train."""
    _replace(csv / "train.csv", 17, "1,,0.5")


def _word(csv):
    """Write a word for a number into eval."""
    _replace(csv / "eval.csv", 3, "1,left,0.5")


def _same_file(csv):
    """Copy train to eval."""
    shutil.copy(csv / "train.csv", csv / "eval.csv")


def _absent_class(csv):
    """Remove all samples of one class from dev."""
    path = csv / "dev.csv"
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("0")]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _empty_file(csv):
    """Empty the file of train."""
    (csv / "train.csv").write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_missing_file, "datasets.toy: csv/dev.csv does not exist"),
        (_missing_value, "csv/train.csv, row 17: x is missing"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_run_names_the_wrong_file(tmp_path, spoil, message):
    """A wrong CSV file ends a plan or a run in one message with the file and the row, and nothing is prepared."""
    write_csv_folder(tmp_path / "csv")
    spoil(tmp_path / "csv")
    _check_message(snakemake(tmp_path, config(), cores=1), message)
    assert not (tmp_path / "results" / "test" / "data").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_missing_value, "csv/train.csv, row 17: x is missing"),
        (_word, "csv/eval.csv, row 3: x is not a number: 'left'"),
        (_same_file, "dataset toy: train and eval hold the same samples"),
        (_absent_class, "dataset toy, dev: class 1 has no sample"),
        (_empty_file, "csv/train.csv: is empty"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_prepare_names_the_wrong_file(tmp_path, monkeypatch, spoil, message):
    """A wrong CSV file ends the job that reads it in one message with the file and the row; nothing is prepared."""
    monkeypatch.chdir(tmp_path)
    write_csv_folder(tmp_path / "csv")
    spoil(tmp_path / "csv")
    status, shown = run_needed(tmp_path, config())
    assert status == 65, shown
    _check_lines(shown, message)
    assert not [path for path in (tmp_path / "results" / "test" / "data").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("changes", "message"),
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
def test_plan_refuses_a_study_that_cannot_search(tmp_path, changes, message):
    """A budget without trials and an empty search space are refused while the run is planned."""
    write_csv_folder(tmp_path / "csv")
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    _check_message(snakemake(tmp_path, merged(config(), changes), cores=1), message)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("served", [True, False], ids=["other content", "no file"])
def test_fetch_refuses_a_file_with_another_hash(tmp_path, served):
    """A download with another SHA-256 than registered, or without a file, fails and leaves no CSV file."""
    # This copy of the project has its own registry, whose URLs are files in tmp_path.
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
    messages = {line for line in ended.stdout.splitlines() if line.startswith("blindtune:")}
    assert len(messages) == 1
    assert (f"but {'0' * 64} was expected" if served else "cannot be fetched") in messages.pop()
    results = tmp_path / "run" / "results" / "test"
    assert not (results / "data").exists()
    assert not list((results / "downloads").rglob("*.csv"))


def _check_message(ended, message):
    """Check that Snakemake failed and printed the message in exactly one line."""
    assert ended.returncode == 1, ended.stdout
    _check_lines(ended.stdout, message)


def _check_lines(shown, message):
    """Check that the message was shown in exactly one line."""
    assert "Traceback" not in shown
    assert len([line for line in shown.splitlines() if message in line]) == 1, shown

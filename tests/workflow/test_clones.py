"""A project that was moved, and is planned by a new clone of blindtune, has nothing to do."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from support.builders import write_csv_folder
from support.dag import ROOT, pretend
from support.workflow_runs import snakemake

#: A drawing, a model and a space of the project, files of the user, and each rule of the report.
CONFIG: dict[str, Any] = {
    "name": "moved",
    "seeds": [7],
    "compare": [
        {"dataset": "drawn", "systems": ["near", "expert", "tuner"], "budget": {"trials": 2}},
        {"dataset": "own", "systems": ["near"], "budget": {"trials": 2}},
    ],
    "datasets": {
        "drawn": {
            "source": "drawing",
            "drawing": "set_10",
            "sizes": {"train": 60, "dev": 30, "eval": 30},
            "seed": 1,
        },
        "own": {"source": "csv_folder", "folder": "mine"},
    },
    "systems": {
        "near": {"kind": "knn", "n_neighbors": [3]},
        "expert": {"kind": "manual", "model": "mlp_m1"},
        "tuner": {"kind": "tuner", "tuner": {"library": "keras-tuner", "algorithm": "random"}, "space": "mlp"},
    },
}


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which every job has run, after it was moved."""
    folder = tmp_path_factory.mktemp("projects") / "before"
    write_csv_folder(folder / "mine")
    with pytest.MonkeyPatch.context() as patch:
        pretend(folder, CONFIG, patch)
    return folder.rename(folder.with_name("after"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout, all files of which are newer than any result."""
    folder = tmp_path_factory.mktemp("clones") / "blindtune"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("workflow", "envs", "resources", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    for path in folder.rglob("*"):
        os.utime(path, (time.time() + 100, time.time() + 100))
    return folder


def plan_with(clone: Path, folder: Path) -> str:
    """Return what Snakemake says of a plan of the project by a clone."""
    run = snakemake(folder, CONFIG, "--dry-run", root=clone, PYTHONPATH=str(clone / "workflow" / "lib"))
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_moved_project_and_new_clone_have_nothing_to_do(moved: Path, clone: Path) -> None:
    """Neither the place of the project or of the clone nor the times of a clone's files start a job."""
    assert "Nothing to be done" in plan_with(clone, moved)


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("workflow/scripts/figures.py", "figures"),
        ("workflow/report/page.html.j2", "page"),
        ("resources/drawings/set_10.yaml", "prepare"),
        ("resources/models/mlp_m1.yaml", "study"),
    ],
)
def test_changed_file_of_a_clone_starts_its_jobs(moved: Path, clone: Path, file: str, rule: str) -> None:
    """What is no input is known by its content: a change in a clone starts what depends on it."""
    path = clone / file
    before = path.read_text(encoding="utf-8")
    path.write_text(
        f"{before}\n# a comment\n" if file.endswith(".yaml") else f"{before}\nother = 1\n", encoding="utf-8"
    )
    try:
        assert f"\n{rule} " in plan_with(clone, moved)
    finally:
        path.write_text(before, encoding="utf-8")

"""A wrong tree of the user ends the run in one message, before any job where file names are enough to see it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from support import dag
from support import eeg_trees as trees
from support.eeg_files import ABSENT, REAL
from support.workflow_runs import snakemake

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not REAL.is_file(), reason=ABSENT)]

Source = dict[str, Any]
EEG: Source = {"source": "eeg", "folder": "own", "sizes": {"train": 8, "dev": 2, "eval": 2}}
SLIDES: Source = {"source": "slides", "folder": "own", "sizes": {"train": 8, "dev": 4, "eval": 4}}


def _version_1(own: Path) -> None:
    """Write a correct tree in the layout of TUSZ v1."""
    trees.write(own, trees.version_1(), {".tse_bi": trees.tse_bi}, "REF")


def _empty(own: Path) -> Source:
    """Make a folder without files."""
    own.mkdir()
    return EEG


def _no_slide(own: Path) -> Source:
    """Make a folder with a document but no slide."""
    own.mkdir()
    (own / "report.docx").touch()
    return SLIDES


def _no_annotations(own: Path) -> Source:
    """Write recordings without annotations."""
    trees.write(own, trees.version_1(), {}, "REF")
    return EEG


def _no_patient(own: Path) -> Source:
    """Write recordings whose names do not match the pattern of patients."""
    trees.write(own, trees.plain(), {".tse": trees.tse}, None)
    return EEG | {"patient": r"case(\d+)"}


def _in_two_splits(own: Path) -> Source:
    """Write a tree with one patient in two splits."""
    _version_1(own)
    shutil.copytree(own / "edf/train/01_tcp_ar/002", own / "edf/dev_test/01_tcp_ar/002")
    return EEG


def _dangling(own: Path) -> Source:
    """Replace two recordings of twelve by links to a file that does not exist."""
    _version_1(own)
    for night in trees.version_1()[:2]:
        (own / night.file).unlink()
        (own / night.file).symlink_to("gone.edf")
    return EEG


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_empty, "datasets.mine: folder: own holds no EDF or BDF files"),
        (_no_slide, "datasets.mine: folder: own holds no slide"),
        (_no_annotations, "no file has an annotation next to it"),
        (_no_patient, r"ward 0/Subject-00_night1.EDF: has no patient by 'case(\\d+)'"),
        (_in_two_splits, "00000258 is in train and, with edf/dev_test/"),
        (_dangling, "and 1 more cannot be read: broken link"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_plan_refuses_a_wrong_tree(tmp_path: Path, spoil: Callable[[Path], Source], message: str) -> None:
    """What is wrong with the names of files is reported in one message while the run is planned."""
    with pytest.raises(WorkflowError) as refused:
        dag.plan(tmp_path, _config(spoil(tmp_path / "own")))
    shown = str(refused.value).splitlines()
    assert len(shown) < 10 and len([line for line in shown if message in line]) == 1, shown
    assert not (tmp_path / "results").exists()


def test_run_of_a_wrong_tree_shows_one_message(tmp_path: Path) -> None:
    """Snakemake shows what the plan refuses once, without a traceback."""
    ended = _run(tmp_path, _in_two_splits(tmp_path / "own"), "--dry-run")
    assert len(ended.stdout.splitlines()) < 10, ended.stdout
    _check_message(ended, "00000258 is in train and, with edf/dev_test/")
    assert not (tmp_path / "results").exists()


def _unknown_label(own: Path) -> None:
    """Misspell a label of two annotations of twelve."""
    for night in trees.version_1()[1:3]:
        path = (own / night.file).with_suffix(".tse_bi")
        path.write_text(path.read_text(encoding="utf-8").replace("bckg", "backg"), encoding="utf-8")


def _web_pages(own: Path) -> None:
    """Replace a third of the recordings by the HTML of a login page."""
    for night in trees.version_1()[::3]:
        (own / night.file).write_text("<html>Log in.</html>" * 50, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_unknown_label, "2 of 12 files are bad; at most a fraction of 0.1 is allowed (max_bad_fraction)"),
        (_web_pages, "4 of 12 files are bad; at most a fraction of 0.1 is allowed (max_bad_fraction)"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_job_refuses_wrong_files(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    """What is wrong with the content of files is reported once, by the job that reads them, and in its log."""
    _version_1(tmp_path / "own")
    spoil(tmp_path / "own")
    ended = _run(tmp_path, EEG, "--until", "prepare")
    assert message in _read_messages(ended)
    _check_message(ended, message)
    logs = [path.read_text(encoding="utf-8") for path in (tmp_path / "results").rglob("*.log")]
    assert sum(message in log for log in logs) == 1
    assert not (tmp_path / "results/bad/data/mine/manifest.json").exists()


def _config(source: Source) -> dict[str, Any]:
    """Return the config of a study of one system on a source."""
    return {
        "name": "bad",
        "seeds": [42],
        "compare": [{"dataset": "mine", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"mine": source},
        "systems": {"near": {"kind": "knn", "n_neighbors": [1]}},
    }


def _run(folder: Path, source: Source, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a study of one system on a source."""
    return snakemake(folder, _config(source), *arguments)


def _read_messages(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the lines that the library itself printed."""
    return "\n".join(line for line in ended.stdout.splitlines() if line.startswith("blindtune:"))


def _check_message(ended: subprocess.CompletedProcess[str], message: str) -> None:
    """Check that Snakemake failed and printed the message in exactly one line."""
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stdout
    assert len([line for line in ended.stdout.splitlines() if message in line]) == 1, ended.stdout

"""A user's tree with which something is wrong ends in one message that names it: before any job, where that can be."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import eeg_trees as trees
from support.eeg_files import ABSENT, REAL
from support.workflow_runs import snakemake

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not REAL.is_file(), reason=ABSENT)]

Source = dict[str, Any]
EEG: Source = {"source": "eeg", "folder": "own", "sizes": {"train": 8, "dev": 2, "eval": 2}}
SLIDES: Source = {"source": "slides", "folder": "own", "sizes": {"train": 8, "dev": 4, "eval": 4}}


def _version_1(own: Path) -> None:
    trees.write(own, trees.version_1(), {".tse_bi": trees.tse_bi}, "REF")


def _empty(own: Path) -> Source:
    own.mkdir()
    return EEG


def _no_slide(own: Path) -> Source:
    own.mkdir()
    (own / "report.docx").touch()
    return SLIDES


def _no_annotations(own: Path) -> Source:
    trees.write(own, trees.version_1(), {}, "REF")
    return EEG


def _no_patient(own: Path) -> Source:
    trees.write(own, trees.plain(), {".tse": trees.tse}, None)
    return EEG | {"patient": r"case(\d+)"}


def _in_two_splits(own: Path) -> Source:
    _version_1(own)
    shutil.copytree(own / "edf/train/01_tcp_ar/002", own / "edf/dev_test/01_tcp_ar/002")
    return EEG


def _dangling(own: Path) -> Source:
    _version_1(own)
    (own / trees.version_1()[0].file).unlink()
    (own / trees.version_1()[0].file).symlink_to("gone.edf")
    return EEG


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_empty, "datasets.mine: folder: own holds no EDF files"),
        (_no_slide, "datasets.mine: folder: own holds no slide"),
        (_no_annotations, "no file has an annotation next to it"),
        (_no_patient, r"ward 0/Subject-00_night1.EDF: has no patient by 'case(\\d+)'"),
        (_in_two_splits, "00000258 is in train and, with edf/dev_test/"),
        (_dangling, "cannot be read: it is a broken link"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_names_tell_is_said_before_any_job(tmp_path: Path, spoil: Callable[[Path], Source], said: str) -> None:
    ended = _run(tmp_path, spoil(tmp_path / "own"), "--dry-run")
    assert len(ended.stdout.splitlines()) < 10, ended.stdout
    _ends_with(ended, said)
    assert not (tmp_path / "results").exists()


def _unknown_label(own: Path) -> None:
    path = (own / trees.version_1()[2].file).with_suffix(".tse_bi")
    path.write_text(path.read_text(encoding="utf-8").replace("bckg", "backg"), encoding="utf-8")


def _web_pages(own: Path) -> None:
    for night in trees.version_1()[::3]:
        (own / night.file).write_text("<html>Log in.</html>" * 50, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_unknown_label, "line 3: label 'backg' is unknown; correct it. Known: absz"),
        (_web_pages, "4 of 12 files are bad; at most a fraction of 0.1 is allowed (max_bad_fraction)"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_files_tell_is_said_by_the_job(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    _version_1(tmp_path / "own")
    spoil(tmp_path / "own")
    ended = _run(tmp_path, EEG, "--until", "prepare")
    assert said in _said(ended)
    _ends_with(ended, said)
    logs = [path.read_text(encoding="utf-8") for path in (tmp_path / "results").rglob("*.log")]
    assert sum(said in log for log in logs) == 1
    assert not (tmp_path / "results/bad/data/mine/manifest.json").exists()


def _run(folder: Path, source: Source, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = {
        "name": "bad",
        "seeds": [42],
        "compare": [{"dataset": "mine", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"mine": source},
        "systems": {"near": {"kind": "knn", "n_neighbors": [1]}},
    }
    return snakemake(folder, config, *arguments)


def _said(ended: subprocess.CompletedProcess[str]) -> str:
    """What the library itself said."""
    return "\n".join(line for line in ended.stdout.splitlines() if line.startswith("blindtune:"))


def _ends_with(ended: subprocess.CompletedProcess[str], said: str) -> None:
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stdout
    assert len([line for line in ended.stdout.splitlines() if said in line]) == 1, ended.stdout

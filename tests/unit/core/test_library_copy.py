"""Which copy of blindtune runs: a plan and its jobs use the same one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import blindtune
from blindtune.core import library_copy
from blindtune.core.errors import UserError
from blindtune.core.job_log import run_job

LIBRARY = Path(blindtune.__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the variables that `pin` sets."""
    for name in ("PYTHONPATH", library_copy.VARIABLE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another checkout's library."""
    shutil.copytree(
        LIBRARY / "blindtune", tmp_path / "other" / "blindtune", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "other"


def test_pin_makes_children_import_the_same_copy(other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child imports the pinned copy, with any copy first in PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", str(other))
    line = library_copy.pin(LIBRARY)
    assert line == f"blindtune {blindtune.__version__} from {LIBRARY}"
    ended = subprocess.run(
        [sys.executable, "-c", "import blindtune; print(blindtune.__file__)"],
        cwd=other,
        env=os.environ | {"PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(ended.stdout.strip()).is_relative_to(LIBRARY)
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(LIBRARY), str(other)]


def test_pin_twice_adds_no_entry() -> None:
    """Planning again in the same process leaves the path as it is."""
    library_copy.pin(LIBRARY)
    library_copy.pin(LIBRARY)
    assert os.environ["PYTHONPATH"] == str(LIBRARY)


def test_pin_refuses_a_copy_that_was_not_imported(other: Path) -> None:
    """A process that has imported one copy cannot plan with another."""
    with pytest.raises(UserError) as caught:
        library_copy.pin(other)
    assert str(other) in str(caught.value) and str(LIBRARY) in str(caught.value)


def test_job_refuses_another_copy_than_planned(
    other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that imports another copy than its plan ends with one message that names both."""
    monkeypatch.setenv(library_copy.VARIABLE, str(other))
    with pytest.raises(SystemExit), run_job(tmp_path / "job.log", {}):
        pytest.fail("the job has begun")
    said = capsys.readouterr().err
    assert str(other) in said and str(LIBRARY) in said
    assert "ERROR" in (tmp_path / "job.log").read_text(encoding="utf-8")


def test_job_runs_without_a_plan(tmp_path: Path) -> None:
    """The library can be used without Snakemake: no plan, nothing to compare."""
    with run_job(tmp_path / "job.log", {}) as job_log:
        job_log.info("ran")
    assert "ran" in (tmp_path / "job.log").read_text(encoding="utf-8")

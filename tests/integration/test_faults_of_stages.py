"""Every stage, killed or on a full file system, ends as if nothing had happened once it is started again.

A few runs of the scripts that try hundreds: see ``kill_jobs.py`` and ``fill_disks.py`` in ``tests/support/drivers``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blindtune.core.threads import ONE_THREAD
from support.kill_studies import DRIVERS
from support.workflow_runs import ROOT

pytestmark = pytest.mark.integration


def drive(driver: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script of ``drivers/``."""
    paths = os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])
    return subprocess.run(
        [sys.executable, DRIVERS / driver, *arguments],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def can_mount(folder: Path) -> bool:
    """Return whether a file system can be mounted in a namespace of a process."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = ["unshare", "--mount", *as_root, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return (
        shutil.which("unshare") is not None and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    )


def test_every_stage_survives_a_kill(tmp_path: Path) -> None:
    """Each job of a run is killed and started again, and leaves what an undisturbed run leaves."""
    ended = drive("kill_jobs.py", tmp_path / "kills", "1", "0")
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
    total = next(line for line in ended.stdout.splitlines() if line.startswith("all "))
    kills, survived = total.split()[1:]
    assert int(kills) >= 30
    assert survived == kills


def test_stages_end_in_one_sentence_on_a_full_file_system(tmp_path: Path) -> None:
    """A job without room ends in one sentence without a traceback, and well once there is room."""
    if not can_mount(tmp_path):
        pytest.skip("a file system can be mounted neither by root nor in a user namespace (unshare)")
    ended = drive("fill_disks.py", tmp_path / "disks", "3", "study", "decode", "sample_splits")
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
    total = next(line for line in ended.stdout.splitlines() if line.startswith("all "))
    runs, failed, sentences, traces, _, whole = (int(number) for number in total.split()[1:])
    assert runs >= 30
    assert (sentences, traces, whole) == (failed, 0, runs)
    assert failed > runs // 2

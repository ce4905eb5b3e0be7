"""A disk that is full while records are written: one message, nothing lost, and the same records afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.builders import prepare_toy
from support.workflow_runs import ROOT, records

pytestmark = pytest.mark.integration

RECORDS = Path(__file__).parents[1] / "support" / "drivers" / "run_with_full_disk.py"


def _run_study(manifest, folder, *limit):
    """Run a study in its own process, optionally with a limit in bytes on the size of each file."""
    return subprocess.run(
        [sys.executable, RECORDS, manifest, folder, *limit],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_study_goes_on_after_a_full_disk(tmp_path):
    """A full disk ends a study in one message, loses no record, and the study resumes to the same records."""
    manifest = prepare_toy(tmp_path).manifest
    assert _run_study(manifest, tmp_path / "free" / "study").returncode == 0
    whole = (tmp_path / "free" / "study" / "trials.jsonl").read_bytes()
    room = len(whole) * 5 // 8

    folder = tmp_path / "full" / "study"
    ended = _run_study(manifest, folder, str(room))
    assert ended.returncode == 1
    messages = [line for line in ended.stderr.splitlines() if line.startswith("blindtune:")]
    # The log has no room for the traceback either.
    assert f"{folder}/trials.jsonl: trial 2 cannot be recorded" in messages[-1]
    assert all("this log is not written from here on" in message for message in messages[:-1])
    assert "Traceback" not in ended.stderr
    written = (folder / "trials.jsonl").read_bytes()
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 2
    assert not (folder / "card.json").exists()

    assert _run_study(manifest, folder).returncode == 0
    assert records(tmp_path / "full") == records(tmp_path / "free")
    assert (folder / "trials.jsonl").read_bytes().startswith(written)

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


def _study(manifest, folder, *limit):
    return subprocess.run(
        [sys.executable, RECORDS, manifest, folder, *limit],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_study_goes_on_after_a_full_disk(tmp_path):
    """A study that met a full disk says so in one message, loses nothing, and goes on to the same end."""
    manifest = prepare_toy(tmp_path).manifest
    assert _study(manifest, tmp_path / "free" / "study").returncode == 0
    whole = (tmp_path / "free" / "study" / "trials.jsonl").read_bytes()
    room = len(whole) * 5 // 8

    folder = tmp_path / "full" / "study"
    ended = _study(manifest, folder, str(room))
    assert ended.returncode == 1
    said = [line for line in ended.stderr.splitlines() if line.startswith("blindtune:")]
    assert len(said) == 1
    assert f"{folder}/trials.jsonl: trial 2 cannot be recorded" in said[0]
    assert "Traceback" not in ended.stderr
    written = (folder / "trials.jsonl").read_bytes()
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 2
    assert not (folder / "card.json").exists()

    assert _study(manifest, folder).returncode == 0
    assert records(tmp_path / "full") == records(tmp_path / "free")
    assert (folder / "trials.jsonl").read_bytes().startswith(written)

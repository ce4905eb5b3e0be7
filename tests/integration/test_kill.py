"""Killed at any moment and started again, a study ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from makers_runs import ROOT, command, ledger, only, records, snakemake

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What `driver_kill` found."""
    ended = subprocess.run(
        [sys.executable, HERE / "driver_kill.py", tmp_path_factory.mktemp("killed")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_an_undisturbed_study_leaves_each_trial_once(killed):
    undisturbed = killed["undisturbed"]
    assert [outcome["number"] for outcome in undisturbed["outcomes"]] == list(range(6))
    assert {outcome["status"] for outcome in undisturbed["outcomes"]} == {"completed"}
    assert len(undisturbed["weights"]) == 2


def test_ten_kills_at_random_moments_change_nothing(killed):
    kills = killed["random"]["trials_at_kill"]
    assert len(kills) == 10
    assert len(set(kills)) > 1, "all kills fell into the same phase"
    assert killed["random"]["rounds"] == [killed["undisturbed"]] * len(killed["random"]["rounds"])


def test_a_kill_at_each_delicate_point_changes_nothing(killed):
    points = killed["points"]
    assert points["missed"] == []
    assert {key: points[key] for key in killed["undisturbed"]} == killed["undisturbed"]


def test_torn_records_are_kept_aside(killed):
    assert killed["points"]["torn"] == [f"trials.jsonl.torn-{number}" for number in (1, 2)], (
        "a line that only lacks its end is whole"
    )


LONG = only("expert", name="long", systems={"expert": {"training": {"epochs": 400}}})


def test_after_a_kill_of_everything_two_options_that_snakemake_names_go_on(tmp_path):
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    assert snakemake(undisturbed, LONG, "--until", "decode").returncode == 0
    seconds = np.random.default_rng(3).uniform(0, 0.5)
    for file, wait in (("studies/toy/expert/42/protocol.json", seconds), ("decodes/toy/expert/42/answers.npz", 0)):
        _kill_after(folder, folder / "results" / "long" / file, wait)
        refused = snakemake(folder, LONG)
        assert refused.returncode == 1
        assert "--unlock" in refused.stdout or "--rerun-incomplete" in refused.stdout
        assert snakemake(folder, LONG, "--unlock").returncode == 0
    ended = snakemake(folder, LONG, "--rerun-incomplete", "--until", "decode")
    assert ended.returncode == 0, ended.stdout
    assert records(folder / "results" / "long") == records(undisturbed / "results" / "long")
    assert [entry["event"] for entry in ledger(folder)].count("done") == 1


def _kill_after(folder: Path, file: Path, seconds: float) -> None:
    """Start Snakemake and kill it with all its children, some time after ``file`` has appeared."""
    with (folder.with_suffix(".said")).open("w") as said:
        process = subprocess.Popen(command(folder, LONG), cwd=folder, stdout=said, stderr=said, start_new_session=True)
        while not file.exists():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

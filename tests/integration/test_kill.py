"""Killed at any moment and started again, a study ends with the same records and the same model."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.builders import merged
from support.kill_studies import check_points, check_random, drive
from support.workflow_runs import command, ledger, only, records, snakemake

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return what `kill_keras_study` printed."""
    return drive("kill_keras_study.py", tmp_path_factory.mktemp("killed"))


def test_undisturbed_study_leaves_each_trial_once(killed):
    """A study that is not killed leaves each trial once, and the weights of the best."""
    undisturbed = killed["undisturbed"]
    assert [outcome["number"] for outcome in undisturbed["outcomes"]] == list(range(6))
    assert {outcome["status"] for outcome in undisturbed["outcomes"]} == {"completed"}
    weights = [name for name in undisturbed["files"] if name.startswith("weights/")]
    assert len(weights) == 2
    assert sorted(undisturbed["files"]) == sorted(["card.json", "protocol.json", "trials.jsonl", "weights", *weights])


def test_random_kills_change_nothing(killed):
    """Kills at random moments change nothing."""
    check_random(killed)


def test_kill_at_each_delicate_point_changes_nothing(killed):
    """A kill between any two writes changes nothing."""
    check_points(killed)


def test_torn_records_are_kept(killed):
    """Torn records are kept in files of their own."""
    assert killed["points"]["torn"] == [f"trials.jsonl.torn-{number}" for number in (1, 2)], (
        "a line that only lacks its end is whole"
    )


LONG = only("expert", name="long", systems={"expert": {"training": {"epochs": 800}}})


def test_killed_workflow_goes_on(tmp_path):
    """After a kill of all processes, the two options that Snakemake names let the run go on."""
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    assert snakemake(undisturbed, LONG, "--until", "decode").returncode == 0
    seconds = np.random.default_rng(3).uniform(0, 0.5)
    for file, wait in (("studies/toy/expert/42/protocol.json", seconds), ("decodes/toy/expert/42/predictions.npz", 0)):
        _kill_after(folder, LONG, folder / "results" / "long" / file, wait)
        refused = snakemake(folder, LONG)
        assert refused.returncode == 1
        assert "--unlock" in refused.stdout or "--rerun-incomplete" in refused.stdout
        assert snakemake(folder, LONG, "--unlock").returncode == 0
    ended = snakemake(folder, LONG, "--rerun-incomplete", "--until", "decode")
    assert ended.returncode == 0, ended.stdout
    assert records(folder / "results" / "long") == records(undisturbed / "results" / "long")
    assert [entry["event"] for entry in ledger(folder)].count("done") == 1


SEEDS = only("expert", name="seeds", seeds=[42, 43], systems={"expert": {"training": {"epochs": 800}}})


def test_job_of_all_seeds_that_was_killed_keeps_the_records_of_each(tmp_path):
    """Killed in its second study, one job for all seeds goes on to the records that a job for each seed leaves."""
    alone, folder = tmp_path / "alone", tmp_path / "together"
    assert snakemake(alone, SEEDS, "--until", "decode").returncode == 0
    together = merged(SEEDS, {"compare": [SEEDS["compare"][0] | {"seeds_in_one_job": True}]})
    studies = folder / "results" / "seeds" / "studies" / "toy" / "expert"
    _kill_after(folder, together, studies / "43" / "protocol.json", 0.1)
    first = (studies / "42" / "trials.jsonl").read_bytes()
    assert snakemake(folder, together, "--unlock").returncode == 0
    ended = snakemake(folder, together, "--rerun-incomplete", "--until", "decode")
    assert ended.returncode == 0, ended.stdout
    assert (studies / "42" / "trials.jsonl").read_bytes() == first, "nothing is trained again"
    assert records(folder / "results" / "seeds") == records(alone / "results" / "seeds")
    assert [entry["event"] for entry in ledger(folder)].count("done") == 2
    before = records(folder / "results" / "seeds")
    more = snakemake(folder, merged(together, {"seeds": [42, 43, 44]}), "--until", "decode")
    assert more.returncode == 0, more.stdout
    assert (studies / "42" / "trials.jsonl").read_bytes() == first, "a later seed trains only itself"
    after = records(folder / "results" / "seeds")
    assert {name: after[name] for name in before} == before
    looks = [entry["study"] for entry in ledger(folder) if entry["event"] == "done"]
    assert sorted(looks) == [f"seeds/toy/expert/{seed}" for seed in (42, 43, 44)], "one look each"


def _kill_after(folder: Path, config: dict[str, Any], file: Path, seconds: float) -> None:
    """Start Snakemake and kill it with all its children, some time after ``file`` has appeared."""
    with (folder.with_suffix(".log")).open("w") as log:
        process = subprocess.Popen(command(folder, config), cwd=folder, stdout=log, stderr=log, start_new_session=True)
        while not file.exists():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

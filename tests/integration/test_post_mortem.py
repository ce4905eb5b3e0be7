"""A post-mortem from the command line, killed when eval is open and started again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from blindtune.records.post_mortem import read_post_mortem
from support.workflow_runs import command, ledger, only, snakemake

pytestmark = pytest.mark.integration

AUDIT = Path(__file__).parents[1] / "support" / "audit"

#: Retraining takes long enough for a kill; a manual model does not search.
SYSTEMS = {"tuner": {"trainer": "fused", "training": {"epochs": 60}}}
STUDY = only("expert", "tuner", post_mortem=True, systems=SYSTEMS)


def test_killed_post_mortem_starts_over_and_is_recorded_once(tmp_path: Path) -> None:
    """After a kill with eval open the run goes on: one beginning, one end, and the report shows it."""
    audit = {"PYTHONPATH": str(AUDIT), "BLINDTUNE_AUDIT": str(tmp_path / "opened")}
    folder = tmp_path / "run"
    with (tmp_path / "log").open("w") as log:
        run = command(folder, STUDY, "--until", "post_mortem")
        environment = os.environ | audit
        process = subprocess.Popen(run, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
        while not any(entry["event"] == "analysing" for entry in ledger(folder)):
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert [entry["event"] for entry in ledger(folder)][-1] == "analysing"
    assert snakemake(folder, STUDY, "--unlock").returncode == 0
    ended = snakemake(folder, STUDY, "--rerun-incomplete", **audit)
    assert ended.returncode == 0, ended.stdout
    events = [entry["event"] for entry in ledger(folder)]
    assert (events.count("analysing"), events.count("analysed"), events.count("done")) == (1, 1, 2)
    results = folder / "results" / "tiny"
    found = read_post_mortem(results / "post_mortems/toy/tuner/42/post_mortem.json", "")
    assert all(trial.same_weights for trial in found.trials if trial.error is not None)
    assert not (results / "post_mortems/toy/expert").exists()
    assert "An analysis after the fact" in (results / "report/report.html").read_text(encoding="utf-8")
    assert (results / "report/figures/post_mortem_toy.svg").is_file()
    lines = [line.split("\t") for line in (tmp_path / "opened").read_text(encoding="utf-8").splitlines()]
    readers = {script for script, mode, path in lines if mode == "read" and not path.endswith("seal.json")}
    assert readers == {"decode", "sample_splits", "post_mortem"}

"""Kill Snakemake, and it alone, while its jobs live on; recover, run again, and compare.

``python tests/support/killing_heads.py FOLDER [MOMENTS] [local|cluster]`` does so at random moments and prints a tally:
at moments of a study whose job is a child of Snakemake, or of a whole run whose jobs are submitted, as to a cluster.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from support.claims import claim_files
from support.workflow_runs import ROOT, command, ledger, only, records, snakemake

#: A study of some seconds whose trials are recorded one by one.
CONFIG = only(
    "tpe",
    name="orphan",
    compare=[{"dataset": "toy", "systems": ["tpe"], "budget": {"trials": 14}}],
    systems={"tpe": {"training": {"epochs": 120}}},
)

STUDY = Path("results/orphan/studies/toy/tpe/42")

#: Jobs are submitted by a script that leaves them in the background, as the scheduler of a cluster does.
SUBMIT = Path(__file__).with_name("submit_in_background.sh")
CLUSTER = (
    "--jobs",
    "2",
    "--executor",
    "cluster-generic",
    "--cluster-generic-submit-cmd",
    str(SUBMIT),
    "--latency-wait",
    "20",
    "--seconds-between-status-checks",
    "1",
)

#: What the message of a refused job says.
REFUSED = "is in use by process"

#: Seconds after which an orphan must have ended.
PATIENCE = 600


@dataclass
class Kill:
    """What happened after one kill.

    Attributes:
        moment: seconds to the kill, from the first file of the study; with a cluster, from the start.
        recorded: number of trials that were recorded by then.
        alive: whether a job lived on.
        runs: number of runs until all was complete.
        refused: how often recovery or a run was refused because a job still ran.
        faults: what was wrong in the end.
    """

    moment: float
    recorded: int = 0
    alive: bool = False
    runs: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def prepare_template(folder: Path) -> Path:
    """Prepare the data once; every round works on a copy."""
    ended = snakemake(folder, CONFIG, "--until", "prepare")
    assert ended.returncode == 0, ended.stdout
    return folder


def run_undisturbed(template: Path, folder: Path) -> tuple[dict[str, Any], float]:
    """Run the workflow to its decode without a kill; return its records, and the seconds from protocol to card."""
    shutil.copytree(template, folder, symlinks=True)
    process = _start(folder, "--until", "decode")
    _wait_for(folder / STUDY / "protocol.json", process)
    begun = time.monotonic()
    _wait_for(folder / STUDY / "card.json", process)
    seconds = time.monotonic() - begun
    assert process.wait() == 0, _log(folder).read_text()
    return records(folder / "results" / "orphan"), seconds


def run_on_cluster(folder: Path) -> tuple[dict[str, Any], float]:
    """Run from nothing to the decode, with submitted jobs and without a kill; return records and seconds."""
    begun = time.monotonic()
    folder.mkdir(parents=True)
    process = _start(folder, *CLUSTER, "--until", "decode")
    assert process.wait() == 0, _log(folder).read_text()
    return records(folder / "results" / "orphan"), time.monotonic() - begun


def kill_head(
    template: Path | None,
    folder: Path,
    moment: float,
    undisturbed: dict[str, Any],
    wait: int = 0,
    *,
    cluster: bool = False,
    stop: bool = False,
    trials: int = 0,
) -> Kill:
    """Kill Snakemake at a moment, recover and run again until all is complete.

    Args:
        template: what `prepare_template` returned; None: nothing is prepared.
        folder: a new folder.
        moment: seconds to the kill, from the first file of the study; without a template, from the start.
        undisturbed: the records of a run without a kill.
        wait: ``wait_for_owner`` of the runs after the kill; 0: they are refused while the job lives.
        cluster: whether jobs are submitted, up to the decode, or are children of Snakemake, up to the report.
        stop: whether recovery ends what still runs.
        trials: number of recorded trials from which the seconds to the kill count, with a template. On a busy machine
            no number of seconds is sure to come before the end of the study.
    """
    kill = Kill(moment)
    place = (*CLUSTER, "--until", "decode") if cluster else ()
    if template is None:
        folder.mkdir(parents=True)
        process = _start(folder, *place)
    else:
        shutil.copytree(template, folder, symlinks=True)
        process = _start(folder, *place)
        _wait_for(folder / STUDY / "protocol.json", process)
        while len(_lines(folder)) < trials:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kill.recorded = len(_lines(folder))
    kill.alive = bool(claim_files(folder / STUDY))
    deadline = time.monotonic() + PATIENCE
    while True:
        if wait:
            assert snakemake(folder, CONFIG, "--unlock").returncode == 0
        elif not recover(folder, stop=stop):
            kill.refused += 1
            assert time.monotonic() < deadline, "the job does not end"
            time.sleep(0.5)
            continue
        ended = snakemake(folder, CONFIG, *place, "--config", f"wait_for_owner={wait}")
        kill.runs += 1
        if ended.returncode == 0:
            break
        if not _is_refused(folder, ended.stdout) or time.monotonic() > deadline:
            kill.faults.append(f"a run failed:\n{ended.stdout}")
            break
        kill.refused += 1
        time.sleep(0.5)
    kill.faults += _find_faults(folder, undisturbed, has_report=not cluster)
    return kill


def recover(folder: Path, *, stop: bool) -> bool:
    """Do what a user does after a kill; return whether the lock was removed."""
    command = [sys.executable, "-m", "blindtune", "recover", *(["--stop"] if stop else [])]
    variables = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    early = "no run was started here" in ended.stderr  # the kill came before the first folder
    assert ended.returncode == 0 or early or "still running" in ended.stderr, ended.stdout + ended.stderr
    return ended.returncode == 0 or early


def _is_refused(folder: Path, output: str) -> bool:
    """Return whether a run failed since what it would write was in use; a submitted job says so in its own log."""
    logs = (path.read_text(errors="replace") for path in folder.glob("submitted.log"))
    return any(REFUSED in text for text in (output, *logs))


def _find_faults(folder: Path, undisturbed: dict[str, Any], *, has_report: bool) -> list[str]:
    """Return what differs from a run without a kill."""
    results = folder / "results" / "orphan"
    if has_report and not (results / "report" / "report.html").exists():
        return ["there is no report"]
    numbers = [json.loads(line)["number"] for line in _lines(folder)]
    checks = {
        f"the trials are numbered {numbers}": numbers == list(range(CONFIG["compare"][0]["budget"]["trials"])),
        "records differ from those of an undisturbed run": records(results) == undisturbed,
        "the model was not decoded once": [entry["event"] for entry in ledger(folder)].count("done") == 1,
        "lines were set aside": not list((folder / STUDY).glob("trials.jsonl.*")),
        "a claim is left": not list(results.rglob(".*.claim*")),
    }
    return [fault for fault, holds in checks.items() if not holds]


def _start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    with _log(folder).open("w") as log:
        return subprocess.Popen(
            command(folder, CONFIG, *arguments), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )


def _log(folder: Path) -> Path:
    return folder.with_suffix(".log")


def _wait_for(file: Path, process: "subprocess.Popen[bytes]") -> None:
    while not file.exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)


def _lines(folder: Path) -> list[bytes]:
    log = folder / STUDY / "trials.jsonl"
    return log.read_bytes().splitlines() if log.exists() else []


def main(root: Path, moments: int, place: str) -> int:
    """Kill at random moments; print each and a tally; return the number of those with a fault."""
    template = None
    if place == "cluster":
        undisturbed, seconds = run_on_cluster(root / "undisturbed")
    else:
        template = prepare_template(root / "template")
        undisturbed, seconds = run_undisturbed(template, root / "undisturbed")
    print(f"undisturbed: {seconds:.1f} s", flush=True)
    random = np.random.default_rng(11)
    kills = []
    for number in range(moments):
        # Every fourth round waits for the orphan instead of being refused, and every fourth ends it.
        wait = PATIENCE if number % 4 == 3 else 0
        folder = root / f"kill-{number}"
        moment = random.uniform(0, seconds)
        kill = kill_head(template, folder, moment, undisturbed, wait, cluster=place == "cluster", stop=number % 4 == 1)
        kills.append(kill)
        print(f"{number + 1:3d}: {kill}", flush=True)
        if not kill.faults:
            shutil.rmtree(folder)
    faulty = sum(bool(kill.faults) for kill in kills)
    print(f"{moments - faulty} of {moments} ended as an undisturbed run")
    print(f"the job of the study lived on in {sum(kill.alive for kill in kills)}")
    print(f"refused: {dict(Counter(kill.refused for kill in kills))}")
    print(f"trials recorded at the kill: {sorted(kill.recorded for kill in kills)}")
    return faulty


if __name__ == "__main__":
    moments = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    sys.exit(bool(main(Path(sys.argv[1]).absolute(), moments, "local" if len(sys.argv) < 4 else sys.argv[3])))

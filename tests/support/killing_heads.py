"""Kill Snakemake, and it alone, while its job lives on; then run again, as its message says, and compare.

``python tests/support/killing_heads.py FOLDER [MOMENTS]`` does so at random moments of a study and prints a tally.
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
from support.workflow_runs import command, ledger, only, records, snakemake

#: A study of some seconds whose trials are recorded one by one.
CONFIG = only(
    "tpe",
    name="orphan",
    compare=[{"dataset": "toy", "systems": ["tpe"], "budget": {"trials": 14}}],
    systems={"tpe": {"training": {"epochs": 120}}},
)

STUDY = Path("results/orphan/studies/toy/tpe/42")

#: What the message of a refused job says.
REFUSED = "is in use by process"

#: Seconds after which an orphan must have ended.
PATIENCE = 600


@dataclass
class Kill:
    """What happened after one kill.

    Attributes:
        moment: seconds from the first file of the study to the kill.
        recorded: number of trials that were recorded by then.
        alive: whether the job lived on.
        runs: number of runs until the report was complete.
        refused: number of those that were refused because the job still ran.
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


def kill_head(template: Path, folder: Path, moment: float, undisturbed: dict[str, Any], wait: int = 0) -> Kill:
    """Kill Snakemake at a moment of a study, unlock and run again until the report is complete.

    Args:
        template: what `prepare_template` returned.
        folder: a new folder.
        moment: seconds from the first file of the study to the kill.
        undisturbed: the records of a run without a kill.
        wait: ``wait_for_owner`` of the runs after the kill; 0: they are refused while the job lives.
    """
    kill = Kill(moment)
    shutil.copytree(template, folder, symlinks=True)
    process = _start(folder)
    _wait_for(folder / STUDY / "protocol.json", process)
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kill.recorded = len(_lines(folder))
    kill.alive = bool(claim_files(folder / STUDY))
    assert snakemake(folder, CONFIG, "--unlock").returncode == 0
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = snakemake(folder, CONFIG, "--rerun-incomplete", "--config", f"wait_for_owner={wait}")
        kill.runs += 1
        if ended.returncode == 0:
            break
        if REFUSED not in ended.stdout or time.monotonic() > deadline:
            kill.faults.append(f"a run failed:\n{ended.stdout}")
            break
        kill.refused += 1
        time.sleep(0.5)
    kill.faults += _find_faults(folder, undisturbed)
    return kill


def _find_faults(folder: Path, undisturbed: dict[str, Any]) -> list[str]:
    """Return what differs from a run without a kill."""
    results = folder / "results" / "orphan"
    if not (results / "report" / "report.html").exists():
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


def main(root: Path, moments: int) -> int:
    """Kill at random moments; print each and a tally; return the number of those with a fault."""
    template = prepare_template(root / "template")
    undisturbed, seconds = run_undisturbed(template, root / "undisturbed")
    print(f"undisturbed: {seconds:.1f} s from the first file of the study to its card", flush=True)
    random = np.random.default_rng(11)
    kills = []
    for number in range(moments):
        # Every fourth round waits for the orphan instead of being refused.
        wait = PATIENCE if number % 4 == 3 else 0
        folder = root / f"kill-{number}"
        kill = kill_head(template, folder, random.uniform(0, seconds), undisturbed, wait)
        kills.append(kill)
        print(f"{number + 1:3d}: {kill}", flush=True)
        if not kill.faults:
            shutil.rmtree(folder)
    faulty = sum(bool(kill.faults) for kill in kills)
    print(f"{moments - faulty} of {moments} ended as an undisturbed run")
    print(f"the job lived on in {sum(kill.alive for kill in kills)}")
    print(f"refused runs: {dict(Counter(kill.refused for kill in kills))}")
    print(f"trials recorded at the kill: {sorted(kill.recorded for kill in kills)}")
    return faulty


if __name__ == "__main__":
    sys.exit(bool(main(Path(sys.argv[1]).absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else 20)))

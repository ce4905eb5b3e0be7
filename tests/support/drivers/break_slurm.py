"""Break a Slurm cluster under a study in many ways; recover, run again, and compare with an undisturbed run.

    python tests/support/drivers/break_slurm.py FOLDER --partition main --rounds 10 [--faults head scancel ...]
        [--lose 'COMMAND {node}' --return 'COMMAND {node}'] [--controller-down COMMAND --controller-up COMMAND]
        [--snakemake='ARGUMENTS OF SNAKEMAKE']

It needs the Slurm executor plugin of Snakemake, and a cluster that may be broken. How a node is lost and comes back and
how the controller ends, depends on the cluster, so that these commands are arguments. A fault whose command is missing
is left out. The result is a table: how often each fault was survived.

- head: Snakemake alone is killed.
- scancel: the job of the study is cancelled.
- node-back: the node is lost while its processes live, Slurm gives up the job, and the node comes back.
- node-dead: the node is lost with its processes.
- controller: slurmctld is away for half a minute.
- time: the job exceeds its time limit.
- memory: the job exceeds its memory.
- requeue: Slurm ends the job and starts it again, under its number (`scontrol requeue`).
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.core.claims import Owner, find_living
from support.killing_heads import CONFIG, STUDY, prepare_template, recover
from support.workflow_runs import command, records, snakemake

FAULTS = ("head", "scancel", "node-back", "node-dead", "controller", "time", "memory", "requeue")

#: Seconds after which the first run is killed, since it waits for a job that has ended, and after which a round failed.
_FIRST, _ALL = 420, 1200

#: Memory that a study cannot do with, and what it gets, in MB.
_TOO_LITTLE, _ENOUGH = 250, 1500

#: More arguments of the first run. Without the second, whether Slurm may start a job again is for the cluster to say.
_ARGUMENTS = {
    "memory": ("--set-resources", f"study:mem_mb={_TOO_LITTLE}"),
    "requeue": ("--slurm-requeue",),
}


@dataclass
class Round:
    """What happened after one fault.

    Attributes:
        fault: its name.
        recorded: number of trials that were recorded by then.
        alone: whether the first run ended well without help.
        hung: whether it did not notice the end of its job, and was killed.
        runs: number of further runs until the study was complete.
        refused: how often recovery or a run was refused because something still ran.
        seconds: from the fault to the end.
        faults: what was wrong in the end.
    """

    fault: str
    recorded: int = 0
    alone: bool = False
    hung: bool = False
    runs: int = 0
    refused: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Breaker:
    """The rounds on one cluster."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._root: Path = given.folder.absolute()
        self._template = prepare_template(self._root / "template")
        folder = self._root / "undisturbed"
        shutil.copytree(self._template, folder, symlinks=True)
        begun = time.monotonic()
        ended = snakemake(folder, CONFIG, "--until", "study")
        assert ended.returncode == 0, ended.stdout
        self._seconds = (time.monotonic() - begun) / 2
        self._undisturbed = records(folder / "results" / "orphan")

    def run(self, fault: str, number: int, part: float) -> Round:
        """Break the cluster once, at a part of the time that a study takes."""
        found = Round(fault)
        folder = self._root / f"{fault}-{number}"
        shutil.copytree(self._template, folder, symlinks=True)
        arguments = [*self._arguments(), *_ARGUMENTS.get(fault, ())]
        with (self._root / f"{fault}-{number}.log").open("w") as log:
            head = subprocess.Popen(
                command(folder, CONFIG, *arguments), cwd=folder, stdout=log, stderr=log, start_new_session=True
            )
        if fault != "memory":
            owner = self._wait_for_study(folder, head)
            time.sleep(part * self._seconds)
            found.faults += self._break(fault, head, owner)
        found.recorded = len(_numbers(folder))
        begun = time.monotonic()
        try:
            found.alone = head.wait(_FIRST) == 0
        except subprocess.TimeoutExpired:
            head.kill()
            head.wait()
            found.hung = True
        while not (found.alone and self._is_complete(folder)):
            if time.monotonic() - begun > _ALL:
                found.faults.append("it was not complete in time")
                break
            if not recover(folder, stop=number % 2 == 1):
                found.refused += 1
                time.sleep(1.0)
                continue
            ended = snakemake(folder, CONFIG, *self._arguments(), "--rerun-incomplete")
            found.runs += 1
            if ended.returncode == 0:
                break
            found.refused += 1
        found.seconds = time.monotonic() - begun
        found.faults += self._find_faults(folder)
        if not found.faults:
            shutil.rmtree(folder)
        return found

    def _arguments(self) -> list[str]:
        resources = [f"slurm_partition={self._given.partition}", f"mem_mb={_ENOUGH}", "runtime=10"]
        return [
            *("--executor", "slurm", "--jobs", "2", "--latency-wait", "30", "--retries", "2"),
            # With sacct, the plugin never sees the end of a cancelled job.
            *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"),
            *("--until", "study"),
            *("--default-resources", *resources),
            *self._given.snakemake,
        ]

    def _wait_for_study(self, folder: Path, head: "subprocess.Popen[bytes]") -> Owner:
        """Return the owner of the claim on the study, once it has written something."""
        while True:
            assert head.poll() is None, "the run ended before it could be broken"
            if (folder / STUDY / "protocol.json").exists():
                for claim in find_living(folder / STUDY.parent):
                    if claim.owner is not None and claim.owner.scheduler == "Slurm":
                        return claim.owner
            time.sleep(0.05)

    def _break(self, fault: str, head: "subprocess.Popen[bytes]", owner: Owner) -> Iterator[str]:
        """Break the cluster; yield what Slurm said if it refused, since nothing was tried then."""
        given, job, node = self._given, owner.job_id, owner.node
        if fault == "head":
            os.kill(head.pid, signal.SIGKILL)
        elif fault == "scancel":
            _shell(f"scancel {job}")
        elif fault == "node-back":
            _shell(given.lose.format(node=node))
            _wait_for_slurm(job)
            _shell(given.comes_back.format(node=node))
        elif fault == "node-dead":
            _shell(given.lose.format(node=node))
            for pid in _processes_of(job):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _wait_for_slurm(job)
            _shell(given.comes_back.format(node=node))
        elif fault == "controller":
            _shell(given.controller_down)
            time.sleep(30)
            _shell(given.controller_up)
        elif fault == "time":
            # It must not end before: the shortest limit is a minute.
            _shell(f"scontrol update jobid={job} timelimit=1")
            with suppress(ProcessLookupError):
                os.kill(owner.pid, signal.SIGSTOP)
        elif fault == "requeue":
            # The job waits in the queue for two minutes before it starts again.
            asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
            if asked.returncode != 0:
                yield f"Slurm refuses to requeue the job: {asked.stderr.strip()}"

    def _is_complete(self, folder: Path) -> bool:
        return (folder / STUDY / "card.json").exists()

    def _find_faults(self, folder: Path) -> Iterator[str]:
        numbers = _numbers(folder)
        wanted = list(range(CONFIG["compare"][0]["budget"]["trials"]))
        checks = {
            f"the trials are numbered {numbers}": numbers == wanted,
            "there is no card": self._is_complete(folder),
            "lines were set aside": not list((folder / STUDY).glob("trials.jsonl.*")),
        }
        yield from (fault for fault, holds in checks.items() if not holds)
        if all(checks.values()) and records(folder / "results" / "orphan") != self._undisturbed:
            yield "records differ from those of an undisturbed run"


def _numbers(folder: Path) -> list[Any]:
    """Return the numbers of the trials that are recorded."""
    log = folder / STUDY / "trials.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [_read_number(line) for line in lines]


def _read_number(line: str) -> Any:
    """Return the number of a trial; the line itself if it holds none."""
    try:
        return json.loads(line)["number"]
    except (ValueError, KeyError, TypeError):
        return line


def _shell(text: str) -> None:
    """Run a command of the user."""
    subprocess.run(["bash", "-c", text], check=False)


def _wait_for_slurm(job: str) -> None:
    """Wait until Slurm no longer takes a job for running."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        ended = subprocess.run(
            ["squeue", "--noheader", "--states=RUNNING,COMPLETING", f"--jobs={job}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if not ended.stdout.strip():
            return
        time.sleep(1.0)


def _processes_of(job: str) -> Iterator[int]:
    """Yield the processes of a job on this machine."""
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                if f"SLURM_JOB_ID={job}".encode() in (place / "environ").read_bytes().split(b"\0"):
                    yield int(place.name)


def main() -> int:
    """Print each round and the table; return 1 if a round left something wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--partition", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--lose", help="loses the node {node}, its processes live on")
    parser.add_argument("--return", dest="comes_back", help="brings the node {node} back")
    parser.add_argument("--controller-down", help="ends slurmctld")
    parser.add_argument("--controller-up", help="starts slurmctld")
    parser.add_argument("--snakemake", type=shlex.split, default=[], help="more arguments of snakemake")
    given = parser.parse_args()
    needs = {
        "node-back": given.lose and given.comes_back,
        "node-dead": given.lose and given.comes_back,
        "controller": given.controller_down and given.controller_up,
    }
    breaker = Breaker(given)
    random = np.random.default_rng(5)
    found: list[Round] = []
    for fault in (fault for fault in given.faults if needs.get(fault, True)):
        for number in range(given.rounds):
            found.append(breaker.run(fault, number, float(random.uniform(0, 0.7))))
            print(found[-1], flush=True)
    print("\n| fault | rounds | survived | without help | the run hung | seconds until complete, at most |")
    print("|---|--:|--:|--:|--:|--:|")
    for fault in FAULTS:
        rounds = [one for one in found if one.fault == fault]
        if rounds:
            whole, alone = sum(not one.faults for one in rounds), sum(one.alone for one in rounds)
            hung, seconds = sum(one.hung for one in rounds), max(one.seconds for one in rounds)
            print(f"| {fault} | {len(rounds)} | {whole} | {alone} | {hung} | {seconds:.0f} |")
    return int(any(one.faults for one in found))


if __name__ == "__main__":
    sys.exit(main())

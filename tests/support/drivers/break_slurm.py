"""Break a Slurm cluster under a search in many ways; recover, run again, and compare with an undisturbed run.

    PYTHONPATH=workflow/lib:tests python tests/support/drivers/break_slurm.py FOLDER --partition main --rounds 10
        [--faults head scancel ...] [--on 'ssh {node}']
        [--lose 'COMMAND {node}' --return 'COMMAND {node}'] [--controller-down COMMAND --controller-up COMMAND]
        [--snakemake='ARGUMENTS OF SNAKEMAKE']

It needs the Slurm executor plugin of Snakemake, a folder that all nodes see, and a cluster that may be broken. How a
node is lost and comes back and how the controller ends, depends on the cluster, so that these commands are arguments,
such as ``--lose 'ssh {node} systemctl kill --kill-whom=main --signal=KILL slurmd'`` and ``--return 'ssh {node}
systemctl start slurmd'``. They must leave the processes of jobs alone. ``--on`` reaches a shell of a node, as the owner
of its processes; without it the nodes must be pretended ones of this machine. A fault whose command is missing is left
out, and a line says so. The result is a table: how often each fault was survived.

Of one study of TPE:

- head: Snakemake alone is killed.
- scancel: the job of the study is cancelled.
- node-back: the node is lost while its processes live, Slurm gives up the job, and the node comes back.
- node-dead: the node is lost with its processes.
- controller: slurmctld is away for half a minute.
- time: the job exceeds its time limit.
- memory: the job exceeds its memory.
- requeue: Slurm ends the job and starts it again, under its number (`scontrol requeue`).

Of a search of TPE whose workers are on two nodes (``worker_nodes``):

- worker-killed: a worker on the other node is killed.
- worker-interrupted: SIGINT for the srun of a worker, as the log advises for a silent one.
- worker-node-dead: the other node is lost with the step and its worker.
- study-killed: the study is killed on its node; no worker may be left.

Of searches in jobs of their own (``shards``), random search and Hyperband, rung by rung. Each shard is broken once:

- shards-cancelled, rungs-cancelled: by `scancel`.
- shards-killed, rungs-killed: its processes are killed.
- shards-head: Snakemake alone is killed while shards run.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.core.arrays import digest_arrays
from blindtune.core.claims import LivingClaim, Owner, find_living, identify_machine
from blindtune.core.weights import load_weights
from support.builders import merged
from support.killing_heads import CONFIG, prepare_template, recover
from support.workflow_runs import command, only, records, snakemake

#: Where all searches are.
_RESULTS = Path("results/orphan")

#: Seconds after which the first run is killed, since it waits for a job that has ended, and after which a round failed.
_FIRST, _ALL = 600, 1500

#: Seconds in which the workers of a killed study must have ended.
_WORKERS_END = 60

#: Memory that a study cannot do with, and what it gets, in MB.
_TOO_LITTLE, _ENOUGH = 250, 1500

#: More arguments of the first run. Without the second, whether Slurm may start a job again is for the cluster to say.
_ARGUMENTS = {
    "memory": ("--set-resources", f"study:mem_mb={_TOO_LITTLE}"),
    "requeue": ("--slurm-requeue",),
}

#: Prints processes of a job on a node; `choose` is a condition.
_LIST_JOB = """
for file in $(grep -lzx SLURM_JOB_ID={job} /dev/null $(grep -lzx SLURMD_NODENAME={node} /dev/null \\
        /proc/[0-9]*/environ 2>/dev/null) 2>/dev/null); do
    process=${{file#/proc/}}; process=${{process%/environ}}
    {choose} && echo $process
done
"""
#: Which of them: all, or the workers of a search.
EVERY, WORKER = "true", "tr '\\0' ' ' < /proc/$process/cmdline | grep -q blindtune.training.pool.worker"

#: Printed at the end of each script on a node.
_REACHED = "reached the end"

#: Kills the processes of a job on a node and those of Slurm that hold them, these first.
_KILL_NODE = """
processes=$({list})
holders=$(for process in $processes; do
    holder=$(ps -o ppid= -p $process | tr -d ' ')
    if [ "$(cat /proc/$holder/comm 2>/dev/null)" = slurmstepd ]; then echo $holder; fi
done | sort -u)
kill -KILL $holders $processes
"""


class _EndedError(Exception):
    """The first run ended before it could be broken, or nothing could be broken."""


@dataclass(frozen=True)
class Search:
    """What is broken: a config with one search.

    Attributes:
        config: its config.
        whole: the config of the undisturbed run.
        study: the folder of the study, in that of the run.
        trials: their number.
    """

    config: dict[str, Any]
    whole: dict[str, Any]
    study: Path
    trials: int


def _search(system: str, trials: int, settings: dict[str, Any], **compare: Any) -> Search:
    """Return a search; what is in ``compare`` is not in the undisturbed run."""
    parts = {"dataset": "toy", "systems": [system], "budget": {"trials": trials}}
    whole = only(system, name="orphan", compare=[parts], systems={system: settings})
    return Search(
        merged(whole, {"compare": [parts | compare]}), whole, _RESULTS / "studies" / "toy" / system / "42", trials
    )


_RANDOM = {
    "kind": "tuner",
    "tuner": {"library": "scikit-learn", "algorithm": "parameter-sampler"},
    "space": "mlp",
    "trainer": "pytorch",
    "training": {"epochs": 60, "batch_size": 16},
}
_HYPERBAND = _RANDOM | {
    "tuner": {"library": "keras-tuner", "algorithm": "hyperband"},
    "training": {"epochs": 9, "batch_size": 4},
}

SEARCHES = {
    "tpe": Search(CONFIG, CONFIG, _RESULTS / "studies/toy/tpe/42", CONFIG["compare"][0]["budget"]["trials"]),
    "workers": _search(
        "tpe", 24, {"tuner": {"batch": 6}, "training": {"epochs": 60, "batch_size": 16}}, worker_nodes={"tpe": 2}
    ),
    "shards": _search("rand", 16, _RANDOM, shards={"rand": 2}),
    "rungs": _search("rungs", 23, _HYPERBAND, shards={"rungs": 2}),
}


@dataclass(frozen=True)
class Fault:
    """What may happen to a search.

    Attributes:
        search: its name in `SEARCHES`.
        needs: names of the arguments that it cannot do without.
    """

    search: str = "tpe"
    needs: tuple[str, ...] = ()


_NODE = ("lose", "return")

FAULTS = {
    "head": Fault(),
    "scancel": Fault(),
    "node-back": Fault(needs=_NODE),
    "node-dead": Fault(needs=_NODE),
    "controller": Fault(needs=("controller_down", "controller_up")),
    "time": Fault(),
    "memory": Fault(),
    "requeue": Fault(),
    "worker-killed": Fault("workers"),
    "worker-interrupted": Fault("workers"),
    "worker-node-dead": Fault("workers", _NODE),
    "study-killed": Fault("workers"),
    "shards-cancelled": Fault("shards"),
    "shards-killed": Fault("shards"),
    "shards-head": Fault("shards"),
    "rungs-cancelled": Fault("rungs"),
    "rungs-killed": Fault("rungs"),
}


@dataclass
class Round:
    """What happened after one fault.

    Attributes:
        fault: its name.
        recorded: number of trials that were recorded by then, of a search in shards for each shard that was broken.
        alone: whether the first run ended well without help.
        hung: whether it did not notice the end of its job, and was killed.
        runs: number of further runs until the study was complete.
        refused: how often recovery or a run was refused because something still ran.
        retried: number of trials that were trained again since their worker was lost.
        seconds: from the fault to the end.
        faults: what was wrong in the end.
    """

    fault: str
    recorded: int | dict[str, int] = 0
    alone: bool = False
    hung: bool = False
    runs: int = 0
    refused: int = 0
    retried: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Breaker:
    """The rounds on one cluster, of one search."""

    def __init__(self, given: argparse.Namespace, search: Search, root: Path) -> None:
        """Run the search undisturbed.

        Args:
            given: the arguments of this script.
            search: what is broken.
            root: a folder for the rounds; it need not exist.
        """
        self._given, self._search, self._root = given, search, root
        self._lost = ""  # a node that has to come back after the round
        self._template = prepare_template(root / "template")
        folder = root / "undisturbed"
        shutil.copytree(self._template, folder, symlinks=True)
        begun = time.monotonic()
        ended = snakemake(folder, search.whole, "--until", "study")
        assert ended.returncode == 0, ended.stdout
        self._seconds = (time.monotonic() - begun) / 2
        self._undisturbed = _read_study(folder, search)

    def run(self, fault: str, number: int, random: np.random.Generator) -> Round:
        """Break the cluster once, at a random moment of the search."""
        found = Round(fault)
        folder = self._root / f"{fault}-{number}"
        shutil.copytree(self._template, folder, symlinks=True)
        arguments = [*self._arguments(), *_ARGUMENTS.get(fault, ())]
        with (self._root / f"{fault}-{number}.log").open("w") as log:
            head = subprocess.Popen(
                command(folder, self._search.config, *arguments),
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        begun = time.monotonic()
        try:
            begun = self._break_once(found, folder, head, random)
        except _EndedError as error:
            found.faults.append(str(error) or "the run ended before it could be broken: see its log")
        self._finish(found, folder, head, begun, stop=number % 2 == 1)
        if self._lost:
            _shell(self._given.comes_back.format(node=self._lost))
            self._lost = ""
        found.faults += self._find_faults(folder)
        found.retried = _count_retried(folder / self._search.study)
        if not found.faults:
            shutil.rmtree(folder)
        return found

    def _break_once(
        self, found: Round, folder: Path, head: "subprocess.Popen[bytes]", random: np.random.Generator
    ) -> float:
        """Break the cluster at a random moment; return when its work went on.

        Raises:
            _EndedError: the run ended before that.
        """
        fault, study = found.fault, folder / self._search.study
        part = float(random.uniform(0, 0.7))
        begun = time.monotonic()
        if fault == "memory":
            return begun
        if FAULTS[fault].search in ("shards", "rungs"):
            found.faults += self._break_shards(found, folder, head, random)
        elif FAULTS[fault].search == "workers":
            owner = self._wait_for_workers(folder, head, int(part * self._search.trials))
            found.recorded, begun = len(_numbers(study)), time.monotonic()
            found.faults += self._break_workers(fault, owner)
        else:
            owner = self._wait_for_study(folder, head)
            time.sleep(part * self._seconds)
            found.faults += self._break(fault, head, owner)
            found.recorded, begun = len(_numbers(study)), time.monotonic()
        return begun

    def _finish(self, found: Round, folder: Path, head: "subprocess.Popen[bytes]", begun: float, *, stop: bool) -> None:
        """Wait for the first run; then recover and run again until the study is complete."""
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
            if not recover(folder, stop=stop):
                found.refused += 1
                time.sleep(1.0)
                continue
            ended = snakemake(folder, self._search.config, *self._arguments(), "--rerun-incomplete")
            found.runs += 1
            if ended.returncode == 0:
                break
            found.refused += 1
        found.seconds = time.monotonic() - begun

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
        study = folder / self._search.study
        while True:
            if head.poll() is not None:
                raise _EndedError
            if (study / "protocol.json").exists():
                for _, owner in _find_claims(study.parent):
                    return owner
            time.sleep(0.05)

    def _wait_for_workers(self, folder: Path, head: "subprocess.Popen[bytes]", trials: int) -> Owner:
        """Return the owner of the study, once a worker on another node runs and so many trials are recorded."""
        owner = self._wait_for_study(folder, head)
        while len(_numbers(folder / self._search.study)) < trials or not self._list_workers(owner):
            if head.poll() is not None:
                raise _EndedError
            time.sleep(0.2)
        return owner

    def _list_workers(self, owner: Owner) -> list[tuple[str, int]]:
        """Return the nodes and numbers of the workers of a study that are on other nodes."""
        names = _ask("squeue", "--noheader", f"--jobs={owner.job_id}", "--format=%N").strip()
        nodes = _ask("scontrol", "show", "hostnames", names).split() if names else []
        return [
            (node, int(process))
            for node in nodes
            if node != owner.node
            for process in self._on(node, list_job(owner.job_id, node, WORKER)).split()
        ]

    def _on(self, node: str, script: str) -> str:
        """Run a script in a shell of a node; return what it prints.

        Raises:
            _EndedError: the script did not reach its end, so that nothing is known of what it did.
        """
        shell = [*shlex.split(self._given.on.format(node=node)), "sh"]
        ended = subprocess.run(shell, input=f"{script}\necho {_REACHED}\n", capture_output=True, text=True, check=False)
        output, reached, _ = ended.stdout.rpartition(_REACHED)
        if not reached:
            raise _EndedError(f"no shell of {node} ran the script to its end: {ended.stderr.strip()[:300]}")
        return output

    def _send(self, owner: Owner, name: str) -> None:
        """Send a signal to the owner of a claim."""
        here = owner.machine == identify_machine()
        assert here or self._given.on, "the nodes are other machines: --on is needed"
        self._on(owner.node, f"kill -{name} {owner.pid}")

    def _lose(self, job: str, node: str) -> None:
        """Lose a node with all processes of a job on it."""
        _shell(self._given.lose.format(node=node))
        self._on(node, _KILL_NODE.format(list=list_job(job, node, EVERY)))

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
            self._lose(job, node)
            _wait_for_slurm(job)
            _shell(given.comes_back.format(node=node))
        elif fault == "controller":
            _shell(given.controller_down)
            time.sleep(30)
            _shell(given.controller_up)
        elif fault == "time":
            # It must not end before: the shortest limit is a minute.
            _shell(f"scontrol update jobid={job} timelimit=1")
            self._send(owner, "STOP")
        elif fault == "requeue":
            # The job waits in the queue for two minutes before it starts again.
            asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
            if asked.returncode != 0:
                yield f"Slurm refuses to requeue the job: {asked.stderr.strip()}"

    def _break_workers(self, fault: str, owner: Owner) -> Iterator[str]:
        """Break what a search has on another node; yield what is wrong right after."""
        workers = self._list_workers(owner)
        if not workers:
            raise _EndedError("the workers ended before one was broken")
        node, worker = workers[0]
        if fault == "worker-killed":
            self._on(node, f"kill -KILL {worker}")
        elif fault == "worker-interrupted":
            asked = f"pgrep -o -f -- 'srun --jobid={owner.job_id} --nodelist={node}'"
            srun = self._on(owner.node, asked).split()
            if not srun:
                yield "no srun was found"
                return
            self._on(owner.node, f"kill -INT {srun[0]}")
        elif fault == "worker-node-dead":
            self._lost = node
            self._lose(owner.job_id, node)
        elif fault == "study-killed":
            self._send(owner, "KILL")
            deadline = time.monotonic() + _WORKERS_END
            while left := self._on(node, f"kill -0 {worker} && echo {worker}"):
                if time.monotonic() > deadline:
                    yield f"the worker {left.strip()} on {node} outlived its study"
                    return
                time.sleep(0.5)

    def _break_shards(
        self, found: Round, folder: Path, head: "subprocess.Popen[bytes]", random: np.random.Generator
    ) -> Iterator[str]:
        """Break each shard once, after a random number of its trials; note how many these were."""
        shards = folder / _RESULTS / "shards"
        targets, hits = dict[Path, int](), dict[str, int]()
        begun = time.monotonic()
        while head.poll() is None and time.monotonic() - begun < _FIRST:
            for path, owner in _find_claims(shards):
                target = targets.setdefault(path, int(random.integers(0, 6)))
                recorded = len(_numbers(path.with_suffix("")))
                if path.stem in hits or recorded < target:
                    continue
                hits[path.stem] = recorded
                if found.fault.endswith("-head"):
                    head.kill()
                    break
                if found.fault.endswith("-cancelled"):
                    _shell(f"scancel {owner.job_id}")
                else:
                    self._on(owner.node, f"kill -KILL $({list_job(owner.job_id, owner.node, EVERY)})")
            time.sleep(0.1)
        found.recorded = hits
        if not hits:
            yield "no shard was broken"

    def _is_complete(self, folder: Path) -> bool:
        return (folder / self._search.study / "card.json").exists()

    def _find_faults(self, folder: Path) -> Iterator[str]:
        study = folder / self._search.study
        numbers = _numbers(study)
        checks = {
            f"the trials are numbered {numbers}": numbers == list(range(self._search.trials)),
            "there is no card": self._is_complete(folder),
            "lines were set aside": not list((folder / _RESULTS).rglob("trials.jsonl.*")),
        }
        for log in sorted((folder / _RESULTS).rglob("shards/**/trials.jsonl")):
            of_shard = _numbers(log.parent)
            checks[f"the trials of {log.parent.name} are numbered {of_shard}"] = of_shard == list(range(len(of_shard)))
        yield from (fault for fault, holds in checks.items() if not holds)
        if all(checks.values()) and _read_study(folder, self._search) != self._undisturbed:
            yield "records differ from those of an undisturbed run"


def _read_study(folder: Path, search: Search) -> dict[str, Any]:
    """Return what a study left, but for times, hosts and retries: records, card and weights."""
    weights = sorted((folder / search.study / "weights").glob("*.safetensors"))
    return {
        "records": records(folder / _RESULTS / "studies"),
        "weights": {path.name: digest_arrays(load_weights(path, "")) for path in weights},
    }


def _find_claims(folder: Path) -> Iterator[tuple[Path, Owner]]:
    """Yield what jobs of Slurm hold in a folder, with the owner of each."""
    claims: list[LivingClaim] = find_living(folder)
    for claim in claims:
        if claim.owner is not None and claim.owner.scheduler == "Slurm":
            yield claim.path, claim.owner


def _numbers(folder: Path) -> list[Any]:
    """Return the numbers of the trials that are recorded in a folder."""
    log = folder / "trials.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [_read_number(line) for line in lines]


def _read_number(line: str) -> Any:
    """Return the number of a trial; the line itself if it holds none."""
    try:
        return json.loads(line)["number"]
    except (ValueError, KeyError, TypeError):
        return line


def _count_retried(study: Path) -> int:
    """Return how many trials were trained again since their worker was lost."""
    log = study / "trials.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return sum('"retries":["' in line for line in lines)


def _shell(text: str) -> None:
    """Run a command of the user."""
    subprocess.run(["bash", "-c", text], check=False)


def _ask(*words: str) -> str:
    """Return what a command of Slurm prints."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def list_job(job: str, node: str, choose: str) -> str:
    """Return the script that prints some of the processes of a job on a node.

    Args:
        job: its number.
        node: as Slurm calls it.
        choose: `EVERY` or `WORKER`.
    """
    return _LIST_JOB.format(job=job, node=node, choose=choose)


def _wait_for_slurm(job: str) -> None:
    """Wait until Slurm no longer takes a job for running."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if not _ask("squeue", "--noheader", "--states=RUNNING,COMPLETING", f"--jobs={job}").strip():
            return
        time.sleep(1.0)


def choose_faults(given: argparse.Namespace, notice: Callable[[str], object]) -> list[str]:
    """Return the faults that can be tried, and say of each of the others what is missing.

    Args:
        given: the arguments of this script.
        notice: called with a line for each fault that is left out.
    """
    chosen = []
    for fault in given.faults:
        names = {"return": "comes_back"}
        missing = [one for one in FAULTS[fault].needs if getattr(given, names.get(one, one)) is None]
        if missing:
            options = " and ".join(f"--{name.replace('_', '-')}" for name in missing)
            notice(f"{fault} is left out: it needs {options}")
        else:
            chosen.append(fault)
    return chosen


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Return the arguments of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new, and seen by all nodes")
    parser.add_argument("--partition", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--on", default="", help="reaches a shell of the node {node}: ssh {node}")
    parser.add_argument("--lose", help="loses the node {node}, its processes live on")
    parser.add_argument("--return", dest="comes_back", help="brings the node {node} back")
    parser.add_argument("--controller-down", help="ends slurmctld")
    parser.add_argument("--controller-up", help="starts slurmctld")
    parser.add_argument("--seed", type=int, default=5, help="of the random moments")
    parser.add_argument("--snakemake", type=shlex.split, default=[], help="more arguments of snakemake")
    return parser.parse_args(words)


def main() -> int:
    """Print each round and the table; return 1 if a round left something wrong."""
    given = parse_arguments()
    chosen = choose_faults(given, lambda line: print(line, flush=True))
    random = np.random.default_rng(given.seed)
    breakers: dict[str, Breaker] = {}
    found: list[Round] = []
    for fault in chosen:
        name = FAULTS[fault].search
        if name not in breakers:
            breakers[name] = Breaker(given, SEARCHES[name], given.folder.absolute() / name)
        for number in range(given.rounds):
            found.append(breakers[name].run(fault, number, random))
            print(found[-1], flush=True)
    print("\n| fault | rounds | survived | without help | the run hung | seconds until complete, at most |")
    print("|---|--:|--:|--:|--:|--:|")
    for fault in chosen:
        rounds = [one for one in found if one.fault == fault]
        whole, alone = sum(not one.faults for one in rounds), sum(one.alone for one in rounds)
        hung, seconds = sum(one.hung for one in rounds), max((one.seconds for one in rounds), default=0.0)
        print(f"| {fault} | {len(rounds)} | {whole} | {alone} | {hung} | {seconds:.0f} |")
    return int(any(one.faults for one in found))


if __name__ == "__main__":
    sys.exit(main())

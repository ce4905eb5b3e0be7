"""Measure a search of TPE whose workers are on 1, 2 and 4 nodes of Slurm: CPU seconds, and how long workers wait.

Every search is one job of Snakemake's executor for Slurm, in a folder that all nodes see. Where the nodes are pretended
ones of one machine, wall times say nothing; CPU seconds and the idle share do: the share of the time from the first
training to the last in which a worker trains nothing, since a batch ends, the next one is proposed, or records are
written. Needs accounting (``sacct``) for the CPU seconds of the whole job.
``PYTHONPATH=tests python workflow/benchmarks/worker_nodes_speed.py FOLDER --partition main --nodes 1 2 4``
"""

import argparse
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import measure  # noqa: F401  first: it sets the number of threads

from blindtune.records.trial import Trial, TrialLog
from support.workflow_runs import snakemake

_STUDY = Path("results/nodes/studies/toy/tpe/42")

#: Arguments of Snakemake, with the resources of jobs for which the workflow asks for nothing.
_SLURM = ("--executor", "slurm", "--jobs", "2", "--latency-wait", "30", "--slurm-status-command", "squeue")
_SOON = ("--slurm-init-seconds-before-status-checks", "2", "--slurm-jobname-prefix", "blindtune")


@dataclass(frozen=True)
class Spent:
    """What a search took.

    Attributes:
        span: wall seconds from the first training to the last.
        trained: wall seconds of all trainings.
        trained_cpu: CPU seconds of all trainings.
        serial_cpu: CPU seconds of the study itself for proposals and for records and weights.
        idle: share of the workers' time in which they trained nothing.
        job_cpu: CPU seconds of the whole job; None if Slurm does not say.
    """

    span: float
    trained: float
    trained_cpu: float
    serial_cpu: float
    idle: float
    job_cpu: float | None


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new, and seen by all nodes")
    parser.add_argument("--partition", required=True)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--train", type=int, default=2000, help="samples of set #10")
    given = parser.parse_args()
    print(f"{given.trials} trials of TPE in batches of {given.batch}, a worker on each node")
    print("nodes  trials  CPU s of the job  of those trainings  of the study for proposals, records   idle  trials/s")
    for n_nodes in given.nodes:
        folder = given.folder.absolute() / str(n_nodes)
        begun = time.time()
        resources = [f"slurm_partition={given.partition}", "mem_mb=1500", "runtime=60"]
        arguments = [*_SLURM, *_SOON, "--until", "study", "--default-resources", *resources]
        ended = snakemake(folder, _build_config(given, n_nodes), *arguments)
        if ended.returncode != 0:
            raise SystemExit(ended.stdout)
        spent = _measure(folder / _STUDY, n_nodes, begun)
        job = "unknown" if spent.job_cpu is None else f"{spent.job_cpu:.1f}"
        # On nodes of their own, a training takes its CPU seconds, and workers wait as long as here.
        speed = given.trials * n_nodes * (1 - spent.idle) / spent.trained_cpu
        print(
            f"{n_nodes:5d} {given.trials:7d} {job:>17} {spent.trained_cpu:19.1f} {spent.serial_cpu:38.2f} "
            f"{spent.idle:6.1%} {speed:9.2f}   (span {spent.span:.1f} s, trainings {spent.trained:.1f} s)",
            flush=True,
        )


def _build_config(given: argparse.Namespace, n_nodes: int) -> dict[str, Any]:
    """Return the config of one search."""
    compared = {"dataset": "toy", "systems": ["tpe"], "budget": {"trials": given.trials}}
    size = given.train
    return {
        "name": "nodes",
        "seeds": [42],
        "compare": [compared | ({"worker_nodes": {"tpe": n_nodes}} if n_nodes > 1 else {})],
        "datasets": {
            "toy": {
                "source": "drawing",
                "drawing": "set_10",
                "sizes": {"train": size, "dev": size // 2, "eval": size // 2},
                "seed": 1,
            }
        },
        "systems": {
            "tpe": {
                "kind": "tuner",
                "tuner": {"library": "optuna", "algorithm": "tpe", "batch": given.batch},
                "space": "mlp",
                "trainer": "pytorch",
                "training": {"epochs": 20, "batch_size": 64},
            }
        },
    }


def _measure(study: Path, n_nodes: int, since: float) -> Spent:
    """Return what a search took, from its records and Slurm's accounting."""
    trials = TrialLog(study / "trials.jsonl").read()
    begun = [datetime.fromisoformat(trial.started).timestamp() for trial in trials]
    lasted = [_sum(trial, ("build", "train", "evaluate"), "wall") for trial in trials]
    span = max(start + wall for start, wall in zip(begun, lasted, strict=True)) - min(begun)
    return Spent(
        span=span,
        trained=sum(lasted),
        trained_cpu=sum(_sum(trial, ("build", "train", "evaluate"), "cpu") for trial in trials),
        serial_cpu=sum(_sum(trial, ("suggest", "save"), "cpu") for trial in trials),
        idle=max(0.0, 1 - sum(lasted) / (n_nodes * span)),
        job_cpu=_ask_for_cpu(since),
    )


def _sum(trial: Trial, parts: tuple[str, ...], clock: str) -> float:
    return sum(float(getattr(trial.seconds[part], clock)) for part in parts if part in trial.seconds)


def _ask_for_cpu(since: float) -> float | None:
    """Return the CPU seconds of all steps of the longest job that was submitted since then."""
    start = datetime.fromtimestamp(since).isoformat(timespec="seconds")
    asked = ["sacct", "--noheader", "--parsable2", f"--starttime={start}", "--format=JobID,JobName,TotalCPU"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    used = dict[str, float]()
    for line in answer.splitlines():
        job, _, cpu = line.split("|")
        number, dot, _ = job.partition(".")
        if dot and cpu:
            used[number] = used.get(number, 0.0) + _parse_time(cpu)
    return max(used.values(), default=None)


def _parse_time(text: str) -> float:
    """Return the seconds of Slurm's ``[days-][hours:]minutes:seconds``."""
    days, _, rest = text.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = 60 * seconds + float(part)
    return 86_400 * int(days or 0) + seconds


if __name__ == "__main__":
    main()

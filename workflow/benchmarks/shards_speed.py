"""Measure a search in 1, 2 and 4 shards: what it costs, how even the shards are, and what each costs at least.

Every shard is a process of its own, as a job of Snakemake is: it imports its libraries, opens the data, asks the tuner
for all proposals and trains its part. Then the study takes their trials. The processes of one round run at the same
time. Where cores are shared with others, wall times say nothing, so the trials a second of nodes of their own are
computed from CPU seconds: the search ends when the longest shard and after it the study have ended. Idle is the share
of the shards' time in which they would wait for the longest one.
``python workflow/benchmarks/shards_speed.py --trials 64 --shards 1 2 4``
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import measure  # first: it sets the number of threads

from blindtune.config.study import Study
from blindtune.core.job_log import JobLog
from blindtune.datasets.drawing import DrawingConfig, DrawingSource
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.study.run import run_study
from blindtune.study.shard_run import run_shard
from blindtune.study.shards import Shard

#: Trainer and epochs of the searches.
SEARCHES = {"pytorch": 10, "fused": 10, "keras": 5}


@dataclass(frozen=True)
class Took:
    """Seconds of processes that ran at the same time: from the first start to the last end, and the CPU of each."""

    wall: float
    cpu: list[float]


def main() -> None:
    """Run and print; with ``--job`` this is one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", choices=SEARCHES, default="pytorch")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--train", type=int, default=2000, help="samples of set #10")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        _run_job(json.loads(arguments.job))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = arguments.train
        source = DrawingSource(
            DrawingConfig.model_validate(
                {
                    "source": "drawing",
                    "drawing": "set_10",
                    "seed": 1,
                    "sizes": {"train": size, "dev": size // 2, "eval": size // 2},
                }
            )
        )
        prepare("toy", source, source.user_files(), root / "data" / "manifest.json", root / "sealed" / "seal.json")
        print(f"{measure.CORES} cores, {arguments.trials} trials of random search, trainer {arguments.trainer}")
        print("shards  CPU s  CPU s per trial   idle  trials/s on nodes of their own  study CPU s  empty shard CPU s")
        for n_shards in arguments.shards:
            _measure(root, arguments, n_shards)


def _measure(root: Path, arguments: argparse.Namespace, n_shards: int) -> None:
    place = root / str(n_shards)
    common = {"root": str(root), "place": str(place), "trainer": arguments.trainer, "n_shards": n_shards}
    jobs = [common | {"shard": number, "trials": arguments.trials} for number in range(1, n_shards + 1)]
    shards = _run(jobs)
    study = _run([common | {"shard": None, "trials": arguments.trials}])
    # A shard whose number is above that of the trials: all that it does is what every shard does at least.
    empty = _run([common | {"shard": 1000, "n_shards": 1000, "trials": min(999, arguments.trials)}])
    [own], [least] = study.cpu, empty.cpu
    cpu, longest = sum(shards.cpu) + own, max(shards.cpu)
    wall = shards.wall + study.wall
    print(
        f"{n_shards:6d} {cpu:6.1f} {cpu / arguments.trials:16.3f} {1 - sum(shards.cpu) / n_shards / longest:6.1%} "
        f"{arguments.trials / (longest + own):31.2f} {own:12.1f} {least:18.1f}   (wall {wall:.1f} s)"
    )


def _run(jobs: list[dict[str, object]]) -> Took:
    """Run processes at the same time."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--job"]
    processes = [subprocess.Popen([*command, json.dumps(job)]) for job in jobs]
    cpu = []
    for process in processes:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit("a job has failed")
        cpu.append(used.ru_utime + used.ru_stime)
    return Took(time.perf_counter() - begun, cpu)


def _run_job(job: dict[str, str | int | None]) -> None:
    """Run one shard, or the study."""
    root, place, n_shards = Path(str(job["root"])), Path(str(job["place"])), int(job["n_shards"] or 0)
    trainer = str(job["trainer"])
    study = Study.model_validate(
        {
            "config": "speed",
            "dataset": "toy",
            "system": "random",
            "seed": 42,
            "settings": {
                "kind": "tuner",
                "tuner": {"library": "optuna", "algorithm": "random"},
                "space": "mlp",
                "trainer": trainer,
                "training": {"epochs": SEARCHES[trainer], "batch_size": 64},
            },
            "budget": {"trials": job["trials"]},
            "score_epoch": "last",
            "keep_best": 1,
        }
    )
    data, files = open_prepared(root / "data" / "manifest.json"), study.settings.files()
    if job["shard"] is None:
        shards = [place / f"{number}-of-{n_shards}.jsonl" for number in range(1, n_shards + 1)]
        run_study(study, data, files=files, code="code", folder=place / "study", job_log=JobLog(), shards=shards)
        return
    shard = Shard(int(job["shard"]), n_shards)
    place.mkdir(exist_ok=True)
    run_shard(
        study,
        data,
        shard=shard,
        files=files,
        code="code",
        output=place / f"{shard.number}-of-{n_shards}.jsonl",
        study_folder=place / "study",
        job_log=JobLog(),
    )


if __name__ == "__main__":
    main()

"""Measure a search in 1, 2 and 4 shards: what it costs, how even the shards are, and what each costs at least.

Every shard is a process of its own, as a job of Snakemake is: it imports its libraries, opens the data, asks the tuner
for all proposals and trains its part. Then the study takes their trials. The processes of one round run at the same
time. Where cores are shared with others, wall times say nothing, so the trials a second of nodes of their own are
computed from CPU seconds: the search ends when the longest shard and after it the study have ended. Idle is the share
of the shards' time in which they would wait for the longest one.
``python workflow/benchmarks/shards_speed.py --trials 64 --shards 1 2 4``

``--hyperband 36`` measures a Hyperband search of the digits within 36 epochs, as in the default config: a round of
processes for each rung, then the study. With one shard the study trains everything, as in a config without shards.
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
from typing import Any

import measure  # first: it sets the number of threads

from blindtune.config.rungs import plan_system_rungs
from blindtune.config.study import Study
from blindtune.core.job_log import JobLog
from blindtune.core.shards import Shard
from blindtune.datasets.digits import DigitsConfig, DigitsSource
from blindtune.datasets.drawing import DrawingConfig, DrawingSource
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.study.run import run_study
from blindtune.study.shard_run import run_shard

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
    parser.add_argument("--hyperband", type=int, metavar="EPOCHS", help="Hyperband on the digits within so many epochs")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        _run_job(json.loads(arguments.job))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if arguments.hyperband:
            _measure_rungs(root, arguments.hyperband, arguments.shards)
            return
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


def _measure_rungs(root: Path, epochs: int, shards: list[int]) -> None:
    digits = DigitsSource(DigitsConfig.model_validate({"source": "digits"}))
    prepare("toy", digits, digits.user_files(), root / "data" / "manifest.json", root / "sealed" / "seal.json")
    study = _build_study("pytorch", {"epochs": epochs}, "hyperband")
    plan = plan_system_rungs(study.settings, study.budget, study.settings.files())
    if plan is None:
        raise TypeError("Hyperband has rungs")
    print(f"{measure.CORES} cores, Hyperband on digits, {epochs} epochs, rungs of {[*map(len, plan.trials)]} trials")
    print("shards  jobs  CPU s  of those the study  longest of each rung, then the study")
    for n_shards in shards:
        place = root / str(n_shards)
        common = {"root": str(root), "place": str(place), "trainer": "pytorch", "hyperband": epochs}
        rounds, earlier = list[list[float]](), list[str]()
        for rung, trials in enumerate(plan.trials if n_shards > 1 else (), 1):
            n_of_rung = min(n_shards, len(trials))
            of_rung = [Shard(number, n_of_rung, rung) for number in range(1, n_of_rung + 1)]
            jobs = [common | {"shard": one.name, "earlier": list(earlier)} for one in of_rung]
            rounds.append(_run(jobs).cpu)
            earlier += [str(place / f"{one.name}.jsonl") for one in of_rung]
        rounds.append(_run([common | {"shard": None, "earlier": earlier}]).cpu)
        cpu = [seconds for one in rounds for seconds in one]
        longest = " + ".join(f"{max(one):.1f}" for one in rounds)
        print(f"{n_shards:6d} {len(cpu):5d} {sum(cpu):6.1f} {cpu[-1]:19.1f}  {longest}")


def _run(jobs: list[dict[str, Any]]) -> Took:
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


def _build_study(trainer: str, budget: dict[str, int], algorithm: str = "random") -> Study:
    """Return the study: random search of MLPs, or Hyperband of ConvNets."""
    is_hyperband = algorithm == "hyperband"
    settings = {
        "kind": "tuner",
        "tuner": {"library": "keras-tuner" if is_hyperband else "optuna", "algorithm": algorithm},
        "space": "convnet" if is_hyperband else "mlp",
        "family": "convnet" if is_hyperband else "mlp",
        "trainer": trainer,
        "training": {"epochs": 9, "batch_size": 32}
        if is_hyperband
        else {"epochs": SEARCHES[trainer], "batch_size": 64},
    }
    return Study.model_validate(
        {
            "config": "speed",
            "dataset": "toy",
            "system": algorithm,
            "seed": 42,
            "settings": settings,
            "budget": budget,
            "score_epoch": "last",
            "keep_best": 1,
        }
    )


def _run_job(job: dict[str, Any]) -> None:
    """Run one shard, or the study."""
    root, place = Path(job["root"]), Path(job["place"])
    if "hyperband" in job:
        _run_part(_build_study(job["trainer"], {"epochs": job["hyperband"]}, "hyperband"), job)
        return
    n_shards = int(job["n_shards"] or 0)
    study = _build_study(job["trainer"], {"trials": job["trials"]})
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


def _run_part(study: Study, job: dict[str, Any]) -> None:
    """Run a shard of a rung, or the study that takes the trials of all rungs."""
    data, files = open_prepared(Path(job["root"]) / "data" / "manifest.json"), study.settings.files()
    place, earlier = Path(job["place"]), [Path(path) for path in job["earlier"]]
    place.mkdir(exist_ok=True)
    if job["shard"] is None:
        run_study(study, data, files=files, code="code", folder=place / "study", job_log=JobLog(), shards=earlier)
        return
    run_shard(
        study,
        data,
        shard=Shard.parse(job["shard"]),
        files=files,
        code="code",
        output=place / f"{job['shard']}.jsonl",
        study_folder=place / "study",
        job_log=JobLog(),
        earlier=earlier,
    )


if __name__ == "__main__":
    main()

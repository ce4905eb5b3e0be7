"""Measure what the jobs of a study use, next to what they ask for.

    python workflow/benchmarks/job_needs.py [--configfile FILE ...] [--folder FOLDER] [-- SNAKEMAKE OPTIONS]

The jobs run as on a cluster, each started by Snakemake through a submit command, but here and one after the other. Each
is measured with all its processes: the peak of their resident memory together, its wall seconds and its CPU seconds. A
job of Slurm has one more process of Snakemake, whose memory is added. The script prints a table and exits with status 1
if a job used more memory or time than it asked for. It needs snakemake-executor-plugin-cluster-generic.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]

#: Seconds between two samples of the memory of a job.
_PAUSE = 0.05
#: In a script that Snakemake submits, before a JSON object that describes the job.
_PROPERTIES = "# properties = "
#: MB of the process of Snakemake by which Slurm's executor starts a job, measured on Slurm.
_JOB_STEP_MB = 195
#: Rules whose jobs a cluster may run in groups.
_GROUPED = ("simulate", "extract", "examples", "sample_splits", "tables", "figures", "page")
_RECORDS = "job_needs.jsonl"
_ROW = "{job:<50} {mb:>12} {asked_mb:>9} {seconds:>11} {asked_minutes:>13} {cpu:>9}"


def main() -> int:
    """Run a study and print the table; return the exit status."""
    if sys.argv[1:2] == ["--submit"]:
        return submit(Path(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", nargs="+", default=[str(ROOT / "workflow/studies/smoke.yaml")])
    parser.add_argument("--folder", help="where the study runs; without it, in a new folder that is removed")
    parser.add_argument("options", nargs="*", help="options of Snakemake, after --")
    given = parser.parse_args()
    configs = [str(Path(file).resolve()) for file in given.configfile]
    with tempfile.TemporaryDirectory() as new:
        folder = Path(given.folder or new)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _RECORDS).unlink(missing_ok=True)
        run_study(folder, configs, given.options)
        jobs = [json.loads(line) for line in (folder / _RECORDS).read_text(encoding="utf-8").splitlines()]
    return print_table(jobs)


def run_study(folder: Path, configs: list[str], options: list[str]) -> None:
    """Run a study in a folder, its jobs one after the other.

    Args:
        folder: where it runs.
        configs: its config files.
        options: further options of Snakemake.
    """
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    submit_command = f"{sys.executable} {Path(__file__).resolve()} --submit"
    command = [snakemake, "-s", str(ROOT / "Snakefile"), "--configfile", *configs]
    command += ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", submit_command]
    # Each job alone, also of those that a cluster runs in groups.
    command += ["--groups", *(f"{rule}={rule}" for rule in _GROUPED)]
    subprocess.run([*command, "--jobs", "1", *options], cwd=folder, check=True)


def submit(script: Path) -> int:
    """Run the script of one job, measure it, and append what was found to a file of the working directory.

    Args:
        script: as Snakemake hands it to a submit command, which prints the job's id.
    """
    text = script.read_text(encoding="utf-8")
    job = json.loads(next(line for line in text.splitlines() if line.startswith(_PROPERTIES))[len(_PROPERTIES) :])
    start = time.perf_counter()
    child = subprocess.Popen(["/bin/sh", str(script)], stdout=sys.stderr)
    peak = 0
    while child.poll() is None:
        peak = max(peak, _memory(child.pid))
        time.sleep(_PAUSE)
    used = os.times()
    record = {
        "job": " ".join([job.get("rule", job.get("groupid")), *job.get("wildcards", {}).values()]),
        "mb": peak / 1e6 + _JOB_STEP_MB,
        "asked_mb": job["resources"]["mem_mb"],
        "seconds": time.perf_counter() - start,
        "asked_minutes": job["resources"]["runtime"],
        "cpu": used.children_user + used.children_system,
    }
    with Path(_RECORDS).open("a", encoding="utf-8") as stream:
        stream.write(f"{json.dumps(record)}\n")
    print(child.pid)
    return child.returncode


def print_table(jobs: list[dict[str, Any]]) -> int:
    """Print what jobs used and asked for; return 1 if one used more.

    Args:
        jobs: as `submit` records them.
    """
    names = {"job": "job", "mb": "used, MB", "asked_mb": "asked, MB", "seconds": "wall, s", "cpu": "CPU, s"}
    print(_ROW.format(**names, asked_minutes="asked, min"))
    for job in jobs:
        rounded = {name: f"{job[name]:.0f}" for name in ("mb", "asked_mb", "asked_minutes")}
        rounded |= {name: f"{job[name]:.1f}" for name in ("seconds", "cpu")}
        print(_ROW.format(job=job["job"], **rounded))
    wrong = [job for job in jobs if job["mb"] > job["asked_mb"] or job["seconds"] > 60 * job["asked_minutes"]]
    for job in wrong:
        print(f"{job['job']}: used more than it asked for", file=sys.stderr)
    return 1 if wrong else 0


def _memory(pid: int) -> int:
    """Return the resident bytes of a process and of all that it started; shared pages count each time, as in Slurm."""
    total = 0
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


if __name__ == "__main__":
    sys.exit(main())

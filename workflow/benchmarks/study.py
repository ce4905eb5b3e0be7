"""Measure time and memory of a whole study, and the time of a run that has nothing to do.

Runs ``snakemake`` three times in this folder: as a dry run, the study, and once more. Memory is the highest sum of the
resident sets of all processes, sampled ten times a second. Shared pages count once per process: it is an upper bound.
With ``--rules``, each job notes its own CPU time and which large libraries it loaded, and both are shown by rule.
``python workflow/benchmarks/study.py --cores 2 -- --configfile workflow/studies/smoke.yaml``
"""

import argparse
import json
import os
import re
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import child_scripts

#: Python imports this module of a folder on its path before any program; it notes what the program cost.
NOTE = """\
import atexit, json, os, resource, sys

def note():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    libraries = [name for name in LIBRARIES if name in sys.modules]
    program = [sys.orig_argv[-1], usage.ru_utime + usage.ru_stime, libraries]
    with open(os.path.join(os.path.dirname(__file__), f"{os.getpid()}.json"), "w") as file:
        json.dump(program, file)

atexit.register(note)
"""

#: Libraries that take long to import.
LIBRARIES = ("jax", "keras", "keras_tuner", "matplotlib", "mne", "optuna", "pandas", "scipy", "sklearn", "tensorflow",
             "torch")  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default="2")
    parser.add_argument("--rules", action="store_true", help="show the CPU time of the jobs of each rule")
    parser.add_argument("rest", nargs="*", help="more arguments for snakemake, after --")
    arguments = parser.parse_args()
    command = ["snakemake", "--cores", arguments.cores, *arguments.rest]
    for name, extra in (("dry run", ["-n", "--quiet", "all"]), ("study", []), ("nothing to do", [])):
        with tempfile.TemporaryDirectory() as folder:
            environment = _noting(Path(folder)) if arguments.rules and name == "study" else dict(os.environ)
            wall, cpu, peak = _measure([*command, *extra], environment)
            print(f"{name}: {wall:.1f} s wall, {cpu:.1f} s CPU, {peak / 2**20:.0f} MiB at the peak")
            for line in _by_rule(Path(folder).glob("*.json")):
                print(f"  {line}")


def _noting(folder: Path) -> dict[str, str]:
    """Return an environment in which every program of Python notes its CPU time in ``folder``."""
    (folder / "sitecustomize.py").write_text(NOTE.replace("LIBRARIES", repr(LIBRARIES)))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))}


def _by_rule(notes: Iterable[Path]) -> list[str]:
    """Return a line for each rule: jobs, CPU time of all and of the median job, libraries that any of them loaded."""
    seconds: dict[str, list[float]] = defaultdict(list)
    loaded: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        program, cpu, libraries = json.loads(note.read_text())
        script = re.search(r"scripts/tmp[^/.]*\.(\w+)\.py$", program)
        rule = script[1] if script else "other processes"
        seconds[rule].append(cpu)
        loaded[rule] |= set(libraries)
    return [
        f"{rule:16} {len(each):4} jobs {sum(each):7.1f} s CPU, median {sorted(each)[len(each) // 2]:.2f} s"
        f"  {', '.join(sorted(loaded[rule]))}"
        for rule, each in sorted(seconds.items(), key=lambda item: -sum(item[1]))
    ]


def _measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, int]:
    before, begun = _children_cpu(), time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = child_scripts.wait_for_peak(process, pause=0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - begun, _children_cpu() - before, peak


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()

"""Measure time and memory of a whole study, and the time of a run that has nothing to do.

Runs ``snakemake`` three times in this folder: as a dry run, the study, and once more. Memory is the highest sum of the
resident sets of all processes, sampled ten times a second. Shared pages count once per process: it is an upper bound.
``python workflow/benchmarks/study.py --cores 2 -- --configfile workflow/studies/smoke.yaml``
"""

import argparse
import resource
import subprocess
import time

import child_scripts


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default="2")
    parser.add_argument("rest", nargs="*", help="more arguments for snakemake, after --")
    arguments = parser.parse_args()
    command = ["snakemake", "--cores", arguments.cores, *arguments.rest]
    for name, extra in (("dry run", ["-n", "--quiet", "all"]), ("study", []), ("nothing to do", [])):
        wall, cpu, peak = _measure([*command, *extra])
        print(f"{name}: {wall:.1f} s wall, {cpu:.1f} s CPU, {peak / 2**20:.0f} MiB at the peak")


def _measure(command: list[str]) -> tuple[float, float, int]:
    before, begun = _children_cpu(), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = child_scripts.wait_for_peak(process, pause=0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - begun, _children_cpu() - before, peak


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()

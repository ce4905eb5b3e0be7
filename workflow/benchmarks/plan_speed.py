"""Measure how long a dry run takes with corpora of the published size: 1,000 recordings and 200 slides.

Writes both trees (headers without signals, slides without pixels: planning must open neither), uses them in place of
the simulated corpora of `workflow/studies/paper.yaml`, and times `snakemake --dry-run` in a separate process.

    python workflow/benchmarks/plan_speed.py
    python workflow/benchmarks/plan_speed.py --profile    # also print where the time went
"""

import argparse
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
#: A valid EDF header of one channel, without data.
HEADER = "".join(
    text.ljust(width)
    for text, width in (
        ("0", 8), ("X X X X", 80), ("Startdate X X X X", 80), ("01.01.01", 8), ("00.00.00", 8), ("512", 8), ("", 44),
        ("0", 8), ("1", 8), ("1", 4), ("EEG FP1-REF", 16), ("", 80), ("uV", 8), ("-1000", 8), ("1000", 8),
        ("-32768", 8), ("32767", 8), ("", 80), ("250", 8), ("", 32),
    )
)  # fmt: skip


def main() -> None:
    """Write the trees, plan and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="print the calls that took longest")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_recordings(folder / "eeg", arguments.recordings)
        write_slides(folder / "slides", arguments.slides)
        (folder / "own.yaml").write_text(
            yaml.safe_dump(overlay(arguments.recordings, arguments.slides)), encoding="utf-8"
        )
        took = [_plan(folder) for _ in range(arguments.rounds)]
        for kind, seconds in zip(("wall", "CPU"), zip(*took, strict=True), strict=True):
            print(f"{kind}: median {statistics.median(seconds):.2f} s, each {' '.join(f'{s:.2f}' for s in seconds)}")
        if arguments.profile:
            _profile(folder)


def overlay(recordings: int, slides: int) -> dict[str, Any]:
    """Return the config that uses the written corpora in place of the simulated ones of paper.yaml."""
    own = {"simulate": None, "stand_in": False}
    return {
        "datasets": {
            **({"eeg_12": own | {"folder": "eeg"}} if recordings else {}),
            **({"tissue_11": own | {"folder": "slides"}} if slides else {}),
        }
    }


def write_recordings(folder: Path, count: int) -> None:
    """Write recordings in the layout of TUSZ v2, two of each patient."""
    for number in range(count):
        patient = _letters(number // 2)
        split = ("train", "train", "train", "dev", "eval")[number // 2 % 5]
        path = folder / "edf" / split / patient / "s001_2015" / "01_tcp_ar" / f"{patient}_s001_t{number % 2:03}.edf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER, encoding="ascii")
        for suffix in (".csv", ".csv_bi"):
            path.with_suffix(suffix).write_text(
                "channel,start_time,stop_time,label,confidence\nTERM,0.0000,20.0000,seiz,1.0000\n", encoding="ascii"
            )


def write_slides(folder: Path, count: int) -> None:
    """Write slides in the layout of TUDP v3, two of each patient."""
    for number in range(count):
        patient = f"{number // 2:08}_{_letters(number // 2)}"
        split = ("train", "train", "train", "dev", "eval")[number // 2 % 5]
        name = f"{patient}_s000_0hne_0000_a{number % 2 + 1:03}_lvl001_t000.svs"
        path = folder / "svs" / split / patient / "s000_2017" / "breast" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        names = "index,region_id,tissue,label,coord_index,row,column,depth,confidence\n"
        path.with_suffix(".csv").write_text(names, encoding="ascii")
        path.with_suffix(".xml").write_text("<Annotations/>", encoding="ascii")


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(7, -1, -1))


def _plan(folder: Path, *python: str) -> tuple[float, float]:
    paper = ROOT / "workflow" / "studies" / "paper.yaml"
    before, begun = _children_cpu(), time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *python, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--dry-run", "--quiet", "all",
         "--cores", "2", "--configfile", paper, "own.yaml"],
        cwd=folder, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    took = time.perf_counter() - begun, _children_cpu() - before
    if ended.returncode:
        raise SystemExit(ended.stdout + ended.stderr)
    return took


def _profile(folder: Path) -> None:
    _plan(folder, "-m", "cProfile", "-o", "profile")
    pstats.Stats(str(folder / "profile")).sort_stats("cumulative").print_stats(60)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()

"""Measure patches per second of `cut`, of a plain loop of OpenSlide's read_region, and of decoding the tiles only.

    python workflow/benchmarks/slides_speed.py            # a simulated slide
    python workflow/benchmarks/slides_speed.py --file slide.svs

Draws places on one slide and reads the same places in turns: with the plain loop (read_region, to RGB, to an array),
with `cut` with one thread and with several, and by only decoding the JPEG tiles under each patch. On all cores, one
process per core reads separate places, like the jobs of the workflow. On a simulated slide, survey and cut together, as
the extract job does them, are compared with the plain loop over the same accepted patches. Best and median over the
rounds; memory is the peak without the libraries, with the patches (0.75 MiB each at 512 pixels). On a busy machine only
the CPU times count.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import imagecodecs
import measure
import numpy as np
import openslide
from tifffile import TiffFile

from blindtune.datasets.base import Sizes
from blindtune.datasets.corpus.survey import Candidate
from blindtune.datasets.slides.config import ANNOTATIONS, SimulatedSlidesConfig, SlidesConfig
from blindtune.datasets.slides.discovery import SlideFile
from blindtune.datasets.slides.simulated.corpus import SlidesSimulator
from blindtune.datasets.slides.survey import OpenSlideFile, cut


@dataclass(frozen=True)
class Work:
    """A slide, the upper left corners of patches on it, and the side of the patches."""

    path: Path
    places: tuple[tuple[int, int], ...]
    patch: int

    def parts(self, count: int) -> list["Work"]:
        """Return the same places in ``count`` equal parts."""
        return [Work(self.path, self.places[first::count], self.patch) for first in range(count)]


def plain(work: Work) -> None:
    """Read the patches as a user of OpenSlide does."""
    patches = np.empty((len(work.places), work.patch, work.patch, 3), np.uint8)
    with openslide.OpenSlide(work.path) as slide:
        for number, place in enumerate(work.places):
            patches[number] = np.asarray(slide.read_region(place, 0, (work.patch, work.patch)).convert("RGB"))


def ours(work: Work, threads: int = 1) -> None:
    """Read the patches as the workflow does."""
    candidates = [Candidate(label="dcis", place={"x": x, "y": y}) for x, y in work.places]
    geometry = {"level": 0, "pixels": work.patch, "side": float(work.patch), "patch": work.patch}
    cut(work.path, candidates, {"geometry": geometry}, threads)


def decode(work: Work) -> None:
    """Decode the tiles under each patch and discard them."""
    with TiffFile(work.path) as tiff, work.path.open("rb") as stream:
        page = tiff.pages.first
        across = -(-page.imagewidth // page.tilewidth)
        for x, y in work.places:
            for row in range(y // page.tilelength, (y + work.patch - 1) // page.tilelength + 1):
                for column in range(x // page.tilewidth, (x + work.patch - 1) // page.tilewidth + 1):
                    stream.seek(page.dataoffsets[row * across + column])
                    tile = stream.read(page.databytecounts[row * across + column])
                    imagecodecs.jpeg8_decode(tile, tables=page.jpegtables)


WAYS: dict[str, Callable[[Work], None]] = {"plain loop": plain, "cut": ours, "decoding the tiles only": decode}


def main() -> int:
    """Read the slide in every way and print; return the exit status."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or _simulate(Path(folder), arguments.side)
        with openslide.OpenSlide(path) as slide:
            room = np.array(slide.dimensions) - arguments.patch
        corners = np.random.default_rng(1).integers(0, room, (arguments.count, 2))
        work = Work(path, tuple((int(x), int(y)) for x, y in corners), arguments.patch)
        print(f"{path.name}: {len(work.places)} patches of {work.patch}; {measure.CORES} cores")
        if arguments.file is None:
            _survey_and_cut(Path(folder), path, arguments.patch, arguments.rounds)
        _one_process(work, arguments.rounds)
        _all_cores(work, arguments.rounds)
    return 0


def _survey_and_cut(folder: Path, path: Path, patch: int, rounds: int) -> None:
    annotation = next(one for suffix in ANNOTATIONS if (one := path.with_suffix(suffix)).exists())
    found = SlideFile(path.relative_to(folder).as_posix(), annotation.relative_to(folder).as_posix(), "it")
    sizes = {"train": 2, "dev": 2, "eval": 2}
    settings = SlidesConfig.model_validate({"source": "slides", "folder": str(folder), "sizes": sizes, "patch": patch})

    def extract() -> list[Candidate]:
        with OpenSlideFile(folder, found, "train", settings) as opened:
            surveyed = opened.survey()
            opened.cut(surveyed.candidates)
        return surveyed.candidates

    candidates = extract()
    work = Work(path, tuple((int(one.place["x"]), int(one.place["y"])) for one in candidates), patch)
    took = measure.time_in_turns({"extract": extract, "loop": partial(plain, work)}, rounds)
    ours_cpu, loop_cpu = (min(cpu for _, cpu in took[name]) / len(candidates) for name in ("extract", "loop"))
    print(
        f"survey and cut of {len(candidates)} patches: {1000 * ours_cpu:.1f} ms of CPU a patch, plain loop "
        f"{1000 * loop_cpu:.1f}, {ours_cpu / loop_cpu:.2f} times"
    )


def _one_process(work: Work, rounds: int) -> None:
    ways = WAYS | {f"cut, {measure.CORES} threads": partial(ours, threads=measure.CORES)}
    took = measure.time_in_turns({name: partial(way, work) for name, way in ways.items()}, rounds)
    for name, times in took.items():
        wall, cpu = (sorted(one / len(work.places) for one in kind) for kind in zip(*times, strict=True))
        print(
            f"one process, {name}: {1 / wall[0]:.0f} patches per second (median {1 / median(wall):.0f}), "
            f"{1000 * cpu[0]:.1f} ms of CPU a patch (median {1000 * median(cpu):.1f}), "
            f"{measure.measure_peak(ways[name], work):.0f} MiB"
        )


def _all_cores(work: Work, rounds: int) -> None:
    pools = {count: measure.WarmProcesses(count, partial(_all_ways, work)) for count in (1, measure.CORES)}
    calls = {
        f"{name}|{count}": partial(pool.call, way, work.parts(measure.CORES))
        for name, way in WAYS.items()
        for count, pool in pools.items()
    }
    walls = {name: min(wall for wall, _ in times) for name, times in measure.time_in_turns(calls, rounds).items()}
    for pool in pools.values():
        pool.close()
    loop = walls["plain loop|1"]
    for name in WAYS:
        one, many = walls[f"{name}|1"], walls[f"{name}|{measure.CORES}"]
        print(
            f"{measure.CORES} processes, {name}: {len(work.places) / many:.0f} patches per second, "
            f"{one / many:.2f} times as fast as one process, {loop / many:.2f} times as fast as the plain loop in one"
        )


def _all_ways(work: Work) -> None:
    for way in WAYS.values():
        way(Work(work.path, work.places[:2], work.patch))


def _simulate(folder: Path, side: int) -> Path:
    settings = SimulatedSlidesConfig(patients=Sizes(train=1, dev=1, eval=1), side=side, faults=[])
    simulator = SlidesSimulator(settings)
    file = next(iter(simulator.list_files()))
    simulator.write(file, folder)
    return folder / file


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="a slide of your own, with JPEG tiles, instead")
    parser.add_argument("--side", type=int, default=4096, help="side of the simulated slide, in pixels")
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Patches per second: `cut` against a plain loop of OpenSlide's read_region, and against decoding the tiles alone.

Makes one slide, draws places on it, and reads the same places in turns: by the plain loop (read_region, to RGB, to an
array), by `cut` with one thread and with all cores, and by decoding the JPEG tiles under each patch and nothing else.
Medians over the rounds. On a machine that does other work only the CPU times count.

    python workflow/benchmarks/slides_speed.py
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from blindtune.datasets.base import Sizes
from blindtune.datasets.slides.settings import MadeSlides
from blindtune.datasets.slides.standin import files, write
from blindtune.datasets.slides.survey import cut
from blindtune.datasets.surveys import Candidate


def main() -> None:
    """Make the slide, read it in every way, print."""
    arguments = _arguments()
    settings = MadeSlides(patients=Sizes(train=1, dev=1, eval=1), side=arguments.side, faults=[])
    random = np.random.default_rng(1)
    corners = random.integers(0, arguments.side - arguments.patch, (arguments.count, 2))
    places = [(int(x), int(y)) for x, y in corners]
    with tempfile.TemporaryDirectory() as name:
        file = next(iter(files(settings)))
        write(settings, file, Path(name))
        ways = _ways(Path(name) / file, places, arguments.patch, arguments.cores)
        took: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way, read in ways.items():
                wall, cpu = time.perf_counter(), time.process_time()
                read()
                took[way].append((time.perf_counter() - wall, time.process_time() - cpu))
    for way, times in took.items():
        wall, cpu = (statistics.median(one) / len(places) for one in zip(*times, strict=True))
        print(f"{way}: {1 / wall:.0f} patches a second, {1000 * cpu:.1f} ms CPU a patch")
    print(f"memory at the peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _ways(path: Path, places: list[tuple[int, int]], patch: int, cores: int) -> dict[str, Callable[[], object]]:
    from openslide import OpenSlide

    candidates = [Candidate(label="dcis", place={"x": x, "y": y}) for x, y in places]
    facts = {"view": {"level": 0, "pixels": patch, "side": float(patch), "patch": patch}}

    def plain() -> None:
        patches = np.empty((len(places), patch, patch, 3), np.uint8)
        with OpenSlide(path) as slide:
            for number, (x, y) in enumerate(places):
                patches[number] = np.asarray(slide.read_region((x, y), 0, (patch, patch)).convert("RGB"))

    return {
        "plain loop": plain,
        "cut, one thread": lambda: cut(path, candidates, facts),
        f"cut, {cores} threads": lambda: cut(path, candidates, facts, cores),
        "decoding the tiles alone": lambda: _decode(path, places, patch),
    }


def _decode(path: Path, places: list[tuple[int, int]], patch: int) -> None:
    from imagecodecs import jpeg8_decode
    from tifffile import TiffFile

    with TiffFile(path) as tiff, path.open("rb") as stream:
        page = tiff.pages.first
        across = -(-page.imagewidth // page.tilewidth)
        for x, y in places:
            for row in range(y // page.tilelength, (y + patch - 1) // page.tilelength + 1):
                for column in range(x // page.tilewidth, (x + patch - 1) // page.tilewidth + 1):
                    stream.seek(page.dataoffsets[row * across + column])
                    jpeg8_decode(stream.read(page.databytecounts[row * across + column]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


if __name__ == "__main__":
    main()

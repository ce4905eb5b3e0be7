"""Measure the CPU time that the areas of many regions take, and of the questions that a survey asks about them.

python workflow/benchmarks/slide_regions.py``
"""

import argparse
import sys
import time

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.annotations import Region
from blindtune.datasets.slides.polygons import compute_areas, compute_coverage, sample_points

SIDE = 50_000
CLASSES = {"dcis": ["dcis"], "indc": ["indc"]}


def main() -> int:
    """Print the times of three annotations; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="number of outlines, and of vertices of one outline")
    count = parser.parse_args().count
    random = np.random.default_rng(1)
    around = _ring(np.full(16, 15.0))
    places = random.uniform(0, SIDE, (count, 2))
    small = [Region(f"region {number}", "dcis", place + around) for number, place in enumerate(places)]
    whole = Region("region", "indc", np.array([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)], np.float64))
    large = Region("region", "dcis", _ring(10_000 + random.normal(0, 2, count)) + SIDE / 2)
    _measure(f"{count:,} outlines", small)
    _measure(f"{count:,} outlines within one of another class", [*small, whole])
    _measure(f"one outline of {count:,} vertices", [large])
    return 0


def _ring(radii: NDArray[np.float64]) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    return np.stack([np.cos(angles) * radii, np.sin(angles) * radii], 1)


def _measure(what: str, regions: list[Region]) -> None:
    begun = time.process_time()
    areas = compute_areas(regions, CLASSES, (SIDE, SIDE))
    computed = time.process_time()
    for area in areas.by_class.values():
        points = sample_points(area, 1000, np.random.default_rng(1))
        compute_coverage(points - 256, 512, area)
    asked = time.process_time() - computed
    print(f"{what}: areas {computed - begun:.1f} s of CPU, 1000 places of each class {asked:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())

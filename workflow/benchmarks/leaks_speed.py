"""Measure what the search for equal samples costs: a preparation with it, against one without.

    python workflow/benchmarks/leaks_speed.py                       # 400,000 / 50,000 / 50,000 points of a plane
    python workflow/benchmarks/leaks_speed.py --samples 1000000 --features 30

Half a percent of train and of dev are samples of eval. Both preparations write the same arrays; the search reads none
of them again. Printed are the wall seconds of each and their ratio, the best of some rounds in turns.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import measure
import numpy as np

from blindtune.datasets import leaks, prepared, split_writer
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, Source, Split
from blindtune.datasets.verification import read_manifest

SHARES = {"train": 0.8, "dev": 0.1, "eval": 0.1}


class Points(Source):
    """Random points; some of eval are in the other splits too."""

    def __init__(self, samples: int, features: int) -> None:
        """Draw the points, before the clock starts."""
        super().__init__(DatasetConfig(source="points", leaks="report"))
        random = np.random.default_rng(1)
        x = {
            split: random.normal(size=(round(samples * share), features)).astype(np.float32)
            for split, share in SHARES.items()
        }
        for split in ("train", "dev"):
            count = len(x[split]) // 200
            x[split][:count] = x["eval"][random.integers(len(x["eval"]), size=count)]
        self._splits = {split: Split(x[split], np.arange(len(x[split]), dtype=np.int64) % 2) for split in SPLITS}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the points.

        Args:
            files: empty.
        """
        return LoadedDataset(self._splits, ["a", "b"], ["sample", "feature"], "arbitrary")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500_000)
    parser.add_argument("--features", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    source = Points(arguments.samples, arguments.features)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        calls: dict[str, Callable[[], object]] = {
            "without": lambda: _without_search(source, root / "without"),
            "with": lambda: _prepare(source, root / "with"),
        }
        took = measure.time_in_turns(calls, arguments.rounds)
        found = read_manifest(root / "with" / "manifest.json")["leaks"]["shared"]["eval"]
    best = {name: min(wall for wall, _ in times) for name, times in took.items()}
    print(f"{arguments.samples:,} samples of {arguments.features} features, best of {arguments.rounds}")
    print(f"without the search {best['without']:7.2f} s")
    print(f"with the search    {best['with']:7.2f} s   ratio {best['with'] / best['without']:.2f}")
    print(f"samples of eval that are also in train / dev: {found['train']:,} / {found['dev']:,}")


def _prepare(source: Source, folder: Path) -> str:
    return prepared.prepare("points", source, {}, folder / "manifest.json", folder / "sealed" / "seal.json")


def _without_search(source: Source, folder: Path) -> str:
    """Prepare without the digests of samples, their comparison and eval's file of digests, as far as one can."""
    none = leaks.Leaks({one: dict.fromkeys(SPLITS, 0) for one in SPLITS}, *(dict.fromkeys(SPLITS, 0),) * 3)
    with (
        patch.object(split_writer, "digest_samples", lambda samples: np.zeros(len(samples), "S16")),
        patch.object(leaks.EqualSamples, "__init__", lambda *parts: None),
        patch.object(leaks.EqualSamples, "count", lambda equal: none),
    ):
        return _prepare(source, folder)


if __name__ == "__main__":
    main()

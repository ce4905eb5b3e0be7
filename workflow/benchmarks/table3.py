"""Check that the drawings are as hard as the published sets: Table 3 of Shawki et al. 2021 next to ours.

    python workflow/benchmarks/table3.py                            # the drawings at full size
    python workflow/benchmarks/table3.py --fraction 0.1 --set 08    # one of them, smaller
    python workflow/benchmarks/table3.py --isip FOLDER --set 10     # the real CSV files

The settings are those of workflow/studies/paper.yaml. The exit status is 1 if a cell exceeds its limit. The limits
apply to the full size: with fewer samples the Bayes estimate of #10 grows, since it depends on how often each dot of
the drawing is repeated.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from blindtune.baselines.estimators import compute_error, estimate_bayes_error, fit_forest, fit_knn
from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config, merge, read
from blindtune.config.systems import Bayes, Knn, RandomForest
from blindtune.core.resources import RESOURCES
from blindtune.core.yaml_files import read_yaml
from blindtune.datasets.base import SPLITS, DatasetConfig, Sizes, Split
from blindtune.datasets.csv_folder import CsvFolderConfig
from blindtune.datasets.drawing import DrawingConfig
from blindtune.datasets.registry import create_source
from blindtune.study.candidates import estimate_arguments, list_candidates

#: Maximum difference from the published error rate, in points.
LIMITS = {"train": 3.0, "dev": 3.0, "eval": 5.0}
SEED = 42
PAPER = Path(__file__).parents[1] / "studies" / "paper.yaml"

Row = dict[str, float]


def main() -> int:
    """Print the comparison of the chosen sets; return the exit status."""
    arguments = _arguments()
    config = paper_config()
    good = True
    for number in [arguments.set] if arguments.set else ["08", "09", "10"]:
        begun = time.perf_counter()
        splits = _splits(config, number, arguments)
        good = _compare(number, _measure(config, number, splits)) and good
        print(f"#{number}: {time.perf_counter() - begun:.0f} s")
    print("all cells within their limits" if good else "some cells exceed their limits")
    return 0 if good else 1


def paper_config() -> Config:
    """Return the config of the published study."""
    return read(merge(DEFAULT, read_yaml(PAPER)), str(PAPER))


def draw_splits(paper: Config, number: str, fraction: float) -> dict[str, Split]:
    """Return the splits of a drawn set of the paper.

    Args:
        paper: The config of the published study.
        number: The number of the set.
        fraction: Fraction of its samples.
    """
    source = paper.datasets[f"set_{number}"]
    if isinstance(source, DrawingConfig):
        sizes = {split: round(fraction * size) for split, size in source.sizes.model_dump().items()}
        source = source.model_copy(update={"sizes": Sizes(**sizes), "seed": SEED})
    return _load(source)


def _splits(paper: Config, number: str, arguments: argparse.Namespace) -> dict[str, Split]:
    if arguments.isip:
        return _load(CsvFolderConfig(source="csv_folder", folder=str(arguments.isip)))
    return draw_splits(paper, number, arguments.fraction)


def _load(config: DatasetConfig) -> dict[str, Split]:
    source = create_source(config)
    splits = source.load(source.user_files()).splits
    return {name: Split(split.x, split.y) for name, split in splits.items()}


def _measure(paper: Config, number: str, splits: dict[str, Split]) -> dict[str, Row]:
    """Return the rows KNN, RNF and BER: error rates in % by system and split."""
    train = splits["train"]
    rows: dict[str, Row] = {}
    for name in next(part.systems for part in paper.compare if part.dataset == f"set_{number}"):
        match paper.systems[name]:
            case Knn() as knn:
                model = fit_knn(train.x, train.y, knn.n_neighbors[0])
                rows["KNN"] = {split: 100 * compute_error(model, part.x, part.y) for split, part in splits.items()}
            case RandomForest() as rnf:
                candidate: dict[str, Any] = list_candidates(rnf)[0]
                forest = fit_forest(
                    train.x,
                    train.y,
                    n_estimators=candidate["trees"],
                    max_depth=candidate["max_depth"],
                    min_samples_leaf=candidate["min_samples_leaf"],
                    seed=SEED,
                    jobs=2,
                )
                rows["RNF"] = {split: 100 * compute_error(forest, part.x, part.y) for split, part in splits.items()}
            case Bayes() as bayes:
                arguments = estimate_arguments(bayes)
                rows["BER"] = {
                    split: 100 * estimate_bayes_error(part.x, part.y, arguments[split], SEED)["closed_loop"]
                    for split, part in splits.items()
                }
    return rows


def _compare(number: str, ours: dict[str, Row]) -> bool:
    """Print a line per cell, published and ours; return whether all cells are within their limits."""
    table = read_yaml(RESOURCES / "published" / "table3.yaml")
    published = {row["system"]: row for row in table if row["dataset"] == number}
    good = True
    for system, row in ours.items():
        for split in SPLITS:
            difference = row[split] - published[system][split]
            within = abs(difference) <= LIMITS[split]
            good = good and within
            print(
                f"#{number}  {system}  {split:<5}  published {published[system][split]:6.2f}  ours {row[split]:6.2f}"
                f"  difference {difference:+6.2f}{'' if within else f'  exceeds {LIMITS[split]:g}'}"
            )
    return good


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=["08", "09", "10"], help="only this set")
    parser.add_argument("--fraction", type=float, default=1.0, help="fraction of the published sizes")
    parser.add_argument("--isip", type=Path, help="folder of real CSV files instead of the drawing; needs --set")
    arguments = parser.parse_args()
    if arguments.isip and not arguments.set:
        parser.error("--isip needs --set")
    return arguments


if __name__ == "__main__":
    sys.exit(main())

"""Are the drawings as hard as the published sets? Table 3 of Shawki et al. 2021 beside ours.

Run with workflow/lib on PYTHONPATH; exits with 1 if a cell is past its limit:

    python workflow/benchmarks/table3.py                            # the drawings at full size
    python workflow/benchmarks/table3.py --fraction 0.1 --set 08    # one of them, smaller
    python workflow/benchmarks/table3.py --isip FOLDER --set 10     # the real CSV files
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from blindtune.baselines import bayes_estimates, error_of, fit_forest, fit_knn
from blindtune.datasets.base import SPLITS
from blindtune.datasets.drawn import DRAWINGS, Drawing, sample
from blindtune.errors import UserError
from blindtune.resources import RESOURCES
from blindtune.strict import load, read_yaml
from numpy.typing import NDArray

# How far a drawing may be from the published error rate, in points.
LIMITS = {"train": 3.0, "dev": 3.0, "eval": 5.0}
SEED = 42

Samples = tuple[NDArray[np.float32], NDArray[np.int64]]
Splits = dict[str, Samples]
Row = dict[str, float]


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of the reference systems, which the paper tuned for each set and does not print.

    Those of #10 were picked because they give its published rows, eval included, on the real set; those
    of #08 and #09 were picked together with our drawings. ``bayes_neighbours`` and ``bayes_leaf`` are
    for `bayes_estimate`; the leaf is so large that KNN decides there, as its row does on the real #10.
    """

    neighbours: int
    trees: int
    max_depth: int
    bayes_neighbours: int
    bayes_leaf: int


SETTINGS = {
    "08": Settings(neighbours=20, trees=100, max_depth=8, bayes_neighbours=20, bayes_leaf=50),
    "09": Settings(neighbours=20, trees=50, max_depth=10, bayes_neighbours=20, bayes_leaf=15),
    "10": Settings(neighbours=100, trees=50, max_depth=20, bayes_neighbours=5, bayes_leaf=15),
}


def bayes_estimate(samples: Samples, settings: Settings) -> float:
    """The lower error share of KNN and RNF that are scored on what they were fitted to (section V).

    Only for dev and eval. On train the two rows of the table are already that, and the published
    estimate is the lower of them in all three sets. On the smaller splits the rows' own settings
    would be too coarse (KNN) or learn every sample by heart (RNF).
    """
    closed_loop = {
        "neighbours": settings.bayes_neighbours,
        "trees": settings.trees,
        "max_depth": None,
        "min_samples_leaf": settings.bayes_leaf,
    }
    return bayes_estimates(*samples, closed_loop, SEED)["closed_loop"]


def measure(splits: Splits, settings: Settings) -> dict[str, Row]:
    """The rows KNN, RNF and BER of Table 3: error rates in % by system and split."""
    train = splits["train"]
    systems = {
        "KNN": fit_knn(*train, settings.neighbours),
        "RNF": fit_forest(*train, settings.trees, settings.max_depth, min_samples_leaf=1, seed=SEED, jobs=2),
    }
    rows = {
        name: {split: 100 * error_of(system, *splits[split]) for split in SPLITS}
        for name, system in systems.items()
    }
    rows["BER"] = {split: 100 * bayes_estimate(splits[split], settings) for split in ("dev", "eval")}
    rows["BER"]["train"] = min(row["train"] for row in (rows["KNN"], rows["RNF"]))
    return rows


def draw(number: str, fraction: float) -> Splits:
    """The drawing of a set, at a fraction of the sizes of Table 1."""
    drawing = load(Drawing, DRAWINGS / f"set_{number}.yaml")
    sizes = next(row for row in read_yaml(RESOURCES / "published" / "table1.yaml") if row["number"] == number)
    return {split: sample(drawing, split, round(fraction * sizes[split]), SEED) for split in SPLITS}


def read_isip(folder: Path) -> Splits:
    """The course's CSV files, one sample a row: label, x, y.

    Raises:
        UserError: a file is missing or holds something else.
    """
    splits = {}
    for split in SPLITS:
        path = folder / f"{split}.csv"
        try:
            rows = np.loadtxt(path, delimiter=",", ndmin=2)
            splits[split] = rows[:, 1:3].astype(np.float32), rows[:, 0].astype(np.int64)
        except (OSError, ValueError, IndexError) as error:
            raise UserError(f"{path}: is not a file of rows 'label,x,y' ({error}).") from error
    return splits


def compare(number: str, ours: dict[str, Row]) -> bool:
    """Prints a line per cell, published beside ours; true where all cells are within their limits."""
    published = {
        row["system"]: row
        for row in read_yaml(RESOURCES / "published" / "table3.yaml")
        if row["dataset"] == number
    }
    good = True
    for system, row in ours.items():
        for split in SPLITS:
            difference = row[split] - published[system][split]
            within = abs(difference) <= LIMITS[split]
            good = good and within
            print(
                f"#{number}  {system}  {split:<5}  {published[system][split]:6.2f} | {row[split]:6.2f} |"
                f" {difference:+6.2f}{'' if within else f'  past {LIMITS[split]:g}'}"
            )
    return good


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", choices=sorted(SETTINGS), help="only this set")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the published sizes (default 1)")
    parser.add_argument("--isip", type=Path, metavar="FOLDER", help="real CSV files in place of a drawing")
    chosen = parser.parse_args()
    if chosen.isip and not chosen.set:
        parser.error("--isip needs --set: the number of the set in the folder")
    return chosen


def main() -> int:
    """Compares the chosen sets with Table 3; the exit code."""
    chosen = arguments()
    good = True
    print("set  row  split  published | ours | difference, error rates in %")
    for number in [chosen.set] if chosen.set else sorted(SETTINGS):
        start = time.perf_counter()
        splits = read_isip(chosen.isip) if chosen.isip else draw(number, chosen.fraction)
        good = compare(number, measure(splits, SETTINGS[number])) and good
        print(f"#{number}  took {time.perf_counter() - start:.0f} s")
    limits = ", ".join(f"{split} {limit:g}" for split, limit in LIMITS.items())
    print(f"{'All cells are' if good else 'NOT all cells are'} within the limits ({limits} points).")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")

"""Compare KNN, RNF and the estimates of the Bayes error on half a million samples with scikit-learn's best setting.

    python workflow/benchmarks/reference_speed.py                  # the drawn set #09 at full size
    python workflow/benchmarks/reference_speed.py --fraction 0.1   # smaller

KNN and RNF are fitted on train and predict dev; the estimates are those of train. The settings are those of
workflow/studies/paper.yaml. Plain is what a user of scikit-learn writes, with each algorithm for neighbors. Algorithms
that are far slower run once, on one core, and `brute` predicts a hundredth of dev only, with its seconds scaled up.
Each call has a separate process, which reads the samples as the workflow does; libraries are loaded before the clock
starts. The fastest round counts, since a disturbance only ever adds time. Memory is the peak of the whole process.

The exit status is 1 if a result differs from that of scikit-learn on one core, or if blindtune takes over 2 GiB.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import measure
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from table3 import draw_splits, paper_config

from blindtune.baselines.estimators import estimate_bayes_error, fit_forest, fit_knn
from blindtune.config.systems import Bayes, Knn, RandomForest
from blindtune.core.arrays import digest_arrays
from blindtune.study.candidates import estimate_arguments, list_candidates

SEED = 42
#: Maximum memory of blindtune, in bytes.
LIMIT = 2**31
#: Fraction of dev that `brute` predicts.
BRUTE = 0.01
OURS = "blindtune"
#: Ways that are measured once only.
SLOW = ("ball_tree", "brute")

Data = dict[str, Any]
#: From data, settings and cores to the result.
Way = Callable[[Data, Data, int], Any]


@dataclass(frozen=True)
class Took:
    """Wall and CPU seconds of one call, peak memory in bytes, and the digest of the result."""

    wall: float
    cpu: float
    peak: int
    found: str


def knn(data: Data, settings: Data, jobs: int) -> Any:
    """Predict with blindtune's neighbors."""
    return fit_knn(data["train_x"], data["train_y"], settings["neighbours"], jobs).predict(data["dev_x"])


def plain_knn(algorithm: str, data: Data, settings: Data, jobs: int) -> Any:
    """Predict with scikit-learn's neighbors."""
    model = KNeighborsClassifier(settings["neighbours"], algorithm=algorithm, n_jobs=jobs)
    return model.fit(data["train_x"], data["train_y"]).predict(data["dev_x"])


def rnf(data: Data, settings: Data, jobs: int) -> Any:
    """Predict with blindtune's forest."""
    forest = fit_forest(
        data["train_x"],
        data["train_y"],
        n_estimators=settings["trees"],
        max_depth=settings["max_depth"],
        min_samples_leaf=settings["min_samples_leaf"],
        seed=SEED,
        jobs=jobs,
    )
    return forest.predict(data["dev_x"])


def plain_rnf(data: Data, settings: Data, jobs: int) -> Any:
    """Predict with scikit-learn's forest."""
    return _forest(settings, jobs).fit(data["train_x"], data["train_y"]).predict(data["dev_x"])


def bayes(data: Data, settings: Data, jobs: int) -> Any:
    """Return blindtune's estimates on train."""
    found = estimate_bayes_error(data["train_x"], data["train_y"], settings, SEED, jobs)
    return np.array([found[name] for name in ("closed_loop_knn", "closed_loop_rnf", "nearest_neighbour")])


def plain_bayes(data: Data, settings: Data, jobs: int) -> Any:
    """Return the same errors with scikit-learn."""
    x, y = data["train_x"], data["train_y"]
    near = KNeighborsClassifier(settings["neighbours"], n_jobs=jobs).fit(x, y).predict(x)
    forest = _forest(settings, jobs).fit(x, y).predict(x)
    other = NearestNeighbors(n_neighbors=1, n_jobs=jobs).fit(x).kneighbors(return_distance=False)[:, 0]
    return np.array([(labels != y).mean() for labels in (near, forest, y[other])])


#: By part: the ways, ours first, each with the fraction of dev that it predicts.
WAYS: dict[str, dict[str, tuple[Way, float]]] = {
    "KNN": {
        OURS: (knn, 1),
        "kd_tree": (partial(plain_knn, "kd_tree"), 1),
        "ball_tree": (partial(plain_knn, "ball_tree"), 1),
        "brute": (partial(plain_knn, "brute"), BRUTE),
    },
    "RNF": {OURS: (rnf, 1), "plain": (plain_rnf, 1)},
    "Bayes": {OURS: (bayes, 1), "plain": (plain_bayes, 1)},
}


def main() -> int:
    """Measure and print; return the exit status."""
    arguments = _arguments()
    config = paper_config()
    settings: dict[str, Data] = {}
    for name in ("knn_09", "rnf_09", "bayes_09"):
        match config.systems[name]:
            case Knn() as system:
                settings["KNN"] = list_candidates(system)[0]
            case RandomForest() as system:
                settings["RNF"] = list_candidates(system)[0]
            case Bayes() as system:
                settings["Bayes"] = estimate_arguments(system)["train"]
    good = True
    with tempfile.TemporaryDirectory() as name:
        for split, part in draw_splits(config, "09", arguments.fraction).items():
            np.save(f"{name}/{split}_x.npy", part.x)
            np.save(f"{name}/{split}_y.npy", part.y)
        for part in arguments.parts:
            known = None
            for jobs in sorted({1, measure.CORES}):
                took = _in_turns(part, Path(name), settings[part], jobs, arguments.rounds)
                known = known or next(took[way].found for way in WAYS[part] if way != OURS)
                good = _print(part, jobs, took, known) and good
    return 0 if good else 1


def _in_turns(part: str, folder: Path, settings: Data, jobs: int, rounds: int) -> dict[str, Took]:
    """Return the round of each way with the least CPU time."""
    calls: dict[str, list[Took]] = {}
    for number in range(rounds):
        for name in WAYS[part]:
            if name in SLOW and (number, jobs) != (0, 1):
                continue
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                calls.setdefault(name, []).append(pool.submit(_call, part, name, folder, settings, jobs).result())
    return {name: min(took, key=lambda one: one.cpu) for name, took in calls.items()}


def _call(part: str, name: str, folder: Path, settings: Data, jobs: int) -> Took:
    """Time one call; this runs in a separate process."""
    way, share = WAYS[part][name]
    data = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    data["dev_x"] = data["dev_x"][: max(1, round(share * len(data["dev_x"])))]
    wall, cpu = time.perf_counter(), time.process_time()
    found = way(data, settings, jobs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Took(wall / share, cpu / share, measure.peak_memory(), digest_arrays({"found": found}) if share == 1 else "")


def _print(part: str, jobs: int, took: dict[str, Took], known: str) -> bool:
    """Print a line per way and the ratio to the best; return whether our result and memory are as required."""
    where = f"{part}, {jobs} core{'s' if jobs > 1 else ''}"
    for name, one in took.items():
        print(f"{where}: {name:9}  {one.wall:7.2f} s wall  {one.cpu:7.2f} s CPU  {one.peak / 2**20:5.0f} MiB")
    ours = took.pop(OURS)
    wall, cpu = ours.wall / min(one.wall for one in took.values()), ours.cpu / min(one.cpu for one in took.values())
    same, small = ours.found == known, ours.peak < LIMIT
    print(
        f"{where}: {wall:.2f} of the wall and {cpu:.2f} of the CPU of scikit-learn's best, "
        f"{'the same results' if same else 'OTHER RESULTS'}{'' if small else ', TOO MUCH MEMORY'}",
        flush=True,
    )
    return same and small


def _forest(settings: Data, jobs: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        n_estimators=settings["trees"],
        max_depth=settings["max_depth"] or None,
        min_samples_leaf=settings["min_samples_leaf"],
        random_state=SEED,
        n_jobs=jobs,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the published sizes")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--parts", nargs="+", choices=list(WAYS), default=list(WAYS))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Check that simulated slides are neither trivial nor impossible: errors of simple models on simple features.

Simulates a corpus in a temporary folder, cuts every patch of its slides, and prints the error in percent of each model
on each kind of feature by eight-fold cross-validation: with whole patients held out (honest), and with patches held out
regardless of their patient (leaky). Color alone should be near chance when honest and far better when leaky,
architecture 15 to 35 % when honest.

    python workflow/benchmarks/simulated_slides.py --patients 64
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.base import Sizes
from blindtune.datasets.corpus.base import RawFile
from blindtune.datasets.slides.config import SimulatedSlidesConfig, SlidesConfig
from blindtune.datasets.slides.features import compute_stain_texture
from blindtune.datasets.slides.simulated.corpus import SlidesSimulator
from blindtune.datasets.slides.source import SlidesSource
from blindtune.datasets.slides.stains import unmix_stains

FOLDS = 8

Array = NDArray[Any]


def main() -> None:
    """Simulate, cut, fit and print."""
    arguments = _arguments()
    settings = SimulatedSlidesConfig(
        patients=Sizes(train=arguments.patients - 2, dev=1, eval=1), faults=[], seed=arguments.seed
    )
    simulator = SlidesSimulator(settings)
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(arguments.cores) as pool:
        folder, files = Path(name), list(simulator.list_files())
        begun = time.perf_counter()
        used = sum(pool.map(partial(_simulate, simulator, folder), files))
        size = sum(path.stat().st_size for path in folder.rglob("*.svs")) / 1e6
        print(f"{len(files)} slides: {time.perf_counter() - begun:.1f} s, {used:.1f} s CPU, {size:.0f} MB", flush=True)
        source = SlidesSource(
            SlidesConfig(
                source="slides",
                folder=name,
                sizes=Sizes(train=2, dev=2, eval=2),
                patch=arguments.patch,
                max_overlap=arguments.overlap,
                max_per_file=100,
            )
        )
        begun = time.perf_counter()
        found = list(pool.map(partial(_features, source, folder), source.list_files()))
        print(f"survey, cut and features: {time.perf_counter() - begun:.1f} s", flush=True)
    patients = np.concatenate([one["patient"] for one in found])
    labels = np.concatenate([one["label"] for one in found])
    print(f"{len(labels)} patches of {len(set(patients))} patients, {np.mean(labels == 'dcis'):.0%} dcis")
    kinds = [kind for kind in found[0] if kind not in ("patient", "label")]
    print("| features | logistic regression | forest | k nearest |\n|---|---|---|---|")
    for kind in kinds:
        x = np.concatenate([one[kind] for one in found])
        cells = " | ".join(f"{a:.1f} / {b:.1f}" for a, b in _errors(x, labels, patients))
        print(f"| {kind} ({x.shape[1]}) | {cells} |", flush=True)


def _simulate(simulator: SlidesSimulator, folder: Path, file: str) -> float:
    begun = time.process_time()
    simulator.write(file, folder)
    return time.process_time() - begun


def _features(source: SlidesSource, folder: Path, raw: RawFile) -> dict[str, Array]:
    """Return every kind of feature of the patches of one slide."""
    with source.open_file(folder, raw) as slide:
        survey = slide.survey()
        patches = slide.cut(survey.candidates)
    whole = compute_stain_texture(patches)
    thin = patches[:, ::2, ::2]
    return {
        "patient": np.array([survey.group] * len(patches)),
        "label": np.array([one.label for one in survey.candidates]),
        "mean color": thin.mean(axis=(1, 2)),
        "color histogram": np.array([_histogram(patch) for patch in thin]).reshape(len(patches), 48),
        "share of nuclei": (unmix_stains(thin)[..., :1] > 0.5).mean(axis=(1, 2)),
        "16 x 16 grey": np.array([_grey(patch) for patch in patches]).reshape(len(patches), 256),
        "haematoxylin by scale": whole[:, ::3],
        "architecture": whole,
    }


def _histogram(patch: Array) -> Array:
    counts = [np.histogram(patch[..., channel], 16, (0, 256))[0] for channel in range(3)]
    return np.concatenate(counts) / patch[..., 0].size


def _grey(patch: Array) -> Array:
    side = patch.shape[0] // 16
    grey = patch[: 16 * side, : 16 * side].mean(axis=2)
    means: Array = grey.reshape(16, side, 16, side).mean(axis=(1, 3))
    return means.ravel()


def _errors(x: Array, y: Array, patients: Array) -> list[tuple[float, float]]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    honest = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    leaky = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    models = (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        RandomForestClassifier(200, random_state=0),
        make_pipeline(StandardScaler(), KNeighborsClassifier(9)),
    )
    return [
        (
            100 * (1 - cross_val_score(model, x, y, cv=honest, groups=patients).mean()),
            100 * (1 - cross_val_score(model, x, y, cv=leaky).mean()),
        )
        for model in models
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=64)
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Tiny data, configs, studies and records that the tests share."""

import copy
import csv
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from blindtune.config.study import Study
from blindtune.core.budget import Budget
from blindtune.core.job_log import JobLog
from blindtune.core.timing import CpuWallTime
from blindtune.datasets.base import SPLITS
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.prepared import Prepared, open_prepared, prepare
from blindtune.models.architecture import Architecture
from blindtune.records.trial import WORST_ERROR, Trial
from blindtune.search_space import Space
from blindtune.training.registry import network_trainers
from blindtune.tuners.base import Tuner, TunerConfig, TunerContext
from blindtune.tuners.registry import create_tuner, tuner_config_type

ROOT = Path(__file__).parents[2]

_STUDIES = ROOT / "workflow" / "studies"

#: The overlays that ship, each after those that it overlays.
OVERLAYS = {
    path.stem: [_STUDIES / "paper.yaml", path] if path.stem == "synthetic" else [path]
    for path in sorted(_STUDIES.glob("*.yaml"))
}

#: The Keras trainers that a process can use, by its backend, which is fixed when Keras is imported.
_KERAS = {"jax": {"keras-jax"}, "torch": {"keras-torch"}}

#: The trainers that these tests can use: `tests/integration/test_keras_backends.py` runs some once per backend.
TRAINERS = sorted(
    {name for name in network_trainers() if "keras" not in name}
    | _KERAS.get(os.environ.get("KERAS_BACKEND", ""), {"keras", "scikeras"})
)

#: Validates the part of a config that names a tuner.
_TUNER = TypeAdapter[TunerConfig](tuner_config_type())


def points(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return two overlapping clouds, one per class, alternating: `x` (count, 2) and `y` (count,)."""
    random = np.random.default_rng(seed)
    y = np.arange(count, dtype=np.int64) % 2
    x = random.normal(size=(count, 2)) + 1.4 * y[:, None] - 0.7
    return x.round(6).astype(np.float32), y


def write_csv_folder(
    folder: Path, train: int = 60, dev: int = 30, eval: int = 30, seed: int = 0, classes: int = 2
) -> dict[str, Path]:
    """Write `train.csv`, `dev.csv` and `eval.csv` into `folder`; return their paths by split."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, (split, count) in enumerate(zip(SPLITS, (train, dev, eval), strict=True)):
        x, y = points(count, 1000 * seed + number)
        y = np.arange(count) % classes
        rows = [f"{label},{a:.6f},{b:.6f}" for label, (a, b) in zip(y, x, strict=True)]
        paths[split] = folder / f"{split}.csv"
        paths[split].write_text("\n".join(rows) + "\n", encoding="utf-8")
    return paths


def write_images(folder: Path, classes: int = 2, count: int = 5, size: int = 6, seed: int = 0) -> Path:
    """Write `count` grey PNGs for each class into one folder per class; return `folder`."""
    from PIL import Image

    random = np.random.default_rng(seed)
    for label in range(classes):
        (folder / f"class_{label}").mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = random.integers(0, 256, (size, size), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"class_{label}" / f"{number}.png")
    return folder


def write_labels(folder: Path, *names: str) -> None:
    """Write tables next to `folder` that name its pictures and their classes; the files are in two columns."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.png"))
    rows = [f"{path},{path},{path.partition('/')[0]}" for path in paths]
    for name in names:
        (folder.parent / name).write_text("\n".join(["picture,again,kind", *rows]) + "\n", encoding="utf-8")


def origins(folder: Path) -> list[dict[str, str]]:
    """Read from where each sample of a written split was cut, one row per sample."""
    with (folder / "origins.tsv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@dataclass(frozen=True)
class Places:
    """Paths of the open and the sealed part of a prepared dataset."""

    manifest: Path
    seal: Path

    def open(self) -> Prepared:
        """Open train and dev."""
        return open_prepared(self.manifest)


def prepare_toy(folder: Path, name: str = "toy", **sizes: int) -> Places:
    """Prepare a dataset in `folder`; `sizes` are the arguments of `write_csv_folder`."""
    files = write_csv_folder(folder / "csv" / name, **sizes)
    places = Places(folder / "data" / name / "manifest.json", folder / "sealed" / name / "seal.json")
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(folder / "csv" / name)))
    prepare(name, source, files, places.manifest, places.seal)
    return places


def prepared(folder: Path, name: str = "toy", **sizes: int) -> Prepared:
    """Return train and dev of a dataset that `prepare_toy` prepares."""
    return prepare_toy(folder, name, **sizes).open()


def study(settings: Any, **changes: Any) -> Study:
    """Return a study of a system of `blindtune.config.systems` on the dataset `toy`."""
    parts = {
        "config": "test",
        "dataset": "toy",
        "system": "it",
        "seed": 42,
        "settings": settings,
        "budget": {"trials": 1},
        "score_epoch": "last",
        "keep_best": 1,
    }
    return Study(**(parts | changes))


def tuner(library: str, algorithm: str, **keys: Any) -> TunerConfig:
    """Return the config of a tuner, with the defaults of all arguments but `keys`."""
    config: TunerConfig = _TUNER.validate_python({"library": library, "algorithm": algorithm, **keys})
    return config


def build_tuner(settings: TunerConfig, space: Space, trials: int, seed: int = 42, **changes: Any) -> Tuner:
    """Create a tuner with a budget in trials; `changes` are other attributes of `TunerContext`."""
    labels = np.arange(40, dtype=np.int64) % 2
    parts: dict[str, Any] = {"budget": Budget(trials=trials), "seed": seed, "epochs": 9, "labels": labels}
    return create_tuner(settings, TunerContext(space=space, **(parts | changes)))


def check(settings: TunerConfig, space: Space, **budget: Any) -> None:
    """Check a space against the config of a tuner; the default budget is ten trials."""
    settings.check(space, Budget(**(budget or {"trials": 10})), 9)


class RecordingConsole(JobLog):
    """A console that keeps the lines of a study."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, line: str) -> None:
        self.said.append(line)

    def finish(self, line: str) -> None:
        self.said.append(line)

    def progress(self, share: float, line: str) -> None:
        self.said.append(line)


def twins(architecture: Architecture, seed: int = 0) -> tuple[Any, Any]:
    """Build a Keras and a PyTorch model with the same weights.

    Kernels are (h, w, in, out) in Keras and (out, in, h, w) in PyTorch.
    """
    from blindtune.models import keras, pytorch

    random = np.random.default_rng(seed)
    one, other = keras.build(architecture), pytorch.build(architecture)
    weights = {
        name: random.normal(scale=0.3, size=array.shape).astype(np.float32)
        for name, array in keras.get_weights(one).items()
    }
    weights = {name: abs(array) + 0.1 if name.endswith("variance") else array for name, array in weights.items()}
    keras.set_weights(one, weights)
    turned = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
    arrays = [np.ascontiguousarray(array.transpose(turned[array.ndim])) for array in weights.values()]
    pytorch.set_weights(other, dict(zip(pytorch.get_weights(other), arrays, strict=True)))
    return one, other.eval()


def finished_trial(score: float | None, **fields: Any) -> Any:
    """Return the part of a trial's record that a tuner reads; without a score the trial is invalid."""
    parts: dict[str, Any] = {
        "status": "invalid" if score is None else "completed",
        "n_parameters": None,
        "score": score,
    }
    return SimpleNamespace(objective_value=lambda: WORST_ERROR if score is None else score, **(parts | fields))


def trial(number: int = 0, score: float | None = 0.25, **changes: Any) -> Trial:
    """Return a record; without a score the trial has failed."""
    content = {
        "study": "test/toy/it/42",
        "number": number,
        "hyperparameters": {"layers": 2, "units_1": 32},
        "status": "completed" if score is not None else "failed",
        "score": score,
        "epochs": 1,
        "curve": [],
        "best_epoch": None,
        "scored_epoch": None,
        "n_parameters": None,
        "weights_sha256": None,
        "seeds": {"study": 42, "trial": 7},
        "seconds": {"train": CpuWallTime(wall=1.5, cpu=1.25)},
        "started": "2021-01-01T00:00:00.000+00:00",
        "host": "here",
        "versions": {"python": "3.11"},
    }
    return Trial.model_validate(content | changes)


def config(folder: str = "csv", **changes: Any) -> dict[str, Any]:
    """Return the smallest config, as plain data: k-nearest neighbours on CSV files in `folder`."""
    content: dict[str, Any] = {
        "name": "test",
        "seeds": [42],
        "compare": [{"dataset": "toy", "systems": ["knn"], "budget": {"trials": 2}}],
        "datasets": {"toy": {"source": "csv_folder", "folder": folder}},
        "systems": {"knn": {"kind": "knn", "n_neighbors": [1, 5]}},
    }
    return merged(content, changes)


def merged(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Merge an overlay into a config like Snakemake: dicts are merged by key, all else is replaced."""
    result = copy.deepcopy(base)
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result

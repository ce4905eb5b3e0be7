"""The work of the other scripts: drawn sets, hyperparameters of a space, and the amount of arithmetic."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from blindtune.config.training import Training
from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.validation import load
from blindtune.datasets.base import Sizes, Split
from blindtune.datasets.drawing import Drawing, DrawingConfig, DrawingSource, sample
from blindtune.datasets.prepared import Prepared
from blindtune.models import mlp
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.search_space import Hyperparameters, Space
from blindtune.training.base import BatchTrainer, Outcome, Trainer, TrainingOptions, TrainingTask
from blindtune.views.base import SampleView
from blindtune.views.config import CropsView
from blindtune.views.crops import ImageCrops
from blindtune.views.frames import SignalFrames

#: Seed of the drawn sets.
SEED = 1

#: Side of the matrices whose product measures the rate of the machine.
_SIDE = 1_024


def drawing_config(drawing: str, train: int, dev: int) -> DrawingConfig:
    """Return the config of a drawn set with the given numbers of samples."""
    return DrawingConfig(source="drawing", drawing=drawing, sizes=Sizes(train=train, dev=dev, eval=100), seed=SEED)


def draw_splits(drawing: str, train: int, dev: int) -> tuple[Split, Split]:
    """Return train and dev of a drawn set."""
    it = _load_drawing(drawing, train, dev)
    return Split(*sample(it, "train", train, SEED)), Split(*sample(it, "dev", dev, SEED))


def draw_sets(space: str, count: int) -> list[Hyperparameters]:
    """Return hyperparameter sets of a file of resources/spaces, the same ones in every run."""
    random = np.random.default_rng(10)
    it = load(Space, RESOURCES / "spaces" / f"{space}.yaml")
    return [it.draw(random) for _ in range(count)]


def draw_prepared(drawing: str, train: int, dev: int) -> Prepared:
    """Return a drawn set as a study gets it, without files."""
    classes = _load_drawing(drawing, train, dev).classes
    return Prepared(drawing, *draw_splits(drawing, train, dev), classes, "", {})


def view_frames(file: Path) -> SampleView:
    """Return what networks of #12 are trained on, from a file of EEG segments."""
    keys = {"frame_length": 0.3, "frame_hop": 0.1, "sfreq": 50}
    return SignalFrames(np.load(file, mmap_mode="r"), keys, np.zeros(20, np.float32), np.ones(20, np.float32))


def view_crops(file: Path, factor: int = 1) -> SampleView:
    """Return what networks of #11 are trained on, from a file of patches that are made smaller by a factor."""
    settings = CropsView(kind="crops", side=128, downsample=factor)
    return ImageCrops(np.load(file, mmap_mode="r"), settings, np.full(3, 128, np.float32), np.full(3, 64, np.float32))


def write_samples(path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Path:
    """Write random samples to a memory-mapped file, as the preparation does, and return its path."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    random = np.random.default_rng(0)
    for row in array:
        row[:] = random.integers(0, 256, row.shape, dtype=np.uint8)
    array.flush()
    return path


def build_architecture(values: Hyperparameters, classes: int = 2) -> Architecture:
    """Return the architecture of a hyperparameter set on points of two features."""
    return mlp.build_architecture(values, (2,), classes)


def create_task(values: Hyperparameters, training: Training, classes: int = 2, seed: int = 1) -> TrainingTask:
    """Return the training task of a hyperparameter set; its seed is derived from ``seed`` and the set."""
    architecture = build_architecture(values, classes)
    return TrainingTask(
        architecture, training.with_hyperparameters(values), values, derive("trial", seed, values), classes
    )


def train_all(trainer: Trainer, tasks: Sequence[TrainingTask], train: Split, dev: Split) -> list[Outcome]:
    """Train tasks in the batches of a search and return their outcomes; raise the first exception of a task."""
    if not isinstance(trainer, BatchTrainer):
        return [trainer.train(task, train, dev, TrainingOptions("last")) for task in tasks]
    found: dict[int, Outcome] = {}
    for first in range(0, len(tasks), trainer.max_batch):
        jobs = [(task, TrainingOptions("last")) for task in tasks[first : first + trainer.max_batch]]
        for place, outcome in trainer.train_batch(jobs, train, dev):
            if isinstance(outcome, Exception):
                raise outcome
            found[first + place] = outcome
    return [found[place] for place in range(len(tasks))]


def choose_representatives(costs: Sequence[float], count: int) -> list[int]:
    """Return ``count`` indices: of the sorted costs, the middle of each of ``count`` equal parts."""
    order = np.argsort(costs, kind="stable")
    chosen = {int(order[math.floor((part + 0.5) * len(costs) / count)]) for part in range(min(count, len(costs)))}
    return sorted(chosen)


def count_operations(architecture: Architecture, epochs: int, train: int, dev: int) -> int:
    """Return the number of floating-point operations of the matrix products of a training.

    These are one forward and two backward products per sample of train, and one per sample of dev; each weight costs a
    multiplication and an addition.
    """
    return epochs * count_parameters(architecture) * (6 * train + 2 * dev)


def measure_rate(device: str = "cpu") -> float:
    """Return the floating-point operations per second of a product of two large float32 matrices, best of twenty."""
    import torch

    side = _SIDE if device == "cpu" else 8 * _SIDE
    one, other = torch.randn(2, side, side, device=device)
    seconds = []
    for _ in range(20):
        begun = time.perf_counter()
        torch.mm(one, other)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return 2 * side**3 / min(seconds)


def _load_drawing(drawing: str, train: int, dev: int) -> Drawing:
    return load(Drawing, DrawingSource(drawing_config(drawing, train, dev)).user_files()["drawing"])

"""What the scripts beside this train: the drawn sets, hyperparameters of a space, and how much arithmetic they are."""

import math
import time
from collections.abc import Sequence

import numpy as np

from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.validation import load
from blindtune.datasets.base import Sizes, Split
from blindtune.datasets.drawing import Drawing, Drawn, sample
from blindtune.datasets.prepared import Prepared
from blindtune.models import mlp
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.search_space import Hyperparameters, Space
from blindtune.training.base import BatchTrainer, Outcome, Trainer, Training, TrainingOptions, TrainingTask

#: Of what is drawn.
SEED = 1

#: Side of the matrices whose product gives the machine's rate.
_SIDE = 1_024


def source(drawing: str, train: int, dev: int) -> Drawn:
    """A drawn set of so many samples in train and dev."""
    return Drawn(source="drawn", drawing=drawing, sizes=Sizes(train=train, dev=dev, eval=100), seed=SEED)


def splits(drawing: str, train: int, dev: int) -> tuple[Split, Split]:
    """Train and dev of a drawn set."""
    it = load(Drawing, source(drawing, train, dev).given()["drawing"])
    return Split(*sample(it, "train", train, SEED)), Split(*sample(it, "dev", dev, SEED))


def drawn_sets(space: str, count: int) -> list[Hyperparameters]:
    """Sets of a file of resources/spaces, always the same ones."""
    random = np.random.default_rng(10)
    it = load(Space, RESOURCES / "spaces" / f"{space}.yaml")
    return [it.draw(random) for _ in range(count)]


def prepared(drawing: str, train: int, dev: int) -> Prepared:
    """The same as a study sees it, without its files."""
    classes = load(Drawing, source(drawing, train, dev).given()["drawing"]).classes
    return Prepared(drawing, *splits(drawing, train, dev), classes, "", {})


def architecture_of(values: Hyperparameters, classes: int = 2) -> Architecture:
    """What a set builds on points of so many classes."""
    return mlp.architecture(values, (2,), classes)


def task(values: Hyperparameters, training: Training, classes: int = 2, seed: int = 1) -> TrainingTask:
    """What a set trains, its seed from ``seed`` and the set."""
    architecture = architecture_of(values, classes)
    return TrainingTask(
        architecture, training.with_hyperparameters(values), values, derive("trial", seed, values), classes
    )


def train_all(trainer: Trainer, tasks: Sequence[TrainingTask], train: Split, dev: Split) -> list[Outcome]:
    """Train tasks as a search would hand them out; raises what was raised for one of them."""
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


def spread(costs: Sequence[float], count: int) -> list[int]:
    """Places of ``count`` of the costs that stand for all: one from the middle of each of ``count`` equal parts."""
    order = np.argsort(costs, kind="stable")
    chosen = {int(order[math.floor((part + 0.5) * len(costs) / count)]) for part in range(min(count, len(costs)))}
    return sorted(chosen)


def operations(architecture: Architecture, epochs: int, train: int, dev: int) -> int:
    """Of a training's products of matrices.

    One product forwards and two backwards for each sample of train, one for each of dev; each weight is a
    multiplication and an addition.
    """
    return epochs * count_parameters(architecture) * (6 * train + 2 * dev)


def rate(device: str = "cpu") -> float:
    """Floating-point operations a second of a product of two large matrices of float32, the best of twenty."""
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

"""Compare the wall time of the same list of trials with one worker and with several.

Trains MLPs on set #10 with Keras or fused, ConvNets on the digits with PyTorch. Both sides run in turns, each in the
processes that it would have in a study, after all of them have imported their libraries and trained a little; that time
is printed separately. Efficiency is the wall time of one worker divided by that of all workers times their number. On a
busy machine, two causes of a loss still count: how long workers were idle, and how much more CPU time a trial took.
``python workflow/benchmarks/workers.py --trainers keras pytorch --trials 12 --workers 2``
"""

import argparse
import time
from dataclasses import dataclass, replace
from functools import partial

import measure  # first: it sets the number of threads
import numpy as np
import workload

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.timing import total_wall_seconds
from blindtune.core.validation import load
from blindtune.datasets.base import Split
from blindtune.datasets.digits import DigitsConfig, DigitsSource
from blindtune.models.architecture import check
from blindtune.models.families import load_family
from blindtune.models.layers import InvalidModelError
from blindtune.search_space import Space
from blindtune.training.base import Trainer, TrainingOptions, TrainingTask, train_each
from blindtune.training.pool.trainer import Pool
from blindtune.training.registry import create_trainer

#: Family, space, batch size and epochs of each trainer's trials.
LISTS = {
    "keras": ("mlp", "mlp", 512, 5),
    "pytorch": ("convnet", "guide_convnet", 32, 9),
    "fused": ("mlp", "mlp", 512, 10),
}


@dataclass(frozen=True)
class Took:
    """Seconds of a list of trials: from start to end, and the sums of wall and of CPU seconds of the trials."""

    wall: float
    trials: float
    cpu: float


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", nargs="+", choices=LISTS, default=["keras", "pytorch"])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--train", type=int, default=20_000, help="samples of set #10")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    print(f"{measure.CORES} cores, {arguments.trials} trials")
    for name in arguments.trainers:
        _compare(name, arguments)


def _compare(name: str, arguments: argparse.Namespace) -> None:
    family, space, batch, epochs = LISTS[name]
    splits = _splits(family, arguments.train)
    tasks = _tasks(family, space, arguments.trials, Training(epochs=epochs, batch_size=batch), splits[0])
    make = partial(create_trainer, _settings(name, family).trainer_name)
    begun = time.perf_counter()
    alone = make()
    _run(alone, tasks[:1], splits)
    first = time.perf_counter() - begun
    pool = Pool(alone, make, arguments.workers)
    begun = time.perf_counter()
    # Enough trials for each worker to get some: one that imports faster must not take them all.
    _run(pool, tasks[: 4 * arguments.workers], splits, epochs=1)
    started = time.perf_counter() - begun
    rounds = [(_run(alone, tasks, splits), _run(pool, tasks, splits)) for _ in range(arguments.rounds)]
    pool.close()
    one, many = (min(side, key=lambda took: took.wall) for side in zip(*rounds, strict=True))
    print(
        f"{name}: imports and a trial {first:.1f} s, the workers' and {4 * arguments.workers} trials {started:.1f} s\n"
        f"  one worker {one.wall:.1f} s, {arguments.workers} workers {many.wall:.1f} s: {one.wall / many.wall:.2f} "
        f"times as fast, efficiency {one.wall / many.wall / arguments.workers:.1%}\n"
        f"  busy {many.trials / many.wall / arguments.workers:.1%} of the time, {many.cpu / one.cpu:.3f} times the CPU "
        f"time ({one.cpu:.1f} s)"
    )


def _splits(family: str, train: int) -> tuple[Split, Split]:
    if family == "convnet":
        splits = DigitsSource(DigitsConfig(source="digits")).load({}).splits
        return Split(splits["train"].x, splits["train"].y), Split(splits["dev"].x, splits["dev"].y)
    return workload.draw_splits("set_10", train, max(100, train // 10))


def _settings(trainer: str, family: str) -> Tuned:
    tuner = {"library": "optuna", "algorithm": "random"}
    return Tuned.model_validate(
        {"kind": "tuner", "tuner": tuner, "space": family, "trainer": trainer, "family": family}
    )


def _tasks(family: str, space: str, count: int, base: Training, train: Split) -> list[TrainingTask]:
    """Return tasks of sets drawn from a space, of which each can be built."""
    declared, random = load(Space, RESOURCES / "spaces" / f"{space}.yaml"), np.random.default_rng(10)
    shape, classes = train.x.shape[1:], int(train.y.max()) + 1
    tasks: list[TrainingTask] = []
    while len(tasks) < count:
        values = declared.draw(random)
        architecture = load_family(family).build(values, shape, classes)
        try:
            check(architecture, classes)
        except InvalidModelError:
            continue
        tasks.append(
            TrainingTask(architecture, base.with_hyperparameters(values), values, derive("trial", values), classes)
        )
    return tasks


def _run(trainer: Trainer, tasks: list[TrainingTask], splits: tuple[Split, Split], epochs: int | None = None) -> Took:
    if epochs:
        tasks = [replace(task, training=task.training.model_copy(update={"epochs": epochs})) for task in tasks]
    jobs = [(task, TrainingOptions("last")) for task in tasks]
    begun = time.perf_counter()
    for _, outcome in train_each(trainer, jobs, *splits):
        if isinstance(outcome, Exception):
            raise outcome
    wall = time.perf_counter() - begun
    spent = [session.clock.seconds for _, session in jobs]
    cpu = sum(part.cpu for seconds in spent for part in seconds.values())
    return Took(wall, sum(map(total_wall_seconds, spent)), cpu)


if __name__ == "__main__":
    main()

"""How the time of training grows with trials, samples, width and cores: each doubled from one base, the rest fixed.

Every point is trained in a process of its own on so many cores, each once a round; of the rounds the fastest counts.
Beside the time stands the arithmetic of the point: time is linear where both grow by the same exponent, the power of
two by which a doubling multiplies them. With cores the exponent is -1 where all of them are used.
``python workflow/benchmarks/growth.py --trainers fused keras``
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import children
import workload

from blindtune.config.systems import Tuned
from blindtune.core.budget import Budget
from blindtune.search_space import Hyperparameters
from blindtune.study.setup import plan
from blindtune.training.base import Training

TRAINERS = ("fused", "pytorch", "keras")
#: What grows, in the order in which it is printed.
AXES = ("trials", "samples", "width", "cores")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "exponential")
#: Depths of the trials, in turns: every doubling of the trials has as many of each.
DEPTHS = 4

Point = Mapping[str, int]


def main() -> None:
    """Run and print, or train one point in this process."""
    arguments = _arguments()
    if arguments.point:
        print(json.dumps(_trained(arguments.trainers[0], json.loads(arguments.point))))
        return
    base = {"trials": arguments.trials, "samples": arguments.samples, "width": arguments.width, "cores": 1}
    base |= {"epochs": arguments.epochs, "batch": arguments.batch}
    for name in arguments.trainers:
        found = _rounds(name, {axis: list(_line(axis, base, arguments.doublings)) for axis in AXES}, arguments.rounds)
        _print(name, base, found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", nargs="+", choices=TRAINERS, default=["fused"])
    parser.add_argument("--trials", type=int, default=16, help="of the base, a multiple of 16")
    parser.add_argument("--samples", type=int, default=20_000, help="of the base, in train; dev has a tenth")
    parser.add_argument("--width", type=int, default=32, help="of the base: units of every layer")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--doublings", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--point", help="train this one in this process, and print JSON")
    return parser.parse_args()


def _line(axis: str, base: Point, doublings: int) -> Iterator[Point]:
    """The base and its doublings; of the cores as many as there are, on the most trials, of which each gets enough."""
    if axis == "cores":
        base = {**base, "trials": base["trials"] * 2**doublings}
        doublings = int(math.log2(len(os.sched_getaffinity(0))))
    for doubling in range(doublings + 1):
        yield {**base, axis: base[axis] * 2**doubling}


def _rounds(trainer: str, lines: Mapping[str, list[Point]], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What every point took, the fastest of the rounds; points that lie on two lines are trained once a round."""
    script = Path(__file__)
    found: dict[str, dict[str, Any]] = {}
    points = {json.dumps(point): point for line in lines.values() for point in line}
    for _ in range(rounds):
        for key, point in points.items():
            took = children.answer_of(script, ["--trainers", trainer, "--point", key], point["cores"])
            found[key] = min(found.get(key, took), took, key=lambda it: float(it["wall"]))
    return {axis: [{**point, **found[json.dumps(point)]} for point in line] for axis, line in lines.items()}


def _trained(name: str, point: Point) -> dict[str, Any]:
    data = workload.prepared("set_10", point["samples"], point["samples"] // 10)
    settings = _settings(name)
    budget = Budget(trials=point["trials"])
    trainer = plan(settings, budget, data.name, 1, data, settings.files(), point["cores"]).trainer
    training = Training(epochs=point["epochs"], batch_size=point["batch"])
    sets = [_set(number, point["width"]) for number in range(point["trials"])]
    tasks = [workload.task(values, training, seed=number) for number, values in enumerate(sets)]
    # The first use of a library is no part of any growth.
    workload.train_all(trainer, tasks, *workload.splits("set_10", 64, 64))
    children.settle()
    wall, cpu = time.perf_counter(), children.cpu_seconds()
    workload.train_all(trainer, tasks, data.train, data.dev)
    wall, cpu = time.perf_counter() - wall, children.cpu_seconds() - cpu
    samples = len(data.train.y), len(data.dev.y)
    each = (workload.operations(workload.architecture_of(values), training.epochs, *samples) for values in sets)
    return {"wall": wall, "cpu": cpu, "operations": sum(each)}


def _settings(trainer: str) -> Tuned:
    """A tuner of which the trainer alone is asked for, as it trains for that many cores."""
    tuner = {"library": "scikit-learn", "algorithm": "randomized-search"}
    return Tuned.model_validate({"kind": "tuner", "tuner": tuner, "space": "guide_mlp", "trainer": trainer})


def _set(number: int, width: int) -> Hyperparameters:
    activation = ACTIVATIONS[number // DEPTHS % len(ACTIVATIONS)]
    return {"layers": 1 + number % DEPTHS, "units": width, "activation": activation, "output_activation": "softmax"}


def _print(trainer: str, base: Point, found: Mapping[str, list[dict[str, Any]]]) -> None:
    print(f"{trainer}, from {', '.join(f'{value:,} {name}' for name, value in base.items())}")
    print(f"{'':>16}{'s wall':>10}{'s CPU':>10}{'MiB':>8}{'x time':>10}{'exponent':>10}{'of arithmetic':>15}")
    for axis, line in found.items():
        for before, point in zip([None, *line], line, strict=False):
            grown = before and [point[name] / before[name] for name in ("wall", "operations")]
            growth = f"{grown[0]:10.2f}{math.log2(grown[0]):10.2f}{math.log2(grown[1]):15.2f}" if grown else ""
            took = f"{point['wall']:10.3f}{point['cpu']:10.3f}{point['peak'] / 2**20:8.0f}"
            print(f"{point[axis]:8,} {axis:7}{took}{growth}")


if __name__ == "__main__":
    main()

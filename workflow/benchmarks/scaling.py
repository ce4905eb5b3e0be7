"""Measure how training time scales with trials, samples, width and cores: each is doubled, the others are fixed.

Every point is trained once per round, in a separate process on the given number of cores; the fastest round counts.
Each line has the exponent of the time and of the arithmetic, the power of two by which a doubling multiplies them: time
is linear in the arithmetic if both are equal. For cores the exponent is -1 if all of them are used.
``python workflow/benchmarks/scaling.py --trainers fused keras``
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import child_scripts
import workload

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.search_space import Hyperparameters
from blindtune.study.setup import build_search_setup

TRAINERS = ("fused", "pytorch", "keras")
#: What is doubled, in the order in which it is printed.
AXES = ("trials", "samples", "width", "cores")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "exponential")
#: Number of depths of the trials, in turns: each doubling of the trials has equally many of each depth.
DEPTHS = 4

Point = Mapping[str, int]


def main() -> None:
    """Run and print, or train one point in this process."""
    arguments = _arguments()
    if arguments.point:
        print(json.dumps(_train(arguments.trainers[0], json.loads(arguments.point))))
        return
    base = {"trials": arguments.trials, "samples": arguments.samples, "width": arguments.width, "cores": 1}
    base |= {"epochs": arguments.epochs, "batch": arguments.batch}
    for name in arguments.trainers:
        found = _rounds(name, {axis: list(_line(axis, base, arguments.doublings)) for axis in AXES}, arguments.rounds)
        _print(name, base, found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", nargs="+", choices=TRAINERS, default=["fused"])
    parser.add_argument("--trials", type=int, default=16, help="trials of the base, a multiple of 16")
    parser.add_argument("--samples", type=int, default=20_000, help="samples of the base in train; dev has a tenth")
    parser.add_argument("--width", type=int, default=32, help="units of every layer of the base")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--doublings", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--point", help="train this point in this process and print JSON")
    return parser.parse_args()


def _line(axis: str, base: Point, doublings: int) -> Iterator[Point]:
    """Return the base and its doublings; cores are doubled up to those available, with the largest number of trials."""
    if axis == "cores":
        base = {**base, "trials": base["trials"] * 2**doublings}
        doublings = int(math.log2(len(os.sched_getaffinity(0))))
    for doubling in range(doublings + 1):
        yield {**base, axis: base[axis] * 2**doubling}


def _rounds(trainer: str, lines: Mapping[str, list[Point]], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Return the fastest round of every point; a point of two lines is trained once per round."""
    script = Path(__file__)
    found: dict[str, dict[str, Any]] = {}
    points = {json.dumps(point): point for line in lines.values() for point in line}
    for _ in range(rounds):
        for key, point in points.items():
            took = child_scripts.run_script(script, ["--trainers", trainer, "--point", key], point["cores"])
            found[key] = min(found.get(key, took), took, key=lambda it: float(it["wall"]))
    return {axis: [{**point, **found[json.dumps(point)]} for point in line] for axis, line in lines.items()}


def _train(name: str, point: Point) -> dict[str, Any]:
    data = workload.draw_prepared("set_10", point["samples"], point["samples"] // 10)
    settings = _settings(name)
    study = Study(
        config="benchmark",
        dataset=data.name,
        system=name,
        seed=1,
        settings=settings,
        budget=Budget(trials=point["trials"]),
        score_epoch="last",
        keep_best=1,
    )
    trainer = build_search_setup(study, data, settings.files(), point["cores"]).trainer
    training = Training(epochs=point["epochs"], batch_size=point["batch"])
    sets = [_set(number, point["width"]) for number in range(point["trials"])]
    tasks = [workload.create_task(values, training, seed=number) for number, values in enumerate(sets)]
    # The first use of a library is no part of any scaling.
    workload.train_all(trainer, tasks, *workload.draw_splits("set_10", 64, 64))
    child_scripts.wait_until_idle()
    wall, cpu = time.perf_counter(), child_scripts.family_cpu_seconds()
    workload.train_all(trainer, tasks, data.train, data.dev)
    wall, cpu = time.perf_counter() - wall, child_scripts.family_cpu_seconds() - cpu
    samples = len(data.train.y), len(data.dev.y)
    each = (
        workload.count_operations(workload.build_architecture(values), training.epochs, *samples) for values in sets
    )
    return {"wall": wall, "cpu": cpu, "operations": sum(each)}


def _settings(trainer: str) -> Tuned:
    """Return a tuner's config, of which only the trainer is used."""
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

"""Seconds per trial of the eager PyTorch trainer and of the fused one, on the same list of hyperparameters of set #10.

Each side runs in a process of its own, on one thread. The floating-point operations of its trials are held against the
rate of a product of two large matrices, measured in the same process before and after.
``python workflow/benchmarks/fused.py --trials 64 --train 100000 --dev 10000``
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.clock import Stopwatch
from blindtune.datasets.base import Sizes, Split
from blindtune.models import mlp
from blindtune.models.architecture import count_parameters
from blindtune.resources import RESOURCES
from blindtune.seeds import derive
from blindtune.spaces import Space
from blindtune.strict import load
from blindtune.training.base import Outcome, Session, Task, Training

SIDES = ("eager", "fused")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--train", type=int, default=100_000, help="samples")
    parser.add_argument("--dev", type=int, default=10_000, help="samples")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--space", default="mlp", help="a file of resources/spaces")
    parser.add_argument("--side", choices=SIDES, help="run this one in this process, and print JSON")
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(_run(arguments)))
        return
    given = [part for name, value in vars(arguments).items() if value for part in (f"--{name}", str(value))]
    found = {side: _child([*given, "--side", side]) for side in SIDES}
    for side, it in found.items():
        print(
            f"{side}: {it['wall'] / arguments.trials:.3f} s wall and {it['cpu'] / arguments.trials:.3f} s CPU a trial, "
            f"{it['operations'] / it['wall'] / 1e9:.1f} of {it['rate'] / 1e9:.1f} GFLOP/s "
            f"({it['rate'] * it['wall'] / it['operations']:.2f} times the arithmetic limit), "
            f"{it['peak'] / 2**20:.0f} MiB at the peak"
        )
    one, other = (np.array([np.nan if error is None else error for error in it["errors"]]) for it in found.values())
    off = (other - one)[~np.isnan(other - one)]
    wall, cpu = (found["eager"][name] / found["fused"][name] for name in ("wall", "cpu"))
    print(f"eager takes {wall:.2f} times the time of fused (CPU {cpu:.2f})")
    print(
        f"dev error {np.nanmean(one):.4%} and {np.nanmean(other):.4%}, mean difference {off.mean():+.4%} "
        f"(standard error {off.std() / np.sqrt(len(off)):.4%}); "
        f"without one {np.isnan(one).sum()} and {np.isnan(other).sum()}"
    )


def _child(arguments: list[str]) -> dict[str, Any]:
    ended = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    from blindtune.training.fused import FusedTrainer
    from blindtune.training.pytorch import PyTorchTrainer

    train, dev = _data(arguments)
    tasks = _tasks(arguments)
    trainer = FusedTrainer() if arguments.side == "fused" else PyTorchTrainer()
    jobs = [(task, Session("last", Stopwatch())) for task in tasks]
    # What is imported at the first use is not counted.
    few = Split(train.x[:64], train.y[:64])
    trainer.train(tasks[0], few, few, Session("last"))
    rate = _rate()
    wall, cpu = time.perf_counter(), time.process_time()
    outcomes: dict[int, Any] = {}
    if isinstance(trainer, FusedTrainer):
        for first in range(0, len(jobs), trainer.at_once):
            for place, outcome in trainer.train_many(jobs[first : first + trainer.at_once], train, dev):
                outcomes[first + place] = outcome
    else:
        for place, (task, session) in enumerate(jobs):
            outcomes[place] = trainer.train(task, train, dev, session)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "wall": wall,
        "cpu": cpu,
        "rate": max(rate, _rate()),
        "operations": sum(_operations(task, outcomes[n], len(train.y), len(dev.y)) for n, task in enumerate(tasks)),
        "errors": [_error(outcomes[number]) for number in range(len(tasks))],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _data(arguments: argparse.Namespace) -> list[Split]:
    from blindtune.datasets.drawn import Drawn

    sizes = Sizes(train=arguments.train, dev=arguments.dev, eval=100)
    source = Drawn(source="drawn", drawing="set_10", sizes=sizes, seed=1)
    splits = source.load(source.given()).splits
    return [splits["train"], splits["dev"]]


def _tasks(arguments: argparse.Namespace) -> list[Task]:
    space = load(Space, Path(RESOURCES) / "spaces" / f"{arguments.space}.yaml")
    random = np.random.default_rng(10)
    base = Training(epochs=arguments.epochs, batch_size=arguments.batch)
    tasks = []
    for _ in range(arguments.trials):
        values = space.draw(random)
        architecture = mlp.architecture(values, (2,), 2)
        tasks.append(Task(architecture, base.with_hyperparameters(values), values, derive("trial", values), 2))
    return tasks


def _rate() -> float:
    """Floating-point operations a second of a product of two matrices of 1,024 x 1,024, the best of twenty."""
    import torch

    one, other = torch.randn(2, 1_024, 1_024)
    seconds = []
    for _ in range(20):
        begun = time.perf_counter()
        torch.mm(one, other)
        seconds.append(time.perf_counter() - begun)
    return 2 * 1_024**3 / min(seconds)


def _operations(task: Task, outcome: Outcome, train: int, dev: int) -> int:
    """Of the products of matrices: one forwards and two backwards for each sample of train, one for each of dev."""
    parameters = count_parameters(task.architecture) if task.architecture else 0
    return len(outcome.curve) * parameters * (6 * train + 2 * dev)


def _error(outcome: Outcome) -> float | None:
    return outcome.curve[-1].dev_error if outcome.status == "completed" else None


if __name__ == "__main__":
    main()

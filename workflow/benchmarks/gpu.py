"""Train 500 trials each on sets #08, #09 and #10 at full size with the fused trainer, on a CUDA device if there is one.

A stock loop trains a few of the same sets: an eager model and PyTorch's optimizer, with the data on the device and
shuffled there, which is faster than a ``DataLoader``. Then the fused and the PyTorch trainer train a few trials on less
data, both on the device and on the CPU, and the results are compared. It needs Python 3.11 or later with torch, numpy,
pydantic and pyyaml:
``PYTHONPATH=workflow/lib python workflow/benchmarks/gpu.py --json found.json``; small, on a CPU:
``... gpu.py --trials 8 --scale 0.005 --epochs 1 --compared 4``
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import workload

from blindtune.config.training import Training
from blindtune.datasets.base import Split
from blindtune.models import pytorch as networks
from blindtune.training.base import Outcome, TrainingTask
from blindtune.training.devices import device_name, find_device
from blindtune.training.fused.trainer import FusedTrainer
from blindtune.training.pytorch import PyTorchTrainer

#: Samples in train and dev of the published sets.
SIZES = {"set_08": (300_000, 15_000), "set_09": (500_000, 250_000), "set_10": (100_000, 10_000)}

#: Target for training all of them on an H200, in seconds.
AIM = 300

#: Samples and epochs of the trials that are compared with the CPU's.
COMPARED = (20_000, 5_000, 1)

TRAINERS = {"fused": FusedTrainer, "pytorch": PyTorchTrainer}


def main() -> None:
    """Train, compare and print."""
    arguments = _arguments()
    if arguments.save:
        _save(arguments.save, arguments)
        return
    where = find_device()
    rate = workload.measure_rate(where.type) / 1e12
    print(f"{device_name(where)}, PyTorch {torch.__version__}, {rate:.2f} TFLOP/s in a product")
    found = {name: _set(name, where, arguments) for name in arguments.sets}
    _print_sum(found, arguments.trials)
    agreement = _compare(arguments)
    if arguments.json:
        content = {"device": device_name(where), "sets": found, "agreement": agreement}
        arguments.json.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--trials", type=int, default=500, help="trials of each set")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the samples")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--stock", type=int, default=3, help="trials of the stock loop on each set")
    parser.add_argument("--compared", type=int, default=16, help="trials that the CPU trains too")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    parser.add_argument(
        "--save", type=Path, help="train the compared trials in this process and write them to this file"
    )
    return parser.parse_args()


def _set(name: str, where: torch.device, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both sides on one set; return their times and errors."""
    sizes = [max(100, round(arguments.scale * size)) for size in SIZES[name]]
    train, dev = workload.draw_splits(name, *sizes)
    tasks = _tasks(arguments.trials, int(train.y.max()) + 1, arguments)
    each = [_operations(task, len(train.y), len(dev.y)) for task in tasks]
    places = workload.choose_representatives(each, arguments.stock)
    short = _shorten(train, dev)
    _stock(tasks[0], *short, where)
    stock = _timed(where, lambda: [_stock(tasks[place], train, dev, where) for place in places])
    fused = _fused(tasks, short, train, dev, where)
    errors = fused.pop("errors")
    print(
        f"{name}, {sizes[0]:,} and {sizes[1]:,} samples: {len(tasks)} trials fused in {fused['seconds']:.1f} s, "
        f"{sum(each) / fused['seconds'] / 1e12:.2f} TFLOP/s, {fused['peak'] / 2**30:.1f} GiB of the device; the stock "
        f"loop {stock['seconds'] / len(places):.2f} s per trial, "
        f"{stock['seconds'] / len(places) / fused['seconds'] * len(tasks):.1f} times as long; "
        f"dev errors in %, stock {_format_errors(stock['answer'])}, "
        f"fused {_format_errors([errors[place] for place in places])}",
        flush=True,
    )
    return {"sizes": sizes, "fused": fused, "stock": {**stock, "trials": len(places)}, "errors": errors}


def _tasks(count: int, classes: int, arguments: argparse.Namespace) -> list[TrainingTask]:
    training = Training(epochs=arguments.epochs, batch_size=arguments.batch)
    return [workload.create_task(values, training, classes) for values in workload.draw_sets("mlp", count)]


def _operations(task: TrainingTask, train: int, dev: int) -> int:
    return workload.count_operations(
        workload.build_architecture(task.hyperparameters, task.classes), task.training.epochs, train, dev
    )


def _fused(
    tasks: Sequence[TrainingTask], short: tuple[Split, Split], train: Split, dev: Split, where: torch.device
) -> dict[str, Any]:
    trainer = FusedTrainer()
    workload.train_all(trainer, tasks[:1], *short)
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    took = _timed(where, lambda: workload.train_all(trainer, tasks, train, dev))
    peak = torch.cuda.max_memory_allocated() if where.type == "cuda" else 0
    return {"seconds": took["seconds"], "peak": peak, "errors": [_error(outcome) for outcome in took["answer"]]}


def _shorten(train: Split, dev: Split) -> tuple[Split, Split]:
    """Return little data for the first use of a library or of the device, which is not counted."""
    return Split(train.x[:1_000], train.y[:1_000]), Split(dev.x[:100], dev.y[:100])


def _timed(where: torch.device, work: Any) -> dict[str, Any]:
    _wait(where)
    begun = time.perf_counter()
    answer = work()
    _wait(where)
    return {"seconds": time.perf_counter() - begun, "answer": answer}


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize()


def _error(outcome: Outcome) -> float | None:
    return outcome.curve[-1].dev_error if outcome.status == "completed" else None


def _stock(task: TrainingTask, train: Split, dev: Split, where: torch.device) -> float:
    """Train one trial as a user writes it; return its dev error."""
    # An earlier trainer may have set deterministic algorithms, which are slower.
    torch.set_deterministic_debug_mode("default")
    torch.manual_seed(task.seed)
    architecture = workload.build_architecture(task.hyperparameters, task.classes).for_loss(task.training.loss)
    model = networks.build(architecture).to(where)
    optimizer = torch.optim.Adam(model.parameters(), lr=task.training.learning_rate)
    x, y, dev_x, dev_y = (torch.from_numpy(part).to(where) for part in (train.x, train.y, dev.x, dev.y))
    wrong = 0.0
    for _ in range(task.training.epochs):
        model.train()
        for rows in torch.split(torch.randperm(len(y), device=where), task.training.batch_size):
            optimizer.zero_grad()
            loss = networks.compute_loss(task.training.loss, model(x[rows]), y[rows], architecture.score_kind())
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        with torch.no_grad():
            wrong = float((model(dev_x).argmax(dim=1) != dev_y).sum())
    return wrong / len(dev_y)


def _format_errors(errors: Sequence[float | None]) -> str:
    return " ".join("-" if error is None else f"{100 * error:.2f}" for error in errors)


def _print_sum(found: dict[str, dict[str, Any]], trials: int) -> None:
    fused = sum(it["fused"]["seconds"] for it in found.values())
    stock = sum(it["stock"]["seconds"] / it["stock"]["trials"] * trials for it in found.values())
    print(
        f"together: fused {fused:.1f} s (aim: {AIM} on an H200, of all sets at full size), the stock loop would take "
        f"{stock:.0f} s, {stock / fused:.1f} times as long"
    )


def _save(path: Path, arguments: argparse.Namespace) -> None:
    """Train the compared trials with every trainer; write the weights and dev errors."""
    train, dev, epochs = COMPARED
    data = workload.draw_splits("set_10", round(arguments.scale * train), round(arguments.scale * dev))
    arguments.epochs = epochs
    tasks = _tasks(arguments.compared, 2, arguments)
    arrays: dict[str, Any] = {}
    for name, trainer in TRAINERS.items():
        for number, outcome in enumerate(workload.train_all(trainer(), tasks, *data)):
            error = _error(outcome)
            arrays[f"{name}/{number}/error"] = np.array(np.nan if error is None else error)
            arrays |= {f"{name}/{number}/{weight}": array for weight, array in outcome.weights.items()}
    np.savez(path, **arrays)


def _compare(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Compare the device with the CPU, each in a separate process of this script."""
    with tempfile.TemporaryDirectory() as folder:
        here, there = (Path(folder) / f"{name}.npz" for name in ("device", "cpu"))
        for path, hidden in ((here, {}), (there, {"CUDA_VISIBLE_DEVICES": ""})):
            command = [sys.executable, __file__, "--save", str(path), "--scale", str(arguments.scale)]
            command += ["--compared", str(arguments.compared), "--batch", str(arguments.batch)]
            subprocess.run(command, check=True, env=os.environ | hidden)
        with np.load(here) as one, np.load(there) as other:
            found = {name: _differences(name, dict(one), dict(other)) for name in TRAINERS}
    for name, off in found.items():
        print(
            f"{name}, device against CPU, {arguments.compared} trials: dev errors differ by {off['error']:.3%} "
            f"at most, {off['mean']:.3%} on average, weights by {off['weights']:.2e} of the largest of their array"
        )
    return found


def _differences(name: str, one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Return the largest and the mean difference of dev errors, and the largest difference of weights.

    A trial that one of them did not complete has no weights; its error is NaN.
    """
    own = [key for key in sorted(set(one) & set(other)) if key.startswith(f"{name}/")]
    errors = [abs(one[key] - other[key]) for key in own if key.endswith("/error")]
    weights = [
        float(np.abs(one[key] - other[key]).max() / np.abs(other[key]).max())
        for key in own
        if not key.endswith("/error")
    ]
    return {"error": float(np.max(errors)), "mean": float(np.mean(errors)), "weights": max(weights)}


if __name__ == "__main__":
    main()

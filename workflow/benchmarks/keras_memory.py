"""Measure the resident memory of a process that trains one Keras model after the other, as a search does.

Each trainer runs in a process of its own on small perceptrons whose layers and units differ from trial to trial. Writes
a line a trial to a CSV file (trainer, trial, MiB, CPU seconds so far) and, with ``--graph``, draws them.
``python workflow/benchmarks/keras_memory.py --trials 500 --csv memory.csv --graph docs/images/keras_memory.png``
"""

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from blindtune.config.training import Training
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.registry import create_trainer


def main() -> None:
    """Measure every trainer, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", nargs="+", default=["keras"])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--samples", type=int, default=640)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--csv", type=Path, default=Path("keras_memory.csv"))
    parser.add_argument("--graph", type=Path, help="draw the CSV file into this picture")
    parser.add_argument("--draw-only", nargs="+", type=Path, help="draw these CSV files; nothing is measured")
    parser.add_argument("--child", action="store_true", help="measure one trainer in this process")
    arguments = parser.parse_args()
    if arguments.child:
        _measure(arguments)
        return
    if not arguments.draw_only:
        arguments.csv.unlink(missing_ok=True)
        settings = [f"--{name}={getattr(arguments, name)}" for name in ("trials", "epochs", "samples", "batch", "csv")]
        for trainer in arguments.trainers:
            subprocess.run([sys.executable, __file__, "--child", "--trainers", trainer, *settings], check=True)
    if arguments.graph:
        _draw(arguments.draw_only or [arguments.csv], arguments.graph)


def _measure(arguments: argparse.Namespace) -> None:
    (name,) = arguments.trainers
    trainer, process = create_trainer(name), psutil.Process()
    train, dev = _split(arguments.samples, 0), _split(arguments.samples, 1)
    random = np.random.default_rng(5)
    with arguments.csv.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        for trial in range(arguments.trials):
            trainer.train(_task(random, trial, arguments), train, dev, TrainingOptions("last"))
            resident = process.memory_info().rss / 2**20
            writer.writerow([name, trial + 1, f"{resident:.1f}", f"{time.process_time():.2f}"])
            stream.flush()


def _split(samples: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    y = np.arange(samples, dtype=np.int64) % 2
    return Split((random.normal(size=(samples, 2)) + y[:, None]).astype(np.float32), y)


def _task(random: np.random.Generator, seed: int, arguments: argparse.Namespace) -> TrainingTask:
    """Return the task of a random set, with dropout: from 3 layers and 61 widths each, nearly never the same twice."""
    layers = int(random.integers(1, 4))
    values: dict[str, Any] = {"layers": layers, "activation": "relu", "dropout_rate": 0.2}
    values |= {f"units_{layer}": int(random.integers(4, 65)) for layer in range(1, layers + 1)}
    training = Training(epochs=arguments.epochs, batch_size=arguments.batch, learning_rate=0.01)
    return TrainingTask(mlp.build_architecture(values, (2,), 2), training, values, 1 + seed, 2)


def _draw(files: list[Path], picture: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for file in files:
        rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
        for name in dict.fromkeys(row[0] for row in rows):
            points = [(int(row[1]), float(row[2])) for row in rows if row[0] == name]
            axes.plot(*zip(*points, strict=True), label=name if len(files) == 1 else f"{name}, {file.stem}")
    axes.set(xlabel="trial", ylabel="resident memory (MiB)", ylim=(0, None))
    axes.legend()
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()

"""Measure the resident memory of a worker that trains one Keras model after the other, as a search does.

It trains small perceptrons whose layers and units differ from trial to trial, once without an end and once in processes
that are replaced after some trials. Writes a line a trial to a CSV file (what, trial, MiB, seconds so far) and, with
``--graph``, draws them.
``python workflow/benchmarks/keras_memory.py --trials 500 --csv memory.csv --graph docs/images/keras_memory.png``
"""

import argparse
import csv
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from blindtune.config.training import Training
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.pool.trainer import Pool
from blindtune.training.registry import create_trainer


def main() -> None:
    """Measure every trainer, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", nargs="+", default=["keras"])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--replaced", nargs="+", type=int, default=[0, 100], help="after so many trials; 0: never")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--samples", type=int, default=640)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--csv", type=Path, default=Path("keras_memory.csv"))
    parser.add_argument("--graph", type=Path, help="draw the CSV file into this picture")
    parser.add_argument("--draw-only", nargs="+", type=Path, help="draw these CSV files; nothing is measured")
    arguments = parser.parse_args()
    if not arguments.draw_only:
        arguments.csv.unlink(missing_ok=True)
        for trainer in arguments.trainers:
            for replaced in arguments.replaced:
                _measure(trainer, replaced or None, arguments)
    if arguments.graph:
        _draw(arguments.draw_only or [arguments.csv], arguments.graph)


def _measure(name: str, replaced: int | None, arguments: argparse.Namespace) -> None:
    what = f"{name}, {f'replaced after {replaced}' if replaced else 'one process'}"
    train, dev = _split(arguments.samples, 0), _split(arguments.samples, 1)
    random, begun = np.random.default_rng(5), time.monotonic()
    trainer = create_trainer("pytorch")  # trains nothing: the pool asks it what it can do
    with (
        closing(Pool(trainer, partial(create_trainer, name), 1, max_trainings=replaced)) as pool,
        arguments.csv.open("a", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        for trial in range(arguments.trials):
            found: list[float] = []
            options = TrainingOptions("last", after_epoch=partial(_note_memory, found))
            for _, outcome in pool.train_batch([(_task(random, trial, arguments), options)], train, dev):
                if isinstance(outcome, Exception) or outcome.status != "completed":
                    raise RuntimeError(f"trial {trial}: {outcome}")
            writer.writerow([what, trial + 1, f"{max(found):.1f}", f"{time.monotonic() - begun:.1f}"])
            stream.flush()


def _note_memory(found: list[float], epoch: int, metrics: EpochMetrics) -> None:
    """Add the memory after an epoch to a list."""
    found.append(_resident())


def _resident() -> float:
    """Return the resident MiB of the largest child of this process: its worker."""
    return float(max(child.memory_info().rss for child in psutil.Process().children())) / 2**20


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

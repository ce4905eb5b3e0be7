"""Compare how many frames and crops per second training reads with how many the manual models train on.

    python workflow/benchmarks/views_speed.py                     # 4 GiB of patches, 0.4 GiB of EEG
    python workflow/benchmarks/views_speed.py --patches 200 --segments 500

Writes samples of the published shapes to memory-mapped files, as the preparation does, and reads batches in random
order through the view of the manual model of #12 (frames) and #11 (crops of 128, from patches in full and half size):
from the page cache, and from the disk, after the system dropped the file from its cache. Then the manual model trains
on samples in memory. Reading is not the bottleneck if it is much faster than training; the last column is the fraction
of the time that reading takes if both run in turns.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import measure  # noqa: F401 - limits each library to one thread
import numpy as np
import workload

from blindtune.config.systems import ManualModel, find_resource
from blindtune.core.timing import Stopwatch
from blindtune.core.validation import load
from blindtune.datasets.base import Split
from blindtune.models.architecture import Architecture
from blindtune.study.setup import add_output_layer
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.pytorch import PyTorchTrainer
from blindtune.views.base import SampleView

#: Samples for measuring the rate of training.
TRAINED = 256


def main() -> int:
    """Write, read, train and print; return the exit status."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        segments = workload.write_samples(folder / "eeg.npy", (arguments.segments, 20, 500), np.dtype(np.float32))
        patches = workload.write_samples(folder / "patches.npy", (arguments.patches, 512, 512, 3), np.dtype(np.uint8))
        _compare("frames of #12", workload.view_frames, segments, "hybrid_12", arguments.rounds)
        for factor, how in ((1, "in full size"), (2, "in half size")):
            way = partial(workload.view_crops, factor=factor)
            _compare(f"crops of #11, patches {how}", way, patches, "convnet_11", arguments.rounds)
    return 0


def _compare(what: str, make_view: Callable[[Path], SampleView], file: Path, name: str, rounds: int) -> None:
    model = load(ManualModel, find_resource("models", name))
    batch = model.training.batch_size
    trained = _training_rate(make_view(file), model)
    print(f"{what}: {name} trains on {trained:.0f} samples per second, {batch} a batch")
    walls: dict[str, list[float]] = {"disk": [], "page cache": []}
    for _ in range(rounds):
        _drop_from_cache(file)
        for seconds in walls.values():
            begun = time.perf_counter()
            # Opened again: pages that are still mapped are not dropped.
            count = _read(make_view(file), batch)
            seconds.append((time.perf_counter() - begun) / count)
    for where, seconds in walls.items():
        rate = 1 / min(seconds)
        share = trained / (rate + trained)
        print(f"  from {where}: {rate:.0f} samples per second, {rate / trained:.1f} times as fast; {share:.1%} of both")


def _read(view: SampleView, batch: int) -> int:
    random = np.random.default_rng(0)
    order = random.permutation(len(view))
    for first in range(0, len(order), batch):
        view.train_batch(order[first : first + batch], random)
    return len(order)


def _training_rate(view: SampleView, model: ManualModel) -> float:
    """Return the samples per second of an epoch on samples in memory, the best of three."""
    random = np.random.default_rng(0)
    x = view.train_batch(np.arange(TRAINED) % len(view), random)
    split = Split(x, (np.arange(TRAINED) % 2).astype(np.int64))
    task = TrainingTask(
        model=Architecture(input_shape=x.shape[1:], layers=add_output_layer(model.layers, 2)),
        training=model.training.model_copy(update={"epochs": 1}),
        hyperparameters={},
        seed=1,
        classes=2,
    )
    seconds = []
    for _ in range(3):
        clock = Stopwatch()
        few = Split(split.x[:2], split.y[:2])
        PyTorchTrainer().train(task, split, few, TrainingOptions(score_epoch="last", clock=clock))
        seconds.append(clock.seconds["train"].wall)
    return TRAINED / min(seconds)


def _drop_from_cache(path: Path) -> None:
    """Ask the system to drop a file from its cache, so that it is read from the disk again."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=5000)
    parser.add_argument("--segments", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="where the files are written; default: the folder of temporary files"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

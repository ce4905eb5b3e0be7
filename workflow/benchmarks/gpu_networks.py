"""Measure what a trial of the searches of #11 (ConvNets) and #12 (LSTMs) costs at full size, on a GPU if there is one.

Writes samples of the published numbers and shapes to memory-mapped files, as the preparation does: 10,000 and 2,500
patches of 512 (9.2 GiB), or as many EEG segments of ten seconds (0.5 GiB). Draws as many sets of the space as a search
has, and takes some of those that can be built: of the sets in the order of their cost the middle of equal parts, so
their mean is that of all. Then it prints, for each search:

- eager: seconds of a trial of ten epochs in one process, as a study trains it, from trials of one and of more epochs;
- workers: the same sets by several processes on the one device, and what 500 trials would take;
- graph: a step of training as a CUDA graph against the same step launched kernel by kernel, without the reading of
  samples; streams: the graphs of all sets at once, each in its stream, against one after the other.

``PYTHONPATH=workflow/lib python workflow/benchmarks/gpu_networks.py --json found.json``; small, on a CPU:
``... gpu_networks.py --scale 0.01 --sets 4 --workers 2 --epochs 2``
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import workload
from torch.utils.flop_counter import FlopCounterMode

from blindtune.config.training import Training
from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.validation import load
from blindtune.datasets.base import Split
from blindtune.models import pytorch as networks
from blindtune.models.architecture import Architecture, check
from blindtune.models.families import load_family
from blindtune.models.layers import InvalidModelError
from blindtune.search_space import Hyperparameters, Space
from blindtune.training.base import Trainer, TrainingOptions, TrainingTask, train_each
from blindtune.training.devices import device_name, find_device
from blindtune.training.pool.trainer import Pool
from blindtune.training.pytorch import PyTorchTrainer, create_optimizer
from blindtune.views.base import SampleView

#: Samples in train and dev of #11 and #12.
SIZES = (10_000, 2_500)

#: Trials of a published search, and seconds in which both searches are to end on one GPU.
TRIALS, AIM = 500, 3_600

#: Steps of a graph that are timed.
STEPS = 50


@dataclass(frozen=True)
class Search:
    """One of the two searches.

    Attributes:
        family: of its networks.
        space: its space.
        stored: the shape of a stored sample.
        dtype: of a stored sample.
        view: from a memory-mapped file to what a network is trained on.
    """

    family: str
    space: str
    stored: tuple[int, ...]
    dtype: type[np.generic]
    view: Callable[[Path], SampleView]


SEARCHES = {
    "tissue_11": Search("convnet", "convnet_11", (512, 512, 3), np.uint8, workload.view_crops),
    "eeg_12": Search("lstm", "lstm_12", (20, 500), np.float32, workload.view_frames),
}


def main() -> None:
    """Write, train and print."""
    arguments = _arguments()
    where = find_device()
    print(f"{device_name(where)}, PyTorch {torch.__version__}", flush=True)
    found = {}
    for name in arguments.searches:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            found[name] = _measure(name, Path(folder), where, arguments)
    whole = sum(min(one["seconds_of_search"].values()) for one in found.values())
    print(f"{' and '.join(found)}, {TRIALS} trials each: {whole / 60:.0f} min at best (aim: {AIM // 60} on an H100)")
    if arguments.json:
        content = {"device": device_name(where), "torch": torch.__version__, "searches": found}
        arguments.json.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the samples")
    parser.add_argument("--sets", type=int, default=8, help="sets that are trained")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the longer trials, at least 2")
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 12], help="numbers of processes")
    parser.add_argument("--folder", type=Path, help="where the samples are written; default: that of temporary files")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    return parser.parse_args()


def _measure(name: str, folder: Path, where: torch.device, arguments: argparse.Namespace) -> dict[str, Any]:
    search = SEARCHES[name]
    train, dev = (
        _write_split(search, folder / f"{split}.npy", max(64, round(arguments.scale * size)))
        for split, size in zip(("train", "dev"), SIZES, strict=True)
    )
    tasks, architectures, share = _choose(search, train.x.shape[1:], arguments.sets)
    eager, fixed = _time_epochs(PyTorchTrainer(), tasks, train, dev, arguments.epochs)
    trial = fixed + 10 * eager
    found: dict[str, Any] = {"sets": len(tasks), "valid": share, "eager_trial": trial, "eager_epoch": eager}
    seconds = {"1": trial * TRIALS * share}
    print(
        f"{name}, {len(train.y):,} and {len(dev.y):,} samples, {len(tasks)} sets ({share:.0%} can be built): eager "
        f"{eager:.2f} s per epoch, {trial:.1f} s per trial of ten, {seconds['1'] / 60:.0f} min for {TRIALS} trials",
        flush=True,
    )
    for workers in arguments.workers:
        # Each worker gets whole rounds of the sets, or one that is done waits for the last.
        many = [replace(task, seed=task.seed + at) for at in range(workers) for task in tasks]
        pool = Pool(PyTorchTrainer(), PyTorchTrainer, workers)
        try:
            _train(pool, many[:workers], train, dev, 1)
            epoch, rest = _time_epochs(pool, many, train, dev, arguments.epochs)
        finally:
            pool.close()
        seconds[str(workers)] = (rest + 10 * epoch) * TRIALS * share
        print(
            f"  {workers} workers: {trial * TRIALS * share / seconds[str(workers)]:.2f} times as fast, "
            f"{seconds[str(workers)] / 60:.0f} min for {TRIALS} trials",
            flush=True,
        )
    found["seconds_of_search"] = seconds
    if where.type == "cuda":
        found["steps"] = _time_steps(tasks, architectures, train, search.view(folder / "train.npy"), where)
    else:
        print("  no CUDA device: graphs and streams are not timed")
    return found


def _write_split(search: Search, path: Path, count: int) -> Split:
    workload.write_samples(path, (count, *search.stored), np.dtype(search.dtype))
    return Split(search.view(path), np.arange(count, dtype=np.int64) % 2)


def _choose(search: Search, shape: tuple[int, ...], count: int) -> tuple[list[TrainingTask], list[Architecture], float]:
    """Return tasks and networks of sets typical of a search, and the share of its sets that can be built."""
    space, random = load(Space, RESOURCES / "spaces" / f"{search.space}.yaml"), np.random.default_rng(10)
    valid: list[tuple[Hyperparameters, Architecture]] = []
    for _ in range(TRIALS):
        values = space.draw(random)
        architecture = load_family(search.family).build(values, shape, 2)
        try:
            check(architecture, 2)
        except InvalidModelError:
            continue
        valid.append((values, architecture))
    costs = [_count_operations(architecture) for _, architecture in valid]
    chosen = [valid[place] for place in workload.choose_representatives(costs, count)]
    base = Training(epochs=10, batch_size=32)
    tasks = [
        TrainingTask(architecture, base.with_hyperparameters(values), values, derive("trial", values), 2)
        for values, architecture in chosen
    ]
    return tasks, [architecture for _, architecture in chosen], len(valid) / TRIALS


def _count_operations(architecture: Architecture) -> float:
    """Return the operations of one sample forward; of an LSTM its weights, each of which is used once a step."""
    model = networks.build(architecture)
    if len(architecture.input_shape) == 2:
        return sum(parameter.numel() for parameter in model.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *architecture.input_shape))
    return float(counter.get_total_flops())


def _time_epochs(
    trainer: Trainer, tasks: Sequence[TrainingTask], train: Split, dev: Split, epochs: int
) -> tuple[float, float]:
    """Return the wall seconds of an epoch and of the rest, per trial: from trials of one epoch and of ``epochs``."""
    _train(trainer, tasks[:1], train, dev, 1)
    short = _train(trainer, tasks, train, dev, 1)
    long = _train(trainer, tasks, train, dev, epochs)
    epoch = (long - short) / (epochs - 1) / len(tasks)
    return epoch, max(0.0, short / len(tasks) - epoch)


def _train(trainer: Trainer, tasks: Sequence[TrainingTask], train: Split, dev: Split, epochs: int) -> float:
    """Return the wall seconds of training tasks for some epochs."""
    jobs = [(replace(task, training=task.training.until(epochs)), TrainingOptions("last")) for task in tasks]
    begun = time.perf_counter()
    for _, outcome in train_each(trainer, jobs, train, dev):
        if isinstance(outcome, Exception):
            raise outcome
    return time.perf_counter() - begun


def _time_steps(
    tasks: Sequence[TrainingTask],
    architectures: Sequence[Architecture],
    train: Split,
    view: SampleView,
    where: torch.device,
) -> dict[str, float]:
    """Return milliseconds of a step per set: launched by kernel, as a graph, and all graphs at once."""
    rows = np.arange(tasks[0].training.batch_size) % len(train.y)
    x = torch.from_numpy(view.train_batch(rows, np.random.default_rng(0))).to(where)
    y = torch.from_numpy(train.y[rows]).to(where)
    # Some backward passes of PyTorch are refused in deterministic mode while a graph is captured.
    torch.set_deterministic_debug_mode("default")
    steps = [
        _build_step(task, architecture, x, y, where) for task, architecture in zip(tasks, architectures, strict=True)
    ]
    graphs = [_capture(step) for step in steps]
    streams = [torch.cuda.Stream() for _ in graphs]  # type: ignore[no-untyped-call]

    def replay(at_once: bool) -> None:
        for graph, stream in zip(graphs, streams, strict=True):
            if at_once:
                with torch.cuda.stream(stream):
                    graph.replay()
            else:
                graph.replay()

    found = {
        "eager": _milliseconds(lambda: [step() for step in steps], len(steps)),
        "graph": _milliseconds(partial(replay, at_once=False), len(steps)),
        "streams": _milliseconds(partial(replay, at_once=True), len(steps)),
    }
    print(
        f"  a step: eager {found['eager']:.2f} ms, graph {found['graph']:.2f} ms "
        f"({found['eager'] / found['graph']:.1f} times as fast), {len(steps)} graphs at once {found['streams']:.2f} ms "
        f"({found['eager'] / found['streams']:.1f} times)",
        flush=True,
    )
    return found


def _build_step(
    task: TrainingTask, architecture: Architecture, x: torch.Tensor, y: torch.Tensor, where: torch.device
) -> Callable[[], None]:
    model = networks.build(architecture.for_loss(task.training.loss)).to(where)
    optimizer = create_optimizer(task.training, model.parameters())
    for group in optimizer.param_groups:
        group["capturable"] = True

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = networks.compute_loss(task.training.loss, model(x), y, architecture.score_kind())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _capture(step: Callable[[], None]) -> Any:
    """Return a step as a CUDA graph, after a few steps in another stream, which PyTorch asks for."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


def _milliseconds(work: Callable[[], object], count: int) -> float:
    work()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(STEPS):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) * 1e3 / STEPS / count


if __name__ == "__main__":
    main()

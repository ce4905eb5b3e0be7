"""Measure each choice of the Keras trainers on every backend: CPU seconds, and whether the weights are the same.

The choices are the number of steps per execution, XLA, tensors of the backend in place of arrays, an optimizer that is
built before the first step, and a compiled model of an earlier trial. Each backend runs in a separate process on one
thread, its choices in turns. The first epoch traces and compiles; a trial is the first and nine later ones.
``python workflow/benchmarks/keras_speed.py --backends tensorflow jax --train 20000``
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import workload

import blindtune.training  # noqa: F401  (its settings for TensorFlow)
from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.datasets.base import Split
from blindtune.models.architecture import Architecture
from blindtune.models.layers import Conv2D, Dense, Dropout, Flatten, Lstm, MaxPool2D
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.keras.backend import choose_backend

TRAINERS = {"tensorflow": "keras", "jax": "keras-jax", "torch": "keras-torch"}

#: Network and samples in a batch.
SETTINGS = [("mlp", 512), ("mlp", 32), ("mlp", 16), ("convnet", 32), ("lstm", 32)]


@dataclass(frozen=True)
class Choice:
    """One way to compile and fit; ``steps`` per execution, 0: those of an epoch."""

    steps: int = 1
    xla: bool = False
    tensors: bool = False
    built: bool = True


CHOICES = {
    "tensorflow": {
        "step by step": Choice(),
        "optimizer built in the first step": Choice(built=False),
        "50 steps per execution": Choice(steps=50),
        "an epoch per execution": Choice(steps=0),
        "an epoch per execution, tensors": Choice(steps=0, tensors=True),
        "an epoch per execution, XLA": Choice(steps=0, xla=True),
    },
    "jax": {
        "step by step": Choice(xla=True),
        "50 steps per execution": Choice(steps=50, xla=True),
        "an epoch per execution": Choice(steps=0, xla=True),
        "an epoch per execution, tensors": Choice(steps=0, xla=True, tensors=True),
    },
    "torch": {"step by step": Choice(), "step by step, tensors": Choice(tensors=True)},
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", choices=CHOICES, default=list(CHOICES))
    parser.add_argument("--networks", nargs="+", choices=sorted({name for name, _ in SETTINGS}), default=["mlp"])
    parser.add_argument("--train", type=int, default=20_000, help="samples of the multilayer perceptrons")
    parser.add_argument("--rounds", type=int, default=2, help="the fastest round counts")
    parser.add_argument("--child", action="store_true", help="run one backend in this process")
    arguments = parser.parse_args()
    if arguments.child:
        for line in _lines(arguments.backends[0], arguments):
            print(line, flush=True)
        return
    for backend in arguments.backends:
        rest = ["--networks", *arguments.networks, "--train", str(arguments.train), "--rounds", str(arguments.rounds)]
        subprocess.run([sys.executable, __file__, "--backends", backend, "--child", *rest], check=True)


def _lines(backend: Any, arguments: argparse.Namespace) -> Iterator[str]:
    choose_backend(backend)
    from blindtune.training.registry import create_trainer

    trainer = create_trainer(TRAINERS[backend])
    for network, batch in SETTINGS:
        if network not in arguments.networks:
            continue
        train, dev = _data(network, arguments.train)
        task = _task(network, batch, train)
        yield from _choices(backend, f"{backend}, {network}, batch {batch}", task, train, dev, arguments.rounds)
        yield f"{backend}, {network}, batch {batch}, {_again(trainer, task, train, dev)}"


def _choices(backend: str, name: str, task: TrainingTask, train: Split, dev: Split, rounds: int) -> Iterator[str]:
    found: dict[str, list[dict[str, Any]]] = {label: [] for label in CHOICES[backend]}
    for _ in range(rounds):
        for label, choice in CHOICES[backend].items():
            found[label].append(_fit(choice, task, train, dev))
    base = None
    for label, runs in found.items():
        first, later = (min(run[part] for run in runs) for part in ("first", "later"))
        base = base or first + 9 * later
        same = {run["weights"] for run in runs} == {found["step by step"][0]["weights"]}
        yield (
            f"{name}, {label}: first epoch {first:.2f} s, later {later:.3f} s, a trial of ten "
            f"{(first + 9 * later) / base:.2f} times that of single steps, same weights: {same}"
        )


def _fit(choice: Choice, task: TrainingTask, train: Split, dev: Split) -> dict[str, Any]:
    """Return the CPU seconds of the first epoch, builds included, and of a later one, and the digest of the weights."""
    import keras

    from blindtune.models import keras as networks
    from blindtune.training.keras.model_cache import ModelKey

    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(task.seed)
    splits = [train.x, train.y, dev.x, dev.y]
    train_x, train_y, dev_x, dev_y = map(keras.ops.convert_to_tensor, splits) if choice.tensors else splits
    times = [time.process_time()]
    architecture, training = task.architecture, task.training
    if architecture is None:
        raise TypeError("nothing to build")
    steps = choice.steps or -(-len(train.y) // training.batch_size)
    model = ModelKey(architecture, training.optimizer, training.loss, task.classes, steps).compile_model(0.001)
    if not choice.built:
        model.optimizer = keras.optimizers.Adam(0.001)
    model.jit_compile = choice.xla
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: times.append(time.process_time()))
    model.fit(
        train_x,
        train_y,
        batch_size=training.batch_size,
        epochs=3,
        callbacks=[note],
        validation_data=(dev_x, dev_y),
        validation_batch_size=len(dev.y),
        verbose=0,
    )
    took = np.diff(times)
    return {"first": took[0], "later": took[1:].min(), "weights": digest_arrays(networks.get_weights(model))}


def _again(trainer: Any, task: TrainingTask, train: Split, dev: Split) -> str:
    """Compare a trial of three epochs with a new model, and with one that a trial of another seed has used."""
    session = TrainingOptions("last")
    other = replace(task, seed=task.seed + 1)
    took: list[float] = []
    weights = []
    for it in (task, other, task):
        begun = time.process_time()
        outcome = type(trainer)().train(it, train, dev, session) if not took else trainer.train(it, train, dev, session)
        took.append(time.process_time() - begun)
        weights.append(digest_arrays(outcome.weights))
    return (
        f"three epochs with a new model {took[1]:.2f} s, with a used one {took[2]:.2f} s, "
        f"same weights: {weights[0] == weights[2]}"
    )


def _task(network: str, batch: int, train: Split) -> TrainingTask:
    """Return a task whose network has about as many weights as the published ones."""
    out = Dense(kind="dense", units=10 if network == "convnet" else 2)
    hidden = Dense(kind="dense", units=64, activation="relu")
    layers: dict[str, tuple[Any, ...]] = {
        "mlp": (hidden, Dropout(kind="dropout", rate=0.1), hidden, hidden, out),
        "convnet": (
            Conv2D(kind="conv2d", filters=16, kernel=3, activation="relu"),
            MaxPool2D(kind="max_pool2d", size=2),
            Flatten(kind="flatten"),
            hidden,
            out,
        ),
        "lstm": (Lstm(kind="lstm", units=16, activation="tanh", sequence=False), out),
    }
    built = Architecture(input_shape=train.x.shape[1:], layers=layers[network])
    return TrainingTask(built, Training(batch_size=batch, epochs=3), {}, 5, out.units)


def _data(network: str, samples: int) -> list[Split]:
    """Return train and dev: points of set #10, the digits of scikit-learn, or noise with a shifted channel."""
    random = np.random.default_rng(0)
    if network == "convnet":
        from sklearn.datasets import load_digits

        digits = load_digits()
        x, y = digits.images[..., None].astype(np.float32) / 16, digits.target.astype(np.int64)
        return [Split(x[300:], y[300:]), Split(x[:300], y[:300])]
    if network == "lstm":
        y = np.arange(2_000) % 2
        x = random.normal(size=(2_000, 20, 8)).astype(np.float32)
        x[:, :, 0] += y[:, None]
        return [Split(x[200:], y[200:]), Split(x[:200], y[:200])]
    return list(workload.draw_splits("set_10", samples, max(samples // 10, 100)))


if __name__ == "__main__":
    main()

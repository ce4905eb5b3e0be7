"""Small training tasks on two overlapping clouds, and what trains them."""

from dataclasses import replace
from typing import Any

from blindtune.config.training import Training
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import Outcome, State, TrainingOptions, TrainingTask
from support.builders import points

TRAIN, DEV = Split(*points(400, 0)), Split(*points(200, 1))


def create_task(seed: int = 7, hyperparameters: dict[str, Any] | None = None, **training: Any) -> TrainingTask:
    """Return a task for a small perceptron with dropout."""
    values = {"layers": 1, "units": 8, "activation": "tanh", "dropout_rate": 0.1} | (hyperparameters or {})
    settings = Training(**({"epochs": 3, "batch_size": 100, "learning_rate": 0.02} | training))
    return TrainingTask(mlp.build_architecture(values, (2,), 2), settings, values, seed, 2)


def train_task(trainer: Any, task: TrainingTask, score_epoch: Any = "last", clock: Stopwatch | None = None) -> Outcome:
    """Train a task on `TRAIN` and `DEV`."""
    outcome: Outcome = trainer.train(task, TRAIN, DEV, TrainingOptions(score_epoch, clock or Stopwatch()))
    return outcome


def train_until(
    trainer: Any, task: TrainingTask, epochs: int, state: State | None, score_epoch: Any = "last"
) -> Outcome:
    """Train a task to its epoch number `epochs`, resuming from `state`, and keep the state."""
    until = replace(task, training=task.training.until(epochs))
    outcome: Outcome = trainer.train(until, TRAIN, DEV, TrainingOptions(score_epoch, state=state, keep_state=True))
    return outcome

"""What is trained, with what, and what comes back: one interface for every trainer.

A tuner only proposes hyperparameters and hears scores. A trainer turns one proposal into a scored
model, by the framework's native way or by a faster one; nothing else of the system knows which.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from blindtune.clock import Stopwatch
from blindtune.datasets.base import Split
from blindtune.models.architecture import Architecture
from blindtune.spaces import Hyperparameters
from blindtune.strict import Strict
from blindtune.trials import Epoch, Status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scoring = Literal["last", "best"]
Predict = Callable[["NDArray[np.float32]"], "NDArray[np.int64]"]


class Training(Strict):
    """How a network is trained; a hyperparameter of the same name takes precedence."""

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = Field(
        default="adam", description="gradient descent by this rule, with the framework's own defaults"
    )
    learning_rate: float = Field(default=0.001, gt=0, description="step size")
    batch_size: int = Field(default=512, gt=0, description="samples per gradient update")
    epochs: int = Field(default=10, gt=0, description="passes over train")
    loss: Literal["cross_entropy", "sparse_categorical_crossentropy", "mean_squared_error"] = Field(
        default="cross_entropy", description="the first two are one loss under its PyTorch and its Keras name"
    )
    metric: Literal["accuracy", "sparse_categorical_accuracy"] = Field(
        default="accuracy", description="what dev is scored by, as 1 - error; both names mean the same here"
    )

    def with_hyperparameters(self, values: Mapping[str, object]) -> "Training":
        """These settings with those of ``values`` that have the name of a setting."""
        known = {name: value for name, value in values.items() if name in Training.model_fields}
        return Training.model_validate({**self.model_dump(), **known})


@dataclass(frozen=True)
class Task:
    """One model to train.

    Attributes:
        architecture: what to build; None for models that are not networks.
        training: how to train it.
        hyperparameters: the set that both came from.
        seed: seeds weights, order of samples and dropout.
        classes: number of classes.
    """

    architecture: Architecture | None
    training: Training
    hyperparameters: Hyperparameters
    seed: int
    classes: int


@dataclass(frozen=True)
class Outcome:
    """What training gave; `blindtune.trials.Trial` explains the fields of the same names."""

    status: Status
    reason: str | None
    curve: list[Epoch]
    scored_epoch: int | None
    parameters: int | None
    weights: "dict[str, NDArray[Any]]" = field(default_factory=dict)


class Trainer(Protocol):
    """One way to train."""

    def train(self, task: Task, train: Split, dev: Split, scoring: Scoring, clock: Stopwatch) -> Outcome:
        """Train and score one model; a diverged one is an outcome, not an error."""

    def rebuild(self, task: Task, weights: "Mapping[str, NDArray[Any]]", train: Split) -> Predict:
        """The trained model again, from its weights (or, without any, from train), as a function
        from samples to class labels.
        """

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that determine the outcome."""


def scored_epoch(curve: list[Epoch], scoring: Scoring) -> int | None:
    """The epoch, from 1, that the scoring rule points at; None for an empty curve."""
    if not curve:
        return None
    return len(curve) if scoring == "last" else best_epoch(curve)


def best_epoch(curve: list[Epoch]) -> int | None:
    """The first epoch, from 1, with the lowest dev error; None where no epoch has one."""
    errors = [(epoch.dev_error, number) for number, epoch in enumerate(curve, 1) if epoch.dev_error is not None]
    return min(errors)[1] if errors else None


def finite(value: float) -> float | None:
    """``value``, or None where it is not finite: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def diverged(curve: list[Epoch]) -> str | None:
    """Why training must stop after the last epoch of ``curve``: a loss is not finite; else None."""
    last = curve[-1]
    if last.train_loss is None or last.dev_loss is None:
        which = "train" if last.train_loss is None else "dev"
        return f"the {which} loss was not finite in epoch {len(curve)}"
    return None

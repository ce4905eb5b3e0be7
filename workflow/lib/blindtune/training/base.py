"""What is trained, with what, and what comes back: one interface for every trainer.

A tuner only proposes hyperparameters and hears scores. A trainer turns one proposal into a scored
model, by the framework's native way or by a faster one; nothing else of the system knows which.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import Field

from blindtune.core.timing import Stopwatch
from blindtune.core.validation import Strict
from blindtune.datasets.base import Split
from blindtune.models.architecture import Architecture
from blindtune.records.trial import EpochMetrics, Status
from blindtune.search_space import Hyperparameters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.views.base import SampleView


Scoring = Literal["last", "best"]
#: From samples as the trainer was given them to their labels.
Predict = Callable[["NDArray[np.float32] | SampleView"], "NDArray[np.int64]"]
Arrays = dict[str, "NDArray[Any]"]


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
    initial_weights: Literal["framework", "keras"] = Field(
        default="framework",
        description="drawn as the trainer's framework does by default; or as Keras does, by PyTorch too",
    )
    metric: Literal["accuracy", "sparse_categorical_accuracy"] = Field(
        default="accuracy", description="what dev is scored by, as 1 - error; both names mean the same here"
    )

    def with_hyperparameters(self, values: Mapping[str, object]) -> "Training":
        """These settings with those of ``values`` that have the name of a setting."""
        known = {name: value for name, value in values.items() if name in Training.model_fields}
        return Training.model_validate({**self.model_dump(), **known})


@dataclass(frozen=True)
class TrainingTask:
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
class State:
    """Where a training stands; going on from here is as if it had never stopped.

    Attributes:
        epochs: epochs trained so far.
        arrays: weights, optimizer and whatever else the trainer needs, under names of its own.
    """

    epochs: int
    arrays: "Arrays"


def _never(epoch: int, measures: EpochMetrics) -> str | None:
    return None


@dataclass(frozen=True)
class TrainingOptions:
    """How one training goes, beside what is trained.

    Attributes:
        scoring: which epoch is scored.
        clock: takes the seconds of building, training and scoring.
        after_epoch: told the number of an epoch, counted from the start of the training, and its measures; a
            text that comes back is why the training is to be stopped early (pruned).
        state: where to go on from; None: from the start.
        keep_state: whether the outcome is to hold the state at its end.
    """

    scoring: Scoring
    clock: Stopwatch = field(default_factory=Stopwatch)
    after_epoch: Callable[[int, EpochMetrics], str | None] = _never
    state: State | None = None
    keep_state: bool = False

    @property
    def trained_before(self) -> int:
        """Epochs that lie behind the state."""
        return self.state.epochs if self.state else 0


@dataclass(frozen=True)
class Outcome:
    """What training gave; `blindtune.records.trial.Trial` explains the fields of the same names.

    ``started`` is None where all tasks of a call began together, at its begin.
    """

    status: Status
    reason: str | None
    curve: list[EpochMetrics]
    scored_epoch: int | None
    parameters: int | None
    weights: "Arrays" = field(default_factory=dict)
    state: State | None = None
    retries: list[str] = field(default_factory=list)
    started: str | None = None


class Trainer(Protocol):
    """One way to train."""

    #: Whether `train` can go on from the state of an earlier training.
    supports_resume: bool

    def train(self, task: TrainingTask, train: Split, dev: Split, session: TrainingOptions) -> Outcome:
        """Train until the task's number of epochs, and score; a diverged model is an outcome, not an error."""

    def rebuild(self, task: TrainingTask, weights: "Mapping[str, NDArray[Any]]", train: Split) -> Predict:
        """The trained model again, from its weights (or, without any, from train), as a function
        from samples to class labels.
        """

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that determine the outcome."""


@runtime_checkable
class BatchTrainer(Trainer, Protocol):
    """A trainer that trains several tasks at once, each as if it were alone."""

    #: Tasks that it takes at once; more of them train no faster.
    max_batch: int

    #: Whether several of it, each in a process of its own, train faster than one.
    benefits_from_workers: bool

    def partition(self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split) -> list[list[int]]:
        """Places of the jobs that `train_batch` trains as one model, part by part; it takes them apart just as well."""

    def train_batch(
        self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split, dev: Split
    ) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train every task as `train` does, and give the place of each and its outcome as it ends, in any order.

        What goes wrong with one task is its outcome and concerns no other. The time that they share is booked on the
        clock of each by its share of the arithmetic.
        """


def train_each(
    trainer: Trainer, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split, dev: Split
) -> Iterator[tuple[int, Outcome | Exception]]:
    """Train tasks with any trainer; gives what `Together.train_batch` gives."""
    if isinstance(trainer, BatchTrainer):
        yield from trainer.train_batch(jobs, train, dev)
        return
    for place, (task, session) in enumerate(jobs):
        outcome: Outcome | Exception
        try:
            outcome = trainer.train(task, train, dev, session)
        except Exception as error:  # a library's own failure on one set must not halt the search
            outcome = error
        yield place, outcome


def report_each_epoch_once(
    after_epoch: Callable[[int, EpochMetrics], str | None],
) -> Callable[[int, EpochMetrics], str | None]:
    """``after_epoch``, which a training that begins again does not tell the same epochs twice."""
    said: dict[int, str | None] = {}

    def tell(epoch: int, measures: EpochMetrics) -> str | None:
        if epoch not in said:
            said[epoch] = after_epoch(epoch, measures)
        return said[epoch]

    return tell


class EpochTracker:
    """The epochs of one training: its curve, the weights worth keeping, and when it ends.

    Attributes:
        curve: the epochs of this session.
    """

    def __init__(self, epochs: int, session: TrainingOptions) -> None:
        self.curve: list[EpochMetrics] = []
        self._epochs = epochs
        self._session = session
        self._status: Status = "completed"
        self._reason: str | None = None
        self._kept: Arrays = {}

    @property
    def done(self) -> int:
        """Epochs trained, those before this session included."""
        return self._session.trained_before + len(self.curve)

    def add(self, epoch: EpochMetrics, weights: "Callable[[], Arrays]") -> bool:
        """Take note of an epoch.

        Args:
            epoch: its measures.
            weights: gives a copy of the weights as they are now.

        Returns:
            Whether training goes on.
        """
        self.curve.append(epoch)
        self._reason = diverged(epoch, self.done)
        if self._reason:
            self._status = "diverged"
            return False
        pruned = self._session.after_epoch(self.done, epoch)
        last = self.done >= self._epochs
        if pruned and not last:
            self._status, self._reason = "pruned", pruned
            return False
        if self._session.scoring == "best" and best_epoch(self.curve) == len(self.curve):
            self._kept = weights()
        return not last

    def outcome(
        self, parameters: int | None, weights: "Callable[[], Arrays]", state: "Callable[[], Arrays]"
    ) -> Outcome:
        """What training gave.

        Args:
            parameters: trainable parameters.
            weights: gives a copy of the final weights.
            state: gives what is needed to go on.
        """
        if self._status != "completed":
            return Outcome(self._status, self._reason, self.curve, None, parameters)
        scored = scored_epoch(self.curve, self._session.scoring)
        return Outcome(
            status="completed",
            reason=None,
            curve=self.curve,
            scored_epoch=None if scored is None else self._session.trained_before + scored,
            parameters=parameters,
            weights=self._kept or weights(),
            state=State(self.done, state()) if self._session.keep_state else None,
        )


def scored_epoch(curve: list[EpochMetrics], scoring: Scoring) -> int | None:
    """The epoch of ``curve``, from 1, that the scoring rule points at; None for an empty curve."""
    if not curve:
        return None
    return len(curve) if scoring == "last" else best_epoch(curve)


def best_epoch(curve: list[EpochMetrics]) -> int | None:
    """The first epoch of ``curve``, from 1, with the lowest dev error; None where no epoch has one."""
    errors = [(epoch.dev_error, number) for number, epoch in enumerate(curve, 1) if epoch.dev_error is not None]
    return min(errors)[1] if errors else None


def finite(value: float) -> float | None:
    """``value``, or None where it is not finite: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def diverged(epoch: EpochMetrics, number: int) -> str | None:
    """Why training must stop after an epoch: a loss is not finite; else None."""
    if epoch.train_loss is None or epoch.dev_loss is None:
        which = "train" if epoch.train_loss is None else "dev"
        return f"the {which} loss was not finite in epoch {number}"
    return None

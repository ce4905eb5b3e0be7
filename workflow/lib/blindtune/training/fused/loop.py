"""The training loop of groups: epoch by epoch, each trial until it ends."""

from collections.abc import Iterator, Sequence

import torch

from blindtune.core.timing import Stopwatch
from blindtune.models.architecture import count_parameters
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import (
    EpochTracker,
    Outcome,
    TrainingOptions,
    TrainingTask,
    finite_or_none,
    require_architecture,
)
from blindtune.training.fused.execution import ExecutionPlan
from blindtune.training.fused.group import FusedGroup, FusedModel
from blindtune.training.halves import train_in_halves
from blindtune.training.pytorch import Samples, evaluate


class FusedTrial:
    """A job, its model and its epochs.

    Attributes:
        index: of the job in its batch.
        task: what is trained.
        clock: of the job.
        n_parameters: number of trainable parameters.
        metric: what dev is ranked by.
        model: the model, in its current state.
        tracker: its epochs.
    """

    def __init__(self, index: int, task: TrainingTask, options: TrainingOptions, plan: ExecutionPlan) -> None:
        """Build the model.

        Args:
            index: of the job in its batch.
            task: what to train.
            options: how.
            plan: how it is executed.

        Raises:
            ValueError: the fused trainer does not train its layers.
        """
        self.index = index
        self.task = task
        self.clock = options.clock
        self.n_parameters = count_parameters(require_architecture(task))
        self.metric = options.metric
        self._plan = plan
        self._options = options
        self.start()

    def start(self) -> None:
        """Begin the training, from the start or the state; may be called again, to train again."""
        with self.clock.measure("build"):
            self.model = FusedModel(self.task, self._plan)
            if self._options.state:
                self.model.load_state(self._options.state.epochs, self._options.state.arrays)
        self.tracker = EpochTracker(self.task.training.epochs, self._options, self.task.training)

    def outcome(self) -> Outcome:
        """Return the outcome of the training."""
        return self.tracker.outcome(self.n_parameters, self.model.get_weights, self.model.save_state)


class FusedTrainingLoop:
    """Trains groups on train, and scores each trial alone on dev, as a rebuilt model is scored."""

    def __init__(self, train: Samples, dev: Samples) -> None:
        self._train = train
        self._dev = dev

    def run(self, trials: Sequence[FusedTrial]) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train a group.

        If memory runs out or anything else fails, the trials that have not ended start again in two halves, down to
        single trials: a failure of one does not affect the others.

        Args:
            trials: with the same `blindtune.training.fused.group.group_key`.

        Yields:
            The index of a trial and its outcome or error, as soon as it ends.
        """
        by_index = {trial.index: trial for trial in trials}

        def train(part: Sequence[int], again: bool) -> Iterator[tuple[int, Outcome]]:
            if again:
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                for index in part:
                    by_index[index].start()
            yield from self._run([by_index[index] for index in part])

        yield from train_in_halves(list(by_index), train)

    def _run(self, trials: Sequence[FusedTrial]) -> Iterator[tuple[int, Outcome]]:
        group: FusedGroup | None = None
        while trials:
            watch = Stopwatch()
            with watch.measure("train"):
                group = group or FusedGroup(
                    [trial.model for trial in trials],
                    torch.as_tensor(self._train.x),
                    self._train.y,
                    self._train.weights,
                )
                for trial in trials:
                    trial.model.learning_rate = trial.tracker.learning_rate()
                means = group.train_epoch()
            _share_time(watch, trials)
            continuing = []
            for trial, (loss, error) in zip(trials, means, strict=True):
                if trial.tracker.add(self._score(trial, loss, error), trial.model.get_weights):
                    continuing.append(trial)
                else:
                    yield trial.index, trial.outcome()
            if len(continuing) < len(trials):
                trials, group = continuing, None

    def _score(self, trial: FusedTrial, train_loss: float, train_error: float) -> EpochMetrics:
        module = trial.model.module
        with trial.clock.measure("evaluate"):
            dev_loss, dev_error, dev_metric = evaluate(
                module.to(self._dev.y.device), self._dev, trial.task, trial.metric
            )
            module.to("cpu")
        return EpochMetrics(
            train_loss=finite_or_none(train_loss),
            train_error=train_error,
            dev_loss=finite_or_none(dev_loss),
            dev_error=dev_error,
            dev_metric=dev_metric,
        )


def _share_time(watch: Stopwatch, trials: Sequence[FusedTrial]) -> None:
    """Add the time of an epoch to the trials' clocks, in proportion to their parameters and so to their arithmetic."""
    whole = sum(trial.n_parameters for trial in trials)
    for part, seconds in watch.seconds.items():
        for trial in trials:
            share = trial.n_parameters / whole
            trial.clock.add(part, share * seconds.wall, share * seconds.cpu)

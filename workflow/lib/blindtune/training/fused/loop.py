"""Groups of trials on their way: epoch by epoch, each trial until its own end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.models.architecture import count_parameters
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import EpochTracker, Outcome, TrainingOptions, TrainingTask, finite, report_each_epoch_once
from blindtune.training.fused.execution import Way
from blindtune.training.fused.group import Group, Member
from blindtune.training.pytorch import Samples, architecture_of, evaluate


class Trial:
    """A task on its way.

    Attributes:
        place: among the tasks that came with it.
        parameters: trainable ones.
        member: its model, as far as it is trained.
        progress: its epochs.
        clock: its own.
    """

    def __init__(self, place: int, task: TrainingTask, session: TrainingOptions, way: Way) -> None:
        self.place = place
        self.task = task
        self.clock = session.clock
        self.parameters = count_parameters(architecture_of(task))
        self._way = way
        self._session = replace(session, after_epoch=report_each_epoch_once(session.after_epoch))
        self.begin()

    def begin(self) -> None:
        """Stand where the training begins, at first or again; raises ValueError where it cannot be fused."""
        with self.clock.measure("build"):
            self.member = Member(self.task, self._way)
            if self._session.state:
                self.member.go_on(self._session.state.epochs, self._session.state.arrays)
        self.progress = EpochTracker(self.task.training.epochs, self._session)

    def outcome(self) -> Outcome:
        """What the training gave."""
        return self.progress.outcome(self.parameters, self.member.weights, self.member.state)


class Course:
    """Trains groups on train and scores each trial on dev, alone, as whoever rebuilds it will do."""

    def __init__(self, train: Samples, dev: Samples) -> None:
        self._train = train
        self._dev = dev

    def run(self, trials: Sequence[Trial]) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train a group of one kind; the place of each trial and its outcome, as it ends.

        Where memory is short, or something fails, those that have not ended begin again in halves: what goes wrong
        with one concerns no other.
        """
        ended: set[int] = set()
        try:
            for place, outcome in self._run(trials):
                ended.add(place)
                yield place, outcome
        except UserError:
            raise
        except Exception as error:  # of one trial alone it is the outcome, whatever it is
            if len(trials) == 1:
                yield trials[0].place, error
                return
        else:
            return
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        left = [trial for trial in trials if trial.place not in ended]
        for trial in left:
            trial.begin()
        half = -(-len(left) // 2)
        for part in filter(None, (left[:half], left[half:])):
            yield from self.run(part)

    def _run(self, trials: Sequence[Trial]) -> Iterator[tuple[int, Outcome]]:
        group: Group | None = None
        while trials:
            watch = Stopwatch()
            with watch.measure("train"):
                group = group or Group(
                    [trial.member for trial in trials], torch.as_tensor(self._train.x), self._train.y
                )
                measured = group.epoch()
            _share(watch, trials)
            going = []
            for trial, (loss, error) in zip(trials, measured, strict=True):
                if trial.progress.add(self._scored(trial, loss, error), trial.member.weights):
                    going.append(trial)
                else:
                    yield trial.place, trial.outcome()
            if len(going) < len(trials):
                trials, group = going, None

    def _scored(self, trial: Trial, loss: float, error: float) -> EpochMetrics:
        model = trial.member.model
        with trial.clock.measure("evaluate"):
            dev_loss, dev_error = evaluate(model.to(self._dev.y.device), self._dev, trial.task)
            model.to("cpu")
        return EpochMetrics(train_loss=finite(loss), train_error=error, dev_loss=finite(dev_loss), dev_error=dev_error)


def _share(watch: Stopwatch, trials: Sequence[Trial]) -> None:
    """Book the time of an epoch on the trials' clocks by their parameters: so is their arithmetic."""
    whole = sum(trial.parameters for trial in trials)
    for part, seconds in watch.seconds.items():
        for trial in trials:
            share = trial.parameters / whole
            trial.clock.add(part, share * seconds.wall, share * seconds.cpu)

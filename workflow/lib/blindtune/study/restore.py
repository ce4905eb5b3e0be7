"""Restore the models of all trials of a finished search: from kept weights, or by training again with the same seed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from blindtune.config.study import Study
from blindtune.core.arrays import digest_arrays
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.datasets.prepared import Prepared
from blindtune.records.post_mortem import Restored
from blindtune.records.trial import Trial
from blindtune.study.checkpoints import WeightStore
from blindtune.study.pending import with_epochs
from blindtune.study.setup import TaskBuilder, count_workers
from blindtune.training.base import (
    BatchTrainer,
    Model,
    Outcome,
    State,
    Trainer,
    TrainingOptions,
    TrainingTask,
    as_model,
    outcome_from_error,
    train_each,
)
from blindtune.training.pool.trainer import Pool
from blindtune.training.registry import TRAINERS, create_trainer


@dataclass(frozen=True)
class RestoredTrial:
    """A trial with its model.

    Attributes:
        trial: the record.
        model: takes samples with the view applied; None: it could not be restored.
        restored: where the model came from.
        same_weights: whether its weights are the recorded ones, bit by bit; None: it has none.
        reason: why there is no model.
    """

    trial: Trial
    model: Model | None
    restored: Restored | None
    same_weights: bool | None
    reason: str | None = None


@dataclass
class TrialRestorer:
    """Restores the models of the trials of a study one by one; none is kept in memory.

    A trial that was promoted is trained from the state of the trial that it continues, which is trained again before.

    Attributes:
        study: the study.
        data: train and dev, with the view of the system applied.
        folder: of the study, where weights of the best trials are.
        trials: all trials of the search, by number.
        workers: number of cores that may be used; changes no model.
        notice: called with a message about a worker process.
    """

    study: Study
    data: Prepared
    folder: Path
    trials: Sequence[Trial]
    workers: int = 1
    notice: Callable[[str], None] = lambda line: None
    _states: dict[int, State] = field(default_factory=dict, init=False)
    _failed: dict[int, str] = field(default_factory=dict, init=False)

    def restore(self) -> Iterator[RestoredTrial]:
        """Yield each trial that was completed and scored on dev, with its model; in any order.

        Raises:
            UserError: the machine refuses.
        """
        wanted = [trial for trial in self.trials if trial.score is not None and trial.fold is None]
        self._trainer = create_trainer(self.study.settings.trainer_name, self.workers)
        self._build_task = TaskBuilder(self.study, self.data)
        if not self.study.settings.has_weights:
            yield from map(self._refit, wanted)
            return
        store = WeightStore(self.folder, 1)
        rest = []
        for trial in wanted:
            weights = _load_weights(store, trial)
            if weights is None:
                rest.append(trial)
            else:
                yield self._rebuild(trial, weights, "kept")
        yield from self._retrain(rest)

    def _refit(self, trial: Trial) -> RestoredTrial:
        """Fit a model without weights again."""
        try:
            model = as_model(self._trainer.rebuild(self._task(trial), {}, self.data.train))
        except Exception as error:
            return RestoredTrial(trial, None, None, None, f"not fitted again: {outcome_from_error(error).reason}")
        return RestoredTrial(trial, model, "refitted", None)

    def _rebuild(self, trial: Trial, weights: dict[str, NDArray[Any]], restored: Restored) -> RestoredTrial:
        model = as_model(self._trainer.rebuild(self._task(trial), weights, self.data.train))
        return RestoredTrial(trial, model, restored, digest_arrays(weights) == trial.weights_sha256)

    def _task(self, trial: Trial) -> TrainingTask:
        return with_epochs(self._build_task(trial.hyperparameters), trial.trained_before + trial.epochs)

    def _retrain(self, wanted: list[Trial]) -> Iterator[RestoredTrial]:
        """Train trials again, those that others continue first."""
        needed = self._with_parents(wanted)
        has_children = {trial.parent for trial in needed if trial.trained_before}
        yielded = {trial.number for trial in wanted}
        trainer = self._create_batch_trainer(len(needed))
        size = trainer.max_batch if isinstance(trainer, BatchTrainer) else 1
        try:
            for level in _split_levels(needed):
                for first in range(0, len(level), size):
                    for trial, outcome in self._train(trainer, level[first : first + size], has_children):
                        if trial.number in yielded:
                            yield self._check(trial, outcome)
        finally:
            if isinstance(trainer, Pool):
                trainer.close()
            self._states.clear()

    def _train(
        self, trainer: Trainer, trials: Sequence[Trial], has_children: set[int | None]
    ) -> Iterator[tuple[Trial, Outcome]]:
        """Train trials of which none continues another one of them; keep the states from which others go on."""
        ready = []
        for trial in trials:
            if not trial.trained_before or trial.parent in self._states:
                ready.append(trial)
                continue
            reason = f"trial {trial.parent}, which it continues, could not be trained again"
            yield trial, Outcome("failed", reason, [], None, None)
        jobs = [
            (
                self._task(trial),
                TrainingOptions(
                    self.study.score_epoch,
                    state=self._states[trial.parent or 0] if trial.trained_before else None,
                    keep_state=trial.number in has_children,
                    name=f"trial {trial.number + 1}",
                    metric=self.study.metric,
                ),
            )
            for trial in ready
        ]
        for index, found in train_each(trainer, jobs, self.data.train, self.data.dev):
            outcome = outcome_from_error(found) if isinstance(found, Exception) else found
            if outcome.state is not None:
                self._states[ready[index].number] = outcome.state
            yield ready[index], outcome

    def _check(self, trial: Trial, outcome: Outcome) -> RestoredTrial:
        """Return a trial that was trained again, with its model if there is one."""
        if outcome.status != "completed":
            why = outcome.reason or outcome.status
            return RestoredTrial(trial, None, None, None, f"trained again, it was {outcome.status}: {why}")
        return self._rebuild(trial, outcome.weights, "retrained")

    def _with_parents(self, wanted: list[Trial]) -> list[Trial]:
        """Return trials and those that they continue, at any depth, in order."""
        found: dict[int, Trial] = {}
        waiting = list(wanted)
        while waiting:
            trial = waiting.pop()
            found[trial.number] = trial
            if trial.trained_before and trial.parent is not None and trial.parent not in found:
                waiting.append(self.trials[trial.parent])
        return [found[number] for number in sorted(found)]

    def _create_batch_trainer(self, n_trials: int) -> Trainer:
        """Return what trains this number of trials: workers, where the search would have them too."""
        name = self.study.settings.trainer_name
        max_trainings = TRAINERS[name].max_trainings
        n_workers = count_workers(self._trainer, Budget(trials=max(1, n_trials)), self.workers, max_trainings)
        if not n_workers or not n_trials:
            return self._trainer
        return Pool(
            self._trainer,
            partial(create_trainer, name, self.workers),
            n_workers,
            notice=lambda line: self.notice(f"{self.study.id}: {line}"),
            max_trainings=max_trainings,
        )


def _load_weights(store: WeightStore, trial: Trial) -> dict[str, NDArray[Any]] | None:
    """Return the kept weights of a trial; None if they were not kept or are damaged: then it is trained again."""
    try:
        return store.load_weights(trial)
    except UserError:
        return None


def _split_levels(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Return the trials that continue none, then those that continue one of these, and so on."""
    depth: dict[int, int] = {}
    for trial in trials:  # in order: a trial continues an earlier one
        depth[trial.number] = depth[trial.parent or 0] + 1 if trial.trained_before else 0
    levels: list[list[Trial]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for trial in trials:
        levels[depth[trial.number]].append(trial)
    return levels

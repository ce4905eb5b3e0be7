"""The search loop: ask the tuner, train, record, tell; a search that was stopped goes on from its records."""

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from blindtune.config.rungs import plan_system_rungs
from blindtune.core.arrays import digest_arrays
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.shards import Shard
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.metrics.compute import check_classes
from blindtune.metrics.registry import is_error
from blindtune.records.model_card import ModelCard
from blindtune.records.trial import EpochMetrics, Trial, TrialLog, find_best
from blindtune.study.attempts import Attempts
from blindtune.study.budget_tracker import BudgetTracker
from blindtune.study.checkpoints import WeightStore
from blindtune.study.context import StudyContext
from blindtune.study.freeze import freeze
from blindtune.study.pending import PendingTrial, build_pending, is_record_of
from blindtune.study.retrain import Retrainer
from blindtune.study.setup import SearchSetup, build_search_setup, check_batches
from blindtune.study.shard_proposals import ProposalsTuner, list_proposals, list_rung
from blindtune.study.shards import RecordedTrial, RecordedTrials, read_shards, remove_states
from blindtune.study.waiting import WaitingTrials, is_scored_on_dev
from blindtune.training.base import (
    BatchTrainer,
    Outcome,
    State,
    Trainer,
    TrainingJob,
    TrainingOptions,
    TrainingTask,
    collect_versions,
    describe_error,
    divergence_reason,
    find_best_epoch,
    outcome_from_error,
    train_each,
)
from blindtune.training.pool.slurm import create_launcher
from blindtune.training.pool.trainer import Pool
from blindtune.tuners.base import Proposal
from blindtune.tuners.rungs import RungPlan

#: Seconds without a line after which the end of an epoch is one: a training may take hours.
SILENT_SECONDS = 60.0

#: Why a search ended: its budget is spent, or the tuner has no more proposals.
End = Literal["spent", "exhausted"]


@dataclass(frozen=True)
class SearchCallbacks:
    """Functions that a search calls as it goes on; they change nothing.

    Attributes:
        after_epoch: called after each epoch of a trial that is trained, with the number of the trial, the number of the
            epoch and its metrics.
        after_trial: called after each trial that is recorded, with all trials so far.
        waits: called with each trial that has ended before an earlier one, and is recorded after it.
        notice: called with a message that does not belong to one trial.
    """

    after_epoch: Callable[[int, int, EpochMetrics], None] = lambda trial, epoch, metrics: None
    after_trial: Callable[[list[Trial]], None] = lambda trials: None
    waits: Callable[[Trial], None] = lambda trial: None
    notice: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        trials: every trial within the budget.
        exhausted: whether the tuner had no more proposals before the budget was spent.
    """

    trials: list[Trial]
    exhausted: bool


def search_and_freeze(
    context: StudyContext, files: dict[str, Path], shards: Sequence[Path] = (), protocol_sha256: str = ""
) -> ModelCard:
    """Run a search to its end, going on from its records, and freeze its best trial.

    Args:
        context: the study.
        files: the data files of its system, by the names of its ``files()``.
        shards: files of trials that its shards have trained.
        protocol_sha256: identifies all that determines the records; files of another protocol are not used.

    Returns:
        The card of the frozen model.

    Raises:
        UserError: no trial completed, a record cannot be read or written, or a file is wrong.
    """
    study = context.study
    plan = plan_system_rungs(study.settings, study.budget, files) if shards else None

    def notify(problem: str) -> None:
        context.job_log.info(f"{problem} What is missing is trained again, by the study itself")

    elsewhere = read_shards(shards, study.id, protocol_sha256, study.keep_best, notify, plan)
    with closing(_build_setup(context, files)) as setup:
        search = _open_search(context, setup, files, elsewhere)
        result = search.run()
        if shards:
            context.job_log.info(
                f"{context.name}: took {search.n_taken} of {len(result.trials)} trials from its shards"
            )
        card = freeze(context, setup, search.store, result.trials, exhausted=result.exhausted)
        search.store.remove_states()
        context.check_claim()
        remove_states(shards)
        return card


def search_shard(
    context: StudyContext,
    files: dict[str, Path],
    shard: Shard,
    elsewhere: RecordedTrials,
    plan: RungPlan | None = None,
    earlier: RecordedTrials | None = None,
) -> list[Trial]:
    """Train one part of the trials of a search, going on from the records of this part.

    Args:
        context: the study, and the folder of the part.
        files: the data files of its system, by the names of its ``files()``.
        shard: which part.
        elsewhere: trials that were recorded before, by their position in the part.
        plan: the trials of the search by their rungs; None: it has none.
        earlier: every trial of the rungs before that of the part; None: the search has no rungs.

    Returns:
        The records of the part, numbered by their position in it; none if it is empty.

    Raises:
        UserError: a record cannot be read or written, a file is wrong, or a trial of an earlier rung is missing.
    """
    with closing(_build_setup(context, files)) as whole:
        if plan is None or shard.rung is None or earlier is None:
            proposals = list_proposals(whole)
        else:
            proposals = list_rung(whole, plan, shard.rung, earlier)
        proposals = proposals[shard.number - 1 :: shard.n_shards]
        if not proposals:
            return []
        budget = Budget(trials=len(proposals), trial_seconds=whole.budget.trial_seconds)
        setup = replace(whole, tuner=ProposalsTuner(proposals), budget=budget)
        return _open_search(context, setup, files, elsewhere, earlier).run().trials


def _build_setup(context: StudyContext, files: dict[str, Path]) -> SearchSetup:
    notice = context.job_log.info
    start = partial(create_launcher, context.workers, context.folder, notice) if context.on_nodes else None
    return build_search_setup(context.study, context.data, files, context.workers, notice, start)


def _open_search(
    context: StudyContext,
    setup: SearchSetup,
    files: dict[str, Path],
    elsewhere: RecordedTrials,
    earlier: RecordedTrials | None = None,
) -> "Search":
    """Return a search that goes on from its records, after what a kill left of them was set right."""
    study, job_log = context.study, context.job_log
    log = TrialLog(context.folder / "trials.jsonl", context.check_claim)
    torn = log.repair()
    if torn:
        job_log.info(f"{context.name}: an unfinished last record was set aside in {torn}; its trial is run again")
    store = WeightStore(context.folder, study.keep_best, context.check_claim)
    search = Search(context, setup, log, store, log_progress(context, setup), elsewhere, earlier)
    if search.set_aside:
        job_log.info(f"{context.name}: records that two runs wrote twice were set aside in {search.set_aside}")
    if search.recorded or search.n_waiting:
        job_log.info(f"{context.name}: goes on from {_describe_records(search)}")
    if not search.recorded:
        check_batches(study, context.data, files)
    return search


def log_progress(context: StudyContext, setup: SearchSetup) -> SearchCallbacks:
    """Return callbacks that write the progress of a search to the job's log: a line after each trial.

    Each epoch has one if the run is verbose, else only after `SILENT_SECONDS` without another.

    Args:
        context: the study.
        setup: its budget.
    """
    name, job_log = context.name, context.job_log
    tracker = BudgetTracker(setup.budget)
    best: list[Trial] = []
    last = time.monotonic()

    def progress(line: str) -> None:
        nonlocal last
        last = time.monotonic()
        job_log.progress(tracker.fraction_spent(), f"{name}: {line}")

    def after_epoch(trial: int, epoch: int, metrics: EpochMetrics) -> None:
        job_log.detail(
            f"{name}: trial {trial + 1}, epoch {epoch}, train loss {metrics.train_loss}, "
            f"dev error {metrics.dev_error}{_describe_metric(metrics)}"
        )
        if time.monotonic() - last > SILENT_SECONDS:
            error = "" if metrics.dev_error is None else f", dev error {metrics.dev_error:.2%}"
            progress(f"trial {trial + 1} is training, epoch {epoch}{error}")

    def after_trial(trials: list[Trial]) -> None:
        new = trials[tracker.trials :]
        for trial in new:
            tracker.add(trial)
        best[:] = filter(None, [find_best([*best, *new])])
        progress(f"{tracker}, {describe_trial(new[-1], *best)}")

    return SearchCallbacks(
        after_epoch=after_epoch,
        after_trial=after_trial,
        waits=lambda trial: progress(
            f"trial {trial.number + 1} waits for trial {tracker.trials + 1}, {describe_trial(trial)}"
        ),
        notice=lambda line: job_log.info(f"{name}: {line}"),
    )


class Search:
    """One search: first `replay` of the recorded trials, then `search` for more, until the budget is spent.

    Attributes:
        recorded: the trials that were recorded before.
        set_aside: the file to which records that were there twice were moved; None if there were none.
        trials: the trials of this search so far, replayed ones and new ones.
        n_taken: number of those that were trained elsewhere.
        store: its weights and states.
        retrainer: trains a trial of this search again.
    """

    def __init__(
        self,
        context: StudyContext,
        setup: SearchSetup,
        log: TrialLog,
        store: WeightStore,
        callbacks: SearchCallbacks | None = None,
        elsewhere: RecordedTrials | None = None,
        earlier: RecordedTrials | None = None,
    ) -> None:
        """Prepare a search; reads the records.

        Args:
            context: the study.
            setup: its tuner, trainer and budget, and what builds its tasks.
            log: its records.
            store: its weights and states.
            callbacks: called as the search goes on.
            elsewhere: trials that were trained elsewhere, which are not trained again.
            earlier: trials of earlier rungs, by their numbers in the whole search, of which this part of it promotes
                some; None: this is the whole search, which has them itself.

        Raises:
            UserError: a record cannot be read.
        """
        self._study = context.study
        self._name, self._folder = context.name, context.folder
        self._data = context.data
        self._setup = setup
        self._log = log
        self.store = store
        self._elsewhere = elsewhere or RecordedTrials()
        self._earlier = earlier
        self.n_taken = 0
        self._callbacks = callbacks or SearchCallbacks()
        self.recorded, doubled = log.scan()
        self.set_aside = log.move_lines(doubled)
        self.trials: list[Trial] = []
        self._tracker = BudgetTracker(setup.budget)
        self.retrainer = Retrainer(context, setup, self._find_trial, self._load_state)
        self._max_batch = setup.trainer.max_batch if isinstance(setup.trainer, BatchTrainer) else 1
        has_workers = setup.create_separate is None
        self._attempts = Attempts(context.folder, len(self.recorded), has_workers=has_workers)
        self._waiting = WaitingTrials(context.folder, len(self.recorded), context.check_claim)
        self._check_claim = context.check_claim
        self._separate: Pool | None = None
        self._callback_error: Exception | None = None

    def run(self) -> SearchResult:
        """Run the search until its budget is spent or the tuner has no more proposals.

        Returns:
            The trials within the budget, and whether the tuner had no more proposals.

        Raises:
            UserError: a record cannot be written, or is not what the tuner proposes.
        """
        self.store.prune(self.recorded)
        try:
            end = self.replay() or self.search()
        finally:
            if self._separate is not None:
                self._separate.close()
        self._check_claim()
        self._attempts.clear()
        self._waiting.clear()
        return SearchResult(self.trials, end == "exhausted")

    @property
    def n_waiting(self) -> int:
        """The number of trials that ended before an earlier one, and are recorded after it."""
        return self._waiting.count

    def replay(self) -> End | None:
        """Replay the recorded trials into the tuner, as far as the budget allows.

        Returns:
            Why the search has ended; None if every recorded trial was replayed.

        Raises:
            UserError: the tuner proposes other sets than were recorded.
        """
        for recorded in self.recorded:
            if not self._tracker.has_remaining():
                return "spent"
            clock = Stopwatch()
            with clock.measure("suggest"):
                proposal = self._setup.tuner.replay(recorded)
            if proposal is None:
                return "exhausted"
            pending = self._build_recorded(recorded, proposal, clock)
            if not self._take_affordable(deque([pending])):
                return "spent"
            self._check_same_proposal(proposal, recorded)
            for epoch, metrics in enumerate(recorded.curve, recorded.trained_before + 1):
                self._report(epoch, metrics)
            self._add(recorded)
            self._setup.tuner.tell(recorded)
        return None

    def _build_recorded(self, recorded: Trial, proposal: Proposal, clock: Stopwatch) -> PendingTrial:
        if "trial" in recorded.seeds:
            return build_pending(recorded.number, proposal, self._setup.build_task, clock)
        # Nothing could be made of it, perhaps for lack of memory: now it might succeed, and cost other epochs.
        refused = Outcome(recorded.status, recorded.reason, [], None, None)
        return PendingTrial(recorded.number, proposal, None, refused, clock)

    def search(self) -> End:
        """Ask for proposals, train and record them, until the budget is spent or there are no more.

        Returns:
            Why the search has ended.

        Raises:
            UserError: a record cannot be written.
        """
        waiting: deque[PendingTrial] = deque()
        while self._tracker.has_remaining():
            waiting = waiting or self._ask()
            if not waiting:
                return "exhausted"
            group = self._take_affordable(waiting)
            if not group:
                return "spent"
            self._train_and_record(group)
        return "spent"

    def _ask(self) -> deque[PendingTrial]:
        """Return the next proposals, as many as can be trained as one batch."""
        clock = Stopwatch()
        with clock.measure("suggest"):
            count = min(self._max_batch, self._tracker.max_remaining_trials())
            proposals = self._setup.tuner.ask_batch(count)
        return deque(
            build_pending(number, proposal, self._setup.build_task, clock.scale(1 / len(proposals)))
            for number, proposal in enumerate(proposals, len(self.trials))
        )

    def _take_affordable(self, waiting: deque[PendingTrial]) -> list[PendingTrial]:
        """Remove and return the first proposals that fit into the budget if each is trained to its end."""
        group: list[PendingTrial] = []
        epochs = 0
        largest = self._tracker.max_remaining_trials()
        if waiting and waiting[0].number <= self._attempts.careful_until:
            largest = 1
        while waiting and len(group) < largest:
            pending = waiting[0]
            epochs += pending.epochs(self._trained_before(pending.proposal))
            if not self._tracker.can_afford(epochs, len(group) + 1):
                break
            group.append(waiting.popleft())
        return group

    def _trained_before(self, proposal: Proposal) -> int:
        """Return the epochs of its parent that a proposal continues."""
        if proposal.parent is None or proposal.fold is not None or not self._setup.trainer.supports_resume:
            return 0
        parent = self._find_trial(proposal.parent)
        return parent.trained_before + parent.epochs if parent.status == "completed" else 0

    def _find_trial(self, number: int) -> Trial:
        """Return a trial that a proposal may continue."""
        if self._earlier is None:
            return self.trials[number]
        recorded = self._earlier.find(number)
        if recorded is None:
            raise RuntimeError(f"trial {number} is of no earlier rung")
        return recorded.trial

    def _load_state(self, trial: Trial) -> State | None:
        """Return the state at the end of a trial that a proposal may continue, or None if it was not kept."""
        if self._earlier is None:
            state = self.store.load_state(trial)
            if state is not None:
                return state
        recorded = (self._elsewhere if self._earlier is None else self._earlier).find(trial.number)
        if recorded is None or recorded.trial.weights_sha256 != trial.weights_sha256:
            return None
        return recorded.load_state()

    def _check_same_proposal(self, proposal: Proposal, recorded: Trial) -> None:
        if not is_record_of(recorded, proposal, self._setup.layers):
            raise UserError(
                f"{self._name}: trial {recorded.number + 1} was recorded with other hyperparameters than the tuner "
                f"proposes now. A library must have changed: install the locked versions, or move {self._folder} away "
                "and run again."
            )

    def _report(self, epoch: int, metrics: EpochMetrics) -> str | None:
        """Report an epoch to the tuner; returns its reason to prune the trial."""
        value = metrics.objective(self._study.metric)
        if divergence_reason(metrics, epoch) or value is None:
            return None
        return self._setup.tuner.report(epoch, value)

    def _add(self, trial: Trial) -> None:
        """Add a recorded trial to the search."""
        self.trials.append(trial)
        self._tracker.add(trial)

    def _train_and_record(self, group: list[PendingTrial]) -> None:
        """Train proposals, and record each as soon as it and those before it have ended.

        Proposals that are left when the seconds of the budget are spent are dropped: a budget in seconds is overrun by
        one trial at most, and a replay of the records ends where the search ended.
        """
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        found = {pending.number: self._find_elsewhere(pending) for pending in group}
        ended: dict[int, Callable[[], None]] = {
            pending.number: partial(self._take, pending, recorded)
            for pending in group
            if (recorded := found[pending.number]) is not None
        }
        missing = [pending for pending in group if found[pending.number] is None]
        if not self._record_in_order(ended):
            return
        for pending, outcome in self._train(missing) if missing else ():
            trial = self._build_record(pending, outcome, started)
            ended[pending.number] = partial(self._record, pending, outcome, trial)
            if pending.number != len(self.trials) and pending.is_trained:
                self._keep_waiting(pending, outcome, trial)
            if not self._record_in_order(ended):
                return
        self._waiting.clear(len(self.trials))

    def _record_in_order(self, ended: dict[int, Callable[[], None]]) -> bool:
        """Record the next trials, as far as they have ended; return whether more fit into the budget.

        Args:
            ended: by the number of a trial, what records it; what was called is removed.
        """
        while len(self.trials) in ended:
            if not self._tracker.has_remaining():
                return False
            ended.pop(len(self.trials))()
        return True

    def _find_elsewhere(self, pending: PendingTrial) -> RecordedTrial | None:
        """Return the record of a proposal that was trained elsewhere; None if it must be trained here."""
        for recorded, origin in (
            (self._waiting.find(pending.number), "that waited for an earlier one"),
            (self._elsewhere.find(pending.number), "of a shard"),
        ):
            if recorded is None:
                continue
            if self._is_what_is_proposed(pending, recorded.trial):
                return recorded
            self._callbacks.notice(f"trial {pending.number + 1} {origin} is not what the tuner proposes; trained again")
        return None

    def _is_what_is_proposed(self, pending: PendingTrial, trial: Trial) -> bool:
        metric = None if is_error(self._study.metric) else self._study.metric
        before = self._trained_before(pending.proposal) if trial.curve else 0
        expected = (self._study.id, self._seeds(pending), before, metric)
        found = (trial.study, trial.seeds, trial.trained_before, trial.metric)
        return is_record_of(trial, pending.proposal, self._setup.layers) and found == expected

    def _take(self, pending: PendingTrial, recorded: RecordedTrial) -> None:
        """Record a trial that was trained elsewhere."""
        trial, clock = recorded.trial, pending.clock
        with clock.measure("save"):
            recorded.copy_weights(self.store)
            # A later rung finds states with the records of its shards; the folder of waiting trials is removed.
            if self._earlier is not None or self._waiting.is_owner_of(recorded):
                recorded.copy_state(self.store)
        for part, spent in trial.seconds.items():
            clock.add(part, spent.wall, spent.cpu)
        for epoch, metrics in enumerate(trial.curve, trial.trained_before + 1):
            self._report(epoch, metrics)
        self.n_taken += not self._waiting.is_owner_of(recorded)
        self._finish(trial.model_copy(update={"seconds": clock.seconds}))

    def _train(self, group: list[PendingTrial]) -> Iterator[tuple[PendingTrial, Outcome]]:
        """Train proposals and yield the outcome of each as it ends; an error of one does not end the search."""
        folds: dict[int | None, list[tuple[PendingTrial, TrainingTask]]] = {}
        trainer = self._trainer_for(group)
        for pending in group:
            reason = self._attempts.reason_to_give_up(pending.number)
            if reason is not None:
                yield pending, Outcome("failed", reason, [], None, None)
            elif not pending.is_trained or pending.task is None:
                yield pending, pending.refused or Outcome("invalid", None, [], None, None)
            else:
                fold = pending.proposal.fold.number if pending.proposal.fold else None
                folds.setdefault(fold, []).append((pending, pending.task))
        for jobs in folds.values():
            train, dev = self._splits(jobs[0][0].proposal)
            trained: list[PendingTrial] = []
            tasks: list[TrainingJob] = []
            for pending, task in jobs:
                try:
                    tasks.append((task, self._build_options(pending)))
                    trained.append(pending)
                except Exception as error:  # the trial that it continues cannot be trained again
                    yield pending, outcome_from_error(error)
            for index, outcome in train_each(trainer, tasks, train, dev):
                if self._callback_error is not None:
                    raise self._callback_error
                yield trained[index], outcome_from_error(outcome) if isinstance(outcome, Exception) else outcome

    def _trainer_for(self, group: list[PendingTrial]) -> Trainer:
        """Return what trains a group: a worker process if it may kill the process that trains it."""
        create, first = self._setup.create_separate, group[0].number
        self._check_claim()
        self._attempts.begin([pending.number for pending in group])
        if create is None or first > self._attempts.careful_until:  # without `create` it has workers already
            return self._setup.trainer
        if self._separate is None:
            self._callbacks.notice(
                f"the process ended {self._attempts.deaths} times while it trained trial {first + 1} or one of those "
                f"after it; trials up to {self._attempts.careful_until + 1} are trained one by one in another process"
            )
            self._separate = create()
        return self._separate

    def _build_options(self, pending: PendingTrial) -> TrainingOptions:
        def after_epoch(epoch: int, metrics: EpochMetrics) -> str | None:
            try:
                self._callbacks.after_epoch(pending.number, epoch, metrics)
                with pending.clock.measure("suggest"):
                    return self._report(epoch, metrics)
            except Exception as error:  # not of the set: a trainer would take it for a failure of its training
                self._callback_error = self._callback_error or error
                return f"the search ends: {describe_error(error)}"

        proposal = pending.proposal
        state = None
        if self._trained_before(proposal):
            state = self.retrainer.state_after(self._find_trial(proposal.parent or 0))
        keep_state = self._setup.resumes_trials
        return TrainingOptions(
            self._study.score_epoch,
            pending.clock,
            after_epoch,
            state,
            keep_state,
            limit=self._setup.budget.trial_seconds,
            name=f"trial {pending.number + 1}",
            metric=self._study.metric,
        )

    def _splits(self, proposal: Proposal) -> tuple[Split, Split]:
        """Return the samples that a proposal is trained on, and those that it is scored on."""
        train = self._data.train
        if proposal.fold is None:
            return train, self._data.dev
        indices = (proposal.fold.train_indices, proposal.fold.held_out_indices)
        trained, held_out = (Split(train.x[rows], train.y[rows]) for rows in indices)
        if train.weight is not None:
            trained = replace(trained, weight=train.weight[proposal.fold.train_indices])
        counts = np.bincount(held_out.y, minlength=len(self._data.classes))
        check_classes(
            self._study.metric,
            dict(zip(self._data.classes, counts.tolist(), strict=True)),
            f"fold {proposal.fold.number + 1} of train of {self._study.dataset}",
            "Give fewer folds, or null to score on dev",
        )
        return trained, held_out

    def _record(self, pending: PendingTrial, outcome: Outcome, trial: Trial) -> None:
        """Save the weights of a trial, then write its record, then remove weights that are no longer among the best."""
        with pending.clock.measure("save"):
            self.store.save(pending.number, outcome, scored_on_dev=is_scored_on_dev(trial))
        self._finish(trial.model_copy(update={"seconds": pending.clock.seconds}))

    def _keep_waiting(self, pending: PendingTrial, outcome: Outcome, trial: Trial) -> None:
        """Keep a trial that has ended before an earlier one, so that a kill does not lose it."""
        with pending.clock.measure("save"):
            is_kept = self._waiting.keep(trial, outcome)
        if is_kept:
            self._callbacks.waits(trial)

    def _finish(self, trial: Trial) -> None:
        """Write a record, and tell it."""
        self._log.append(trial)
        self._add(trial)
        self.store.prune_after(trial)
        self._callbacks.after_trial(self.trials)
        self._setup.tuner.tell(trial)

    def _scored_metrics(self, proposal: Proposal, outcome: Outcome) -> EpochMetrics | None:
        """Return the metrics of the scored epoch; None if the trial has none.

        Raises:
            UserError: the trainer does not compute the metric of the comparison.
        """
        if not outcome.scored_epoch:
            return None
        scored = outcome.curve[outcome.scored_epoch - self._trained_before(proposal) - 1]
        if scored.objective(self._study.metric) is None and not is_error(self._study.metric):
            raise UserError(f"{self._study.id}: metric: {self._study.metric} is not computed by its trainer.")
        return scored

    def _build_record(self, pending: PendingTrial, outcome: Outcome, started: str) -> Trial:
        scored = self._scored_metrics(pending.proposal, outcome)
        proposal, task = pending.proposal, pending.task
        before = self._trained_before(proposal)
        metric = self._study.metric
        best_epoch = find_best_epoch(outcome.curve, metric)
        return Trial(
            study=self._study.id,
            number=pending.number,
            parent=proposal.parent,
            trained_before=before if outcome.curve else 0,
            fold=proposal.fold.number if proposal.fold else None,
            hyperparameters=dict(proposal.hyperparameters),
            layers=self._setup.layers,
            status=outcome.status,
            reason=outcome.reason,
            retries=outcome.retries,
            exceptions=[*(task.model.parts_left_out() if task and task.model else ()), *outcome.warnings],
            score=None if scored is None else scored.dev_error,
            metric=None if is_error(metric) else metric,
            metric_value=None if scored is None else scored.dev_metric,
            epochs=len(outcome.curve),
            curve=outcome.curve,
            best_epoch=None if best_epoch is None else before + best_epoch,
            scored_epoch=outcome.scored_epoch,
            n_parameters=outcome.n_parameters,
            weights_sha256=digest_arrays(outcome.weights) if outcome.weights else None,
            seeds=self._seeds(pending),
            seconds=pending.clock.seconds,
            started=outcome.started or started,
            host=outcome.host or socket.gethostname(),
            versions=collect_versions(self._setup.trainer, task) | self._setup.engine_versions,
        )

    def _seeds(self, pending: PendingTrial) -> dict[str, int]:
        return {"study": self._study.seed} | ({"trial": pending.task.seed} if pending.task else {})


def _describe_records(search: Search) -> str:
    recorded, waiting = len(search.recorded), search.n_waiting
    parts = [f"{recorded} recorded trial{'s'[: recorded != 1]}"] if recorded else []
    if waiting:
        noun = "" if recorded else f"trial{'s'[: waiting != 1]} "
        parts.append(f"{waiting} {noun}that had ended before an earlier one")
    return " and ".join(parts)


def _describe_metric(metrics: EpochMetrics) -> str:
    return "" if metrics.dev_metric is None else f", dev metric {metrics.dev_metric}"


def describe_trial(last: Trial, best: Trial | None = None) -> str:
    """Return a phrase about the result of a trial, and the best dev error so far.

    Args:
        last: the trial.
        best: the best trial so far; None: none has completed.
    """
    where = "dev error" if last.fold is None else f"error on fold {last.fold + 1}"
    result = f"{where} {_describe_score(last)}" if last.score is not None else f"{last.status} ({last.reason})"
    lead = f", best {_describe_score(best)}" if best and best.score is not None else ""
    return f"{result}{lead}"


def _describe_score(trial: Trial) -> str:
    """Return the error of a trial and, if the tuner minimises another metric, its value."""
    value = "" if trial.metric_value is None else f" ({trial.metric} {trial.metric_value:.4f})"
    return f"{trial.score or 0.0:.2%}{value}"

"""The loop of every search: ask the tuner, train, record, tell; going on from what was recorded before."""

import platform
import socket
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from blindtune.config.training import ScoreEpoch
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.files import canonical_json
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.datasets.prepared import Prepared
from blindtune.models.architecture import check
from blindtune.models.layers import InvalidModelError
from blindtune.records.trial import EpochMetrics, Trial, TrialLog, best
from blindtune.study.budget_tracker import BudgetTracker
from blindtune.study.checkpoints import WeightStore
from blindtune.study.pending import PendingTrial, with_epochs
from blindtune.study.setup import SearchSetup
from blindtune.training.base import (
    BatchTrainer,
    Outcome,
    State,
    TrainingOptions,
    TrainingTask,
    describe_error,
    divergence_reason,
    find_best_epoch,
    outcome_from_error,
    train_each,
)
from blindtune.tuners.base import Proposal


@dataclass(frozen=True)
class Listener:
    """Hears how a search goes on; what it does changes nothing.

    Attributes:
        epoch: takes the trial's number, an epoch's and its measures.
        trial: takes all trials so far, as each ends.
    """

    epoch: Callable[[int, int, EpochMetrics], None] = lambda trial, number, measures: None
    trial: Callable[[list[Trial]], None] = lambda trials: None


class Search:
    """One search: what it is, its records and its weights."""

    def __init__(
        self,
        name: str,
        seed: int,
        score_epoch: ScoreEpoch,
        data: Prepared,
        plan: SearchSetup,
        log: TrialLog,
        weights: WeightStore,
        listener: Listener,
    ) -> None:
        self._name = name
        self._seed = seed
        self._score_epoch = score_epoch
        self._data = data
        self._plan = plan
        self._log = log
        self._weights = weights
        self._listener = listener
        self._trials = log.read()
        self._at_once = plan.trainer.max_batch if isinstance(plan.trainer, BatchTrainer) else 1

    @property
    def recorded(self) -> list[Trial]:
        """Every trial so far."""
        return self._trials

    def run(self) -> tuple[list[Trial], bool]:
        """Go on until the budget is spent or the tuner has no more to propose.

        Returns:
            The trials within the budget, and whether the tuner had no more.

        Raises:
            UserError: a record cannot be written, or does not fit what the tuner proposes.
        """
        tracker = BudgetTracker(self._plan.budget)
        self._weights.prune(self._trials)
        waiting: deque[PendingTrial] = deque()
        while tracker.has_remaining():
            waiting = waiting or self._ask(tracker)
            if not waiting:
                return self._trials[: tracker.trials], True
            group = self._affordable(waiting, tracker)
            if not group:
                break
            if tracker.trials < len(self._trials):
                self._tell_again(group[0].proposal, self._trials[tracker.trials])
                self._book(tracker)
            else:
                self._try(group, tracker)
        return self._trials[: tracker.trials], False

    def trained_again(self, trial: Trial, keep_state: bool = False) -> Outcome:
        """Train a recorded trial once more, after the trials that it continues.

        Raises:
            UserError: it gives other weights than were recorded.
        """
        task = self.task_of(trial)
        session = TrainingOptions(self._score_epoch, state=self._state_before(trial), keep_state=keep_state)
        outcome = self._plan.trainer.train(task, self._data.train, self._data.dev, session)
        if digest_arrays(outcome.weights) != trial.weights_sha256:
            raise UserError(f"{self._name}: trial {trial.number}, trained again, gives other weights than recorded.")
        return outcome

    def task_of(self, trial: Trial) -> TrainingTask:
        """What a recorded trial trained."""
        values: dict[str, object] = trial.hyperparameters
        task = self._plan.task(values)  # type: ignore[arg-type]
        return with_epochs(task, trial.trained_before + trial.epochs)

    def _ask(self, tracker: BudgetTracker) -> deque[PendingTrial]:
        """The next proposals: one while the study goes on from its records, then as many as may be trained at once."""
        number, clock = tracker.trials, Stopwatch()
        with clock.measure("suggest"):
            if number < len(self._trials):
                again = self._plan.tuner.replay(self._trials[number])
                proposals = [again] if again else []
            else:
                proposals = self._plan.tuner.ask_batch(min(self._at_once, tracker.max_remaining_trials()))
        return deque(
            PendingTrial(place, proposal, *self._task(proposal), clock.scale(1 / len(proposals)))
            for place, proposal in enumerate(proposals, number)
        )

    def _affordable(self, waiting: deque[PendingTrial], tracker: BudgetTracker) -> list[PendingTrial]:
        """Take those with which to go on, as many as the budget pays for if each is trained to its end."""
        group: list[PendingTrial] = []
        epochs = 0
        while waiting and len(group) < tracker.max_remaining_trials():
            asked = waiting[0]
            # One that cannot be built is charged one epoch.
            trained = asked.task if asked.task and not asked.problem else None
            epochs += trained.training.epochs - self._before(asked.proposal) if trained else 1
            if not tracker.can_afford(epochs, len(group) + 1):
                break
            group.append(waiting.popleft())
        return group

    def _task(self, proposal: Proposal) -> tuple[TrainingTask | None, Exception | None]:
        """What a proposal trains, or why it cannot be built."""
        try:
            task = with_epochs(self._plan.task(proposal.hyperparameters), proposal.epochs)
        except ValueError as error:
            return None, error
        try:
            if task.architecture is not None:
                check(task.architecture, task.classes)
        except InvalidModelError as error:
            return task, error
        return task, None

    def _before(self, proposal: Proposal) -> int:
        """Epochs of the parent that a proposal continues."""
        if proposal.parent is None or proposal.fold is not None or not self._plan.trainer.supports_resume:
            return 0
        parent = self._trials[proposal.parent]
        return parent.trained_before + parent.epochs if parent.status == "completed" else 0

    def _tell_again(self, proposal: Proposal, recorded: Trial) -> None:
        """Bring the tuner to where it was after a recorded trial."""
        fold = proposal.fold.number if proposal.fold else None
        proposed = (canonical_json(proposal.hyperparameters), proposal.parent, fold)
        if proposed != (canonical_json(recorded.hyperparameters), recorded.parent, recorded.fold):
            raise UserError(
                f"{self._name}: trial {recorded.number} was recorded with other hyperparameters than the tuner "
                "proposes now. A library must have changed: install the locked versions, or move the study's folder "
                "away."
            )
        for number, epoch in enumerate(recorded.curve, recorded.trained_before + 1):
            self._report(number, epoch)

    def _report(self, number: int, epoch: EpochMetrics) -> str | None:
        if divergence_reason(epoch, number) or epoch.dev_error is None:
            return None
        return self._plan.tuner.report(number, epoch.dev_error)

    def _try(self, group: list[PendingTrial], tracker: BudgetTracker) -> None:
        """Train proposals and record each as soon as it and those before it have ended."""
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        ended: dict[int, tuple[PendingTrial, Outcome]] = {}
        for asked, outcome in self._outcomes(group):
            ended[asked.number] = asked, outcome
            while tracker.trials in ended:
                self._keep(*ended.pop(tracker.trials), started)
                self._book(tracker)

    def _keep(self, asked: PendingTrial, outcome: Outcome, started: str) -> None:
        """Record a trial and what it leaves."""
        trial = self._record(asked.number, asked.proposal, asked.task, outcome)
        with asked.clock.measure("save"):
            self._weights.save(trial, outcome)
        times = {"seconds": asked.clock.seconds, "started": outcome.started or started}
        self._trials.append(trial.model_copy(update=times))
        self._log.append(self._trials[-1])
        self._weights.prune(self._trials)
        self._listener.trial(self._trials)

    def _book(self, tracker: BudgetTracker) -> None:
        """Go on behind the next recorded trial."""
        trial = self._trials[tracker.trials]
        tracker.add(trial)
        self._plan.tuner.tell(trial)

    def _outcomes(self, group: list[PendingTrial]) -> Iterator[tuple[PendingTrial, Outcome]]:
        """What becomes of proposals, each as it ends; whatever goes wrong with one never ends the search."""
        folds: dict[int | None, list[tuple[PendingTrial, TrainingTask]]] = {}
        for asked in group:
            if asked.task is None or asked.problem:
                yield asked, Outcome("invalid", describe_error(asked.problem), [], None, None)
            else:
                fold = asked.proposal.fold.number if asked.proposal.fold else None
                folds.setdefault(fold, []).append((asked, asked.task))
        for jobs in folds.values():
            yield from self._train(jobs)

    def _train(self, jobs: list[tuple[PendingTrial, TrainingTask]]) -> Iterator[tuple[PendingTrial, Outcome]]:
        """Train proposals of one fold."""
        sessions = [(task, self._session(asked)) for asked, task in jobs]
        for place, outcome in train_each(self._plan.trainer, sessions, *self._splits(jobs[0][0].proposal)):
            yield jobs[place][0], outcome_from_error(outcome) if isinstance(outcome, Exception) else outcome

    def _session(self, asked: PendingTrial) -> TrainingOptions:
        def after_epoch(epoch: int, measures: EpochMetrics) -> str | None:
            self._listener.epoch(asked.number, epoch, measures)
            with asked.clock.measure("suggest"):
                return self._report(epoch, measures)

        proposal = asked.proposal
        state = self._state_of(self._trials[proposal.parent or 0]) if self._before(proposal) else None
        return TrainingOptions(self._score_epoch, asked.clock, after_epoch, state, self._plan.resumes_trials)

    def _splits(self, proposal: Proposal) -> tuple[Split, Split]:
        """What a proposal is trained and scored on."""
        train = self._data.train
        if proposal.fold is None:
            return train, self._data.dev
        places = (proposal.fold.train_indices, proposal.fold.held_out_indices)
        fitted, held_out = (Split(train.x[place], train.y[place]) for place in places)
        return fitted, held_out

    def _state_before(self, trial: Trial) -> State | None:
        """Where the training of a recorded trial went on from."""
        if trial.parent is None or not trial.trained_before:
            return None
        return self._state_of(self._trials[trial.parent])

    def _state_of(self, trial: Trial) -> State:
        """Where the training of a recorded trial stood at its end; trained again where that was not kept."""
        kept = self._weights.state(trial)
        if kept is not None:
            return kept
        again = self.trained_again(trial, keep_state=True)
        if again.state is None:
            raise TypeError(f"{type(self._plan.trainer).__name__} keeps no state")
        return again.state

    def _record(self, number: int, proposal: Proposal, task: TrainingTask | None, outcome: Outcome) -> Trial:
        before = self._before(proposal)
        place = outcome.scored_epoch - before - 1 if outcome.scored_epoch else None
        best_place = find_best_epoch(outcome.curve)
        return Trial(
            study=self._name,
            number=number,
            parent=proposal.parent,
            trained_before=before if outcome.curve else 0,
            fold=proposal.fold.number if proposal.fold else None,
            hyperparameters=dict(proposal.hyperparameters),
            status=outcome.status,
            reason=outcome.reason,
            retries=outcome.retries,
            exceptions=list(task.architecture.exceptions) if task and task.architecture else [],
            score=None if place is None else outcome.curve[place].dev_error,
            epochs=len(outcome.curve),
            curve=outcome.curve,
            best_epoch=None if best_place is None else before + best_place,
            scored_epoch=outcome.scored_epoch,
            parameters=outcome.n_parameters,
            weights_sha256=digest_arrays(outcome.weights) if outcome.weights else None,
            seeds={"study": self._seed} | ({"trial": task.seed} if task else {}),
            seconds={},
            started="",
            host=socket.gethostname(),
            versions={"python": platform.python_version(), **self._plan.trainer.versions()},
        )


def line(trials: list[Trial]) -> str:
    """How the last trial went, for people."""
    last, leader = trials[-1], best(trials)
    where = "dev error" if last.fold is None else f"error on fold {last.fold + 1}"
    result = f"{where} {last.score:.2%}" if last.score is not None else f"{last.status} ({last.reason})"
    lead = f", best {leader.score:.2%}" if leader and leader.score is not None else ""
    return f"{result}{lead}"

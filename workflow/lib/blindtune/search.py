"""The loop of every search: ask the tuner, train, record, tell; going on from what was recorded before."""

import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from pydantic import ValidationError

from blindtune.budgets import Account
from blindtune.clock import Stopwatch
from blindtune.datasets.base import Split
from blindtune.datasets.store import Prepared
from blindtune.errors import UserError
from blindtune.files import canonical, digest_of_arrays
from blindtune.models.architecture import check
from blindtune.models.layers import Invalid
from blindtune.plans import Plan
from blindtune.training.base import Outcome, Scoring, Session, State, Task, best_epoch, diverged
from blindtune.trials import Epoch, Trial, TrialLog, best
from blindtune.tuners.base import Proposal
from blindtune.weights import WeightStore


@dataclass(frozen=True)
class Listener:
    """Hears how a search goes on; what it does changes nothing.

    Attributes:
        epoch: takes the trial's number, an epoch's and its measures.
        trial: takes all trials so far, as each ends.
    """

    epoch: Callable[[int, int, Epoch], None] = lambda trial, number, measures: None
    trial: Callable[[list[Trial]], None] = lambda trials: None


class Search:
    """One search: what it is, its records and its weights."""

    def __init__(
        self,
        name: str,
        seed: int,
        scoring: Scoring,
        data: Prepared,
        plan: Plan,
        log: TrialLog,
        weights: WeightStore,
        listener: Listener,
    ) -> None:
        self._name = name
        self._seed = seed
        self._scoring = scoring
        self._data = data
        self._plan = plan
        self._log = log
        self._weights = weights
        self._listener = listener
        self._trials = log.read()

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
        account = Account(self._plan.budget)
        self._weights.prune(self._trials)
        for number in count():
            if not account.open():
                return self._trials[:number], False
            clock = Stopwatch()
            with clock.measure("suggest"):
                proposal = self._propose(number)
            if proposal is None:
                return self._trials[:number], True
            task, problem = self._task(proposal)
            if task and not problem and not account.fits(task.training.epochs - self._before(proposal)):
                return self._trials[:number], False
            if number < len(self._trials):
                self._tell_again(proposal, self._trials[number])
            else:
                self._try(number, proposal, task, problem, clock)
            account.add(self._trials[number])
            self._plan.tuner.tell(self._trials[number])
        raise AssertionError("count() never ends")

    def trained_again(self, trial: Trial, keep_state: bool = False) -> Outcome:
        """Train a recorded trial once more, after the trials that it continues.

        Raises:
            UserError: it gives other weights than were recorded.
        """
        task = self.task_of(trial)
        session = Session(self._scoring, state=self._state_before(trial), keep_state=keep_state)
        outcome = self._plan.trainer.train(task, self._data.train, self._data.dev, session)
        if digest_of_arrays(outcome.weights) != trial.weights_sha256:
            raise UserError(f"{self._name}: trial {trial.number}, trained again, gives other weights than recorded.")
        return outcome

    def task_of(self, trial: Trial) -> Task:
        """What a recorded trial trained."""
        values: dict[str, object] = trial.hyperparameters
        task = self._plan.task(values)  # type: ignore[arg-type]
        return _until(task, trial.trained_before + trial.epochs)

    def _propose(self, number: int) -> Proposal | None:
        recorded = self._trials[number] if number < len(self._trials) else None
        return self._plan.tuner.ask_again(recorded) if recorded else self._plan.tuner.ask()

    def _task(self, proposal: Proposal) -> tuple[Task | None, Exception | None]:
        """What a proposal trains, or why it cannot be built."""
        try:
            task = _until(self._plan.task(proposal.hyperparameters), proposal.epochs)
        except ValueError as error:
            return None, error
        try:
            if task.architecture is not None:
                check(task.architecture, task.classes)
        except Invalid as error:
            return task, error
        return task, None

    def _before(self, proposal: Proposal) -> int:
        """Epochs of the parent that a proposal continues."""
        if proposal.parent is None or proposal.fold is not None or not self._plan.trainer.continues:
            return 0
        parent = self._trials[proposal.parent]
        return parent.trained_before + parent.epochs if parent.status == "completed" else 0

    def _tell_again(self, proposal: Proposal, recorded: Trial) -> None:
        """Bring the tuner to where it was after a recorded trial."""
        fold = proposal.fold.number if proposal.fold else None
        proposed = (canonical(proposal.hyperparameters), proposal.parent, fold)
        if proposed != (canonical(recorded.hyperparameters), recorded.parent, recorded.fold):
            raise UserError(
                f"{self._name}: trial {recorded.number} was recorded with other hyperparameters than the tuner "
                "proposes now. A library must have changed: install the locked versions, or move the study's folder "
                "away."
            )
        for number, epoch in enumerate(recorded.curve, recorded.trained_before + 1):
            self._report(number, epoch)

    def _report(self, number: int, epoch: Epoch) -> str | None:
        if diverged(epoch, number) or epoch.dev_error is None:
            return None
        return self._plan.tuner.report(number, epoch.dev_error)

    def _try(
        self, number: int, proposal: Proposal, task: Task | None, problem: Exception | None, clock: Stopwatch
    ) -> None:
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        if task is None or problem:
            outcome = Outcome("invalid", _reason(problem), [], None, None)
        else:
            outcome = self._train(number, proposal, task, clock)
        trial = self._record(number, proposal, task, outcome)
        with clock.measure("save"):
            self._weights.save(trial, outcome)
        self._trials.append(trial.model_copy(update={"seconds": clock.seconds, "started": started}))
        self._log.append(self._trials[-1])
        self._weights.prune(self._trials)
        self._listener.trial(self._trials)

    def _train(self, number: int, proposal: Proposal, task: Task, clock: Stopwatch) -> Outcome:
        """Train one proposal; whatever goes wrong with it becomes its record, never the end of the search."""

        def after_epoch(epoch: int, measures: Epoch) -> str | None:
            self._listener.epoch(number, epoch, measures)
            with clock.measure("suggest"):
                return self._report(epoch, measures)

        train, dev = self._splits(proposal)
        try:
            state = self._state_of(self._trials[proposal.parent or 0]) if self._before(proposal) else None
            session = Session(self._scoring, clock, after_epoch, state, self._plan.promotes)
            return self._plan.trainer.train(task, train, dev, session)
        except (MemoryError, UserError):
            raise
        except Invalid as error:
            return Outcome("invalid", _reason(error), [], None, None)
        except ValueError as error:
            return Outcome("failed", _reason(error), [], None, None)
        except Exception as error:  # a library's own failure on one set must not halt the search
            return Outcome("failed", f"{type(error).__name__}: {_reason(error)}", [], None, None)

    def _splits(self, proposal: Proposal) -> tuple[Split, Split]:
        """What a proposal is trained and scored on."""
        train = self._data.train
        if proposal.fold is None:
            return train, self._data.dev
        places = (proposal.fold.fitted, proposal.fold.held_out)
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

    def _record(self, number: int, proposal: Proposal, task: Task | None, outcome: Outcome) -> Trial:
        before = self._before(proposal)
        place = outcome.scored_epoch - before - 1 if outcome.scored_epoch else None
        best_place = best_epoch(outcome.curve)
        return Trial(
            study=self._name,
            number=number,
            parent=proposal.parent,
            trained_before=before if outcome.curve else 0,
            fold=proposal.fold.number if proposal.fold else None,
            hyperparameters=dict(proposal.hyperparameters),
            status=outcome.status,
            reason=outcome.reason,
            exceptions=list(task.architecture.exceptions) if task and task.architecture else [],
            score=None if place is None else outcome.curve[place].dev_error,
            epochs=len(outcome.curve),
            curve=outcome.curve,
            best_epoch=None if best_place is None else before + best_place,
            scored_epoch=outcome.scored_epoch,
            parameters=outcome.parameters,
            weights_sha256=digest_of_arrays(outcome.weights) if outcome.weights else None,
            seeds={"study": self._seed} | ({"trial": task.seed} if task else {}),
            seconds={},
            started="",
            host=socket.gethostname(),
            versions={"python": platform.python_version(), **self._plan.trainer.versions()},
        )


def _until(task: Task, epochs: int | None) -> Task:
    """``task``, trained for so many epochs; None: for its own number."""
    if epochs is None or epochs == task.training.epochs:
        return task
    return replace(task, training=task.training.model_copy(update={"epochs": epochs}))


def _reason(error: Exception | None) -> str:
    """What an error says, on one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def line(trials: list[Trial]) -> str:
    """How the last trial went, for people."""
    last, leader = trials[-1], best(trials)
    where = "dev error" if last.fold is None else f"error on fold {last.fold + 1}"
    result = f"{where} {last.score:.2%}" if last.score is not None else f"{last.status} ({last.reason})"
    lead = f", best {leader.score:.2%}" if leader and leader.score is not None else ""
    return f"{result}{lead}"

"""Train a recorded trial once more, to restore weights or a state that were not kept."""

from collections.abc import Callable

from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.records.trial import Trial
from blindtune.study.context import StudyContext
from blindtune.study.pending import with_epochs
from blindtune.study.setup import SearchSetup
from blindtune.training.base import Outcome, State, TrainingOptions, TrainingTask


class Retrainer:
    """Trains recorded trials of a study again, bit-identical to the first time."""

    def __init__(
        self,
        context: StudyContext,
        setup: SearchSetup,
        find_trial: Callable[[int], Trial],
        load_state: Callable[[Trial], State | None],
    ) -> None:
        """Use the records of a study.

        Args:
            context: the study.
            setup: its trainer, and what builds its tasks.
            find_trial: returns a recorded trial by its number.
            load_state: returns the state at the end of a recorded trial, or None if it was not kept; raises UserError
                if it is damaged.
        """
        self._context = context
        self._setup = setup
        self._find_trial = find_trial
        self._load_state = load_state

    def build_task(self, trial: Trial) -> TrainingTask:
        """Return the task of a recorded trial."""
        return with_epochs(self._setup.build_task(trial.hyperparameters), trial.trained_before + trial.epochs)

    def train_again(self, trial: Trial, *, keep_state: bool = False) -> Outcome:
        """Train a recorded trial again, after the trials that it continues.

        Args:
            trial: the record.
            keep_state: whether the outcome holds the state after the last epoch.

        Raises:
            UserError: it gives other weights than were recorded.
        """
        data, study = self._context.data, self._context.study
        options = TrainingOptions(
            study.score_epoch, state=self._state_before(trial), keep_state=keep_state, metric=study.metric
        )
        outcome = self._setup.trainer.train(self.build_task(trial), data.train, data.dev, options)
        if digest_arrays(outcome.weights) != trial.weights_sha256:
            raise UserError(
                f"{study.id}: trial {trial.number}, trained again, gives other weights than recorded. Its record, the "
                "libraries or the machine must have changed: restore them, or move the study's folder away and run "
                "again."
            )
        return outcome

    def state_after(self, trial: Trial) -> State:
        """Return the state at the end of a recorded trial; the trial is trained again if it was not kept whole."""
        try:
            kept = self._load_state(trial)
        except UserError as error:
            self._context.job_log.info(f"{self._context.study.id}: {error} It is not used: the trial is trained again")
            kept = None
        if kept is not None:
            return kept
        outcome = self.train_again(trial, keep_state=True)
        if outcome.state is None:
            raise TypeError(f"{type(self._setup.trainer).__name__} keeps no state")
        return outcome.state

    def _state_before(self, trial: Trial) -> State | None:
        """Return the state from which a recorded trial was resumed."""
        if trial.parent is None or not trial.trained_before:
            return None
        return self.state_after(self._find_trial(trial.parent))

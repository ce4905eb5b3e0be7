"""Any tuner with a rule of another library that ends trainings early."""

from blindtune.metrics.registry import ERROR
from blindtune.records.trial import Trial
from blindtune.tuners.base import Proposal, Tuner


class StoppingRule:
    """Base class of a rule that ends trainings early; a `PrunedTuner` calls it, one trial after the other.

    Attributes:
        name: of the rule, for the reason in a trial's record.
    """

    name: str

    def begin(self, number: int) -> None:
        """Take notice of the next trial.

        Args:
            number: of the trial, from 0.
        """
        raise NotImplementedError

    def is_bad(self, epoch: int, dev_error: float) -> bool:
        """Return whether the trial should end after this epoch.

        Args:
            epoch: counted from 1.
            dev_error: what is minimised, after this epoch.
        """
        raise NotImplementedError

    def end(self, trial: Trial) -> None:
        """Take notice of the end of the trial.

        Args:
            trial: its record.
        """
        raise NotImplementedError


class PrunedTuner(Tuner):
    """A tuner whose trials a rule may end early. It proposes one set at a time.

    Args:
        tuner: proposes.
        rule: ends trainings.
    """

    def __init__(self, tuner: Tuner, rule: StoppingRule) -> None:
        self._tuner = tuner
        self._rule = rule
        self._n_asked = 0

    def ask(self) -> Proposal | None:
        """Return the tuner's next proposal."""
        proposal = self._tuner.ask()
        if proposal is not None:
            self._rule.begin(self._n_asked)
            self._n_asked += 1
        return proposal

    def report(self, epoch: int, dev_error: float) -> str | None:
        """Return the name of the rule if it ends the trial."""
        return self._rule.name if self._rule.is_bad(epoch, dev_error) else None

    def tell(self, trial: Trial) -> None:
        """Pass a record to the tuner, and the end of the trial to the rule."""
        self._tuner.tell(trial)
        self._rule.end(trial)


def last_objective(trial: Trial) -> float:
    """Return what a library minimises that takes the last error of a pruned trial for its score.

    Args:
        trial: a record.

    Returns:
        The objective after the last epoch of a pruned trial; else the score, and the worst value if there is none.
    """
    last = trial.curve[-1].objective(trial.metric or ERROR) if trial.status == "pruned" else None
    return trial.objective_value() if last is None else last

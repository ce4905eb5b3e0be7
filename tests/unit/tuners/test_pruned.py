"""A tuner with a rule of another library: who is told what, and when."""

from typing import Any

from blindtune.records.trial import Trial
from blindtune.tuners.base import FixedListTuner
from blindtune.tuners.pruned import PrunedTuner, StoppingRule, last_objective
from support.builders import trial

METRICS = {"train_loss": 0.5, "train_error": 0.5, "dev_loss": 0.5, "dev_metric": None}


class Listener(StoppingRule):
    """Ends a trial at the second epoch, and keeps what it was called with."""

    name = "a rule"

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def begin(self, number: int) -> None:
        self.calls.append(("begin", number))

    def is_bad(self, epoch: int, dev_error: float) -> bool:
        self.calls.append(("is_bad", epoch, dev_error))
        return epoch == 2

    def end(self, trial: Trial) -> None:
        self.calls.append(("end", trial.number))


def test_rule_is_called_for_each_trial_of_any_tuner() -> None:
    """The rule is called from begin to end, one trial after the other, and its name is the reason."""
    rule = Listener()
    made = PrunedTuner(FixedListTuner([{"units": 1}, {"units": 2}]), rule)
    for number in range(2):
        [proposal] = made.ask_batch(9)
        assert proposal.hyperparameters == {"units": number + 1}
        assert [made.report(epoch, 0.5) for epoch in (1, 2)] == [None, "a rule"]
        made.tell(trial(number))
    assert made.ask_batch(9) == []
    assert rule.calls[:4] == [("begin", 0), ("is_bad", 1, 0.5), ("is_bad", 2, 0.5), ("end", 0)]
    assert rule.calls[4:] == [("begin", 1), ("is_bad", 1, 0.5), ("is_bad", 2, 0.5), ("end", 1)]


def test_pruned_trial_has_its_last_error() -> None:
    """A pruned trial has no score: its last error counts; any other without a score has the worst."""
    curve = [METRICS | {"dev_error": error} for error in (0.75, 0.5)]
    assert last_objective(trial(0, None, status="pruned", curve=curve)) == 0.5
    assert last_objective(trial(0, None, status="diverged", curve=curve)) == 1.0
    assert last_objective(trial(0, None, status="invalid", curve=[])) == 1.0
    assert last_objective(trial(0, 0.25, curve=curve)) == 0.25

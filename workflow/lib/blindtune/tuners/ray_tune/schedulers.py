"""Ray Tune's schedulers as rules that end trainings early, called one trial at a time, without Ray's controller."""

from typing import Any

from blindtune.core.random_state import OwnRandomState
from blindtune.records.trial import Trial
from blindtune.tuners.pruned import StoppingRule
from blindtune.tuners.ray_tune.pruners import RayAshaPrunerConfig, RayMedianPrunerConfig

_EPOCH, _ERROR = "epoch", "dev_error"


class _RayTrial:
    """What a scheduler knows of a trial."""

    def __init__(self, number: int) -> None:
        self.trial_id = str(number)
        self.last_epoch = 0


class _Controller:
    """Ray's controller of trials, as far as a scheduler asks it: no other trial is waiting."""

    def get_live_trials(self) -> list[_RayTrial]:
        """Return nothing, so that no trial is paused."""
        return []


class SchedulerRule(StoppingRule):
    """A scheduler of Ray that only stops trials.

    Args:
        config: of the scheduler.
        max_epochs: epochs of the longest training.
        seed: of the scheduler's draws.
    """

    def __init__(self, config: RayAshaPrunerConfig | RayMedianPrunerConfig, max_epochs: int, seed: int) -> None:
        self.name = f"Ray Tune's {config.algorithm} scheduler"
        self._max_epochs = max_epochs
        # With several brackets, ASHA draws one for each trial from the global state.
        self._random_state = OwnRandomState(seed)
        self._controller = _Controller()
        self._running = _RayTrial(0)
        self._scheduler = _create_scheduler(config, max_epochs)

    def begin(self, number: int) -> None:
        """Add a trial."""
        self._running = _RayTrial(number)
        with self._random_state.use():
            self._scheduler.on_trial_add(self._controller, self._running)

    def is_bad(self, epoch: int, dev_error: float) -> bool:
        """Return whether the scheduler stops the trial."""
        self._running.last_epoch = epoch
        if epoch >= self._max_epochs:
            # Ray tells a scheduler the last result of a trial once, as its end.
            return False
        result = {_EPOCH: epoch, _ERROR: dev_error}
        return bool(self._scheduler.on_trial_result(self._controller, self._running, result) == "STOP")

    def end(self, trial: Trial) -> None:
        """Pass the end of the trial; one without a score has the worst at its last epoch, a pruned one its own."""
        if trial.status != "pruned":
            result = {_EPOCH: self._running.last_epoch, _ERROR: trial.objective_value()}
            self._scheduler.on_trial_complete(self._controller, self._running, result)


def _create_scheduler(config: RayAshaPrunerConfig | RayMedianPrunerConfig, max_epochs: int) -> Any:
    from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule

    shared: dict[str, Any] = {"time_attr": _EPOCH, "metric": _ERROR, "mode": "min"}
    match config:
        case RayAshaPrunerConfig():
            return ASHAScheduler(
                max_t=max_epochs,
                grace_period=config.grace_period,
                reduction_factor=config.reduction_factor,
                brackets=config.brackets,
                **shared,
            )
        case RayMedianPrunerConfig():
            return MedianStoppingRule(
                grace_period=config.grace_period, min_samples_required=config.min_samples_required, **shared
            )

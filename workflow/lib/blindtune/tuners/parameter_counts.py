"""The number of parameters as a second objective, of trials that were never built too."""

from blindtune.records.trial import Trial

#: Told as the number of parameters of a trial that was never built, as long as no other number is known.
_DEFAULT_N_PARAMETERS = 1_000_000_000


class ParameterCounts:
    """Remembers the largest number of parameters so far."""

    def __init__(self) -> None:
        self._max: int | None = None

    def to_tell(self, trial: Trial) -> int:
        """Return the number of parameters; without a score, the largest so far.

        A small network that failed would otherwise be Pareto-optimal.

        Args:
            trial: the next trial, in order.
        """
        if trial.n_parameters is not None:
            self._max = max(trial.n_parameters, self._max or 0)
        if trial.n_parameters is None or trial.score is None:
            return _DEFAULT_N_PARAMETERS if self._max is None else self._max
        return trial.n_parameters

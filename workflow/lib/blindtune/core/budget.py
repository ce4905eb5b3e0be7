"""What a search may spend, in trials, epochs and seconds."""

from typing import Self

from pydantic import Field, model_validator

from blindtune.core.validation import Strict

#: Stands for "no limit" where a library wants a number of trials.
UNLIMITED = 1_000_000


class Budget(Strict):
    """What every tuner of a comparison may spend; of several limits, the first that is reached ends the search."""

    trials: int | None = Field(default=None, gt=0, description="hyperparameter sets, whatever became of them")
    epochs: int | None = Field(
        default=None, gt=0, description="passes over train, all trials together; a trial begins only if it fits"
    )
    seconds: float | None = Field(
        default=None, gt=0, description="wall seconds of suggesting, building, training, scoring and saving"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.trials is None and self.epochs is None and self.seconds is None:
            raise ValueError("gives no limit: set trials, epochs or seconds")
        return self

    def most_trials(self) -> int:
        """More trials than this the budget cannot pay for."""
        return min(self.trials or UNLIMITED, self.epochs or UNLIMITED)

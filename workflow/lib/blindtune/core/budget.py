"""The budget of a search, in trials, epochs and seconds."""

from typing import Self

from pydantic import Field, model_validator

from blindtune.core.validation import Strict

#: The number of trials given to a library that requires one when the budget does not limit trials.
UNLIMITED = 1_000_000


class Budget(Strict):
    """What each tuner of a comparison may spend. The first limit that is reached ends the search."""

    trials: int | None = Field(
        default=None,
        gt=0,
        description="number of trials, including those that are invalid, failed or pruned; null: no limit",
    )
    epochs: int | None = Field(
        default=None,
        gt=0,
        description="training epochs of all trials together; a trial starts only if its epochs fit; null: no limit",
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        description="wall seconds of suggesting, building, training, scoring and saving; null: no limit",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.trials is None and self.epochs is None and self.seconds is None:
            raise ValueError("gives no limit: set trials, epochs or seconds")
        return self

    def max_trials(self) -> int:
        """Return the largest number of trials that the budget allows; `UNLIMITED` if it limits seconds only."""
        return min(self.trials or UNLIMITED, self.epochs or UNLIMITED)

"""The budget of a search, in trials, epochs and seconds."""

from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from blindtune.core.bounds import MAX_SECONDS, MAX_TOTAL_EPOCHS, MAX_TRIALS
from blindtune.core.validation import Strict

#: The number of trials given to a library that requires one when the budget does not limit trials.
UNLIMITED = MAX_TRIALS


class Budget(Strict):
    """What each tuner of a comparison may spend. The first limit that is reached ends the search."""

    trials: int | None = Field(
        default=None,
        gt=0,
        le=MAX_TRIALS,
        description="number of trials, including those that are invalid, failed or pruned; null: no limit",
    )
    epochs: int | None = Field(
        default=None,
        gt=0,
        le=MAX_TOTAL_EPOCHS,
        description="training epochs of all trials together; a trial starts only if its epochs fit; null: no limit",
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        le=MAX_SECONDS,
        description="wall seconds of suggesting, building, training, scoring and saving; null: no limit",
    )

    trial_seconds: float | None = Field(
        default=None,
        gt=0,
        le=MAX_SECONDS,
        description="wall seconds of building, training and scoring one trial, after which it has failed; its trials "
        "are trained in worker processes, and a budget in seconds is overrun by one such limit at most, or by those of "
        "one group together if a trainer trains several trials as one model; null: no limit",
    )

    @model_serializer(mode="wrap")
    def _serialize(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a limit that is not set: records and cards of before it existed stay what they are."""
        content: dict[str, Any] = serialize(self)
        if self.trial_seconds is None:
            content.pop("trial_seconds", None)
        return content

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.trials is None and self.epochs is None and self.seconds is None:
            raise ValueError("gives no limit: set trials, epochs or seconds")
        return self

    def max_trials(self) -> int:
        """Return the largest number of trials that the budget allows; `UNLIMITED` if it limits seconds only."""
        return min(self.trials or UNLIMITED, self.epochs or UNLIMITED)

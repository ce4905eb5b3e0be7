"""Config of NNI's assessors, which end trainings early."""

from typing import Annotated, Literal

from pydantic import Field

from blindtune.core.bounds import MAX_EPOCHS
from blindtune.core.validation import Strict


class NniNoPrunerConfig(Strict):
    """No assessor: every trial is trained to its end."""

    algorithm: Literal["none"] = "none"


class NniMedianPrunerConfig(Strict):
    """MedianstopAssessor: ends a trial whose best error is worse than the median of the others' running means."""

    algorithm: Literal["median"]
    start_step: int = Field(default=1, gt=0, le=MAX_EPOCHS, description="epoch of the first decision")


NniPrunerConfig = Annotated[NniNoPrunerConfig | NniMedianPrunerConfig, Field(discriminator="algorithm")]

"""The config of one study: one system on one dataset with one seed."""

from pydantic import Field

from blindtune.config.systems import System
from blindtune.config.training import ScoreEpoch
from blindtune.core.bounds import MAX_SEED, MAX_TRIALS
from blindtune.core.budget import Budget
from blindtune.core.validation import Strict
from blindtune.metrics.registry import ERROR, MetricName, is_error


class Study(Strict):
    """What one study is; all of it but ``keep_best`` and a larger budget determines its records."""

    config: str = Field(description="name of the config")
    dataset: str
    system: str = Field(description="name of the system")
    seed: int = Field(gt=0, le=MAX_SEED)
    settings: System
    budget: Budget | None = Field(description="what a tuner may spend; null where nothing is tuned")
    score_epoch: ScoreEpoch
    metric: MetricName = Field(
        default=ERROR, exclude_if=is_error, description="what is minimised on dev; left out if it is the error"
    )
    keep_best: int = Field(gt=0, le=MAX_TRIALS, description="trials whose weights are kept")

    @property
    def id(self) -> str:
        """``<config name>/<dataset>/<system>/<seed>``."""
        return f"{self.config}/{self.dataset}/{self.system}/{self.seed}"

"""One study: one system on one dataset with one seed; everything in it determines its records."""

from pydantic import Field

from blindtune.config.systems import System
from blindtune.core.budget import Budget
from blindtune.core.validation import Strict
from blindtune.training.base import Scoring


class Study(Strict):
    """What one study is; everything here determines its records."""

    config: str = Field(description="name of the config")
    dataset: str
    system: str = Field(description="name of the system")
    seed: int = Field(gt=0)
    settings: System
    budget: Budget | None = Field(description="what a tuner may spend; null where nothing is tuned")
    scoring: Scoring
    keep: int = Field(gt=0, description="trials whose weights are kept")

    @property
    def id(self) -> str:
        """``<config name>/<dataset>/<system>/<seed>``."""
        return f"{self.config}/{self.dataset}/{self.system}/{self.seed}"

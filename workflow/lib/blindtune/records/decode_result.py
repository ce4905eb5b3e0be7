"""What a look at eval gave: the record that decode writes and the report reads."""

from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field



class GroupErrors(BaseModel):
    """What was wrong among the eval samples of one group, such as a patient."""

    model_config = ConfigDict(extra="forbid")

    group: int = Field(description="number of the group; its name stands in the manifest")
    samples: int
    wrong: int


class DecodeResult(BaseModel):
    """The result of one look at eval."""

    model_config = ConfigDict(extra="forbid")

    study: str = Field(description="<config name>/<dataset>/<system>/<seed>")
    frozen_sha256: str = Field(description="identifies the frozen model that looked")
    eval_sha256: str = Field(description="identifies the sealed data")
    samples: int
    error: float = Field(description="share of wrong samples; for bayes the closed-loop estimate")
    wrong: int | None = Field(description="number of wrong samples; null for an estimate")
    confusion: list[list[int]] | None = Field(description="samples by true class (row) and predicted class")
    groups: list[GroupErrors] | None = Field(
        default=None,
        description="by group; null for an estimate, for data without groups, and in looks that are older than this",
    )
    estimates: dict[str, float] = Field(default_factory=dict, description="for bayes: every estimate")
    blind: bool = Field(description="false where another model of the study had looked before")
    answers_sha256: str | None = Field(description="identifies the answers; null for an estimate")
    looked: str = Field(description="UTC, ISO 8601")


#: What a model answered: ``predicted`` labels and whether each is ``wrong``, both (samples,).
Predictions = dict[str, NDArray[Any]]

"""The result of a decode: the record that decode writes and the report reads."""

from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.validation import parse_json
from blindtune.records.schema import SCHEMA_VERSION, upgrade

#: Fields that version 1 called otherwise.
_RENAMED = {"looked": "decoded", "answers_sha256": "predictions_sha256"}

#: What a model predicted: ``predicted`` labels int16 and ``wrong`` bool, both (n_samples,).
Predictions = dict[str, NDArray[Any]]


class GroupErrors(BaseModel):
    """The number of wrong eval samples of one group, such as a patient."""

    model_config = ConfigDict(extra="forbid")

    group: int = Field(description="number of the group; its name is in the manifest")
    samples: int
    wrong: int


class DecodeResult(BaseModel):
    """The result of the decode of one frozen model."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[2] = SCHEMA_VERSION
    study: str = Field(description="<config name>/<dataset>/<system>/<seed>")
    frozen_sha256: str = Field(description="identifies the frozen model")
    eval_sha256: str = Field(description="identifies the sealed data")
    samples: int
    error: float = Field(description="share of wrong samples; for bayes the closed-loop estimate")
    wrong: int | None = Field(description="number of wrong samples; null for an estimate")
    confusion: list[list[int]] | None = Field(
        description="number of samples by true class (row) and predicted class; null for an estimate"
    )
    groups: list[GroupErrors] | None = Field(
        default=None,
        description="by group; null for an estimate, for data without groups, and in results without this field",
    )
    estimates: dict[str, float] = Field(default_factory=dict, description="for bayes: every estimate")
    blind: bool = Field(description="false if another model of the study had been decoded on these data before")
    predictions_sha256: str | None = Field(description="identifies the predictions; null for an estimate")
    decoded: str = Field(description="UTC, ISO 8601")


def parse_decode_result(content: Any, where: str) -> DecodeResult:
    """Return the result that a record holds, of the present version or an older one.

    Args:
        content: the record as it was read from JSON.
        where: its file, for the message.

    Raises:
        UserError: it is not a result of a decode.
    """
    return parse_json(DecodeResult, upgrade(content, _RENAMED, where), where)

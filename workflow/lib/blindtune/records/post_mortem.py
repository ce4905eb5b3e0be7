"""The record of a post-mortem: what every trial of a search scores on eval, after all models were decoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.errors import UserError
from blindtune.core.files import digest_json, read_json, write_json
from blindtune.core.validation import is_none, parse_json
from blindtune.records.schema import upgrade
from blindtune.records.trial import Status, Trial

#: The version that is written.
POST_MORTEM_VERSION: Literal[1] = 1

#: Where the model of a trial came from: its kept weights, a training with the same seed, or a fit on train.
Restored = Literal["kept", "retrained", "refitted"]


class AnalysedTrial(BaseModel):
    """One trial of a search, and its score on eval if its model could be restored."""

    model_config = ConfigDict(extra="forbid")

    trial: int = Field(ge=0, description="number of the trial")
    status: Status = Field(description="as it was recorded")
    n_parameters: int | None = Field(description="number of trainable parameters; null: not a network")
    dev_error: float | None = Field(description="as it was recorded; null: the trial was not scored on dev")
    dev_metric: float | None = Field(
        default=None, exclude_if=is_none, description="the metric on dev as it was recorded; left out for the error"
    )
    restored: Restored | None = Field(description="where its model came from; null: there is none")
    same_weights: bool | None = Field(
        description="whether the restored weights are the recorded ones, bit by bit; null: it has none"
    )
    restored_dev_error: float | None = Field(description="dev error of the restored model; null: there is none")
    wrong: int | None = Field(description="number of wrong eval samples; null: it was not evaluated")
    error: float | None = Field(description="share of wrong eval samples; null as above")
    metric_value: float | None = Field(
        default=None, exclude_if=is_none, description="the metric on eval; left out for the error"
    )
    reason: str | None = Field(description="why it was not evaluated; null: it was")


class PostMortem(BaseModel):
    """The post-mortem of one search: an analysis after the fact, by which nothing is chosen."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = POST_MORTEM_VERSION
    study: str = Field(description="<config name>/<dataset>/<system>/<seed>")
    frozen_sha256: str = Field(description="identifies the frozen model, the chosen trial")
    eval_sha256: str = Field(description="identifies the sealed data")
    trials_sha256: str = Field(description="identifies the records of the trials, without times and machine")
    chosen: int = Field(description="number of the chosen trial, which was decoded")
    samples: int = Field(description="number of eval samples")
    metric: str | None = Field(
        default=None, exclude_if=is_none, description="what the tuner minimised; left out for the error"
    )
    cross_chosen_error: float | None = Field(
        description="mean error on one half of eval of the trial that is lowest on the other half, over random halves; "
        "null: another metric was minimised, or there are too few trials or samples"
    )
    trials: list[AnalysedTrial] = Field(description="every trial of the search, in order")
    analysed: str = Field(description="UTC, ISO 8601")

    def sha256(self) -> str:
        """Return the digest of its content, which the ledger holds."""
        return digest_json(self.model_dump(mode="json"))

    def is_same(self, other: "PostMortem") -> bool:
        """Return whether another one says the same, at another time."""
        return self.model_copy(update={"analysed": other.analysed}) == other


def digest_searched(trials: Sequence[Trial]) -> str:
    """Return what identifies the trials of a search, in every run of it: their records without times and machine."""
    return digest_json([trial.reproducible_fields() for trial in trials])


def write_post_mortem(path: Path, found: PostMortem) -> None:
    """Write a post-mortem with the digest of its content."""
    write_json(path, found.model_dump(mode="json") | {"post_mortem_sha256": found.sha256()})


def read_post_mortem(path: Path, advice: str) -> PostMortem:
    """Return the post-mortem in a file, which must be as it was written.

    Args:
        path: the file.
        advice: what to do if it is not, for the message.

    Raises:
        UserError: it is missing, no post-mortem, or was changed.
    """
    if not path.exists():
        raise UserError(f"{path}: does not exist. {advice}")
    content: Any = read_json(path)
    recorded = content.pop("post_mortem_sha256", None) if isinstance(content, dict) else None
    found = parse_json(PostMortem, upgrade(content, {}, str(path), POST_MORTEM_VERSION), str(path))
    if recorded != found.sha256():
        raise UserError(f"{path}: was changed after it was written. {advice}")
    return found

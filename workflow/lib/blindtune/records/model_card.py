"""The card of a frozen model: what a study hands over to decode and to the report."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.files import digest_json, read_json, write_json
from blindtune.core.timing import CpuWallTime
from blindtune.core.validation import parse_json
from blindtune.models.architecture import Architecture
from blindtune.records.schema import SCHEMA_VERSION, upgrade

#: Fields that version 1 called otherwise.
_RENAMED = {"parameters": "n_parameters", "published": "paper_row", "scoring": "score_epoch"}

#: Fields that determine what a frozen model predicts.
_IDENTITY = {"study", "kind", "hyperparameters", "architecture", "weights_sha256", "data_sha256", "model_seed"}


class Spent(BaseModel):
    """What a study spent in all its sessions."""

    trials: int
    epochs: int
    seconds: dict[str, CpuWallTime] = Field(description="by part: suggest, build, train, evaluate, save")


class ModelCard(BaseModel):
    """The description of a frozen model; see `blindtune.config.study` for the study that made it."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[2] = SCHEMA_VERSION
    study: str = Field(description="<config name>/<dataset>/<system>/<seed>")
    config: str
    dataset: str
    system: str
    seed: int
    kind: str = Field(description="knn, random_forest, bayes, manual or tuner")
    paper_row: str | None = Field(description="the row of the published Table 3 that the system reproduces")
    settings: dict[str, Any] = Field(description="the system's part of the config")
    score_epoch: str
    budget: Budget | None = Field(description="what the tuner could spend; null: nothing is tuned")
    data_sha256: str = Field(description="identifies train and dev")
    classes: int
    trial: int | None = Field(description="number of the chosen trial; null for an estimate")
    hyperparameters: dict[str, Any] = Field(description="of the chosen trial; for bayes the arguments by split")
    architecture: Architecture | None
    training: Training | None
    model_seed: int = Field(description="the seed with which the chosen model was trained")
    n_parameters: int | None = Field(description="number of trainable parameters; null: not a network")
    train_error: float = Field(description="share of wrong samples of the whole train split")
    dev_error: float
    estimates: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="for bayes: every estimate, for train and dev"
    )
    weights: str | None = Field(
        description="file of the weights, relative to the card; null: the model is fitted again on train"
    )
    weights_sha256: str | None
    statuses: dict[str, int] = Field(description="number of recorded trials per status")
    spent: Spent
    exhausted: bool = Field(description="whether the tuner had no more proposals before the budget was spent")
    versions: dict[str, str]

    def frozen_sha256(self) -> str:
        """Return what identifies the frozen model: all that its predictions follow from, but not when it was trained.

        The layers of a manual model are among its hyperparameters here, as they were in the records of version 1: a
        ledger of that time must recognise the same model.
        """
        identity = self.model_dump(mode="json", include=_IDENTITY)
        if self.kind == "manual" and self.architecture is not None:
            identity["hyperparameters"]["layers"] = identity["architecture"]["layers"][:-1]
        return digest_json(identity)


def write_card(path: Path, card: ModelCard) -> None:
    """Write a card; the last step of a study.

    Args:
        path: ``card.json`` of the study.
        card: what to write.
    """
    content = card.model_dump(mode="json")
    write_json(path, content | {"frozen_sha256": card.frozen_sha256(), "card_sha256": digest_json(content)})


def read_card(path: Path) -> ModelCard:
    """Return the card in ``path``, of the present version or an older one; it must be as it was written.

    Raises:
        UserError: it is missing, not a card, or was changed by hand.
    """
    content = read_json(path)
    recorded = [content.pop(key, None) for key in ("frozen_sha256", "card_sha256")] if isinstance(content, dict) else []
    card = parse_json(ModelCard, _without_layers(upgrade(content, _RENAMED, str(path))), str(path))
    # The digest of the file's own content: reading a card of version 1 renames fields.
    if recorded != [card.frozen_sha256(), digest_json(content)]:
        raise UserError(f"{path}: was changed after it was written. Remove it and run again.")
    return card


def _without_layers(content: Any) -> Any:
    """Drop the layers that version 1 had among the hyperparameters of a manual model; the architecture has them."""
    values = content.get("hyperparameters") if isinstance(content, dict) else None
    if not isinstance(values, dict) or not isinstance(values.get("layers"), list):
        return content
    return content | {"hyperparameters": {name: value for name, value in values.items() if name != "layers"}}

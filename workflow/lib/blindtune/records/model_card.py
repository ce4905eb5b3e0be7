"""The card of a frozen model: what a study hands over to decode and to the report."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.files import digest_json, read_json, write_json
from blindtune.core.timing import CpuWallTime
from blindtune.core.validation import parse_json
from blindtune.models.architecture import Architecture


class Spent(BaseModel):
    """What a study used up, in each unit, over every session that worked on it."""

    trials: int
    epochs: int
    seconds: dict[str, CpuWallTime] = Field(description="by part: suggest, build, train, evaluate, save")


class ModelCard(BaseModel):
    """What is known of a frozen model; see `blindtune.config.study` for how it comes about."""

    model_config = ConfigDict(extra="forbid")

    study: str = Field(description="<config name>/<dataset>/<system>/<seed>")
    config: str
    dataset: str
    system: str
    seed: int
    kind: str = Field(description="knn, random_forest, bayes, manual or tuner")
    paper_row: str | None = Field(description="the row of the published Table 3 beside which it stands")
    settings: dict[str, Any] = Field(description="the system's part of the config")
    score_epoch: str
    budget: Budget | None = Field(description="what a tuner was given; null where nothing is tuned")
    data_sha256: str = Field(description="identifies train and dev")
    classes: int
    trial: int | None = Field(description="number of the chosen trial; null for an estimate")
    hyperparameters: dict[str, Any]
    architecture: Architecture | None
    training: Training | None
    model_seed: int = Field(description="the seed that the chosen model was trained with")
    parameters: int | None
    train_error: float = Field(description="share of wrong samples of the whole train split")
    dev_error: float
    estimates: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="for bayes: every estimate, for train and dev"
    )
    weights: str | None = Field(description="file of the weights beside the card; null: fitted anew from train")
    weights_sha256: str | None
    statuses: dict[str, int] = Field(description="number of recorded trials per status")
    spent: Spent
    exhausted: bool = Field(description="the tuner had no more to propose before the budget was spent")
    versions: dict[str, str]

    def frozen_sha256(self) -> str:
        """Identifies the frozen model: what it predicts follows from this, whenever it was trained."""
        identity = self.model_dump(
            mode="json",
            include={
                "study",
                "kind",
                "hyperparameters",
                "architecture",
                "weights_sha256",
                "data_sha256",
                "model_seed",
            },
        )
        return digest_json(identity)


def write_card(path: Path, card: ModelCard) -> None:
    """Write a card; the last step of a study."""
    content = card.model_dump(mode="json")
    write_json(path, content | {"frozen_sha256": card.frozen_sha256(), "card_sha256": digest_json(content)})


def read_card(path: Path) -> ModelCard:
    """A card as it was written.

    Raises:
        UserError: it is missing, no card, or was changed by hand.
    """
    content = read_json(path)
    recorded = [content.pop(key, None) for key in ("frozen_sha256", "card_sha256")] if isinstance(content, dict) else []
    card = parse_json(ModelCard, content, str(path))
    if recorded != [card.frozen_sha256(), digest_json(card.model_dump(mode="json"))]:
        raise UserError(f"{path}: was changed after it was written. Remove it and run again.")
    return card

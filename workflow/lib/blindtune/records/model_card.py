"""The card of a frozen model: what a study hands over to decode and to the report.

Version 3 identifies a model by everything that its answers follow from. The versions before left out the view, what the
view takes of the dataset, the trainer and the code.
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.files import digest_json, read_json, write_json
from blindtune.core.timing import CpuWallTime
from blindtune.core.validation import is_none, parse_json
from blindtune.models.architecture import Architecture
from blindtune.models.base import Blueprint
from blindtune.models.estimator import EstimatorBlueprint
from blindtune.models.network import NetworkBlueprint
from blindtune.records.schema import upgrade

#: Fields that version 1 called otherwise.
_RENAMED = {"parameters": "n_parameters", "published": "paper_row", "scoring": "score_epoch"}

#: The version that is written.
CARD_VERSION: Literal[3] = 3

#: Fields by which versions 1 and 2 identified a model.
_FORMER_IDENTITY = {"study", "kind", "hyperparameters", "architecture", "weights_sha256", "data_sha256", "model_seed"}


class Spent(BaseModel):
    """What a study spent in all its sessions."""

    trials: int
    epochs: int
    seconds: dict[str, CpuWallTime] = Field(description="by part: suggest, build, train, evaluate, save")


class ModelCard(BaseModel):
    """The description of a frozen model; see `blindtune.config.study` for the study that made it."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[2, 3] = CARD_VERSION
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
    preprocessing: dict[str, Any] | None = Field(
        default=None, description="what the view takes of the dataset besides samples; null before version 3"
    )
    code_sha256: str | None = Field(
        default=None, description="identifies the code that computes the answers; null before version 3"
    )
    classes: int
    trial: int | None = Field(description="number of the chosen trial; null for an estimate")
    hyperparameters: dict[str, Any] = Field(description="of the chosen trial; for bayes the arguments by split")
    architecture: Architecture | None
    training: Training | None
    estimator: EstimatorBlueprint | None = Field(
        default=None, description="the recipe of an estimator, which is fitted again on train; null: another model"
    )
    network: NetworkBlueprint | None = Field(default=None, description="a network in code; null: another model")
    model_seed: int = Field(description="the seed with which the chosen model was trained")
    n_parameters: int | None = Field(description="number of trainable parameters; null: not a network")
    train_error: float = Field(description="share of wrong samples of the whole train split")
    dev_error: float
    metric: str | None = Field(
        default=None, exclude_if=is_none, description="what the tuner minimised; left out for the error"
    )
    train_metric: float | None = Field(
        default=None, exclude_if=is_none, description="the metric on the whole train split; left out for the error"
    )
    dev_metric: float | None = Field(
        default=None, exclude_if=is_none, description="the metric on dev; left out for the error"
    )
    estimates: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="for bayes: every estimate, for train and dev"
    )
    weights: str | None = Field(
        description="file of the weights, relative to the card; null: the model is fitted again on train"
    )
    weights_sha256: str | None
    statuses: dict[str, int] = Field(description="number of recorded trials per status")
    spent: Spent
    trials_sha256: str | None = Field(
        default=None, description="identifies the records of the trials; null for an estimate and in older cards"
    )
    exhausted: bool = Field(description="whether the tuner had no more proposals before the budget was spent")
    versions: dict[str, str]

    @model_validator(mode="after")
    def _check_identity(self) -> Self:
        if self.schema_version == CARD_VERSION and (self.preprocessing is None or self.code_sha256 is None):
            raise ValueError("preprocessing and code_sha256: are missing; version 3 has both")
        return self

    @property
    def blueprint(self) -> Blueprint | None:
        """What was trained, in the form that it has; None for a reference model."""
        return self.architecture or self.estimator or self.network

    def frozen_sha256(self) -> str:
        """Return what identifies the frozen model: all that its answers follow from, but not when it was trained.

        A card of an earlier version keeps the identity that ledgers of its time know.
        """
        if self.schema_version < CARD_VERSION:
            return self.former_sha256()
        return digest_json({"model": self._model_identity(), "code": self.code_sha256})

    def model_sha256(self) -> str | None:
        """Return the identity without the code; None for a card of an earlier version.

        Two models that differ in code alone may give the same answers; decode then compares them.
        """
        return None if self.schema_version < CARD_VERSION else digest_json(self._model_identity())

    def former_sha256(self) -> str:
        """Return what identified the model before version 3.

        The layers of a manual model are among its hyperparameters here, as they were in the records of version 1: a
        ledger of that time must recognise the same model.
        """
        identity = self.model_dump(mode="json", include=_FORMER_IDENTITY)
        if self.kind == "manual" and self.architecture is not None:
            identity["hyperparameters"]["layers"] = identity["architecture"]["layers"][:-1]
        return digest_json(identity)

    @model_serializer(mode="wrap")
    def _serialize(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the form of model that it does not have: cards of other models stay what they are."""
        content: dict[str, Any] = serialize(self)
        if self.estimator is None:
            content.pop("estimator", None)
        if self.network is None:
            content.pop("network", None)
        return content

    def _model_identity(self) -> dict[str, Any]:
        recipe = {} if self.estimator is None else {"estimator": self.estimator.model_dump(mode="json")}
        if self.network is not None:
            recipe = {"network": self.network.identity()}
        return recipe | {
            "former": self.former_sha256(),
            "view": describe_view_alone(self.settings.get("view")),
            "trainer": self.settings.get("trainer"),
            "preprocessing": self.preprocessing,
            "classes": self.classes,
            # Chosen by another metric, it is another model, even if it has the same weights.
            **({} if self.metric is None else {"metric": self.metric}),
        }


def describe_view_alone(view: Any) -> Any:
    """Return a view's part of the config without the places of its files, whose content `preprocessing` identifies.

    Args:
        view: as the settings of a card have it.
    """
    if not isinstance(view, dict) or view.get("kind") != "extracted":
        return view
    return {name: value for name, value in view.items() if name not in ("build", "weights")}


def blueprint_fields(blueprint: Blueprint | None) -> dict[str, Blueprint | None]:
    """Return the fields of a card that hold what was trained.

    Args:
        blueprint: what was trained; None for a reference model.
    """
    return {"architecture": None} | ({} if blueprint is None else {blueprint.form: blueprint})


def write_card(path: Path, card: ModelCard) -> None:
    """Write a card; the last step of a study.

    Args:
        path: ``card.json`` of the study.
        card: what to write.
    """
    content = card.model_dump(mode="json")
    write_json(path, content | {"frozen_sha256": card.frozen_sha256(), "card_sha256": digest_json(content)})


def read_card_digest(path: Path) -> str | None:
    """Return the digest of the content of a card that `read_card` has checked; None if it is from before."""
    content = read_json(path)
    digest = content.get("card_sha256") if isinstance(content, dict) else None
    return digest if isinstance(digest, str) else None


def read_card(path: Path) -> ModelCard:
    """Return the card in ``path``, of the present version or an older one; it must be as it was written.

    Raises:
        UserError: it is missing, not a card, or was changed by hand.
    """
    content = read_json(path)
    recorded = [content.pop(key, None) for key in ("frozen_sha256", "card_sha256")] if isinstance(content, dict) else []
    card = parse_json(ModelCard, _without_layers(_upgrade_card(content, str(path))), str(path))
    # The digest of the file's own content: reading a card of version 1 renames fields.
    if recorded != [card.frozen_sha256(), digest_json(content)]:
        raise UserError(f"{path}: was changed after it was written. Remove it and run again.")
    return card


def _upgrade_card(content: Any, where: str) -> Any:
    """Return a card with the present names; one without a version is of version 1, which has the identity of 2."""
    upgraded = upgrade(content, _RENAMED, where, CARD_VERSION)
    return {"schema_version": 2, **upgraded} if isinstance(upgraded, dict) else upgraded


def _without_layers(content: Any) -> Any:
    """Drop the layers that version 1 had among the hyperparameters of a manual model; the architecture has them."""
    values = content.get("hyperparameters") if isinstance(content, dict) else None
    if not isinstance(values, dict) or not isinstance(values.get("layers"), list):
        return content
    return content | {"hyperparameters": {name: value for name, value in values.items() if name != "layers"}}

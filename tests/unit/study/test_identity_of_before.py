"""Settings and layers that came later change no protocol, no seed and no frozen model of studies without them.

The digests were computed by the version before early stopping, schedules, weight decay and clipping.
"""

from typing import Any

import pytest

from blindtune.config.study import Study
from blindtune.config.systems import Manual, ManualModel, Tuned
from blindtune.config.training import Training, TrainingOverrides
from blindtune.core.budget import Budget
from blindtune.core.files import digest_json
from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.validation import load
from blindtune.models.architecture import Architecture
from blindtune.models.layers import Flatten
from blindtune.records.model_card import ModelCard, Spent
from blindtune.study.protocol import build_protocol
from blindtune.study.setup import training_hyperparameters
from blindtune.tuners.optuna.config import OptunaConfig
from blindtune.views.config import SamplesView
from support.networks import conv, dense, dropout, pool

VIEW = SamplesView(kind="samples")
TUNED = Tuned(kind="tuner", tuner=OptunaConfig(library="optuna", algorithm="tpe"), space="mlp", view=VIEW)
MANUAL = Manual(kind="manual", model="convnet_m", view=VIEW)
MODEL = RESOURCES / "models" / "convnet_m.yaml"
LAYERS = (conv(4, 3), pool(2), dropout(0.1), Flatten(kind="flatten"), dense(2))


def digest_protocol(settings: Any) -> str:
    study = Study(
        config="test",
        dataset="toy",
        system="it",
        seed=42,
        settings=settings,
        budget=Budget(trials=3),
        score_epoch="last",
        keep_best=1,
    )
    files = {"space": RESOURCES / "spaces" / "mlp.yaml"} if isinstance(settings, Tuned) else {"model": MODEL}
    return digest_json(build_protocol(study, "0" * 64, {}, files, "code"))


def build_card(training: Training) -> ModelCard:
    return ModelCard(
        study="a/b/c/1",
        config="a",
        dataset="b",
        system="c",
        seed=1,
        kind="tuner",
        paper_row=None,
        settings=TUNED.model_dump(mode="json"),
        score_epoch="last",
        budget=None,
        data_sha256="0" * 64,
        preprocessing={},
        code_sha256="1" * 64,
        classes=2,
        trial=0,
        hyperparameters={"layers": 1},
        architecture=Architecture(input_shape=(8, 8, 1), layers=LAYERS),
        training=training,
        model_seed=3,
        n_parameters=9,
        train_error=0.5,
        dev_error=0.5,
        weights=None,
        weights_sha256="2" * 64,
        statuses={},
        spent=Spent(trials=1, epochs=1, seconds={}),
        exhausted=False,
        versions={},
    )


def test_protocols_of_before_are_the_same() -> None:
    """A study without the new settings has the protocol that it had, so it goes on from its records."""
    assert digest_protocol(TUNED) == "0c5d693b8a03606e56271b7dca6a6271a89924659f2d132912ce9a9180bede16"
    assert digest_protocol(MANUAL) == "59e447f229019faa6ae3d82a2230c44a1dfd6b38ad281bf2f6939173aee1d952"


def test_seed_of_a_manual_model_is_the_same() -> None:
    """The seed of a manual model, which derives from all its settings and layers, is that of before."""
    model = load(ManualModel, MODEL)
    values = training_hyperparameters(model, TrainingOverrides())
    layers = [layer.model_dump() for layer in model.layers]
    assert derive("trial", "toy", 42, {**values, "layers": layers}) == 2085663862


def test_card_of_before_is_the_same() -> None:
    """A card has the content and the identities that it had."""
    card = build_card(Training())
    assert card.former_sha256() == "96c30aa53553e0b826262c4da8865d09652a74a6d453f9c0c1f4732788aed23c"
    assert card.model_sha256() == "6851780352e5a53aa787be4c3a2e12e8a0a2e340299536f5f9c619c7a164be9f"
    assert card.frozen_sha256() == "52de25c099905b3249a531e9803f5a48baf9d9f5aed0c0c31486f1699e9d5244"
    content = card.model_dump(mode="json")
    before = {"optimizer", "learning_rate", "batch_size", "epochs", "loss", "initial_weights", "metric"}
    assert set(content["training"]) == before
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


@pytest.mark.parametrize(
    "given",
    [
        {"early_stopping": 3},
        {"early_stopping": 3, "min_delta": 0.1},
        {"schedule": "step"},
        {"schedule": "step", "schedule_factor": 0.5},
        {"schedule": "step", "schedule_epochs": 2},
        {"weight_decay": 0.0},
        {"clip_norm": 1.0},
    ],
    ids=str,
)
def test_given_settings_change_protocol_and_seed(given: dict[str, Any]) -> None:
    """A new setting that is given is in the protocol, in a manual model's hyperparameters and in a card."""
    training = Training.model_validate(given)
    assert digest_protocol(TUNED.model_copy(update={"training": training})) != digest_protocol(TUNED)
    overrides = TrainingOverrides.model_validate(given)
    assert digest_protocol(MANUAL.model_copy(update={"training": overrides})) != digest_protocol(MANUAL)
    values = training_hyperparameters(load(ManualModel, MODEL), overrides)
    assert values.items() >= given.items()
    content = build_card(training).model_dump(mode="json")
    assert content["training"].items() >= given.items()
    assert ModelCard.model_validate(content | {"architecture": None}).training == training

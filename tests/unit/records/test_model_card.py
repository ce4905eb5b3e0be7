"""Model cards: written whole, never changed, of any version; and the identity of a frozen model."""

import json
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.files import digest_json
from blindtune.records.model_card import ModelCard, read_card, write_card
from support import old_records


def write_old(folder: Path, **changes: Any) -> Path:
    """Write a card as version 1 did and return its path."""
    content = old_records.CARD | changes
    path = folder / "card.json"
    own = {"frozen_sha256": old_records.FROZEN_SHA256, "card_sha256": digest_json(content)}
    path.write_text(json.dumps(content | own), encoding="utf-8")
    return path


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    """The card of a manual model."""
    return read_card(write_old(tmp_path))


def test_read_card_reads_version_1(card: ModelCard) -> None:
    """A card of version 1 is read under the present names, its layers from the architecture."""
    assert (card.n_parameters, card.paper_row, card.score_epoch) == (2834, "MLP-M1", "last")
    assert card.hyperparameters == old_records.TRAINING
    assert card.frozen_sha256() == old_records.FROZEN_SHA256


def test_read_card_refuses_a_later_version(card: ModelCard, tmp_path: Path) -> None:
    """A card of a later version is refused with a message that says so."""
    content = card.model_dump(mode="json") | {"schema_version": 4}
    (tmp_path / "later.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"later\.json: was written by a later version .*schema version 4"):
        read_card(tmp_path / "later.json")


def test_write_card_writes_what_read_card_reads(card: ModelCard, tmp_path: Path) -> None:
    """A card is read as it was written, with the version of its form."""
    path = tmp_path / "new.json"
    write_card(path, card)
    assert read_card(path) == card
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["schema_version"], content["n_parameters"]) == (2, 2834)
    assert content["frozen_sha256"] == old_records.FROZEN_SHA256


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, old_records.FROZEN_SHA256),
        (old_records.KNN, old_records.KNN_SHA256),
        (old_records.BAYES, old_records.BAYES_SHA256),
    ],
    ids=["manual", "knn", "bayes"],
)
def test_frozen_sha256_is_that_of_version_1(card: ModelCard, changes: dict[str, Any], known: str) -> None:
    """The identity of a model is what version 1 recorded, so that an old ledger recognises it."""
    assert card.model_copy(update=changes).frozen_sha256() == known


def test_frozen_sha256_depends_on_what_it_predicts_with(card: ModelCard) -> None:
    """Every field that determines predictions changes the identity, and no other field does."""
    frozen = card.frozen_sha256()
    assert card.architecture is not None
    identity = {
        "study": "test/toy/other/42",
        "kind": "tuner",
        "hyperparameters": {"neighbours": 99},
        "architecture": card.architecture.model_copy(update={"layers": card.architecture.layers[1:]}),
        "weights_sha256": "0",
        "data_sha256": "0",
        "model_seed": 1,
    }
    for name, value in identity.items():
        assert card.model_copy(update={name: value}).frozen_sha256() != frozen, name
    for name, value in {
        "dev_error": 0.5,
        "paper_row": "KNN",
        "n_parameters": 1,
        "versions": {},
        "budget": Budget(trials=9),
        "exhausted": True,
    }.items():
        assert card.model_copy(update={name: value}).frozen_sha256() == frozen, name


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "change", [{"dev_error": 0.0}, {"model_seed": 1}, {"frozen_sha256": "0"}, {"card_sha256": "0"}], ids=str
)
def test_read_card_refuses_a_change(card: ModelCard, tmp_path: Path, change: dict[str, Any], version: int) -> None:
    """A card of any version that was changed by hand is refused."""
    path = tmp_path / "card.json"
    if version == 2:
        write_card(path, card)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(UserError, match=r"card\.json: was changed after it was written"):
        read_card(path)


@pytest.mark.parametrize("text", ["[]", "{}", "null"])
def test_read_card_refuses_what_is_not_a_card(tmp_path: Path, text: str) -> None:
    """What is not a card at all is refused with its path."""
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"card\.json"):
        read_card(tmp_path / "card.json")


@pytest.fixture
def new_card(card: ModelCard) -> ModelCard:
    """The same model on a card of version 3."""
    settings = card.settings | {"view": {"kind": "crops", "n_eval_crops": 9}, "trainer": "pytorch"}
    identity = {"preprocessing": {"source": {"sfreq": 50}, "statistics": None}, "code_sha256": "c" * 64}
    return card.model_copy(update={"schema_version": 3, "settings": settings, **identity})


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"view": {"kind": "crops", "n_eval_crops": 1}, "trainer": "pytorch"}},
        {"settings": {"view": {"kind": "samples"}, "trainer": "pytorch"}},
        {"settings": {"view": {"kind": "crops", "n_eval_crops": 9}, "trainer": "keras"}},
        {"preprocessing": {"source": {"sfreq": 100}, "statistics": None}},
        {"preprocessing": {"source": {"sfreq": 50}, "statistics": {"mean": [0.0], "deviation": [1.0]}}},
        {"classes": 3},
    ],
)
def test_model_sha256_depends_on_view_and_preprocessing(new_card: ModelCard, changes: dict[str, Any]) -> None:
    """What the view is, what it takes of the dataset, and what trains are part of the identity since version 3."""
    changed = new_card.model_copy(update=changes)
    assert changed.frozen_sha256() != new_card.frozen_sha256()
    assert changed.model_sha256() != new_card.model_sha256()
    assert changed.former_sha256() == new_card.former_sha256() == old_records.FROZEN_SHA256


def test_model_sha256_leaves_out_the_code(new_card: ModelCard) -> None:
    """Another code gives another frozen model, but the same identity without the code."""
    changed = new_card.model_copy(update={"code_sha256": "d" * 64})
    assert changed.frozen_sha256() != new_card.frozen_sha256()
    assert changed.model_sha256() == new_card.model_sha256() is not None


def test_model_sha256_is_unknown_before_version_3(card: ModelCard) -> None:
    """A card of before keeps the identity that its ledger knows."""
    assert card.model_sha256() is None
    assert card.frozen_sha256() == card.former_sha256()


def test_read_card_needs_the_whole_identity(new_card: ModelCard, tmp_path: Path) -> None:
    """A card of version 3 without its preprocessing or code is refused."""
    for name in ("preprocessing", "code_sha256"):
        write_card(tmp_path / "card.json", new_card.model_copy(update={name: None}))
        with pytest.raises(UserError, match=r"card\.json does not fit:\n.*preprocessing and code_sha256"):
            read_card(tmp_path / "card.json")
    write_card(tmp_path / "card.json", new_card)
    assert read_card(tmp_path / "card.json") == new_card

"""Samples of all three splits, drawn for a figure when every model is frozen."""

import dataclasses

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sample_splits import sample_splits
from blindtune.decoding.sealed_split import read_seal
from blindtune.records.model_card import read_card
from support.decode_lab import DecodeLab


def test_sample_splits_needs_two_features(lab: DecodeLab) -> None:
    """For data that have not two features nothing is drawn and eval is not opened."""
    data = lab.places.open()
    wide = dataclasses.replace(data, train=Split(np.zeros((4, 3, 5), dtype=np.float32), np.arange(4) % 2))
    lab.hide_eval()
    assert sample_splits(wide, lab.places.seal, Ledger(lab.ledger), 10) == {}
    assert lab.events() == []


def test_sample_splits_is_recorded_in_the_ledger(lab: DecodeLab) -> None:
    """The ledger says that eval was sampled, which does not make a later decode less blind."""
    arrays = sample_splits(lab.places.open(), lab.places.seal, Ledger(lab.ledger), 10)
    assert {name: len(array) for name, array in arrays.items()} == {
        f"{split}_{axis}": 10 for split in ("train", "dev", "eval") for axis in "xy"
    }
    assert lab.events() == ["sampled"]
    assert lab.decode(lab.freeze())[0].blind


def test_sample_splits_shows_every_class_of_a_sorted_file(lab: DecodeLab) -> None:
    """The samples are drawn at random: the first ones of a file may be of one class."""
    data = lab.places.open()
    order = np.argsort(data.train.y, kind="stable")
    data = dataclasses.replace(data, train=Split(data.train.x[order], data.train.y[order]))
    assert set(sample_splits(data, lab.places.seal, Ledger(lab.ledger), 20)["train_y"]) == {0, 1}


def test_sample_splits_names_the_frozen_models(lab: DecodeLab) -> None:
    """The entry names the models that were frozen when samples were drawn."""
    cards = [lab.freeze(3) / "card.json", lab.freeze(5, system="other") / "card.json"]
    sample_splits(lab.places.open(), lab.places.seal, Ledger(lab.ledger), 10, cards)
    [entry] = Ledger(lab.ledger).entries()
    assert entry["frozen"] == sorted(read_card(card).frozen_sha256() for card in cards)
    assert entry["eval_content_sha256"] == read_seal(lab.places.seal).identity.content_sha256


def test_sample_splits_verifies_eval_before_its_entry(lab: DecodeLab) -> None:
    """Eval that is not what was sealed is refused without a line in the ledger."""
    path = lab.places.seal.parent / "eval" / "x.npy"
    np.save(path, np.load(path) + 1)
    with pytest.raises(UserError, match="not those that were sealed"):
        sample_splits(lab.places.open(), lab.places.seal, Ledger(lab.ledger), 10)
    assert lab.events() == []

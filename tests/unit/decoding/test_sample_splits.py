"""Samples of all three splits, drawn for a figure when every model is frozen."""

import dataclasses

import numpy as np

from blindtune.datasets.base import Split
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sample_splits import sample_splits
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

"""Samples of all three splits for a figure, drawn when every model of the dataset is frozen."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.seeds import derive
from blindtune.datasets.prepared import Prepared
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sealed_split import read_seal
from blindtune.records.model_card import read_card


def sample_splits(
    data: Prepared, sealed: Path, ledger: Ledger, points: int, cards: Sequence[Path] = ()
) -> dict[str, NDArray[Any]]:
    """Draw random samples of each split and return them, for data of two features.

    Called when every model of the dataset is frozen: nothing can learn from eval any more.

    Args:
        data: train and dev of the dataset.
        sealed: path of its ``seal.json``.
        ledger: of the project; gets a line before a sample is drawn.
        points: largest number of samples of each split.
        cards: of all models that are frozen; the ledger names them, since what is frozen later may know eval.

    Returns:
        ``<split>_x`` (n_samples, 2) and ``<split>_y`` (n_samples,) for train, dev and eval; nothing for data that have
        not exactly two features, whose eval is not opened.
    """
    if data.sample_shape != (2,):
        return {}
    seal = read_seal(sealed)
    data.check_seal(sealed, seal.sha256)
    seal.verify()
    frozen = [read_card(card).frozen_sha256() for card in cards]
    ledger.note_sample_splits(data.name, replace(seal.identity, origins=data.eval_origins()), frozen)
    splits = {"train": data.train, "dev": data.dev, "eval": seal.open()}
    arrays: dict[str, NDArray[Any]] = {}
    for name, split in splits.items():
        # Files may be sorted by class: the first samples would show one class alone.
        chosen = np.random.default_rng(derive("picture", data.name, name)).permutation(len(split.y))[:points]
        arrays[f"{name}_x"], arrays[f"{name}_y"] = split.x[chosen], split.y[chosen]
    return arrays

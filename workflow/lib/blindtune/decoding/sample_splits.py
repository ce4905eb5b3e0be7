"""Samples of all three splits for their figure, taken when every model of the dataset is frozen."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.seeds import derive
from blindtune.datasets.prepared import Prepared
from blindtune.decoding.decode import read_seal
from blindtune.decoding.ledger import Ledger


def sample_splits(data: Prepared, sealed: Path, ledger: Ledger, points: int) -> dict[str, NDArray[Any]]:
    """Up to ``points`` samples of each split, drawn at random, for a figure of all three.

    Called when every model of the dataset is frozen: nothing can learn from it any more.

    Returns:
        ``<split>_x`` (samples, 2) and ``<split>_y`` (samples,) for train, dev and eval; nothing for data of other than
        two features, whose seal stays closed.
    """
    if data.sample_shape != (2,):
        return {}
    seal = read_seal(sealed)
    ledger.note_picture(data.name, seal.sha256)
    splits = {"train": data.train, "dev": data.dev, "eval": seal.open()}
    arrays: dict[str, NDArray[Any]] = {}
    for name, split in splits.items():
        # Files may be sorted by class: the first samples would show one class alone.
        chosen = np.random.default_rng(derive("picture", data.name, name)).permutation(len(split.y))[:points]
        arrays[f"{name}_x"], arrays[f"{name}_y"] = split.x[chosen], split.y[chosen]
    return arrays

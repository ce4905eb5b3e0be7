"""Builders of pictures and of datasets for the tests of views."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.base import Split
from blindtune.datasets.prepared import Prepared
from blindtune.views.config import CropsView
from blindtune.views.crops import ImageCrops

#: The config of a simulated EEG dataset.
EEG = {
    "source": "eeg",
    "stand_in": True,
    "simulate": {"patients": 6},
    "sizes": {"train": 2, "dev": 2, "eval": 2},
}

#: The keys of an EEG dataset that the view ``frames`` takes, with their defaults.
FRAMES: dict[str, Any] = {"frame_length": 0.3, "frame_hop": 0.1, "sfreq": 50}

ONE, ZERO = np.ones(3, np.float32), np.zeros(3, np.float32)


def random_pictures(count: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return random pixels, (count, side, side, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def crops_config(**changes: Any) -> CropsView:
    """Return a config of small crops without jitter and rotation, with some keys changed."""
    return CropsView(kind="crops", **({"side": 4, "jitter": 0.0, "rotate": False} | changes))


def crop_pictures(stored: NDArray[np.uint8], mean: Any = ZERO, deviation: Any = ONE, **changes: Any) -> ImageCrops:
    """Return crops of pictures that are not normalised, unless statistics are given."""
    return ImageCrops(stored, crops_config(**changes), mean, deviation)


def prepared_dataset(x: NDArray[Any], source: dict[str, Any], statistics: Any) -> Prepared:
    """Return a dataset of two classes whose dev is the first two samples of train."""
    y = np.arange(len(x), dtype=np.int64) % 2
    manifest = {"source": source, "statistics": statistics}
    return Prepared("it", Split(x, y), Split(x[:2], y[:2]), ["a", "b"], "sha", manifest)

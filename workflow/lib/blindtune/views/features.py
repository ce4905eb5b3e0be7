"""A few numbers of each sample: band powers of EEG, how coarse the stains of a patch are."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.features import band_summary
from blindtune.datasets.slides.features import architecture
from blindtune.views.base import AT_ONCE, Floats

#: By the name of a source: from stored samples and the source's config to (samples, features).
FEATURES: dict[str, Callable[[NDArray[Any], dict[str, Any]], NDArray[Any]]] = {
    "eeg": lambda x, source: band_summary(x, source["rate"]),
    "slides": lambda x, source: architecture(x),
}


def features(stored: NDArray[Any], source: dict[str, Any]) -> Floats:
    """The features of all samples, so many at a time as fit into little memory.

    Args:
        stored: (samples, ...).
        source: the config of the dataset's source.

    Returns:
        (samples, features) float32.
    """
    compute = FEATURES[source["source"]]
    count = max(1, AT_ONCE // int(np.prod(stored.shape[1:])))
    parts = [compute(np.asarray(stored[first : first + count]), source) for first in range(0, len(stored), count)]
    return np.concatenate(parts).astype(np.float32)

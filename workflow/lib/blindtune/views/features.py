"""The view ``features``: a few numbers per sample, such as the band powers of an EEG segment."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.prepared import Prepared
from blindtune.views.base import MAX_BATCH_VALUES, Floats, ViewFunction
from blindtune.views.config import FeaturesView

#: From stored samples, (n_samples, ...), and the config of their source to features, (n_samples, n_features).
FeatureFunction = Callable[[NDArray[Any], dict[str, Any]], NDArray[Any]]


def create(config: FeaturesView, data: Prepared, feature_function: FeatureFunction) -> ViewFunction:
    """Return the function that computes the features of stored samples.

    Args:
        config: has no settings.
        data: gives the config of the source.
        feature_function: that of the dataset's source, see `blindtune.views.registry.FEATURES`.
    """
    return lambda x: compute_in_batches(feature_function, x, data.manifest["source"])


def compute_in_batches(feature_function: FeatureFunction, stored: NDArray[Any], source: dict[str, Any]) -> Floats:
    """Return the features of all samples, computed in batches that bound the memory.

    Args:
        feature_function: computes the features of one batch.
        stored: (n_samples, ...) the stored samples.
        source: the config of the dataset's source.

    Returns:
        (n_samples, n_features) float32.
    """
    count = max(1, MAX_BATCH_VALUES // int(np.prod(stored.shape[1:])))
    starts = range(0, len(stored), count)
    parts = [feature_function(np.asarray(stored[first : first + count]), source) for first in starts]
    return np.concatenate(parts).astype(np.float32)

"""The view ``features``: a few numbers per sample, such as the band powers of an EEG segment."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.views.base import MAX_BATCH_VALUES, Floats, ViewFunction, ViewInputs
from blindtune.views.config import FeaturesView

#: From stored samples, (n_samples, ...), and the declared keys of the config of their source to features,
#: (n_samples, n_features).
FeatureFunction = Callable[[NDArray[Any], Mapping[str, Any]], NDArray[Any]]


def create(config: FeaturesView, inputs: ViewInputs, feature_function: FeatureFunction) -> ViewFunction:
    """Return the function that computes the features of stored samples.

    Args:
        config: has no settings.
        inputs: the keys of the source that the feature function declares.
        feature_function: that of the dataset's source, see `blindtune.views.registry.FEATURES`.
    """
    return lambda x: compute_in_batches(feature_function, x, inputs.source)


def compute_in_batches(feature_function: FeatureFunction, stored: NDArray[Any], source: Mapping[str, Any]) -> Floats:
    """Return the features of all samples, computed in batches that bound the memory.

    Args:
        feature_function: computes the features of one batch.
        stored: (n_samples, ...) the stored samples.
        source: the keys of the config of the dataset that the feature function declares.

    Returns:
        (n_samples, n_features) float32.
    """
    count = max(1, MAX_BATCH_VALUES // int(np.prod(stored.shape[1:])))
    starts = range(0, len(stored), count)
    parts = [feature_function(np.asarray(stored[first : first + count]), source) for first in starts]
    return np.concatenate(parts).astype(np.float32)

"""The view ``extracted``: features that a user's own code computes of each sample, such as a pretrained network."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.views.base import Floats, Rows, SampleView, StoredView, ViewFunction, ViewInputs
from blindtune.views.config import ExtractedView
from blindtune.views.extractor import Extractor
from blindtune.views.feature_store import OpenFeatures, keep_sealed, probe_of


class ScaledFeatures(SampleView):
    """Features (n_samples, n_features), each with zero mean and unit deviation over train.

    Args:
        stored: the features, memory-mapped or not.
        mean: (n_features,) of train.
        deviation: (n_features,) of train.
    """

    def __init__(self, stored: Floats, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> None:
        super().__init__(stored, tuple(stored.shape[1:]))
        self._mean, self._deviation = mean, deviation

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Return (n_rows, n_features) float32."""
        return np.asarray((self.stored[self.selected[rows]] - self._mean) / self._deviation, dtype=np.float32)


class ExtractedFeatures(StoredView):
    """Shows the features of a dataset; the user's code runs for samples that are in neither train nor dev.

    Args:
        config: of the view.
        dataset: its name.
        features: of train and dev.
    """

    def __init__(self, config: ExtractedView, dataset: str, features: OpenFeatures) -> None:
        self._config, self._features = config, features
        self._extractor = Extractor(config, dataset, features.data.sample_shape)
        self._is_checked = False

    def __call__(self, x: NDArray[Any]) -> Floats | SampleView:
        """Return the features of other samples, (n_samples, n_features), which are kept in memory alone."""
        self.check()
        batches = list(self._extractor.iterate(x))
        empty = np.empty((0, self._features.arrays["train"].shape[1]), np.float32)
        return self._show(np.concatenate([empty, *batches]))

    def show_split(self, name: str) -> Floats | SampleView:
        """Return the features of train or dev, (n_samples, n_features)."""
        return self._show(self._features.arrays[name])

    def show_sealed(self, x: NDArray[Any], sha256: str, folder: Path) -> Floats | SampleView:
        """Return the features of eval, (n_samples, n_features), computed once for all models of the view."""
        self.check()
        return self._show(keep_sealed(self._extractor, self._config, x, sha256, folder))

    def check(self) -> None:
        """Refuse an extractor that gives other features of the first samples of train than are kept."""
        if not self._is_checked:
            samples, features = probe_of(self._features)
            self._extractor.check_same(samples, features, "the first samples of train")
            self._is_checked = True

    def _show(self, features: Floats) -> Floats | SampleView:
        if not self._config.standardize:
            return features
        # A feature that never changes has nothing to divide by.
        deviation = np.where(self._features.deviation > 0, self._features.deviation, 1.0)
        return ScaledFeatures(features, self._features.mean, deviation)


def create(config: ExtractedView, inputs: ViewInputs) -> ViewFunction:
    """Return the function that shows features which a user's code computes.

    Args:
        config: of the view.
        inputs: the features of train and dev, and the name for messages.

    Raises:
        TypeError: the entry of the view does not open them.
    """
    if not isinstance(inputs.features, OpenFeatures):
        raise TypeError("the view does not declare in blindtune.views.registry what opens its features")
    return ExtractedFeatures(config, inputs.dataset, inputs.features)

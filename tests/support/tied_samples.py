"""Samples with many ties, for tests that compare reference models with scikit-learn's."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

#: Numbers of cores that must give the same predictions.
JOBS = (1, 2, 3)


def grid_samples(n_samples: int, n_features: int, n_values: int, seed: int) -> NDArray[np.float32]:
    """Return samples with few different coordinates: many of them are equal, and many distances are.

    Args:
        n_samples: number of samples.
        n_features: number of features.
        n_values: number of different coordinates.
        seed: of the draw.
    """
    return np.random.default_rng(seed).integers(n_values, size=(n_samples, n_features)).astype(np.float32)


@st.composite
def labelled_samples(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Draw samples, their labels, and samples to predict; with more than 15 features scikit-learn uses no tree."""
    n_samples, n_features = draw(st.integers(3, 80)), draw(st.sampled_from([1, 2, 3, 15, 16, 20]))
    n_values, seed = draw(st.integers(1, 6)), draw(st.integers(0, 2**16))
    y = np.random.default_rng(seed).integers(draw(st.integers(1, 4)), size=n_samples)
    x = grid_samples(n_samples, n_features, n_values, seed)
    return x, y, grid_samples(draw(st.integers(1, 60)), n_features, n_values, seed + 1)

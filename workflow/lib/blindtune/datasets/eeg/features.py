"""Features of segments, for the reference models and for the check of the simulated corpus."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Edges of the bands in Hz: two of delta, theta, alpha, two of beta.
BANDS = ((0.5, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 18.0), (18.0, 24.0))

Floats = NDArray[np.float64]


def band_powers(x: NDArray[np.float32], rate: int) -> Floats:
    """Return the logarithm of the power of each channel in each band of `BANDS`.

    Args:
        x: segments in microvolts, (n_segments, n_channels, n_times).
        rate: sampling rate in Hz.

    Returns:
        (n_segments, n_channels, n_bands): decimal logarithms of microvolts squared, from the mean periodogram of Hann
        windows of two seconds, one per second.
    """
    from scipy.signal import welch

    # A small constant is added, so that a silent channel has a logarithm.
    frequency, density = welch(x, rate, nperseg=2 * rate, axis=-1)
    step = frequency[1]
    powers = [density[..., (frequency >= low) & (frequency < high)].sum(axis=-1) * step for low, high in BANDS]
    return np.log10(np.stack(powers, axis=-1).astype(np.float64) + 1e-6)


def band_summary(x: NDArray[np.float32], rate: int) -> Floats:
    """Return mean and maximum of `band_powers` over the channels, the features of the reference models.

    Args:
        x: segments in microvolts, (n_segments, n_channels, n_times).
        rate: sampling rate in Hz.

    Returns:
        (n_segments, 2 * n_bands).
    """
    powers = band_powers(x, rate)
    return np.concatenate([powers.mean(axis=1), powers.max(axis=1)], axis=1)


def feature_function(x: NDArray[np.float32], source: Mapping[str, Any]) -> Floats:
    """Return the features of the view ``features``; called by `blindtune.views.features`.

    Args:
        x: (n_segments, n_channels, n_times) in microvolts.
        source: the config key ``sfreq`` of the dataset.

    Returns:
        (n_segments, 2 * n_bands), see `band_summary`.
    """
    return band_summary(x, source["sfreq"])


def amplitudes(x: NDArray[np.float32]) -> Floats:
    """Return the root mean square of each channel in microvolts, (n_segments, n_channels)."""
    return np.asarray(np.sqrt(np.square(x, dtype=np.float64).mean(axis=-1)))


def line_lengths(x: NDArray[np.float32]) -> Floats:
    """Return the mean absolute difference of adjacent samples in microvolts, (n_segments, n_channels)."""
    return np.asarray(np.abs(np.diff(x, axis=-1)).mean(axis=-1, dtype=np.float64))

"""Features of segments."""

import numpy as np
import pytest

from blindtune.datasets.eeg.features import BANDS, amplitudes, band_powers, band_summary, line_lengths


@pytest.mark.parametrize("band", range(len(BANDS)))
def test_band_powers_of_a_rhythm(band: int) -> None:
    """A rhythm has its power in its band and channel."""
    frequency = round(2 * np.mean(BANDS[band])) / 2
    t = np.arange(500) / 50
    x = np.zeros((1, 20, 500), dtype=np.float32)
    x[0, 7] = 10 * np.sin(2 * np.pi * frequency * t)
    powers = band_powers(x, 50)
    assert powers.shape == (1, 20, 6)
    assert np.unravel_index(powers.argmax(), powers.shape) == (0, 7, band)
    assert 10 ** powers[0, 7].max() == pytest.approx(50, rel=0.2)
    assert powers[0, 3].tolist() == [-6.0] * 6
    summary = band_summary(x, 50)
    assert summary.shape == (1, 12)
    assert summary[0, 6 + band] == powers[0, 7, band]


def test_amplitudes_and_line_lengths() -> None:
    """Amplitude and line length of a square wave are known."""
    x = np.tile(np.array([3, -3], dtype=np.float32), (2, 20, 250))
    assert amplitudes(x).tolist() == [[3.0] * 20] * 2
    assert line_lengths(x).tolist() == [[6.0] * 20] * 2

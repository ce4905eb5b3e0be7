"""The view ``frames``."""

import numpy as np

from blindtune.views.frames import SignalFrames
from support.views import FRAMES


def test_signal_frames_are_normalised_windows() -> None:
    """Frames are windows of the normalised signal."""
    x = np.random.default_rng(0).normal(3.0, 5.0, (4, 20, 500)).astype(np.float32)
    mean, deviation = np.arange(20, dtype=np.float32), np.linspace(1, 2, 20, dtype=np.float32)
    view = SignalFrames(x, FRAMES, mean, deviation)
    assert view.shape == (4, 98, 300)
    got = view.eval_batch(np.array([3, 1]))
    assert (got.shape, got.dtype) == ((2, 98, 300), np.float32)
    for place, sample in enumerate((3, 1)):
        for frame in (0, 41, 97):
            window = x[sample, :, 5 * frame : 5 * frame + 15]
            expected = (window - mean[:, None]) / deviation[:, None]
            np.testing.assert_allclose(got[place, frame].reshape(20, 15), expected, rtol=1e-6, atol=1e-6)

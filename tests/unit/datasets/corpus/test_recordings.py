"""Whole recordings of eval."""

import numpy as np

from blindtune.datasets.corpus.recordings import WholeRecording, WrittenStretch


def test_windows_cover_each_stretch() -> None:
    """Windows are a step apart, the last ends with its stretch, and none spans a gap; no other time counts."""
    found = WholeRecording(
        rate=10,
        window=20,
        step=10,
        label=1,
        end=30.0,
        stretches=[
            WrittenStretch(first=0, samples=45, start=0.0),
            WrittenStretch(first=45, samples=19, start=8.0),
            WrittenStretch(first=64, samples=20, start=28.0),
        ],
        events=[],
        sha256="0",
    )
    firsts, starts = found.windows()
    assert isinstance(firsts, np.ndarray) and starts.dtype == np.float64
    assert (firsts.tolist(), starts.tolist()) == ([0, 10, 20, 25, 64], [0.0, 1.0, 2.0, 2.5, 28.0])
    assert found.seconds == 6.5

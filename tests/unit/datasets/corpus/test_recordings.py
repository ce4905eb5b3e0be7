"""Whole recordings of eval."""

from blindtune.datasets.corpus.recordings import WholeRecording, WrittenStretch


def test_windows_cover_each_stretch() -> None:
    """Windows are a step apart, the last ends with its stretch, and none spans a gap."""
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
    assert found.windows() == [(0, 0.0), (10, 1.0), (20, 2.0), (25, 2.5), (64, 28.0)]
    assert found.seconds == 8.4

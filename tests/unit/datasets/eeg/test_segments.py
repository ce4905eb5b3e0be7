"""Segments: within intervals of one class, apart from each other and from the margins of seizures."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.datasets.eeg.annotations.base import Annotations, merge_intervals
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.edf_header import Stretch
from blindtune.datasets.eeg.segments import (
    LabelledInterval,
    amplitude,
    check_segment,
    find_dropouts,
    find_intervals,
    frames,
    segment_starts,
    split_at_gaps,
    subtract_intervals,
)
from support.eeg_files import eeg_config, noise

TIMES = st.integers(0, 6_000_000).map(lambda ticks: ticks / 10_000)
SPANS = st.lists(st.tuples(TIMES, TIMES).map(lambda span: (min(span), max(span))), max_size=6)
SECONDS = st.integers(1, 600)
MARGINS = st.sampled_from([0.0, 1.0, 10.0, 33.3])


def annotated(seizures: list[tuple[float, float]], others: list[tuple[float, float]], seconds: float) -> Annotations:
    return Annotations(merge_intervals(seizures), merge_intervals(others), 0.0).within(seconds)


@given(SPANS, SPANS, SECONDS, MARGINS, st.sampled_from(["leave_out", "seizure"]))
def test_segments_are_within_their_class(
    seizures: list[tuple[float, float]], others: list[tuple[float, float]], seconds: int, margin: float, nesz: str
) -> None:
    """Segments are within intervals of their class, apart from each other and from the margins of seizures."""
    settings = eeg_config(seizure_margin=margin, nesz=nesz)
    annotations = annotated(seizures, others, seconds)
    taken = [*annotations.seizures, *annotations.non_epileptic]
    found = [
        (at, at + 10, one)
        for one in find_intervals(annotations, seconds, settings)
        for at in segment_starts(one, settings)
    ]
    for start, stop, interval in found:
        assert interval.start - 1e-4 <= start
        assert stop <= interval.stop + 1e-4
        assert interval.stop - interval.start > 15
        assert round(start * 50) == pytest.approx(start * 50, abs=1e-9)
        if interval.label == "background":
            assert all(stop <= first - margin + 1e-4 or last + margin - 1e-4 <= start for first, last in taken)
        elif nesz == "leave_out":
            assert all(stop <= first + 1e-4 or last - 1e-4 <= start for first, last in annotations.non_epileptic)
            assert any(first - 1e-4 <= start and stop <= last + 1e-4 for first, last in annotations.seizures)
        else:
            assert any(first - 1e-4 <= start and stop <= last + 1e-4 for first, last in merge_intervals(taken))
    assert all(first[1] <= second[0] + 1e-9 for first, second in pairwise(sorted(found, key=lambda one: one[0])))


@given(SPANS, SPANS, TIMES)
def test_subtract_intervals_removes_only_the_taken(
    intervals: list[tuple[float, float]], taken: list[tuple[float, float]], time: float
) -> None:
    """What is left are the times that were not taken."""

    def holds(spans: list[tuple[float, float]]) -> bool:
        return any(start <= time < stop for start, stop in spans)

    whole = merge_intervals(intervals)
    assert holds(subtract_intervals(whole, taken)) == (holds(whole) and not holds(taken))


STRETCHES = st.lists(st.tuples(st.integers(1, 30), st.integers(-4, 20)), min_size=1, max_size=8)


@given(SPANS, STRETCHES)
def test_split_at_gaps_keeps_what_was_recorded(
    spans: list[tuple[float, float]], lengths: list[tuple[int, int]]
) -> None:
    """Each part of an interval within a stretch is kept; a stretch may end after the start of the next."""
    stretches, at = list[Stretch](), 0.0
    for number, (length, gap) in enumerate(lengths):
        stretches.append(Stretch(number, number + 1, at, float(length)))
        at += max(0.5, length + gap)
    found = [LabelledInterval("seizure", *span) for span in merge_intervals(spans)]
    expected = [
        (max(one.start, part.start), min(one.stop, part.end), part.start)
        for one in found
        for part in stretches
        if one.start < part.end and part.start < one.stop
    ]
    assert [(one.start, one.stop, one.origin) for one in split_at_gaps(found, stretches)] == expected


def test_intervals_are_not_compared_with_all_others() -> None:
    """The work for many intervals grows with their number, not with its square: this takes no minutes."""
    count = 50_000
    found = [LabelledInterval("seizure", 2.0 * at, 2.0 * at + 1) for at in range(count)]
    stretches = [Stretch(at, at + 1, 2.0 * at, 1.5) for at in range(count)]
    assert len(split_at_gaps(found, stretches)) == count
    taken = [(2.0 * at + 0.5, 2.0 * at + 1.5) for at in range(count)]
    assert len(subtract_intervals([(one.start, one.stop) for one in found], taken)) == count


def test_segment_starts_fills_the_interval() -> None:
    """An interval has as many segments as fit, on the grid of samples."""
    settings = eeg_config()
    assert segment_starts(LabelledInterval("seizure", 0, 15.0), settings) == []
    assert segment_starts(LabelledInterval("seizure", 0, 15.01), settings) == [0.0]
    assert segment_starts(LabelledInterval("seizure", 3.0, 33.0), settings) == [3.0, 13.0, 23.0]
    assert segment_starts(LabelledInterval("seizure", 3.001, 33.001), settings) == [3.02, 13.02]
    assert segment_starts(LabelledInterval("seizure", 36.88, 66.88), settings) == [36.88, 46.88, 56.88]


def test_find_intervals_background_is_the_rest() -> None:
    """Background is the recording without seizures and their margins."""
    found = find_intervals(annotated([(50.0, 80.0)], [], 200), 200, eeg_config(seizure_margin=10))
    assert [(one.label, one.start, one.stop) for one in found] == [
        ("background", 0.0, 40.0),
        ("seizure", 50.0, 80.0),
        ("background", 90.0, 200.0),
    ]


def test_find_intervals_leaves_out_non_epileptic() -> None:
    """Non-epileptic seizures are in no class, unless the config says that they are seizures."""
    annotations = annotated([(20.0, 60.0)], [(50.0, 90.0)], 120)
    left_out = find_intervals(annotations, 120, eeg_config(seizure_margin=5))
    assert [(one.label, one.start, one.stop) for one in left_out] == [
        ("background", 0.0, 15.0),
        ("seizure", 20.0, 50.0),
        ("background", 95.0, 120.0),
    ]
    kept = find_intervals(annotations, 120, eeg_config(seizure_margin=5, nesz="seizure"))
    assert [(one.label, one.start, one.stop) for one in kept][1] == ("seizure", 20.0, 90.0)


def test_frames_are_the_published_ones() -> None:
    """Frames have the published lengths, and nothing is copied."""
    x = np.arange(2 * 20 * 500, dtype=np.float32).reshape(2, 20, 500)
    framed = frames(x, frame_length=0.3, frame_hop=0.1, sfreq=50)
    assert framed.shape == (2, 98, 20, 15)
    assert np.shares_memory(framed, x)
    for number in (0, 1, 97):
        np.testing.assert_array_equal(framed[:, number], x[:, :, 5 * number : 5 * number + 15])


@pytest.fixture
def good() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    electrodes = noise(10, 250, rows=3)
    return electrodes[:2] - electrodes[1:], electrodes, np.array([[-1000.0, 1000.0]] * 3)


def rejection_reason(channels: np.ndarray, electrodes: np.ndarray, limits: np.ndarray, config: EegConfig) -> str | None:
    return check_segment(channels, electrodes, limits, config).reason


def test_rejection_reason_of_raw_signals(good: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Flat, clipped and loud segments are rejected."""
    channels, electrodes, limits = good
    assert rejection_reason(channels, electrodes, limits, eeg_config()) is None
    same = electrodes.copy()
    same[1] = same[0]
    assert rejection_reason(same[:2] - same[1:], same, limits, eeg_config()) == "flat"
    full = electrodes.copy()
    full[2, 100:126] = 1000
    assert rejection_reason(channels, full, limits, eeg_config()) == "clipped"
    full[2, 125] = 0
    assert rejection_reason(channels, full, limits, eeg_config()) is None
    assert rejection_reason(channels, full, limits, eeg_config(reject=100)) == "loud"


def test_a_flat_part_of_a_segment_is_found(good: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Two flat seconds anywhere leave a segment out; of an electrode, if it is not flat in the whole recording."""
    channels, electrodes, limits = good
    gone = channels.copy()
    gone[0, 1130:1630] = 7
    assert rejection_reason(gone, electrodes, limits, eeg_config()) == "flat"
    held, reference = electrodes.copy(), electrodes.copy()
    held[1, 2000:] = 12
    reference[2] = 0
    checked = [check_segment(channels, x, limits, eeg_config()) for x in (electrodes, held, reference)]
    names = [f"E{row}" for row in range(len(electrodes))]
    assert find_dropouts(checked, names)[0].tolist() == [False, True, True]
    assert find_dropouts(checked[2:], names)[0].tolist() == [False]
    assert find_dropouts(checked[2:], names)[1] == ["E2"]


@pytest.mark.parametrize(("rows", "names", "passes"), [([0, 2], [], False), ([0, 2], ["A1", "A2"], True)])
def test_only_one_flat_electrode_is_a_reference(
    good: tuple[np.ndarray, np.ndarray, np.ndarray], rows: list[int], names: list[str], passes: bool
) -> None:
    """Of two electrodes that are flat in all of a recording one has no contact; both ears are one reference."""
    channels, electrodes, limits = good
    electrodes = electrodes.copy()
    electrodes[rows] = 0
    checked = [check_segment(channels, electrodes, limits, eeg_config())] * 2
    named = [f"E{row}" for row in range(len(electrodes))]
    for row, name in zip(rows, names, strict=False):
        named[row] = name
    left_out, reference = find_dropouts(checked, named)
    assert left_out.tolist() == [not passes] * 2 and reference == names


def test_a_flat_second_is_found_anywhere(good: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """A second that is flat leaves a segment out wherever it begins; less than a second does not."""
    channels, electrodes, limits = good
    for start in (0, 1, 100, 125, 1133, 2250):
        for length, reason in ((250, "flat"), (249, None)):
            gone, held = channels.copy(), electrodes.copy()
            gone[1, start : start + length] = held[1, start : start + length] = 7
            assert rejection_reason(gone, electrodes, limits, eeg_config()) == reason
            found = check_segment(channels, held, limits, eeg_config())
            assert found.dropped.tolist() == [False, reason is not None, False] and not found.silent.any()


def test_a_clipped_second_is_not_diluted_by_a_long_segment() -> None:
    """A second may have ten times the share of clipped samples that the whole segment may have."""
    electrodes, limits = noise(60, 250, rows=3), np.array([[-1000.0, 1000.0]] * 3)
    channels, config = electrodes[:2] - electrodes[1:], eeg_config(segment=60, longer_than=60)
    electrodes[2, 4000:4050:2] = 1000
    assert rejection_reason(channels, electrodes, limits, config) is None
    electrodes[2, 4051] = -1000
    assert rejection_reason(channels, electrodes, limits, config) == "clipped"
    electrodes[2, 4051] = 0
    electrodes[2, 10_000] = -1000
    assert rejection_reason(channels, electrodes, limits, config) is None


def test_amplitude_ignores_drift() -> None:
    """The amplitude does not depend on drift and offset."""
    x = noise(10, 250, rows=4)
    assert amplitude(x, 250.0) == pytest.approx(30, rel=0.02)
    assert amplitude(x + np.linspace(0, 500, 2500), 250.0) == pytest.approx(33, rel=0.05)
    assert amplitude(x + 4000, 250.0) == pytest.approx(amplitude(x, 250.0))

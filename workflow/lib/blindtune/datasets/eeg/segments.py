"""Segments: where they can be cut, why one is rejected, and their frames.

All functions are pure; times are in seconds from the start of the recording.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.annotations.base import Annotations, Interval, clip_intervals, merge_intervals
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.edf_header import Stretch

#: How many times the share of clipped samples of a segment that of a second in it may be.
SECOND_CLIPPED = 10
#: Electrodes that are the reference together, and then flat together: linked ears.
EARS = {"A1", "A2"}


@dataclass(frozen=True)
class LabelledInterval:
    """A time in which all channels are of one class.

    Attributes:
        label: name of the class.
        start: start in seconds.
        stop: end in seconds.
        origin: a time at which there is a sample: the start of the stretch that it is in.
    """

    label: str
    start: float
    stop: float
    origin: float = 0.0


def find_intervals(annotations: Annotations, seconds: float, config: EegConfig) -> list[LabelledInterval]:
    """Return all seizures and all background of a recording, in the order of their starts.

    Background is the recording without the seizures and a margin around them; the background rows of annotations are
    ignored.

    Args:
        annotations: annotations, clipped to the recording.
        seconds: length of the recording.
        config: the keys ``seizure_margin`` and ``nesz`` count.
    """
    events = [*annotations.seizures, *annotations.non_epileptic]
    seizures = (
        merge_intervals(events)
        if config.nesz == "seizure"
        else subtract_intervals(annotations.seizures, annotations.non_epileptic)
    )
    background = subtract_intervals([(0.0, seconds)], widen(events, config.seizure_margin, seconds))
    found = [LabelledInterval("seizure", *interval) for interval in seizures]
    found += [LabelledInterval("background", *interval) for interval in background]
    return sorted(found, key=lambda interval: interval.start)


def widen(intervals: Sequence[Interval], margin: float, seconds: float) -> list[Interval]:
    """Return intervals with a margin on both sides, merged and clipped to the recording.

    Args:
        intervals: any intervals.
        margin: seconds that are added at either end of each.
        seconds: length of the recording.
    """
    return clip_intervals([(start - margin, stop + margin) for start, stop in intervals], seconds)


def subtract_intervals(intervals: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """Return the parts of intervals that are outside of others.

    Args:
        intervals: any intervals.
        taken: the intervals to remove.
    """
    left = []
    removed = merge_intervals(taken)
    ends = [last for _, last in removed]
    for begin, stop in intervals:
        start = begin
        for at in range(bisect_right(ends, begin), len(removed)):
            first, last = removed[at]
            if first >= stop:
                break
            if first > start:
                left.append((start, first))
            start = last
        if start < stop:
            left.append((start, stop))
    return left


def split_at_gaps(found: Sequence[LabelledInterval], stretches: Sequence[Stretch]) -> list[LabelledInterval]:
    """Return the parts of intervals that were recorded; a gap ends an interval.

    Args:
        found: intervals in the order of their starts.
        stretches: what was recorded, in order.
    """
    return [
        LabelledInterval(
            found[number].label,
            max(found[number].start, stretch.start),
            min(found[number].stop, stretch.end),
            stretch.start,
        )
        for number, stretch in find_overlaps([(one.start, one.stop) for one in found], stretches)
    ]


def find_overlaps(intervals: Sequence[Interval], stretches: Sequence[Stretch]) -> Iterator[tuple[int, Stretch]]:
    """Yield each number of an interval with each stretch that it overlaps; stretches elsewhere are not looked at.

    Args:
        intervals: any intervals.
        stretches: what was recorded, in order.
    """
    # A stretch may end a little after the next: see the drift of `blindtune.datasets.eeg.edf_header`.
    latest = list(accumulate((stretch.end for stretch in stretches), max))
    for number, (start, stop) in enumerate(intervals):
        for at in range(bisect_right(latest, start), len(stretches)):
            if stretches[at].start >= stop:
                break
            if start < stretches[at].end:
                yield number, stretches[at]


def segment_starts(interval: LabelledInterval, config: EegConfig) -> list[float]:
    """Return the starts of the segments of an interval, adjacent and on the grid of output samples.

    The grid begins where the stretch does that the interval is in.

    Args:
        interval: the interval; it has no segments if it is not longer than ``longer_than``.
        config: the keys ``longer_than``, ``segment`` and ``sfreq`` count.
    """
    if interval.stop - interval.start <= config.longer_than:
        return []
    rate, length = config.sfreq, samples_per_segment(config)
    # A tolerance of a millionth of a sample, because decimal times are not exact in binary.
    first = math.ceil((interval.start - interval.origin) * rate - 1e-6)
    last = math.floor((interval.stop - interval.origin) * rate + 1e-6)
    return [interval.origin + at / rate for at in range(first, last - length + 1, length)]


def samples_per_segment(config: EegConfig) -> int:
    """Return the number of samples of a segment."""
    return round(config.segment * config.sfreq)


def frames(x: NDArray[np.float32], *, frame_length: float, frame_hop: float, sfreq: int) -> NDArray[np.float32]:
    """Return segments as overlapping frames; nothing is copied.

    Ten seconds of 20 channels at 50 Hz, in frames of 0.3 s every 0.1 s, are 98 frames of 20 x 15.

    Args:
        x: segments, (..., n_channels, n_times).
        frame_length: in seconds.
        frame_hop: time from one frame to the next, in seconds.
        sfreq: sampling rate in Hz.

    Returns:
        (..., n_frames, n_channels, n_times_per_frame), a read-only view of ``x``.
    """
    length, hop = round(frame_length * sfreq), round(frame_hop * sfreq)
    windows = np.lib.stride_tricks.sliding_window_view(x, length, axis=-1)[..., ::hop, :]
    return np.moveaxis(windows, -2, -3)


@dataclass(frozen=True)
class SegmentQuality:
    """What the raw signal of a segment tells.

    Attributes:
        reason: why it is left out: ``flat``, ``clipped`` or ``loud``; None if nothing is wrong.
        dropped: whether each electrode is flat for a second or more, (n_electrodes,).
        silent: whether each electrode is flat all the time, (n_electrodes,).
    """

    reason: str | None
    dropped: NDArray[np.bool_]
    silent: NDArray[np.bool_]


def check_segment(
    channels: NDArray[np.float64], electrodes: NDArray[np.float64], limits: NDArray[np.float64], config: EegConfig
) -> SegmentQuality:
    """Check the raw signal of a segment, and of any second in it.

    A segment is flat if a channel is for any second. It is clipped if an electrode is at the limits of the file for
    more than the share ``clipped`` of its time, or for more than `SECOND_CLIPPED` times this share of any second: the
    rule for ten seconds, which a longer segment must not dilute.

    Args:
        channels: channels of the montage, (n_channels, n_samples), in microvolts, unfiltered.
        electrodes: the electrodes that they are derived from, (n_electrodes, n_samples).
        limits: minimum and maximum of each electrode that the file can store, (n_electrodes, 2).
        config: the keys ``flat``, ``clipped``, ``reject`` and ``segment`` count.
    """
    second = max(1, round(channels.shape[1] / config.segment))
    low, high = _extremes(channels, max(1, second // 4))
    lowest, highest = _extremes(electrodes, max(1, second // 4))
    dropped = _flat_for(electrodes, second, config.flat, lowest, highest)
    silent = np.zeros_like(dropped)
    for row in np.flatnonzero(dropped):
        bottom, top = _extremes(electrodes[row : row + 1], second)
        silent[row] = bool((top - bottom < config.flat).all())
    reason = None
    if _flat_for(channels, second, config.flat, low, high).any():
        reason = "flat"
    elif _is_clipped(electrodes, limits, lowest.min(axis=1), highest.max(axis=1), second, config.clipped):
        reason = "clipped"
    elif (high.max(axis=1) - low.min(axis=1)).max() > config.reject:
        reason = "loud"
    return SegmentQuality(reason, dropped, silent)


def find_dropouts(checked: Sequence[SegmentQuality], names: Sequence[str]) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which segments have an electrode that is flat for a second or more and is not the reference.

    An electrode that is flat in all of the recording may be its reference, and then nothing is wrong. Only one can be,
    or both ears together: of several flat ones all but one have no contact, and which of them is not known.

    Args:
        checked: all segments of a recording.
        names: names of the electrodes.

    Returns:
        Whether each segment is left out, (n_segments,), and the electrodes that are taken as the reference.
    """
    if not checked:
        return np.zeros(0, dtype=np.bool_), []
    reference = np.all([one.silent for one in checked], axis=0)
    flat = [name for name, is_flat in zip(names, reference.tolist(), strict=True) if is_flat]
    if len(flat) > 1 and not EARS.issuperset(flat):
        flat, reference = [], np.zeros_like(reference)
    left_out = np.array([bool((one.dropped & ~reference).any()) for one in checked], dtype=np.bool_)
    return left_out, flat


def _extremes(x: NDArray[np.float64], width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return minimum and maximum of each window of a width, (n_rows, n_windows) each; the last ends at the end."""
    width = min(width, x.shape[1])
    count = x.shape[1] // width
    windows = x[:, : count * width].reshape(len(x), count, width)
    low, high = windows.min(axis=2), windows.max(axis=2)
    if count * width < x.shape[1]:
        rest = x[:, -width:]
        low, high = np.c_[low, rest.min(axis=1)], np.c_[high, rest.max(axis=1)]
    return low, high


def _flat_for(
    x: NDArray[np.float64],
    width: int,
    limit: float,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which rows have any ``width`` samples with a range below a limit, (n_rows,).

    Args:
        x: (n_rows, n_samples).
        width: number of samples.
        limit: of the range.
        low: minimum of each window of a quarter of ``width``, as `_extremes` returns it.
        high: the maximum.
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    # Any such samples hold three quarters whole; few rows have them, and only those are looked at sample by sample.
    of_three = [np.lib.stride_tricks.sliding_window_view(one, min(3, one.shape[1]), axis=1) for one in (low, high)]
    flat: NDArray[np.bool_] = ((of_three[1].max(axis=2) - of_three[0].min(axis=2)) < limit).any(axis=1)
    width = min(width, x.shape[1])
    inside = slice(width // 2, width // 2 + x.shape[1] - width + 1)
    for row in np.flatnonzero(flat):
        ranges = maximum_filter1d(x[row], width) - minimum_filter1d(x[row], width)
        flat[row] = bool((ranges[inside] < limit).any())
    return flat


def _is_clipped(
    electrodes: NDArray[np.float64],
    limits: NDArray[np.float64],
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    second: int,
    share: float,
) -> bool:
    """Return whether an electrode is at the limits of the file for too large a share of all, or of any second."""
    rows = (lowest <= limits[:, 0]) | (highest >= limits[:, 1])
    if not rows.any():
        return False
    at_limit = (electrodes[rows] <= limits[rows, :1]) | (electrodes[rows] >= limits[rows, 1:])
    if at_limit.mean(axis=1).max() > share:
        return True
    count = np.cumsum(at_limit, axis=1, dtype=np.int64)
    second = min(second, count.shape[1])
    of_seconds = count[:, second - 1 :] - np.pad(count, ((0, 0), (1, 0)))[:, : count.shape[1] - second + 1]
    return bool(of_seconds.max() > SECOND_CLIPPED * share * second)


def amplitude(channels: NDArray[np.float64], rate: float) -> float:
    """Return the median over channels and seconds of the standard deviation within a second.

    Args:
        channels: (n_channels, n_samples).
        rate: sampling rate in Hz.
    """
    second = round(rate)
    whole = channels[:, : channels.shape[1] // second * second]
    return float(np.median(whole.reshape(len(channels), -1, second).std(axis=2)))

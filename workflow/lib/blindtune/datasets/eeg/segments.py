"""Segments: where they can be cut, why one is rejected, and their frames.

All functions are pure; times are in seconds from the start of the recording.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.annotations.base import Annotations, Interval, clip_intervals, merge_intervals
from blindtune.datasets.eeg.config import EegConfig


@dataclass(frozen=True)
class LabelledInterval:
    """A time in which all channels are of one class.

    Attributes:
        label: name of the class.
        start: start in seconds.
        stop: end in seconds.
    """

    label: str
    start: float
    stop: float


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
    for begin, stop in intervals:
        start = begin
        for first, last in merge_intervals(taken):
            if last <= start or first >= stop:
                continue
            if first > start:
                left.append((start, first))
            start = last
        if start < stop:
            left.append((start, stop))
    return left


def segment_starts(interval: LabelledInterval, config: EegConfig) -> list[float]:
    """Return the starts of the segments of an interval, adjacent and on the grid of output samples.

    Args:
        interval: the interval; it has no segments if it is not longer than ``longer_than``.
        config: the keys ``longer_than``, ``segment`` and ``sfreq`` count.
    """
    if interval.stop - interval.start <= config.longer_than:
        return []
    rate, length = config.sfreq, samples_per_segment(config)
    # A tolerance of a millionth of a sample, because decimal times are not exact in binary.
    first = math.ceil(interval.start * rate - 1e-6)
    last = math.floor(interval.stop * rate + 1e-6)
    return [at / rate for at in range(first, last - length + 1, length)]


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


def rejection_reason(
    channels: NDArray[np.float64], electrodes: NDArray[np.float64], limits: NDArray[np.float64], config: EegConfig
) -> str | None:
    """Return why a segment is left out, by its raw signal.

    Args:
        channels: channels of the montage, (n_channels, n_samples), in microvolts, unfiltered.
        electrodes: the electrodes that they are derived from, (n_electrodes, n_samples).
        limits: minimum and maximum of each electrode that the file can store, (n_electrodes, 2).
        config: the keys ``flat``, ``clipped`` and ``reject`` count.

    Returns:
        ``flat``, ``clipped`` or ``loud``; None if the segment is good.
    """
    ranges = np.ptp(channels, axis=1)
    if ranges.min() < config.flat:
        return "flat"
    at_limit = (electrodes <= limits[:, :1]) | (electrodes >= limits[:, 1:])
    if at_limit.mean(axis=1).max() > config.clipped:
        return "clipped"
    return "loud" if ranges.max() > config.reject else None


def amplitude(channels: NDArray[np.float64], rate: float) -> float:
    """Return the median over channels and seconds of the standard deviation within a second.

    Args:
        channels: (n_channels, n_samples).
        rate: sampling rate in Hz.
    """
    second = round(rate)
    whole = channels[:, : channels.shape[1] // second * second]
    return float(np.median(whole.reshape(len(channels), -1, second).std(axis=2)))

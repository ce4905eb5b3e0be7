"""Where segments can be cut, what speaks against one, and frames.

All functions are pure; times are seconds from the start of the recording.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.annotations import Annotations, Interval, clip_intervals, merge_intervals
from blindtune.datasets.eeg.config import EegConfig


@dataclass(frozen=True)
class LabelledInterval:
    """A time in which the whole recording is of one class."""

    label: str
    start: float
    stop: float


def find_intervals(annotations: Annotations, seconds: float, config: EegConfig) -> list[LabelledInterval]:
    """All seizures and all background of a recording, in the order of their starts.

    Background is the recording less what is annotated and a guard around it, whatever rows the annotations list.

    Args:
        annotations: within the recording.
        seconds: length of the recording.
        config: ``guard`` and ``nesz`` count.
    """
    taken = [*annotations.seizures, *annotations.non_epileptic]
    seizures = (
        merge_intervals(taken)
        if config.nesz == "seizure"
        else subtract_intervals(annotations.seizures, annotations.non_epileptic)
    )
    background = subtract_intervals([(0.0, seconds)], widen(taken, config.seizure_margin, seconds))
    found = [LabelledInterval("seizure", *interval) for interval in seizures]
    found += [LabelledInterval("background", *interval) for interval in background]
    return sorted(found, key=lambda interval: interval.start)


def widen(intervals: Sequence[Interval], guard: float, seconds: float) -> list[Interval]:
    """``intervals`` with ``guard`` seconds to either side, within a recording of ``seconds``."""
    return clip_intervals([(start - guard, stop + guard) for start, stop in intervals], seconds)


def subtract_intervals(intervals: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """What of ``intervals`` lies outside ``taken``."""
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
    """The starts of the segments of a interval, one behind the other, on the grid of output samples.

    None where the interval is not longer than ``longer_than``.
    """
    if interval.stop - interval.start <= config.longer_than:
        return []
    rate, length = config.sfreq, samples_per_segment(config)
    # A millionth of a sample of leave, since times in text are not exact in binary.
    first = math.ceil(interval.start * rate - 1e-6)
    last = math.floor(interval.stop * rate + 1e-6)
    return [at / rate for at in range(first, last - length + 1, length)]


def samples_per_segment(config: EegConfig) -> int:
    """Samples of a segment."""
    return round(config.segment * config.sfreq)


def frames(x: NDArray[np.float32], config: EegConfig) -> NDArray[np.float32]:
    """Segments (..., channels, samples) as overlapping frames (..., frames, channels, samples of a frame).

    A read-only view of ``x``: nothing is copied. Ten seconds of 20 channels at 50 Hz, in windows of 0.3 s every 0.1 s,
    are 98 frames of 20 x 15.
    """
    window, step = round(config.frame_length * config.sfreq), round(config.frame_hop * config.sfreq)
    slid = np.lib.stride_tricks.sliding_window_view(x, window, axis=-1)[..., ::step, :]
    return np.moveaxis(slid, -2, -3)


def rejection_reason(
    channels: NDArray[np.float64], electrodes: NDArray[np.float64], limits: NDArray[np.float64], config: EegConfig
) -> str | None:
    """Why a segment is left out, by its raw signal: ``flat``, ``clipped`` or ``loud``; None where nothing is wrong.

    Args:
        channels: the montage's channels, (channels, samples), in microvolts, unfiltered.
        electrodes: what they were made from, (electrodes, samples).
        limits: the lowest and highest value that the file can hold for each electrode, (electrodes, 2).
        config: ``flat``, ``clipped`` and ``loud`` count.
    """
    ranges = np.ptp(channels, axis=1)
    if ranges.min() < config.flat:
        return "flat"
    at_limit = (electrodes <= limits[:, :1]) | (electrodes >= limits[:, 1:])
    if at_limit.mean(axis=1).max() > config.clipped:
        return "clipped"
    return "loud" if ranges.max() > config.reject else None


def amplitude(channels: NDArray[np.float64], rate: float) -> float:
    """The median over channels and seconds of the standard deviation within a second, of (channels, samples)."""
    second = round(rate)
    whole = channels[:, : channels.shape[1] // second * second]
    return float(np.median(whole.reshape(len(channels), -1, second).std(axis=2)))

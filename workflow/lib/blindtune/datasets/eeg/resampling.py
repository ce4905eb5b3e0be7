"""Resampling with an anti-alias filter: the same as `scipy.signal.resample_poly`, in half the time.

A part of a signal gives the same as that part of the whole signal. Rates without a short common multiple, such as
64.000064 Hz, are resampled from the true rate too: the filter is then taken from a table at the nearest of many phases,
which moves a sample by a 20,000th of a new sample at most: by a microsecond at 50 Hz.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: The anti-alias filter: the beta of its Kaiser window (53 dB), its length in output samples to each side, and its
#: cutoff as a share of half the output rate. With these, the stop band begins at half the output rate.
KAISER_BETA = 5.0
REACH = 20
CUTOFF = 0.92
#: Maximum numerator and denominator of a ratio of rates: the filter grows with them. Above it, the table is used.
MAX_RATIO = 20_000
#: Phases of the table for each new sample.
_PHASES = 10_000
#: Outputs that are computed at once from the table.
_ROWS = 2048


@lru_cache(maxsize=8)
def anti_alias(ratio: Fraction) -> NDArray[np.float64]:
    """Return the taps of the FIR low-pass for a change of the sampling rate.

    It is designed once for all electrodes.

    Args:
        ratio: new rate / old rate, below 1.

    Returns:
        (n_taps,) float64, read-only, at the old rate times the numerator of ``ratio``.
    """
    from scipy.signal import firwin

    # Half of the new rate, as a share of half of the rate at which the filter runs.
    edge = 1 / ratio.denominator
    taps: NDArray[np.float64] = firwin(2 * REACH * ratio.denominator + 1, CUTOFF * edge, window=("kaiser", KAISER_BETA))
    taps.flags.writeable = False
    return taps


def resample(x: NDArray[np.float64], ratio: Fraction) -> NDArray[np.float64]:
    """Return a signal at another sampling rate, filtered by `anti_alias` without delay.

    At both ends, the signal is extended along the line from its first to its last sample; otherwise the offset of an
    electrode would be a step. The same as ``resample_poly(x, up, down, window=anti_alias(ratio), padtype="line")``.

    Args:
        x: the signal, (n_samples,).
        ratio: new rate / old rate, at most a little above 1.

    Returns:
        (ceil(n_samples * ratio),) float64.
    """
    more = _reach(ratio)
    return _resample(_extend(x, more), more, resampled_length(len(x), ratio), ratio)


def resampled_length(samples: int, ratio: Fraction) -> int:
    """Return the number of samples of a signal at another rate.

    Args:
        samples: number of samples of the signal.
        ratio: new rate / old rate.
    """
    return -(-samples * ratio.numerator // ratio.denominator)


class PartResampler:
    """Resamples a part of several signals of one length, as the whole signals would be resampled."""

    def __init__(
        self,
        read: Callable[[int, int], NDArray[np.float64]],
        samples: int,
        ends: tuple[NDArray[np.float64], NDArray[np.float64]],
        ratio: Fraction,
    ) -> None:
        """Keep what is needed to read and extend the signals.

        Args:
            read: returns the samples from one number to another, (n_signals, n_samples).
            samples: number of samples of each signal.
            ends: first and last sample of each signal, (n_signals,) each.
            ratio: new rate / old rate.
        """
        self._read, self._samples, self._ratio = read, samples, ratio
        self._first, last = ends
        self._slope = (last - self._first) / max(samples - 1, 1)

    def part(self, start: int, stop: int, at_once: int) -> NDArray[np.float64]:
        """Return a part of the resampled signals.

        Args:
            start: first sample of the part, at the new rate.
            stop: sample after the last, at the new rate.
            at_once: number of old samples of each signal that may be in memory at once.

        Returns:
            (n_signals, stop - start) float64.
        """
        ratio, more = self._ratio, _reach(self._ratio)
        if ratio == 1:
            return np.array(self._read(start, stop))
        # A block begins where an old and a new sample are at the same time; with the table, anywhere.
        regular = _is_regular(ratio)
        step = ratio.numerator if regular else 1
        block = max(1, int(at_once * ratio) // step) * step
        out = np.empty((len(self._first), stop - start))
        at = start // step * step
        while at < stop:
            end = min(at + block, stop)
            begin = at / ratio
            offset = float(begin - begin.__floor__())
            first = begin.__floor__() - more
            last = -(-end * ratio.denominator // ratio.numerator) + more
            for x, row in zip(self._extended(first, last), out, strict=True):
                y = _resample(x, more, end - at, ratio, offset)
                skip = max(0, start - at)
                row[max(0, at - start) : end - start] = y[skip:]
            at = end
        return out

    def _extended(self, first: int, last: int) -> NDArray[np.float64]:
        """Return old samples, with the line that continues the signal before its start and after its end."""
        inside = self._read(max(first, 0), min(last, self._samples))
        if first >= 0 and last <= self._samples:
            return inside
        outside = np.r_[np.arange(first, 0), np.arange(self._samples, max(last, self._samples))]
        line = self._first[:, None] + self._slope[:, None] * outside
        before = max(0, -first)
        return np.concatenate([line[:, :before], inside, line[:, before:]], axis=1)


def _reach(ratio: Fraction) -> int:
    """Return the number of old samples to each side that a new one depends on, rounded up."""
    if not _is_regular(ratio):
        return int(REACH / ratio) + 3
    return REACH * ratio.denominator // ratio.numerator + 1


def _is_regular(ratio: Fraction) -> bool:
    return max(ratio.numerator, ratio.denominator) <= MAX_RATIO


def _resample(
    longer: NDArray[np.float64], more: int, length: int, ratio: Fraction, offset: float = 0.0
) -> NDArray[np.float64]:
    """Return a signal at another rate.

    Args:
        longer: the signal with ``more`` samples before its start, and at least as many after its end.
        more: as `_reach` returns it.
        length: number of new samples.
        ratio: new rate / old rate.
        offset: time of the first new sample in old samples after the start, below 1; 0 unless the table is used.
    """
    if not _is_regular(ratio):
        return _resample_by_table(longer, more, length, ratio, offset)
    up, down = ratio.numerator, ratio.denominator
    taps = up * anti_alias(ratio)
    reach = len(taps) // 2
    y = np.empty(length)
    for phase in range(min(up, len(y))):
        # Outputs phase, phase + up, ... use the same taps, at inputs that are `down` apart.
        first = -((reach - phase * down) // up)
        last = (reach + phase * down) // up
        own = taps[reach + phase * down - up * np.arange(first, last + 1)]
        inputs = np.lib.stride_tricks.sliding_window_view(longer[more + first :], own.size)[::down]
        # einsum sums in one order on any number of threads, which a matrix product does not promise.
        out = y[phase::up]
        np.einsum("it,t->i", inputs[: out.size], own, out=out)
    return y


def _resample_by_table(
    longer: NDArray[np.float64], more: int, length: int, ratio: Fraction, offset: float
) -> NDArray[np.float64]:
    table = _table(ratio)
    phases, width = table.shape
    center = np.rint((offset + np.arange(length) / float(ratio)) * phases).astype(np.int64)
    at, phase = center // phases, center % phases
    windows = np.lib.stride_tricks.sliding_window_view(longer[more - width // 2 :], width)
    y = np.empty(length)
    for start in range(0, length, _ROWS):
        part = slice(start, start + _ROWS)
        np.einsum("it,it->i", windows[at[part]], table[phase[part]], out=y[part])
    return y


@lru_cache(maxsize=4)
def _table(ratio: Fraction) -> NDArray[np.float64]:
    """Return the taps of the anti-alias filter at many phases, (n_phases, n_taps); the middle tap is at the sample."""
    from scipy.signal import firwin

    phases = max(16, round(_PHASES * float(ratio)))
    reach = round(REACH / float(ratio) * phases)
    taps = phases * firwin(2 * reach + 1, CUTOFF * float(ratio) / phases, window=("kaiser", KAISER_BETA))
    side = reach // phases + 1
    number = reach + np.arange(phases)[:, None] - phases * np.arange(-side, side + 1)
    table: NDArray[np.float64] = np.where(
        (number >= 0) & (number < len(taps)), taps[number.clip(0, len(taps) - 1)], 0.0
    )
    table.flags.writeable = False
    return table


def _extend(x: NDArray[np.float64], more: int) -> NDArray[np.float64]:
    at = np.arange(1, more + 1)
    slope = (x[-1] - x[0]) / max(len(x) - 1, 1)
    return np.concatenate([x[0] - slope * at[::-1], x, x[-1] + slope * at])

"""Resampling with an anti-alias filter: the same as `scipy.signal.resample_poly`, in half the time."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: The anti-alias filter: the beta of its Kaiser window (53 dB), its length in output samples to each side, and its
#: cutoff as a share of half the output rate. With these, the stop band begins at half the output rate.
KAISER_BETA = 5.0
REACH = 20
CUTOFF = 0.92


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
        ratio: new rate / old rate, below 1.

    Returns:
        (ceil(n_samples * ratio),) float64.
    """
    up, down = ratio.numerator, ratio.denominator
    taps = up * anti_alias(ratio)
    reach = len(taps) // 2
    more = reach // up + 1
    longer = _extend(x, more)
    y = np.empty(-(-len(x) * up // down))
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


def _extend(x: NDArray[np.float64], more: int) -> NDArray[np.float64]:
    at = np.arange(1, more + 1)
    slope = (x[-1] - x[0]) / max(len(x) - 1, 1)
    return np.concatenate([x[0] - slope * at[::-1], x, x[-1] + slope * at])

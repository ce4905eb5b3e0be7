"""A change of sampling rate behind an anti-alias filter: what `scipy.signal.resample_poly` does, in half the time."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: The anti-alias filter: a Kaiser window of this beta (53 dB), this many output samples to each side; with the cutoff
#: at this share of half the output rate its stop band begins at half the output rate.
KAISER_BETA = 5.0
REACH = 20
CUTOFF = 0.92


@lru_cache(maxsize=8)
def anti_alias(ratio: Fraction) -> NDArray[np.float64]:
    """The FIR low-pass for a change of rate by ``ratio`` (below 1), at the rate before times ``ratio``'s numerator.

    Made once for all electrodes; not to be written to.
    """
    from scipy.signal import firwin

    # Half of the output rate, as a share of half of the rate at which the filter runs.
    edge = 1 / ratio.denominator
    taps: NDArray[np.float64] = firwin(2 * REACH * ratio.denominator + 1, CUTOFF * edge, window=("kaiser", KAISER_BETA))
    taps.flags.writeable = False
    return taps


def resample(x: NDArray[np.float64], ratio: Fraction) -> NDArray[np.float64]:
    """``x`` (samples,) at ``ratio`` (below 1) times its rate, filtered by `anti_alias` without delay.

    At either end ``x`` is continued along the line from its first to its last sample; without that, the offset of an
    electrode would be a step there. The same as
    ``resample_poly(x, up, down, window=anti_alias(ratio), padtype="line")``.
    """
    up, down = ratio.numerator, ratio.denominator
    taps = up * anti_alias(ratio)
    reach = len(taps) // 2
    more = reach // up + 1
    longer = _continued(x, more)
    y = np.empty(-(-len(x) * up // down))
    for phase in range(min(up, len(y))):
        # Outputs phase, phase + up, ... meet the same taps, at inputs that are down apart.
        first = -((reach - phase * down) // up)
        last = (reach + phase * down) // up
        own = taps[reach + phase * down - up * np.arange(first, last + 1)]
        inputs = np.lib.stride_tricks.sliding_window_view(longer[more + first :], own.size)[::down]
        # einsum sums in one order on any number of threads, which a matrix product does not promise.
        out = y[phase::up]
        np.einsum("it,t->i", inputs[: out.size], own, out=out)
    return y


def _continued(x: NDArray[np.float64], more: int) -> NDArray[np.float64]:
    at = np.arange(1, more + 1)
    slope = (x[-1] - x[0]) / max(len(x) - 1, 1)
    return np.concatenate([x[0] - slope * at[::-1], x, x[-1] + slope * at])

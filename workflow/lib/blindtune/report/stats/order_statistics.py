"""Order statistics of recorded trials: the best of n sets, estimated without bias from the N that were tried.

The n sets are drawn without replacement from the N that were recorded. The mean over all such draws has a closed form,
and it is an unbiased estimate of what a new search of n sets finds, as long as the recorded sets are exchangeable
(independent draws are). Drawing with replacement instead (Dodge et al. 2019, "Show Your Work", arXiv 1909.03004) is
biased towards values that are too high, since the lowest recorded value is drawn too seldom (Tang et al. 2020,
"Showing Your Work Doesn't Always Work", arXiv 2004.13705).
"""

import math

import numpy as np
from numpy.typing import NDArray

from blindtune.report.stats.statistics import CONFIDENCE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def probability_of_any(good: int, recorded: int, drawn: Ints) -> Floats:
    """Return the probability that at least one of n drawn sets is among the good ones.

    Args:
        good: how many of the recorded sets are good.
        recorded: the number of recorded sets.
        drawn: each n, from 1 to ``recorded``.

    Returns:
        The unbiased estimate for each n, as ``drawn``.
    """
    return 1.0 - _probability_of_none(np.array([good]), recorded, np.asarray(drawn))[:, 0]


def expected_lowest(values: Floats, drawn: Ints) -> Floats:
    """Return the expected lowest value of n drawn sets.

    Args:
        values: the value of each recorded set, ``(n_recorded,)``; infinite for a set without one, such as an invalid
            one. A draw without any value counts as no draw.
        drawn: each n, from 1 to the number of recorded sets.

    Returns:
        The estimate for each n, as ``drawn``; NaN if no set has a value.
    """
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return np.full(len(drawn), np.nan)
    none_of_first = _probability_of_none(np.arange(len(known) + 1), len(values), np.asarray(drawn))
    # The i-th lowest is the lowest of a draw that has it and none of those before it.
    return (none_of_first[:, :-1] - none_of_first[:, 1:]) @ known / (1.0 - none_of_first[:, -1])


def count_needed(good: int, recorded: int, probability: float) -> int | None:
    """Return how many sets must be drawn for at least one good one with this probability.

    Args:
        good: how many of the recorded sets are good.
        recorded: the number of recorded sets.
        probability: below 1.

    Returns:
        The number, from 1 to ``recorded``; None if no recorded set is good.
    """
    if not good:
        return None
    reached = probability_of_any(good, recorded, np.arange(1, recorded + 1)) >= probability - 1e-12
    return int(np.argmax(reached)) + 1


def bound_needed(good: int, recorded: int, probability: float) -> tuple[int, float]:
    """Return the 95% interval of the number of independent sets that a good one needs with this probability.

    It follows from the exact interval of the share of good sets (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        good: how many of the recorded sets are good.
        recorded: the number of recorded sets.
        probability: below 1.

    Returns:
        The lower and the upper end; the upper is infinite if no recorded set is good.
    """
    from scipy import special

    tail = (1 - CONFIDENCE) / 2
    # Without a good set there is only a lower end, and all of the error is its.
    above = (1 - CONFIDENCE) if not good else tail
    highest = 1.0 if good == recorded else float(special.betaincinv(good + 1, recorded - good, 1 - above))
    lowest = 0.0 if not good else float(special.betaincinv(good, recorded - good + 1, tail))
    return int(_needed(highest, probability)), _needed(lowest, probability)


def _needed(share: float, probability: float) -> float:
    """Return the number of independent sets for a good one with this probability, if this share of all is good."""
    if share <= 0.0:
        return math.inf
    return 1.0 if share >= 1.0 else float(max(1, math.ceil(math.log1p(-probability) / math.log1p(-share) - 1e-9)))


def _probability_of_none(first: Ints, recorded: int, drawn: Ints) -> Floats:
    """Return the probability that n drawn sets have none of the first i, ``(n_drawn, n_first)``."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, recorded + 1)))])
    rest = recorded - first
    left = rest[None, :] - drawn[:, None]
    logs = (
        log_factorial[rest][None, :]
        - log_factorial[np.maximum(left, 0)]
        - log_factorial[recorded]
        + log_factorial[recorded - drawn][:, None]
    )
    return np.where(left >= 0, np.exp(np.minimum(logs, 0.0)), 0.0)

"""Statistics of tuners with the same seeds: paired differences, the probability of outperforming, ranks.

Errors are shares of misclassified samples, from 0 to 1. The tuners of a dataset are paired by seed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blindtune.core.seeds import derive
from blindtune.report.stats.statistics import CONFIDENCE

#: From this probability on, outperforming counts as meaningful (Bouthillier et al. 2021, arXiv 2103.03098).
MEANINGFUL_PROBABILITY = 0.75
#: With fewer pairs, not even winning all of them is significant: 2 / 2**5 is 6%, 2 / 2**6 is 3%.
MIN_PAIRS = 6
#: With fewer datasets, the variance of their random effect cannot be estimated.
MIN_DATASETS = 6
RESAMPLES = 10_000

Floats = NDArray[np.float64]
OutperformanceVerdict = Literal["too few pairs", "may be chance", "ahead", "outperforms"]


@dataclass(frozen=True)
class Outperformance:
    """How often a run of the first system beats the run of the second with the same seed; a tie is half a win.

    Attributes:
        share: the estimated probability of outperforming, P(first > second).
        low: the lower end of its 95% percentile bootstrap interval; meaningless for few pairs.
        high: the upper end.
        p: the two-sided p value of the sign test, without ties.
        pairs: the number of pairs of runs.
    """

    share: float
    low: float
    high: float
    p: float
    pairs: int

    def judge(self, adjusted_p: float) -> OutperformanceVerdict:
        """Return whether the first system wins more often than by chance, and possibly often enough to matter.

        With 7 pairs, the bootstrap interval alone would find this for 12% of equal systems. So the exact sign test
        must agree.

        Args:
            adjusted_p: the p value of the sign test, adjusted for all pairs that were tested together.
        """
        if self.pairs < MIN_PAIRS:
            return "too few pairs"
        if self.low <= 0.5 or adjusted_p >= 1 - CONFIDENCE:
            return "may be chance"
        return "outperforms" if self.high > MEANINGFUL_PROBABILITY else "ahead"


@dataclass(frozen=True)
class RankTest:
    """Mean ranks over datasets, with Friedman's test and Nemenyi's critical difference.

    Attributes:
        mean: the mean rank of each system; 1 is the best, ties share their rank.
        p: the p value of Friedman's test; None for fewer than three systems or two datasets.
        critical: the critical difference: two mean ranks must differ by more to be distinguishable at 5%.
        datasets: the number of datasets.
    """

    mean: list[float]
    p: float | None
    critical: float
    datasets: int


@dataclass(frozen=True)
class MixedModelFit:
    """The result of a linear mixed model.

    Attributes:
        p: the p value for no difference between any two systems.
        half: half the width of the 95% interval of the difference of two systems.
    """

    p: float
    half: float


def estimate_outperformance(first: Sequence[float], second: Sequence[float], name: Sequence[str]) -> Outperformance:
    """Estimate how often the first system has the lower error of two runs with the same seed.

    Args:
        first: the errors of the first system by seed.
        second: the errors of the second system in the same order of seeds.
        name: names what is compared; the seed of the bootstrap derives from it.

    Returns:
        The estimate with its interval and the sign test.
    """
    a, b = np.asarray(first), np.asarray(second)
    wins = np.where(a == b, 0.5, a < b)
    rng = np.random.default_rng(derive("outperforming", *name))
    shares = wins[rng.integers(len(wins), size=(RESAMPLES, len(wins)))].mean(axis=1)
    low, high = np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    won, lost = int((a < b).sum()), int((a > b).sum())
    p = _test_signs(won, lost)
    return Outperformance(float(wins.mean()), float(low), float(high), p, len(wins))


def _test_signs(won: int, lost: int) -> float:
    if won + lost < 2:
        return 1.0
    from scipy import stats

    return float(stats.binomtest(won, won + lost).pvalue)


def rank_values(values: Floats) -> Floats:
    """Return the rank of each value, from 1; equal values share the mean of their ranks.

    `scipy.stats`, which has the same function, takes half a second to import: as long as many a table.

    Args:
        values: ``(n_values,)``, none of them NaN.
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def rank_systems(errors: Floats) -> RankTest:
    """Rank systems over datasets (Friedman 1937; Nemenyi 1963; Demšar, JMLR 7, 2006).

    Args:
        errors: the errors, ``(n_datasets, n_systems)``, of at least two systems.

    Returns:
        The mean ranks with both tests.
    """
    from scipy import stats

    datasets, systems = errors.shape
    each = stats.rankdata(errors, axis=1)
    tested = systems > 2 and datasets > 1 and bool((each != each[:, :1]).any())
    p = float(stats.friedmanchisquare(*errors.T).pvalue) if tested else None
    return RankTest(each.mean(axis=0).tolist(), p, compute_critical_difference(systems, datasets), datasets)


def compute_critical_difference(systems: int, datasets: int) -> float:
    """Return by how much two mean ranks must differ to be distinguishable at 5% (Nemenyi 1963).

    Args:
        systems: the number of systems.
        datasets: the number of datasets.

    Returns:
        The critical difference, in ranks.
    """
    from scipy import stats

    q = float(stats.studentized_range.ppf(CONFIDENCE, systems, np.inf)) / math.sqrt(2)
    return q * math.sqrt(systems * (systems + 1) / (6 * datasets))


def fit_mixed_model(errors: Floats) -> MixedModelFit | None:
    """Fit a linear mixed model: systems fixed; datasets, their seeds, and system by dataset random.

    Every system has every seed of every dataset. For such balanced data the test of the model is the F test of the
    means over the seeds against the residual after systems and datasets.

    Args:
        errors: the mean errors over the seeds, ``(n_datasets, n_systems)``.

    Returns:
        The result; None for fewer than `MIN_DATASETS` datasets or a residual of 0.
    """
    datasets, systems = errors.shape
    left = errors - errors.mean(axis=0) - errors.mean(axis=1, keepdims=True) + errors.mean()
    freedom = (datasets - 1) * (systems - 1)
    residual = float((left**2).sum()) / max(1, freedom)
    if datasets < MIN_DATASETS or residual == 0:
        return None
    from scipy import stats

    between = datasets * float(((errors.mean(axis=0) - errors.mean()) ** 2).sum()) / (systems - 1)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(2 * residual / datasets)
    return MixedModelFit(float(stats.f.sf(between / residual, systems - 1, freedom)), half)


def compute_rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Compute Spearman's rank correlation.

    Args:
        first: values.
        second: as many other values.

    Returns:
        The correlation; None for fewer than three values or for constant values.
    """
    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    # In columns, as SciPy has them, for the same last digit.
    ranks = np.column_stack([rank_values(np.asarray(first)), rank_values(np.asarray(second))])
    return float(np.asarray(np.corrcoef(ranks, rowvar=False))[1, 0])

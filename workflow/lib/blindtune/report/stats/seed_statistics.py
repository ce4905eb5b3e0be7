"""The statistics of tuners that were run with the same seeds: pairs, the probability of outperforming, ranks.

Errors are shares of wrong samples, from 0 to 1. The tuners of a dataset are paired by seed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindtune.core.seeds import derive
from blindtune.report.stats.statistics import (
    CONFIDENCE,
    Difference,
    PairedGroups,
    VarianceComponent,
    compute_sd,
    estimate_difference,
    sample_component,
)

#: From here on outperforming counts as meaningful (Bouthillier et al. 2021, arXiv 2103.03098).
MEANINGFUL_PROBABILITY = 0.75
#: With fewer pairs not even winning all of them is significant: 2 / 2**5 is 6%, 2 / 2**6 is 3%.
MIN_PAIRS = 6
#: The variance of a random effect of so few datasets says nothing.
MIN_DATASETS = 6
RESAMPLES = 10_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outperformance:
    """How often a run of the first beats the run of the second with the same seed; a tie is half a win.

    Attributes:
        share: the estimate of P(first > second).
        low, high: its 95% percentile bootstrap interval; meaningless for a few pairs.
        p: of the sign test, ties left out: two-sided probability of as many wins if both were equal.
        pairs: of runs.
    """

    share: float
    low: float
    high: float
    p: float
    pairs: int

    @property
    def is_ahead(self) -> bool:
        """Whether the first wins more often than chance does.

        The bootstrap alone would say so of equals in 12 of 100 cases with 7 pairs; hence the exact test beside it.
        """
        return self.low > 0.5 and self.p < 1 - CONFIDENCE

    @property
    def is_meaningful(self) -> bool:
        """Whether the first is ahead, and so often that it matters."""
        return self.is_ahead and self.high > MEANINGFUL_PROBABILITY


@dataclass(frozen=True)
class RankTest:
    """Friedman's test and Nemenyi's critical difference over datasets.

    Attributes:
        mean: the mean rank of each system, 1 the best; ties share theirs.
        p: of Friedman's test; None for fewer than three systems or two datasets.
        critical: two mean ranks must differ by more to be told apart at 5%.
        datasets: over which the ranks were taken.
    """

    mean: list[float]
    p: float | None
    critical: float
    datasets: int


@dataclass(frozen=True)
class MixedModelFit:
    """What a linear mixed model says of the systems.

    Attributes:
        p: of no difference between any two.
        half: half the 95% interval of the difference of two systems.
    """

    p: float
    half: float


def compare_paired_by_seed(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: PairedGroups | None = None
) -> Difference:
    """The mean error of ``first`` minus that of ``second``, run with the same seeds on the same eval samples.

    Args:
        first, second: whether each sample is wrong, (seeds, samples).
        groups: the same by group, where samples go together.
    """
    d = first.mean(axis=1) - second.mean(axis=1)
    deviation = compute_sd(d.tolist())
    over_seeds = [] if deviation is None else [VarianceComponent(deviation**2 / len(d), len(d) - 1)]
    return estimate_difference(float(d.mean()), [sample_component(first, second, groups), *over_seeds])


def estimate_outperformance(first: Sequence[float], second: Sequence[float], name: Sequence[str]) -> Outperformance:
    """How often ``first`` has the lower error.

    Args:
        first, second: errors by seed, in the same order.
        name: what is compared; the bootstrap's seed derives from it.
    """
    from scipy import stats

    a, b = np.asarray(first), np.asarray(second)
    wins = np.where(a == b, 0.5, a < b)
    rng = np.random.default_rng(derive("outperforming", *name))
    shares = wins[rng.integers(len(wins), size=(RESAMPLES, len(wins)))].mean(axis=1)
    low, high = np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    won, lost = int((a < b).sum()), int((a > b).sum())
    p = float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return Outperformance(float(wins.mean()), float(low), float(high), p, len(wins))


def rank_systems(errors: Floats) -> RankTest:
    """Ranks of the systems over the datasets (Friedman 1937; Nemenyi 1963; Demšar, JMLR 7, 2006).

    Args:
        errors: (datasets, systems), two systems or more.
    """
    from scipy import stats

    datasets, systems = errors.shape
    each = stats.rankdata(errors, axis=1)
    tested = systems > 2 and datasets > 1 and bool((each != each[:, :1]).any())
    p = float(stats.friedmanchisquare(*errors.T).pvalue) if tested else None
    return RankTest(each.mean(axis=0).tolist(), p, compute_critical_difference(systems, datasets), datasets)


def compute_critical_difference(systems: int, datasets: int) -> float:
    """By how much two mean ranks must differ to be told apart at 5% (Nemenyi 1963)."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(CONFIDENCE, systems, np.inf)) / math.sqrt(2)
    return q * math.sqrt(systems * (systems + 1) / (6 * datasets))


def fit_mixed_model(errors: Floats) -> MixedModelFit | None:
    """The linear mixed model with systems fixed; datasets, their seeds and system by dataset random.

    Every system has every seed of every dataset, and with such balanced data the model's test is the F test on the
    means over the seeds against what is left when systems and datasets are taken out.

    Args:
        errors: means over the seeds, (datasets, systems).

    Returns:
        None for fewer datasets than `MIN_DATASETS`, or where nothing is left to test against.
    """
    from scipy import stats

    datasets, systems = errors.shape
    left = errors - errors.mean(axis=0) - errors.mean(axis=1, keepdims=True) + errors.mean()
    freedom = (datasets - 1) * (systems - 1)
    residual = float((left**2).sum()) / max(1, freedom)
    if datasets < MIN_DATASETS or residual == 0:
        return None
    between = datasets * float(((errors.mean(axis=0) - errors.mean()) ** 2).sum()) / (systems - 1)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(2 * residual / datasets)
    return MixedModelFit(float(stats.f.sf(between / residual, systems - 1, freedom)), half)


def compute_rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where fewer than three values, or all equal, leave it unknown."""
    from scipy import stats

    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(stats.spearmanr(first, second).statistic)

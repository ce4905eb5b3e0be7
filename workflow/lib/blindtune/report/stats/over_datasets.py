"""Compare two systems over several datasets: Wilcoxon's signed-rank test and its Bayesian form.

Datasets are drawn from all those that one might try; each counts once, by the difference of the means on its eval. The
test is that of Demšar (JMLR 7, 2006) with Holm's adjustment, which depends on the two systems alone, as mean ranks do
not (Benavoli, Corani, Mangili, JMLR 17, 2016). The posterior is that of the Bayesian signed-rank test with a region of
practical equivalence (Benavoli et al., ICML 2014; JMLR 18, 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from blindtune.core.seeds import derive
from blindtune.report.stats.statistics import CONFIDENCE, round_mean

#: With fewer, not even a win on all of them is significant: 2 / 2**5 is 6%, 2 / 2**6 is 3%.
MIN_DATASETS = 6
#: Draws from the posterior: a probability has a Monte-Carlo error of at most 0.5 points.
DRAWS = 10_000


@dataclass(frozen=True)
class OverDatasets:
    """The difference of two systems over datasets.

    Attributes:
        wins: datasets on which the first system is lower.
        losses: datasets on which it is higher.
        datasets: number of datasets.
        median: of the differences.
        p: the two-sided p value of the signed-rank test; 1 if all differences are 0.
        is_first_lower: whether the ranks of that test favor the first system, which may have fewer wins.
        lower: the probability that the first system is lower by more than the margin.
        within: the probability that the two differ by less than it.
        higher: the probability that the first system is higher by more than it.
    """

    wins: int
    losses: int
    datasets: int
    median: float
    p: float
    is_first_lower: bool
    lower: float
    within: float
    higher: float

    @property
    def is_equivalent(self) -> bool:
        """Whether the two differ by less than the margin with 95% probability."""
        return self.within >= CONFIDENCE


def compare_over_datasets(differences: Sequence[float], margin: float) -> OverDatasets:
    """Compare two systems over datasets.

    Args:
        differences: the mean of the first system minus that of the second, by dataset, at least one.
        margin: the difference that is too small to matter, in the same unit.
    """
    from scipy import stats

    found = np.array([round_mean(difference) for difference in differences])
    p = float(stats.wilcoxon(found, zero_method="pratt").pvalue) if found.any() else 1.0
    lower, within, higher = _draw_posterior(found, margin)
    wins, losses = found < 0, found > 0
    ranks = stats.rankdata(np.abs(found))
    return OverDatasets(
        int(wins.sum()), int(losses.sum()), len(found), float(np.median(found)), p,
        float(ranks[wins].sum()) > float(ranks[losses].sum()), lower, within, higher,
    )  # fmt: skip


def _draw_posterior(differences: NDArray[np.float64], margin: float) -> tuple[float, float, float]:
    """Return the probabilities that a difference is below, within and above the margin.

    The prior is one imaginary dataset without a difference.
    """
    values = np.concatenate([[0.0], differences])
    sums = values[:, None] + values
    weights = _draw_weights(len(values))
    shares = np.stack([((weights @ part) * weights).sum(axis=1) for part in (sums < -2 * margin, sums > 2 * margin)])
    shares = np.stack([shares[0], 1 - shares.sum(axis=0), shares[1]])
    # Each draw counts for the region with the largest share of pairs of datasets.
    largest = np.bincount(shares.argmax(axis=0), minlength=3) / DRAWS
    return float(largest[0]), float(largest[1]), float(largest[2])


@cache
def _draw_weights(values: int) -> NDArray[np.float64]:
    """Draw the weights of the datasets, ``(DRAWS, values)``; the same for every pair, so that pairs are comparable."""
    rng = np.random.default_rng(derive("signed-rank", str(values)))
    return rng.dirichlet(np.ones(values), size=DRAWS)

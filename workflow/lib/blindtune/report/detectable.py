"""What a study can tell apart, before it is run: the detectable difference for its eval samples and seeds.

With few seeds of unequal spread, the test of the report needs larger differences with more samples: the seeds, which
few degrees of freedom describe, are then a larger part of the variance. That is no reason to plan fewer samples, with
which the intervals cover less than they say (docs/report/statistics.md). So an estimate is at least that for endless
samples.

Planning must be quick, so this module imports no library of numbers.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

#: What is assumed before there are records; the default study's own are around these.
#: Share of the eval samples on which the mean answers of two models differ, as the variance of their difference.
ASSUMED_DISAGREEMENT = 0.15
#: Standard deviations over seeds of the eval error of a manual and of a tuned model, in points of %.
ASSUMED_SPREADS = (0.5, 2.0)

_LEVEL, _POWER = 0.975, 0.8


def describe_detectable(evals: Sequence[tuple[str, int]], seeds: int) -> str:
    """Return a line on the smallest differences between a manual and a tuned model that a study would find.

    Args:
        evals: the name and the number of eval samples of each dataset where the config has it.
        seeds: number of seeds.
    """
    sizes = {name: estimate_detectable(samples, seeds) for name, samples in evals}
    found = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
    bound = estimate_bound(seeds)
    bounded = [name for name, size in sizes.items() if size <= bound]
    advice = f" More seeds would lower {', '.join(bounded)}; more samples would not." if bounded else ""
    counted = f"{seeds} seeds and the eval samples" if seeds > 1 else "one seed and the eval samples"
    manual, tuned = ASSUMED_SPREADS
    spread = (
        f" and seeds move a manual model by {manual:g} and a tuned one by {tuned:g} points"
        if seeds > 1
        else "; one seed tells nothing of other seeds, so no verdict on the systems will follow"
    )
    return (
        f"with {counted} of each dataset you can tell apart differences of about these points (in 80 of 100 cases): "
        f"{found}.{advice} Assumed: models disagree on {ASSUMED_DISAGREEMENT:.0%} of the samples{spread}. Samples of "
        "few patients tell less."
    )


def estimate_detectable(samples: int, seeds: int) -> float:
    """Return the difference that is found at 5% in 80 of 100 cases, in points of %.

    It never grows with samples or, from two on, with seeds.

    Args:
        samples: number of eval samples.
        seeds: number of seeds; 1: the samples alone.
    """
    over_samples = (100**2 * ASSUMED_DISAGREEMENT / samples, max(1, samples - 1))
    # With a handful of samples, endless seeds bound it likewise.
    found = max(_detect([over_samples, *_over_seeds(seeds)]), _detect([over_samples]), estimate_bound(seeds))
    return min(100.0, found)


def estimate_bound(seeds: int) -> float:
    """Return what `estimate_detectable` cannot fall below, in points of %: that of endless samples; 0 for one seed.

    Args:
        seeds: number of seeds.
    """
    return _detect(_over_seeds(seeds)) if seeds > 1 else 0.0


def _over_seeds(seeds: int) -> list[tuple[float, int]]:
    """Return the variances over seeds with their degrees of freedom."""
    return [(spread**2 / seeds, seeds - 1) for spread in ASSUMED_SPREADS] if seeds > 1 else []


def _detect(parts: list[tuple[float, int]]) -> float:
    """Return the detectable difference for parts of a variance with their degrees of freedom."""
    total = math.fsum(variance for variance, _ in parts)
    freedom = total**2 / math.fsum(variance**2 / freedom for variance, freedom in parts)
    return (_t_quantile(_LEVEL, freedom) + _t_quantile(_POWER, freedom)) * math.sqrt(total)


def _t_quantile(share: float, freedom: float) -> float:
    """Return a quantile of the t distribution above 0.5."""
    if freedom > 1000:
        normal = NormalDist().inv_cdf(share)
        # The next term of the quantile's series, so that nothing jumps here.
        return normal + (normal**3 + normal) / (4 * freedom)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    low, high = 0.0, 1000.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_share(middle, freedom, scale) < share else (low, middle)
    return low


def _t_share(value: float, freedom: float, scale: float) -> float:
    """Return the share of the t distribution below a value above 0, by Simpson's rule in the angle of the value."""
    # With value = sqrt(freedom) tan(angle) the density is a power of a cosine, which has no long tail.
    end, steps = math.atan(value / math.sqrt(freedom)), 64
    heights: list[float] = [math.cos(end * step / steps) ** (freedom - 1) for step in range(steps + 1)]
    area = heights[0] + heights[-1] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2])
    return 0.5 + scale * math.sqrt(freedom) * area * end / steps / 3

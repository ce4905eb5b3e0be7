"""Simulate studies whose truth is known, and count how often the statistics of the report are right.

    python workflow/benchmarks/statistics_check.py --runs 1000

Each simulated system has an effect of each seed, each sample (or patient), and of each seed on each sample; a sample is
wrong where the sum of its effects and of normal noise is above 0. So the true error of a system is known exactly.
Printed, as Markdown with Monte-Carlo standard errors:

- the coverage of the 95% interval of a difference, its mean width, and the false positives at 5%, for the method of the
  report, and the coverage of two others: samples alone, and a bootstrap that draws seeds and samples or patients;
- false positives of Holm's adjustment over all pairs of several systems on several datasets;
- equivalence that is claimed where the difference is exactly the margin;
- how often a difference of the detectable size is found, and what has to be assumed before there are records;
- false positives of the comparison over datasets.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from blindtune.report.detectable import ASSUMED_DISAGREEMENT, ASSUMED_SPREADS, estimate_detectable
from blindtune.report.stats.crossed import CrossedMeans, GroupCounts, compare_crossed, measure_errors
from blindtune.report.stats.over_datasets import compare_over_datasets
from blindtune.report.stats.statistics import Difference, adjust_holm

Wrong = NDArray[np.bool_]

#: Standard deviations of the effects that both systems share, of a system and of a seed on a sample.
SHARED, OWN, EACH = 0.5, 0.5, 0.5
BOOTSTRAPS = 200


@dataclass(frozen=True)
class Case:
    """What is simulated.

    Attributes:
        seeds: of each system.
        samples: of eval.
        spread: standard deviation of the effect of a seed, on the scale of the effects; 0.1 is about 3 points.
        difference: the true difference of the two errors.
        patients: number of patients; 0: samples are drawn alone.
        unequal: whether some patients have many more samples than others.
        fails: whether one search in five fails by 25 points or so, in the place of a normal effect.
        error: the error of the first system.
    """

    seeds: int
    samples: int
    spread: float = 0.0
    difference: float = 0.0
    patients: int = 0
    unequal: bool = False
    fails: bool = False
    error: float = 0.25


def patient_sizes(case: Case) -> NDArray[np.int64]:
    """Return the samples of each patient."""
    share = np.arange(1, case.patients + 1) ** 1.5 if case.unequal else np.ones(case.patients)
    sizes: NDArray[np.int64] = np.maximum(1, np.round(case.samples * share / share.sum())).astype(np.int64)
    return sizes


def draw(case: Case, rng: np.random.Generator, shifts: tuple[float, ...]) -> list[tuple[Wrong, GroupCounts | None]]:
    """Draw the answers of as many systems as there are shifts of their effects."""
    sizes = patient_sizes(case) if case.patients else np.ones(case.samples, int)
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    shared = rng.normal(0, SHARED, len(numbers))
    if case.patients:
        shared += rng.normal(0, SHARED, len(sizes))[numbers]
    found: list[tuple[Wrong, GroupCounts | None]] = []
    for shift in shifts:
        own = shared + rng.normal(0, OWN, len(numbers))
        if case.patients:
            own += rng.normal(0, OWN, len(sizes))[numbers]
        seed = rng.normal(0, case.spread, case.seeds)
        if case.fails:
            seed = np.where(rng.uniform(size=case.seeds) < 0.2, 1.0, 0.0)
        noise = rng.normal(0, math.sqrt(1 + EACH**2), (case.seeds, len(numbers)))
        wrong = shift + seed[:, None] + own + noise > 0
        by_group = np.add.reduceat(wrong.astype(int), np.cumsum(sizes) - sizes, axis=1) if case.patients else None
        found.append((wrong, None if by_group is None else GroupCounts(by_group, sizes)))
    return found


def shifts_for(case: Case) -> tuple[float, float]:
    """Return the shifts by which the two systems have the errors of the case."""
    variance = 1 + EACH**2 + SHARED**2 + OWN**2 + case.spread**2
    if case.patients:
        variance += SHARED**2 + OWN**2
    scale = math.sqrt(variance)
    return scale * float(stats.norm.ppf(case.error)), scale * float(stats.norm.ppf(case.error + case.difference))


def compare(pair: list[tuple[Wrong, GroupCounts | None]]) -> Difference:
    """Return the report's estimate of the error of the second system minus that of the first."""
    first, second = (measure_errors(*one) for one in pair)
    return compare_crossed(second, first)


def compare_by_samples(pair: list[tuple[Wrong, GroupCounts | None]]) -> tuple[float, float]:
    """Return the interval over the samples alone, without seeds and patients."""
    d = pair[1][0].mean(axis=0) - pair[0][0].mean(axis=0)
    half = 1.96 * float(d.std(ddof=1)) / math.sqrt(len(d))
    return float(d.mean()) - half, float(d.mean()) + half


def bootstrap(pair: list[tuple[Wrong, GroupCounts | None]], rng: np.random.Generator) -> tuple[float, float]:
    """Return the percentile interval that draws seeds of each system and samples, or patients, again."""
    sizes = pair[0][1].samples if pair[0][1] is not None else np.ones(pair[0][0].shape[1], int)
    counts = [one.astype(float) if groups is None else groups.wrong.astype(float) for one, groups in pair]
    units = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=BOOTSTRAPS)
    means = []
    for count in counts:
        seeds = rng.multinomial(len(count), np.full(len(count), 1 / len(count)), size=BOOTSTRAPS) / len(count)
        means.append(np.einsum("bs,su,bu->b", seeds, count, units, optimize=True) / (units @ sizes))
    low, high = np.quantile(means[1] - means[0], [0.025, 0.975])
    return float(low), float(high)


def list_cases() -> Iterator[Case]:
    """Yield the cases of the table of coverage."""
    for seeds in (1, 3, 10):
        for samples in (100, 1000, 10_000):
            yield Case(seeds, samples, spread=0.0 if seeds == 1 else 0.06)
    for seeds in (1, 3, 10):
        yield Case(seeds, 1000, spread=0.3)
        yield Case(seeds, 1000, spread=0.06, difference=0.05)
    yield Case(2, 1000, spread=0.06)
    yield Case(3, 1000)
    for patients in (5, 10, 50):
        for unequal in (False, True):
            yield Case(3, 1000, spread=0.06, patients=patients, unequal=unequal)
    yield Case(10, 1000, spread=0.06, patients=50, difference=0.05)
    for seeds in (3, 10):
        yield Case(seeds, 1000, fails=True)


def check_coverage(case: Case, runs: int) -> list[str]:
    """Return the row of a case."""
    rng = np.random.default_rng([20, case.seeds, case.samples, case.patients])
    shifts = shifts_for(case)
    # Counted is the true difference of the systems, over all seeds, also where a single seed cannot tell it.
    covered, false, width, others = 0, 0, 0.0, [0, 0]
    known = 0
    # The other methods take long; a part of the runs is enough for them.
    few = min(runs, 300 if case.samples <= 1000 else 60)
    for number in range(runs):
        pair = draw(case, rng, shifts)
        found = compare(pair)
        if found.has_interval:
            known += 1
            covered += found.low <= case.difference <= found.high
            false += found.p < 0.05
            width += found.high - found.low
        if number < few:
            for at, (low, high) in enumerate((compare_by_samples(pair), bootstrap(pair, rng))):
                others[at] += low <= case.difference <= high
    groups = f"{case.patients}{' unequal' if case.unequal else ''}" if case.patients else "–"
    spread = "one in five fails" if case.fails else f"{100 * case.spread * 0.318 / 1.32:.1f}"
    row = [str(case.seeds), f"{case.samples:,}", groups, spread, f"{100 * case.difference:g}"]
    if not known:
        return [*row, "no interval", "–", "–", *(percent(one, few) for one in others)]
    positive = percent(false, known)
    return [
        *row,
        percent(covered, known),
        positive,
        f"{100 * width / known:.1f}",
        *(percent(one, few) for one in others),
    ]


def percent(count: float, runs: int) -> str:
    """Return a share with its Monte-Carlo standard error, in %."""
    share = count / runs
    error = math.sqrt(max(share * (1 - share), 1 / (runs + 2) * (1 - 1 / (runs + 2))) / runs)
    return f"{100 * share:.1f} ± {100 * error:.1f}"


def check_holm(runs: int) -> str:
    """Return how often any of all pairs of equal systems on equal datasets is called different."""
    rng = np.random.default_rng(21)
    case = Case(3, 500, spread=0.06)
    shift, false = shifts_for(case)[0], [0, 0]
    for _ in range(runs):
        p: list[float] = []
        for _ in range(3):
            means: list[CrossedMeans] = [measure_errors(*one) for one in draw(case, rng, (shift,) * 5)]
            p += [compare_crossed(one, other).p for one, other in combinations(means, 2)]
        false[0] += min(p) < 0.05
        false[1] += min(adjust_holm(p)) < 0.05
    return f"{percent(false[0], runs)} without adjustment, {percent(false[1], runs)} with it"


def check_equivalence(runs: int) -> str:
    """Return how often two systems that differ by exactly the margin are called equivalent."""
    rng = np.random.default_rng(22)
    case = Case(10, 10_000, spread=0.03, difference=0.01)
    false = sum(compare(draw(case, rng, shifts_for(case))).equivalence_p(0.01) < 0.05 for _ in range(runs))
    return percent(false, runs)


def check_power(runs: int) -> str:
    """Return how often a difference of the detectable size is found."""
    found = []
    for case in (Case(3, 1000, spread=0.06), Case(10, 1000, spread=0.06), Case(10, 1000, spread=0.06, patients=50)):
        rng = np.random.default_rng([23, case.seeds, case.patients])
        sizes = [compare(draw(case, rng, shifts_for(case))).detectable or math.nan for _ in range(runs)]
        size = float(np.median(sizes))
        apart = replace(case, difference=size)
        hits = sum(compare(draw(apart, rng, shifts_for(apart))).p < 0.05 for _ in range(runs))
        where = f", {case.patients} patients" if case.patients else ""
        found.append(f"{case.seeds} seeds{where}: {100 * size:.1f} points, {percent(hits, runs)}")
    return "; ".join(found)


def check_planning(runs: int) -> Iterator[str]:
    """Yield the rows of what a run prints before there are records, next to what its test would find.

    The differences are normal, and the estimates of their variances are chi-squared, as the test assumes.

    Args:
        runs: simulated studies of each row.
    """
    for seeds in (2, 3, 5):
        over_seeds = np.array(ASSUMED_SPREADS)[:, None] ** 2 / seeds
        for samples in (1000, 2500, 10_000, 100_000):
            rng = np.random.default_rng([25, seeds, samples])
            over_samples = 100**2 * ASSUMED_DISAGREEMENT / samples
            parts = over_seeds * rng.chisquare(seeds - 1, (2, runs)) / (seeds - 1)
            total = over_samples + parts.sum(axis=0)
            freedom = 1 / (((parts / total) ** 2).sum(axis=0) / (seeds - 1) + (over_samples / total) ** 2 / samples)
            half = stats.t.ppf(0.975, freedom) * np.sqrt(total)
            off = rng.normal(0, math.sqrt(over_samples + float(over_seeds.sum())), runs)
            covered = percent(int((np.abs(off) <= half).sum()), runs)
            # A difference is found where it, and by how much it is off, is more than half an interval.
            needed = np.quantile(half - off, 0.8)
            yield f"{seeds} | {samples:,} | {estimate_detectable(samples, seeds):.1f} | {needed:.1f} | {covered}"


def check_over_datasets(runs: int) -> str:
    """Return how often equal systems are called different over datasets, by p and by the posterior."""
    found = []
    for datasets in (6, 10, 30):
        rng = np.random.default_rng([24, datasets])
        by_p = by_posterior = 0
        for _ in range(runs):
            one = compare_over_datasets(rng.normal(0, 0.02, datasets).tolist(), 0.01)
            by_p += one.p < 0.05
            by_posterior += max(one.lower, one.higher) >= 0.95
        found.append(f"{datasets} datasets: p {percent(by_p, runs)}, posterior {percent(by_posterior, runs)}")
    return "; ".join(found)


HEADINGS = (
    "seeds", "eval samples", "patients", "spread of seeds, points", "true difference, points", "coverage %",
    "p below 5% (%)", "mean width, points", "samples alone: coverage %", "bootstrap: coverage %",
)  # fmt: skip

PLANNING = ("seeds", "eval samples", "printed before, points", "found in 80 of 100 cases, points", "coverage %")


def main(argv: list[str] | None = None) -> None:
    """Print all checks."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=1000, help="simulated studies of each case")
    given: Any = parser.parse_args(argv)
    print(f"| {' | '.join(HEADINGS)} |\n|{'---:|' * len(HEADINGS)}")
    for case in list_cases():
        # Large cases take long, and their Monte-Carlo error is printed.
        runs = given.runs if case.samples * case.seeds <= 10_000 else max(1, given.runs // 4)
        print(f"| {' | '.join(check_coverage(case, runs))} |", flush=True)
    few = max(1, given.runs // 2)
    print(f"\n- any of 30 pairs (5 equal systems, 3 datasets) below 5%: {check_holm(few)}", flush=True)
    print(f"- equivalent, where the difference is the margin: {check_equivalence(max(1, given.runs // 4))}", flush=True)
    print(f"- a detectable difference is found: {check_power(few)}", flush=True)
    print(f"- equal systems over datasets below 5%: {check_over_datasets(few)}", flush=True)
    print(f"\n| {' | '.join(PLANNING)} |\n|{'---:|' * len(PLANNING)}")
    for row in check_planning(100 * given.runs):
        print(f"| {row} |")


if __name__ == "__main__":
    main()

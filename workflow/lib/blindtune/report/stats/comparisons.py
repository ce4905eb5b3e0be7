"""Compare the systems of a dataset, and describe the results in sentences."""

from dataclasses import dataclass
from itertools import combinations

from blindtune.metrics.registry import ERROR, is_error, worst_value
from blindtune.report.minimised import describe_value, format_change, format_metric, get_title, get_unit
from blindtune.report.published import load_published
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords, pair_by_group
from blindtune.report.stats.metric_samples import compare_means
from blindtune.report.stats.statistics import (
    CONFIDENCE,
    Difference,
    adjust_holm,
    binomial_component,
    compare_paired,
    estimate_difference,
    max_disagreements,
)

#: The published manual and tuned systems that are compared, by dataset number.
PUBLISHED = {"10": ("MLP-M2", "MLP-A2"), "11": ("Manual", "Auto"), "12": ("Manual", "Auto")}
#: A sentence gives the intervals of at most this many systems; of more, only the names.
MAX_SPELLED_OUT = 3
#: Why there is no interval.
NO_INTERVAL = "no interval: all eval samples belong to one patient, so nothing is known of how patients differ"
#: Why a metric has none.
NO_METRIC_INTERVAL = "no interval: without a part of the eval samples, or without a patient, a class has no sample"


@dataclass(frozen=True)
class PairComparison:
    """The comparison of two systems on the same eval samples, by what the comparison minimised.

    Attributes:
        better: the system with the lower mean on eval.
        other: the other system.
        difference: the value of ``other`` minus that of ``better``, with its interval.
        adjusted_p: the p value, adjusted for all pairs of the dataset.
        error_difference: the error of ``other`` minus that of ``better``, from 0 to 1; below 0 if the system that is
            better by the metric has the higher error.
        adjusted_error_p: the p value of that, adjusted in the same way.
    """

    better: SystemRecords
    other: SystemRecords
    difference: Difference
    adjusted_p: float
    error_difference: Difference
    adjusted_error_p: float

    @property
    def differs(self) -> bool:
        """Whether the two are distinguishable at 5%."""
        return self.adjusted_p < 1 - CONFIDENCE

    def includes(self, system: SystemRecords) -> bool:
        """Return whether ``system`` is one of the two."""
        return system.name in (self.better.name, self.other.name)


def compare_all_pairs(dataset: DatasetRecords) -> list[PairComparison]:
    """Compare every pair of classifiers of a dataset, by what was minimised and by the error.

    The p values are adjusted over all pairs, not only over those with the best system, because the best system is
    selected on the same data.
    """
    ordered = sorted(dataset.classifiers, key=lambda system: system.objective("eval"))
    wrong = {system.name: system.wrong() for system in ordered}
    both = list(combinations(ordered, 2))
    found = [
        compare_paired(wrong[other.name], wrong[better.name], pair_by_group(other, better)) for better, other in both
    ]
    by_error = list(zip(found, adjust_holm([each.p for each in found]), strict=True))
    by_metric = by_error if is_error(dataset.metric) else _compare_by_metric(both)
    return [
        PairComparison(*pair, *minimised, *error)
        for pair, minimised, error in zip(both, by_metric, by_error, strict=True)
    ]


def _compare_by_metric(both: list[tuple[SystemRecords, SystemRecords]]) -> list[tuple[Difference, float]]:
    """Return the difference of each pair by the metric that was minimised, and its adjusted p value."""
    found = [_estimate_by_metric(other, better) for better, other in both]
    return list(zip(found, adjust_holm([each.p for each in found]), strict=True))


def _estimate_by_metric(first: SystemRecords, second: SystemRecords) -> Difference:
    one, other = first.metric_sample, second.metric_sample
    if one is None or other is None:
        worst = worst_value(first.metric)
        return Difference(first.objective("eval") - second.objective("eval"), float("inf"), -worst, worst, 1.0)
    return compare_means(one, other)


def select_pairs_with_best(dataset: DatasetRecords, found: list[PairComparison]) -> list[PairComparison]:
    """Select the pairs with the system that has the lowest mean on eval, of what was minimised.

    Args:
        dataset: the dataset.
        found: all pairs of its classifiers.

    Returns:
        The selected pairs.
    """
    if not dataset.classifiers:
        return []
    best = min(dataset.classifiers, key=lambda system: system.objective("eval"))
    return [pair for pair in found if pair.better.name == best.name]


def select_manual_tuned_pairs(found: list[PairComparison]) -> list[PairComparison]:
    """Select the pairs of a manual and a tuned model."""
    return [pair for pair in found if {pair.better.kind, pair.other.kind} == {"manual", "tuner"}]


def describe_winner(dataset: DatasetRecords, found: list[PairComparison]) -> str:
    """Describe which system is lowest on eval, by what was minimised, and from which others it is distinguishable.

    Args:
        dataset: the dataset.
        found: all pairs of its classifiers.

    Returns:
        Some sentences.
    """
    if not dataset.classifiers:
        return "No classifier was compared."
    best = min(dataset.classifiers, key=lambda system: system.objective("eval"))
    against = select_pairs_with_best(dataset, found)
    start = f"{best.name} has the lowest mean eval {get_title(dataset.metric)} ({_value(best)})."
    if not against:
        return f"{start} No other system was compared with it. {_caution(dataset)}".strip()
    equal = [pair for pair in against if not pair.differs]
    if not equal:
        return f"{start} It is better than all others. {_caution(dataset)}".strip()
    names = _with_intervals(equal) if len(equal) <= MAX_SPELLED_OUT else _listed([pair.other.name for pair in equal])
    rest = [pair.other.name for pair in against if pair.differs]
    beaten = f" It is better than {_listed(rest)}." if rest else ""
    return f"{start} It is not distinguishable from {names}.{beaten} {_caution(dataset)}".strip()


def _with_intervals(found: list[PairComparison]) -> str:
    return "; ".join(f"{pair.other.name} ({_interval(pair)})" for pair in found)


def describe_manual_and_tuned(dataset: DatasetRecords, found: list[PairComparison]) -> str:
    """Describe manual against tuned models: the best pair on dev, and the outcomes of all pairs.

    Args:
        dataset: the dataset.
        found: all pairs of its classifiers.

    Returns:
        Some sentences.
    """
    manual, tuned = dataset.systems_of_kind("manual"), dataset.systems_of_kind("tuner")
    if not manual or not tuned:
        absent = "manual model" if not manual else "tuner"
        return f"Manual and tuned models cannot be compared: no {absent} was run."
    expert, search = (min(systems, key=lambda system: system.objective("dev")) for systems in (manual, tuned))
    pair = next(pair for pair in found if pair.includes(expert) and pair.includes(search))
    return (
        f"Chosen by dev {get_title(dataset.metric)}, as in a blind study, the manual model is {expert.name} "
        f"({_value(expert, ' on eval')}) and the tuned one {search.name} ({_value(search)}). {_outcome(pair)} "
        f"{_tally(select_manual_tuned_pairs(found))}{_caution(dataset)}"
    ).strip()


def describe_published_gaps(records: ReportRecords) -> list[str]:
    """Describe the published differences on #10 and on every other published dataset of this report."""
    compared = {dataset.manifest.published for dataset in records.datasets}
    return [describe_published_gap(number) for number in PUBLISHED if number == "10" or number in compared]


def describe_published_gap(number: str) -> str:
    """Describe whether the published manual and tuned errors on a dataset are distinguishable."""
    manual, tuned = (load_published().errors[number, system] for system in PUBLISHED[number])
    samples = load_published().sizes[number].eval
    parts = [binomial_component(row.eval / 100, samples) for row in (manual, tuned)]
    found = estimate_difference((tuned.eval - manual.eval) / 100, parts)
    half = found.high - found.value
    word = "exceeds" if found.excludes_zero() else "lies within"
    text = (
        f"The published difference between {manual.system} ({manual.eval:.2f}%) and {tuned.system} ({tuned.eval:.2f}%) "
        f"on #{number}, {_points(found.value)} on {samples:,} eval samples, {word} the sampling error: two independent "
        f"error rates must differ by more than {_points(half)} for a 95% interval to exclude 0."
    )
    if found.excludes_zero():
        return (
            f"{text} This assumes independent samples. These belong to patients, whose number is not published; few "
            "patients would make the sampling error larger."
        )
    return (
        f"{text} The paper does not report on how many samples the two models disagree. A paired test would find a "
        f"difference only with at most {max_disagreements(found.value, samples):,} disagreements."
    )


def _outcome(pair: PairComparison) -> str:
    if pair.differs:
        return f"The {_word(pair.better)} one is better ({_interval(pair)})."
    return f"The two are not distinguishable ({_interval(pair)})."


def _tally(found: list[PairComparison]) -> str:
    if len(found) < 2:
        return ""
    won = {word: sum(pair.differs and _word(pair.better) == word for pair in found) for word in ("manual", "tuned")}
    open_pairs = len(found) - sum(won.values())
    return (
        f"Of all {len(found)} pairs of a manual and a tuned model, the manual one is better in {won['manual']}, "
        f"the tuned one in {won['tuned']}, and {open_pairs} are not distinguishable. "
    )


def _caution(dataset: DatasetRecords) -> str:
    sentences = []
    if len(dataset.classifiers[0].runs) == 1:
        sentences.append("With a single seed the variance over seeds is unknown: this covers the sampling error only.")
    if not all(system.blind for system in dataset.classifiers):
        names = [system.name for system in dataset.classifiers if not system.blind]
        sentences.append(f"Not every decode was blind: {_listed(names)}.")
    before: dict[str, list[str]] = {}
    for system in dataset.classifiers:
        if system.precedents:
            before.setdefault(str(system.precedents), []).append(system.name)
    if before:
        named = "; ".join(f"{_listed(names)} ({what})" for what, names in before.items())
        sentences.append(f"To be read with what the ledger holds: {named}.")
    return " ".join(sentences)


def _word(system: SystemRecords) -> str:
    return "tuned" if system.kind == "tuner" else "manual"


def _interval(pair: PairComparison) -> str:
    found, metric = pair.difference, pair.better.metric
    value = f"{100 * found.value:.2f} points" if get_unit(metric) else f"{found.value:.4f}"
    if not found.has_interval:
        return f"difference {value}; {NO_INTERVAL if is_error(metric) else NO_METRIC_INTERVAL}"
    return (
        f"difference {value}, 95% interval without adjustment {format_change(metric, found.low)} to "
        f"{format_change(metric, found.high)}; p adjusted for all pairs {format_p(pair.adjusted_p)}"
    )


def format_p(p: float) -> str:
    """Format a p value for a sentence, with its sign of comparison."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def describe_lowest_error(dataset: DatasetRecords) -> str:
    """Return a sentence about the lowest error where another metric was minimised; empty if it was the error.

    Args:
        dataset: the dataset.
    """
    if is_error(dataset.metric) or not dataset.classifiers:
        return ""
    lowest = min(dataset.classifiers, key=lambda system: system.error("eval"))
    return (
        f"The error was not minimised; the lowest mean eval error is that of {lowest.name} "
        f"({format_metric(ERROR, lowest.error('eval'))})."
    )


def _value(system: SystemRecords, of: str = "") -> str:
    """Return the mean on eval of what a system minimised for a sentence, with what qualifies it."""
    return "; ".join(filter(None, [describe_value(system, of), system.qualification]))


def _points(value: float) -> str:
    return f"{100 * value:.2f} points"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""Compare the systems of a dataset, and describe the results in sentences."""

from dataclasses import dataclass, replace
from itertools import combinations

from blindtune.metrics.registry import ERROR, is_error, worst_value
from blindtune.report.margin import from_points
from blindtune.report.minimised import describe_value, format_change, format_metric, get_title, get_unit
from blindtune.report.once import once
from blindtune.report.published import load_published
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords, pair_errors
from blindtune.report.stats.crossed import compare_crossed
from blindtune.report.stats.metric_samples import compare_means
from blindtune.report.stats.statistics import (
    CONFIDENCE,
    MIN_GROUPS,
    Difference,
    adjust_holm,
    binomial_component,
    estimate_difference,
    max_disagreements,
)

#: The published manual and tuned systems that are compared, by dataset number.
PUBLISHED = {"10": ("MLP-M2", "MLP-A2"), "11": ("Manual", "Auto"), "12": ("Manual", "Auto")}
#: A sentence gives the intervals of at most this many systems; of more, only the names.
MAX_SPELLED_OUT = 3
#: Why there is no interval.
NO_INTERVAL = (
    f"no interval: the eval samples belong to fewer than {MIN_GROUPS} patients, or nearly all of them to a few, so too "
    "little is known of how patients differ"
)
#: Why a metric has none.
NO_METRIC_INTERVAL = "no interval: without a part of the eval samples, or without a patient, a class has no sample"


@dataclass(frozen=True)
class PairComparison:
    """The comparison of two systems on the same eval samples, by what the comparison minimised.

    Attributes:
        better: the system with the lower mean on eval.
        other: the other system.
        difference: the value of ``other`` minus that of ``better``, with its interval.
        adjusted_p: the p value, adjusted for all pairs that were compared, of all datasets.
        error_difference: the error of ``other`` minus that of ``better``, from 0 to 1; below 0 if the system that is
            better by the metric has the higher error.
        adjusted_error_p: the p value of that, adjusted in the same way.
        equivalence_p: the p value for a difference of at least the margin, adjusted in the same way.
    """

    better: SystemRecords
    other: SystemRecords
    difference: Difference
    adjusted_p: float
    error_difference: Difference
    adjusted_error_p: float
    equivalence_p: float

    @property
    def differs(self) -> bool:
        """Whether the two are distinguishable at 5%; with a single seed only the two models are, not the systems."""
        return self.adjusted_p < 1 - CONFIDENCE

    @property
    def is_equivalent(self) -> bool:
        """Whether the two differ by less than the margin at 5%."""
        return self.equivalence_p < 1 - CONFIDENCE

    @property
    def has_seeds(self) -> bool:
        """Whether there are several seeds, so that the interval covers them."""
        return len(self.better.runs) > 1

    @property
    def varies(self) -> str:
        """What the interval lets vary."""
        return name_variation(self.better, self.other)

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if not self.difference.has_interval:
            return "not decided"
        if self.differs:
            small = ", by less than the margin" if self.is_equivalent else ""
            return f"distinguishable{small}" if self.has_seeds else f"models of one seed differ{small}"
        if self.is_equivalent:
            return "equivalent" if self.has_seeds else "models of one seed equivalent"
        return "not distinguishable"

    def includes(self, system: SystemRecords) -> bool:
        """Return whether ``system`` is one of the two."""
        return system.name in (self.better.name, self.other.name)


def name_variation(first: SystemRecords, second: SystemRecords) -> str:
    """Return what the interval of a difference lets vary, such as "patients and seeds".

    Args:
        first: a system.
        second: another system on the same dataset.
    """
    grouped = first.errors_by_group is not None and second.errors_by_group is not None
    units = "patients" if grouped else "eval samples"
    return f"{units} and seeds" if len(first.runs) > 1 else units


@once
def compare_report(records: ReportRecords) -> list[tuple[DatasetRecords, list[PairComparison]]]:
    """Compare every pair of classifiers of every dataset, and adjust p for all of them together.

    The p values are adjusted over all pairs, not only over those with the best system, because the best system is
    selected on the same data.

    Args:
        records: of the report.

    Returns:
        Each dataset with its pairs.
    """
    found = [_estimate_pairs(dataset) for dataset in records.datasets]
    adjusted = iter(_adjust([pair for pairs in found for pair in pairs], records.margin))
    return [(dataset, [next(adjusted) for _ in pairs]) for dataset, pairs in zip(records.datasets, found, strict=True)]


def _estimate_pairs(dataset: DatasetRecords) -> list[PairComparison]:
    """Compare every pair of a dataset by what was minimised and by the error, without adjustment."""
    ordered = sorted(dataset.classifiers, key=lambda system: system.objective("eval"))
    found = []
    for better, other in combinations(ordered, 2):
        error = compare_crossed(*pair_errors(other, better))
        minimised = error if is_error(dataset.metric) else compare_systems(other, better)
        found.append(PairComparison(better, other, minimised, minimised.p, error, error.p, 1.0))
    return found


def _adjust(found: list[PairComparison], margin: float) -> list[PairComparison]:
    """Adjust the p values of all pairs by Holm's method."""
    minimised = adjust_holm([pair.difference.p for pair in found])
    errors = adjust_holm([pair.error_difference.p for pair in found])
    equal = adjust_holm([pair.difference.equivalence_p(from_points(margin)) for pair in found])
    return [
        replace(pair, adjusted_p=minimised[at], adjusted_error_p=errors[at], equivalence_p=equal[at])
        for at, pair in enumerate(found)
    ]


def compare_systems(first: SystemRecords, second: SystemRecords) -> Difference:
    """Estimate the difference of two systems on eval, by what was minimised and with independent seeds.

    Args:
        first: a system.
        second: another system on the same dataset.

    Returns:
        The mean of ``first`` minus that of ``second``.
    """
    if is_error(first.metric):
        return compare_crossed(*pair_errors(first, second))
    one, other = first.metric_sample, second.metric_sample
    if one is None or other is None:
        worst = worst_value(first.metric)
        return Difference(first.objective("eval") - second.objective("eval"), float("inf"), -worst, worst, 1.0, 0.0)
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
    tied = [pair.other.name for pair in against if pair.difference.value == 0]
    if tied:
        start += f" {_listed(tied)} {'has' if len(tied) == 1 else 'have'} the same."
    if not against:
        return f"{start} No other system was compared with it. {_caution(dataset)}".strip()
    what = "It is" if against[0].has_seeds else "On these eval samples its model is"
    if all(pair.differs for pair in against):
        return f"{start} {what} better than all others. {_caution(dataset)}".strip()
    sentences = [start]
    if equal := [pair for pair in against if pair.difference.has_interval and not pair.differs]:
        sentences.append(f"It is not distinguishable from {_with_intervals(equal)}.")
    if untested := [pair for pair in against if not pair.difference.has_interval]:
        sentences.append(f"Whether it is better than {_without_intervals(untested)}.")
    if rest := [pair.other.name for pair in against if pair.differs]:
        sentences.append(f"{what} better than {_listed(rest)}.")
    return f"{' '.join(sentences)} {_caution(dataset)}".strip()


def _without_intervals(found: list[PairComparison]) -> str:
    names = [f"{pair.other.name} (difference {_amount(pair.better.metric, pair.difference.value)})" for pair in found]
    if len(names) > MAX_SPELLED_OUT:
        names = [pair.other.name for pair in found]
    return f"{_listed(names)} is not decided; {explain_no_interval(found[0].better, found[0].other)}"


def _with_intervals(found: list[PairComparison]) -> str:
    if len(found) > MAX_SPELLED_OUT:
        return _listed([pair.other.name for pair in found])
    return "; ".join(f"{pair.other.name} (difference {_interval(pair)})" for pair in found)


def describe_manual_and_tuned(dataset: DatasetRecords, found: list[PairComparison]) -> str:
    """Describe manual against tuned models: the best pair on dev, and the outcomes of all pairs.

    Args:
        dataset: the dataset.
        found: all pairs of its classifiers.

    Returns:
        Some sentences.
    """
    expert, search = dataset.lowest_on_dev("manual"), dataset.lowest_on_dev("tuner")
    if expert is None or search is None:
        absent = "manual model" if expert is None else "tuner"
        return f"Manual and tuned models cannot be compared: no {absent} was run."
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
    # With the direction: the answer about the same two models is always tuned minus manual.
    details = f"({pair.other.name} minus {pair.better.name}: {_interval(pair)})"
    if not pair.difference.has_interval:
        return f"Which of them is better is not decided {details}."
    if pair.differs and pair.has_seeds:
        return f"The {_word(pair.better)} one is better {details}."
    if pair.differs:
        return f"The model of the {_word(pair.better)} one is better on these eval samples {details}."
    if pair.is_equivalent:
        return f"The two are equivalent {details}."
    return f"The two are not distinguishable {details}."


def _tally(found: list[PairComparison]) -> str:
    if len(found) < 2:
        return ""
    won = {word: sum(pair.differs and _word(pair.better) == word for pair in found) for word in ("manual", "tuned")}
    untested = sum(not pair.difference.has_interval for pair in found)
    equal = len(found) - sum(won.values()) - untested
    counts = [f"the tuned one in {won['tuned']}", f"{equal} {_are(equal)} not distinguishable"]
    counts += [f"{untested} {_are(untested)} not decided"] if untested else []
    return (
        f"Of all {len(found)} pairs of a manual and a tuned model, the manual one is better in {won['manual']}, "
        f"{', '.join(counts[:-1])}, and {counts[-1]}. "
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


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
    if not found.has_interval:
        return f"{_amount(metric, found.value)}; {explain_no_interval(pair.better, pair.other)}"
    within = None if pair.differs else found.equal_within
    equal = "" if within is None else f"; equal within {_amount(metric, within)} with 95% confidence"
    return (
        f"{_amount(metric, found.value)}, 95% interval over {pair.varies} without adjustment "
        f"{format_change(metric, found.low)} to {format_change(metric, found.high)}; p adjusted for all pairs "
        f"{format_p(pair.adjusted_p)}{equal}"
    )


def _amount(metric: str, value: float) -> str:
    """Return a difference with its unit."""
    return f"{format_change(metric, value)}{' points' if get_unit(metric) else ''}"


def explain_no_interval(first: SystemRecords, second: SystemRecords) -> str:
    """Return why a difference of two systems has no interval.

    Args:
        first: a system.
        second: another system on the same dataset.
    """
    found = [system.errors_by_group for system in (first, second)]
    if is_error(first.metric) or all(one is not None and one.freedom == 0 for one in found):
        return NO_INTERVAL
    return NO_METRIC_INTERVAL


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

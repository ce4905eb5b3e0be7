"""Verdicts on each tuning library, from the records of a report.

A library is called better or worse only where the statistics distinguish the two. `blindtune.report.verdict` writes the
verdicts as sentences.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from blindtune.report.figures.pareto import collect_points, find_front
from blindtune.report.names import join_names
from blindtune.report.records import DatasetRecords, ReportRecords, RunRecords, SystemRecords
from blindtune.report.searches import (
    describe_tuner,
    find_random_searches,
    get_library,
    has_several_objectives,
    is_adaptive,
    sum_study_seconds,
)
from blindtune.report.stats.comparisons import PairComparison, compare_report
from blindtune.report.stats.statistics import mean
from blindtune.report.tables.times import PARTS, compute_mean_seconds
from blindtune.report.verdict import MAX_NAMED, Fact, Span, Verdict


@dataclass(frozen=True)
class ComparedDataset:
    """A dataset with all pairs of its classifiers compared.

    Attributes:
        dataset: the records of the dataset.
        pairs: the comparisons, with p adjusted over all of them.
    """

    dataset: DatasetRecords
    pairs: list[PairComparison]

    @property
    def single_seed(self) -> bool:
        """Whether the study has one seed, so that the variance over seeds is unknown and nothing is decided."""
        return len(self.dataset.classifiers[0].runs) == 1

    def tuners(self, library: str) -> list[SystemRecords]:
        """Return the tuners of a library."""
        return [system for system in self.dataset.systems_of_kind("tuner") if get_library(system) == library]

    def differs(self, first: SystemRecords, second: SystemRecords) -> bool:
        """Return whether two systems are distinguishable on eval by what was minimised; never with a single seed."""
        pair = next(pair for pair in self.pairs if pair.includes(first) and pair.includes(second))
        return pair.differs and not self.single_seed


@dataclass(frozen=True)
class Criterion:
    """A criterion of the guide that the records can answer.

    Attributes:
        title: its name.
        guide: what the guide says about it.
        evidence: the tables and figures with the numbers.
        judge: returns the verdicts on one library from all datasets.
    """

    title: str
    guide: str
    evidence: str
    judge: Callable[[list[ComparedDataset], str], list[Verdict]]


def compare_datasets(records: ReportRecords) -> list[ComparedDataset]:
    """Compare all pairs of classifiers on every dataset that has a tuner."""
    return [
        ComparedDataset(dataset, pairs)
        for dataset, pairs in compare_report(records)
        if dataset.systems_of_kind("tuner")
    ]


def list_libraries(records: ReportRecords) -> list[str]:
    """Return the names of the libraries whose tuners were run, sorted."""
    return sorted({get_library(system) for dataset in records.datasets for system in dataset.systems_of_kind("tuner")})


def best_on_dev(systems: list[SystemRecords]) -> SystemRecords:
    """Return the system with the lowest mean on dev of what was minimised: the choice of a blind user.

    Args:
        systems: on one dataset; the first of equal ones is returned.
    """
    return min(systems, key=lambda system: system.objective("dev"))


def judge_error(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Compare the library's best tuner on dev with those of the other libraries.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict per dataset on which the library was run.
    """
    return [_judge_error_on(each, library) for each in datasets if each.tuners(library)]


def judge_algorithm(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Compare the library's best adaptive tuner on dev with random search of the same budget.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict per dataset with an adaptive tuner of the library; a single one if there is none.
    """
    verdicts = []
    for each in datasets:
        adaptive = [system for system in each.tuners(library) if is_adaptive(system)]
        if adaptive:
            verdicts.append(_judge_algorithm_on(each, best_on_dev(adaptive)))
    return verdicts or [Verdict("algorithm", "not decided: none", {})]


def measure_overhead(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Measure the seconds per suggestion by algorithm, and the share of time outside training and scoring.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict over all datasets.
    """
    tuners = _tuners(datasets, library)
    by_algorithm: dict[str, list[float]] = {}
    for system in tuners:
        trials = mean([run.card.spent.trials for run in system.runs])
        by_algorithm.setdefault(_algorithm(system), []).append(compute_mean_seconds(system, "suggest", "wall") / trials)
    seconds = {algorithm: mean(found) for algorithm, found in by_algorithm.items()}
    shares = Span([_overhead_share(system) for system in tuners], digits=1)
    return [Verdict("overhead", "measured", {"seconds": seconds, "shares": shares})]


def count_bad_configurations(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Count the trials without a score, and the studies that finished in spite of them.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict over all datasets.
    """
    runs = _runs(datasets, library)
    trials = sum(run.card.spent.trials for run in runs)
    counts = {status: _count_status(runs, status) for status in ("invalid", "failed", "diverged")}
    if not sum(counts.values()):
        return [Verdict("bad configurations", "not decided: none", {"trials": trials})]
    facts: dict[str, Fact] = {
        "counts": ", ".join(f"{count} {status}" for status, count in counts.items()),
        "trials": trials,
        "studies": len(runs),
        **_positive("exhausted", sum(run.card.exhausted for run in runs)),
        **_invalid_by_half(runs),
    }
    return [Verdict("bad configurations", "measured", facts)]


def count_early_stopping(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Count pruned, promoted and continued trials, and the mean epochs per trial.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict over all datasets.
    """
    runs = _runs(datasets, library)
    trials = [trial for run in runs for trial in run.trials]
    promoted = sum(trial.parent is not None for trial in trials)
    pruned = _count_status(runs, "pruned")
    if not promoted and not pruned:
        return [Verdict("early stopping", "not decided: none", {})]
    continued = sum(trial.trained_before > 0 for trial in trials)
    facts: dict[str, Fact] = {
        "pruned": pruned,
        "promoted": promoted,
        "trials": len(trials),
        "epochs": f"{mean([trial.epochs for trial in trials]):.1f}",
        **({"continued": continued} if promoted else {}),
    }
    return [Verdict("early stopping", "measured", facts)]


def check_conditions(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Check whether the configurations of one study differ in which hyperparameters are active.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict over all datasets.
    """
    sizes = [{len(trial.hyperparameters) for trial in run.trials} for run in _runs(datasets, library)]
    varied = [found for found in sizes if len(found) > 1]
    if not varied:
        return [Verdict("conditions", "not decided: none", {})]
    everything = set().union(*varied)
    return [Verdict("conditions", "measured", {"fewest": min(everything), "most": max(everything)})]


def measure_fronts(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Measure the Pareto fronts of the library's tuners with several objectives.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict per dataset and tuner; a single one if there is none.
    """
    verdicts = []
    for each in datasets:
        for system in (system for system in each.tuners(library) if has_several_objectives(system)):
            found = collect_points(system)
            corners = len(find_front(found)) if len(found) else 0
            facts: dict[str, Fact] = {"system": system.name, "corners": corners, "trials": len(found)}
            verdicts.append(Verdict("objectives", "measured", facts, each.dataset.title))
    return verdicts or [Verdict("objectives", "not decided: none", {})]


def measure_budget(datasets: list[ComparedDataset], library: str) -> list[Verdict]:
    """Measure how much of the limit that ended each search was spent, and how many searches ended before.

    Args:
        datasets: the compared datasets.
        library: the name of the library.

    Returns:
        One verdict on the searches that reached a limit, and one on those that ended early, as far as there are any.
    """
    runs = _runs(datasets, library)
    shares = [_largest_share_spent(run) for run in runs if not run.card.exhausted]
    exhausted = sum(run.card.exhausted for run in runs)
    verdicts = [Verdict("budget", "measured", {"shares": Span(shares)})] if shares else []
    return verdicts + ([Verdict("budget", "ended early", {"exhausted": exhausted})] if exhausted else [])


CRITERIA = [
    Criterion(
        "Error reached",
        "Optuna: converges on a great solution; cross-validation tuners: average; in theory all alike",
        "tables comparisons, scores",
        judge_error,
    ),
    Criterion(
        "Search algorithm",
        "Optuna: complex and efficient; Keras Tuner: fast, two efficient ones; scikit-learn: poor, random and grid",
        "tables scores, tuner_pairs; figure search",
        judge_algorithm,
    ),
    Criterion(
        "Overhead",
        "Optuna, cross-validation tuners: significant",
        "tables times, costs; figure times",
        measure_overhead,
    ),
    Criterion(
        "Bad configurations, handled by blindtune",
        "Keras Tuner: good; Optuna: error prone",
        "table costs",
        count_bad_configurations,
    ),
    Criterion(
        "Pruning and promotion", "Optuna: many pruners; Keras Tuner: Hyperband", "table costs", count_early_stopping
    ),
    Criterion(
        "Conditions in the space",
        "Optuna: high customizability; Keras Tuner: easy to define",
        "trials.jsonl of each study",
        check_conditions,
    ),
    Criterion("Several objectives", "Optuna, Keras Tuner: supported", "figure pareto", measure_fronts),
    Criterion("Budget", "Optuna: a budget and a time limit", "table costs", measure_budget),
]


def _judge_error_on(each: ComparedDataset, library: str) -> Verdict:
    names = sorted({get_library(system) for system in each.dataset.systems_of_kind("tuner")})
    best = {name: best_on_dev(each.tuners(name)) for name in names}
    own = best.pop(library)
    verdict = partial(Verdict, "error", dataset=each.dataset.title)
    if not best:
        return verdict("not decided: alone", {"own": own})
    lower = [name for name, other in best.items() if _is_lower(other, own) and each.differs(own, other)]
    if lower:
        return verdict("higher", {"own": own, "libraries": join_names(lower)})
    equal = [name for name, other in best.items() if not each.differs(own, other)]
    if not equal:
        return verdict("lowest", {"own": own})
    everyone = len(equal) == len(best) > MAX_NAMED
    return verdict(
        _why_undecided(each), {"own": own, "libraries": "any other library" if everyone else join_names(equal)}
    )


def _judge_algorithm_on(each: ComparedDataset, own: SystemRecords) -> Verdict:
    random = [system for system in find_random_searches(each.dataset) if _budget(system) == _budget(own)]
    verdict = partial(Verdict, "algorithm", dataset=each.dataset.title)
    if not random:
        return verdict("not decided: alone", {"own": own})
    if not all(each.differs(own, system) for system in random):
        return verdict(_why_undecided(each), {"own": own, "random": random})
    lower = [_is_lower(own, system) for system in random]
    decision = "better" if all(lower) else "worse" if not any(lower) else "between"
    return verdict(decision, {"own": own, "random": random})


def _why_undecided(each: ComparedDataset) -> str:
    return "not decided: single seed" if each.single_seed else "not decided: equal"


def _is_lower(first: SystemRecords, second: SystemRecords) -> bool:
    return first.objective("eval") < second.objective("eval")


def _budget(system: SystemRecords) -> object:
    return system.runs[0].card.budget


def _tuners(datasets: list[ComparedDataset], library: str) -> list[SystemRecords]:
    return [system for each in datasets for system in each.tuners(library)]


def _runs(datasets: list[ComparedDataset], library: str) -> list[RunRecords]:
    return [run for system in _tuners(datasets, library) for run in system.runs]


def _count_status(runs: list[RunRecords], status: str) -> int:
    return sum(run.card.statuses.get(status, 0) for run in runs)


def _positive(name: str, count: int) -> dict[str, Fact]:
    return {name: count} if count else {}


def _algorithm(system: SystemRecords) -> str:
    return describe_tuner(system).removeprefix(f"{get_library(system)} ")


def _overhead_share(system: SystemRecords) -> float:
    """Return the share of the seconds that is neither training nor scoring."""
    seconds = {part: compute_mean_seconds(system, part, "wall") for part in PARTS}
    total = sum(seconds.values())
    return 1 - (seconds["train"] + seconds["evaluate"]) / total if total else 0.0


def _invalid_by_half(runs: list[RunRecords]) -> dict[str, Fact]:
    """Return the shares of invalid configurations in both halves of the searches; nothing if none was invalid."""
    halves: list[list[bool]] = [[], []]
    for run in runs:
        half = len(run.trials) // 2
        for found, trials in zip(halves, (run.trials[:half], run.trials[half:]), strict=True):
            found += [trial.status == "invalid" for trial in trials]
    if not any(map(any, halves)) or not all(halves):
        return {}
    early, late = (Span([mean(found)]) for found in halves)
    return {"early": early, "late": late}


def _largest_share_spent(run: RunRecords) -> float:
    """Return the largest of the shares of the limits that a run spent."""
    budget = run.card.budget
    if budget is None:
        return 0.0
    # An invalid configuration is charged one epoch: otherwise a search that finds no other would never end.
    charged = sum(max(1, trial.epochs) for trial in run.trials)
    shares = [
        spent / limit
        for spent, limit in (
            (run.card.spent.trials, budget.trials), (charged, budget.epochs), (sum_study_seconds(run), budget.seconds)
        )
        if limit
    ]  # fmt: skip
    return max(shares)

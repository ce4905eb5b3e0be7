"""What the records of a report say of each library; nothing is called better that the data do not tell apart."""

from collections.abc import Callable
from dataclasses import dataclass

from blindtune.report.figures.pareto import collect_points, find_front
from blindtune.report.records import DatasetRecords, ReportRecords, RunRecords, SystemRecords
from blindtune.report.searches import (
    describe_tuner,
    find_random_searches,
    has_several_objectives,
    is_adaptive,
    library_of,
    study_seconds,
)
from blindtune.report.stats.comparisons import PairComparison, compare_all_pairs
from blindtune.report.stats.statistics import mean
from blindtune.report.tables.times import PARTS, format_seconds, mean_seconds


@dataclass(frozen=True)
class ComparedDataset:
    """A dataset with every pair of its classifiers compared.

    Attributes:
        dataset: the records.
        pairs: with p adjusted over all of them.
    """

    dataset: DatasetRecords
    pairs: list[PairComparison]

    @property
    def single_seed(self) -> bool:
        """Whether what another seed would change is unknown, so that nothing can be decided."""
        return len(self.dataset.classifiers[0].runs) == 1

    def tuners(self, name: str) -> list[SystemRecords]:
        """The tuners of a library."""
        return [system for system in self.dataset.systems_of_kind("tuner") if library_of(system) == name]

    def differs(self, first: SystemRecords, second: SystemRecords) -> bool:
        """Whether the eval errors of two systems can be told apart."""
        pair = next(pair for pair in self.pairs if pair.includes(first) and pair.includes(second))
        return pair.differs and not self.single_seed


@dataclass(frozen=True)
class Criterion:
    """Something that the guide weighs and the records can answer.

    Attributes:
        title: what it is.
        guide: what the guide says of it.
        evidence: the tables and figures that hold the numbers.
        verdict: of one library, from all datasets.
    """

    title: str
    guide: str
    evidence: str
    verdict: Callable[[list[ComparedDataset], str], str]


def compare_datasets(records: ReportRecords) -> list[ComparedDataset]:
    """Every dataset on which a tuner was run, compared."""
    return [
        ComparedDataset(dataset, compare_all_pairs(dataset))
        for dataset in records.datasets
        if dataset.systems_of_kind("tuner")
    ]


def list_libraries(records: ReportRecords) -> list[str]:
    """The libraries of the report, by name."""
    return sorted({library_of(system) for dataset in records.datasets for system in dataset.systems_of_kind("tuner")})


def best_on_dev(systems: list[SystemRecords]) -> SystemRecords:
    """The one that dev would choose: the lowest mean dev error, the first of equals."""
    return min(systems, key=lambda system: system.error("dev"))


def format_system(system: SystemRecords) -> str:
    """A system with its eval error."""
    return f"{system.name}, {100 * system.error('eval'):.2f}%{'' if system.blind else ' (not blind)'}"


def error_reached(datasets: list[ComparedDataset], name: str) -> str:
    """The library's choice by dev against those of the other libraries."""
    said = []
    for each in datasets:
        champions = {found: best_on_dev(each.tuners(found)) for found in _present(each)}
        if name in champions:
            mine = champions.pop(name)
            said.append(f"{each.dataset.title}: {_against_others(each, mine, champions)}")
    return ". ".join(said)


def algorithm_against_random(datasets: list[ComparedDataset], name: str) -> str:
    """The library's best tuner that learns, chosen by dev, against random search with the same budget."""
    said = []
    for each in datasets:
        learning = [system for system in each.tuners(name) if is_adaptive(system)]
        if learning:
            said.append(f"{each.dataset.title}: {_against_random(each, best_on_dev(learning))}")
    return ". ".join(said) or "not decided: none of its tuners that were run learns from its trials"


def overhead(datasets: list[ComparedDataset], name: str) -> str:
    """Seconds of suggesting per trial by algorithm, and the share of time that is neither training nor scoring."""
    tuners = _tuners(datasets, name)
    by_algorithm: dict[str, list[float]] = {}
    for system in tuners:
        trials = mean([run.card.spent.trials for run in system.runs])
        by_algorithm.setdefault(_short(system), []).append(mean_seconds(system, "suggest", "wall") / trials)
    suggesting = ", ".join(f"{format_seconds(mean(found))} s ({which})" for which, found in by_algorithm.items())
    shares = [_share_beside_training(system) for system in tuners]
    return f"suggesting took {suggesting} a trial; {_span(shares, '.1%')} of a study was neither training nor scoring"


def bad_sets(datasets: list[ComparedDataset], name: str) -> str:
    """How many trials had no score, and whether a search halted on one."""
    runs = _runs(datasets, name)
    trials = sum(run.card.spent.trials for run in runs)
    counts = {status: _statuses(runs, status) for status in ("invalid", "failed", "diverged")}
    found = ", ".join(f"{count} {status}" for status, count in counts.items())
    if not sum(counts.values()):
        return f"not decided: all {trials} trials could be built and trained"
    early = sum(run.card.exhausted for run in runs)
    ended = f", {early} of them with nothing more to propose" if early else ""
    return f"{found} of {trials} trials; all {len(runs)} studies came to their end{ended}{_learns(runs)}"


def saving_epochs(datasets: list[ComparedDataset], name: str) -> str:
    """Pruned, promoted and continued trials, and the epochs of a trial."""
    runs = _runs(datasets, name)
    trials = [trial for run in runs for trial in run.trials]
    promoted = sum(trial.parent is not None for trial in trials)
    pruned = _statuses(runs, "pruned")
    if not promoted and not pruned:
        return "not decided: none of its tuners that were run prunes or promotes"
    continued = sum(trial.trained_before > 0 for trial in trials)
    weights = f"; {continued} of the promoted went on with their weights" if promoted else ""
    epochs = mean([trial.epochs for trial in trials])
    return f"{pruned} pruned and {promoted} promoted of {len(trials)} trials{weights}; {epochs:.1f} epochs a trial"


def conditions(datasets: list[ComparedDataset], name: str) -> str:
    """Whether the sets of one study differ in which hyperparameters are active."""
    sizes = [{len(trial.hyperparameters) for trial in run.trials} for run in _runs(datasets, name)]
    varied = [found for found in sizes if len(found) > 1]
    if not varied:
        return "not decided: every set of a study had the same hyperparameters"
    everything = set().union(*varied)
    return f"took them: sets of {min(everything)} to {max(everything)} active hyperparameters in one search"


def several(datasets: list[ComparedDataset], name: str) -> str:
    """What the tuners with several objectives found."""
    said = []
    for each in datasets:
        for system in (system for system in each.tuners(name) if has_several_objectives(system)):
            found = collect_points(system)
            corners = len(find_front(found)) if len(found) else 0
            said.append(f"{each.dataset.title}: {system.name} found a front of {corners} of its {len(found)} trials")
    return ". ".join(said) or "not decided: no tuner with several objectives was run"


def limits(datasets: list[ComparedDataset], name: str) -> str:
    """How much of the limit that ended a search was spent."""
    spent = [_most_spent(run) for run in _runs(datasets, name) if not run.card.exhausted]
    early = sum(run.card.exhausted for run in _runs(datasets, name))
    ended = [f"{early} searches ended before, with nothing more to propose"] if early else []
    return "; ".join([*([f"{_span(spent, '.0%')} of the limit that was reached first"] if spent else []), *ended])


CRITERIA = [
    Criterion(
        "Error reached",
        "Optuna: converges on a great solution; cross-validation tuners: average; in theory all alike",
        "tables comparisons, scores",
        error_reached,
    ),
    Criterion(
        "Search algorithm",
        "Optuna: complex and efficient; Keras Tuner: fast, two efficient ones; scikit-learn: poor, random and grid",
        "tables scores, tuner_pairs; figure search",
        algorithm_against_random,
    ),
    Criterion(
        "Overhead", "Optuna, cross-validation tuners: significant", "tables times, costs; figure times", overhead
    ),
    Criterion("Bad sets, behind blindtune's runner", "Keras Tuner: good; Optuna: error prone", "table costs", bad_sets),
    Criterion("Pruning and promotion", "Optuna: many pruners; Keras Tuner: Hyperband", "table costs", saving_epochs),
    Criterion(
        "Conditions in the space",
        "Optuna: high customizability; Keras Tuner: easy to define",
        "trials.jsonl of each study",
        conditions,
    ),
    Criterion("Several objectives", "Optuna, Keras Tuner: supported", "figure pareto", several),
    Criterion("Budget", "Optuna: a budget and a time limit", "table costs", limits),
]


def _present(each: ComparedDataset) -> list[str]:
    return sorted({library_of(system) for system in each.dataset.systems_of_kind("tuner")})


def _against_others(each: ComparedDataset, mine: SystemRecords, others: dict[str, SystemRecords]) -> str:
    if not others:
        return f"not decided: {format_system(mine)}; no other library was run"
    beaten_by = [name for name, other in others.items() if _lower(other, mine) and each.differs(mine, other)]
    if beaten_by:
        return f"higher than {' and '.join(beaten_by)}: {format_system(mine)}"
    equal = [name for name, other in others.items() if not each.differs(mine, other)]
    if not equal:
        return f"lowest: {format_system(mine)}"
    return f"not decided: {format_system(mine)}; {_why(each, ' and '.join(equal))}"


def _against_random(each: ComparedDataset, mine: SystemRecords) -> str:
    random = [system for system in find_random_searches(each.dataset) if _budget(system) == _budget(mine)]
    if not random:
        return f"not decided: {format_system(mine)}; no random search with the same budget was run"
    names = "; ".join(format_system(system) for system in random)
    apart = [system for system in random if each.differs(mine, system)]
    if len(apart) < len(random):
        return f"not decided: {format_system(mine)}; {_why(each, f'random search ({names})')}"
    better = [_lower(mine, system) for system in random]
    word = "better" if all(better) else "worse" if not any(better) else "between several random searches"
    return f"{word}: {format_system(mine)} against {names}"


def _why(each: ComparedDataset, other: str) -> str:
    if each.single_seed:
        return f"a single seed, so nothing is known of what another would change against {other}"
    return f"not told apart from {other}"


def _lower(first: SystemRecords, second: SystemRecords) -> bool:
    return first.error("eval") < second.error("eval")


def _budget(system: SystemRecords) -> object:
    return system.runs[0].card.budget


def _tuners(datasets: list[ComparedDataset], name: str) -> list[SystemRecords]:
    return [system for each in datasets for system in each.tuners(name)]


def _runs(datasets: list[ComparedDataset], name: str) -> list[RunRecords]:
    return [run for system in _tuners(datasets, name) for run in system.runs]


def _statuses(runs: list[RunRecords], status: str) -> int:
    return sum(run.card.statuses.get(status, 0) for run in runs)


def _short(system: SystemRecords) -> str:
    return describe_tuner(system).removeprefix(f"{library_of(system)} ")


def _share_beside_training(system: SystemRecords) -> float:
    seconds = {part: mean_seconds(system, part, "wall") for part in PARTS}
    total = sum(seconds.values())
    return 1 - (seconds["train"] + seconds["evaluate"]) / total if total else 0.0


def _span(values: list[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _learns(runs: list[RunRecords]) -> str:
    """The share of invalid sets in the halves of the searches, where there were any."""
    halves: list[list[bool]] = [[], []]
    for run in runs:
        half = len(run.trials) // 2
        for found, trials in zip(halves, (run.trials[:half], run.trials[half:]), strict=True):
            found += [trial.status == "invalid" for trial in trials]
    if not any(map(any, halves)) or not all(halves):
        return ""
    early, late = (mean(found) for found in halves)
    return f"; invalid were {early:.0%} in the first halves of the searches and {late:.0%} in the second"


def _most_spent(run: RunRecords) -> float:
    """The largest of the shares that were spent of each limit."""
    budget = run.card.budget
    if budget is None:
        return 0.0
    # An invalid set is charged one epoch: else a search that meets nothing else would never end.
    charged = sum(max(1, trial.epochs) for trial in run.trials)
    shares = [
        spent / limit
        for spent, limit in (
            (run.card.spent.trials, budget.trials), (charged, budget.epochs), (study_seconds(run), budget.seconds)
        )
        if limit
    ]  # fmt: skip
    return max(shares)

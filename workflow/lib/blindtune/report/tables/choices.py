"""The table of choices: the guide's own choices of a library, each with what was measured."""

from dataclasses import dataclass
from functools import partial

from blindtune.report.library_verdicts import ComparedDataset, best_on_dev, compare_datasets
from blindtune.report.minimised import has_other_metric, list_metrics
from blindtune.report.records import ReportRecords, SystemRecords
from blindtune.report.searches import describe_trainer, get_library
from blindtune.report.table import ReportTable, Row, join_paths, text_column
from blindtune.report.tables.tuner_ranks import label_data
from blindtune.report.verdict import Fact, Verdict, render_verdicts

MANUAL = "manual"


@dataclass(frozen=True)
class Choice:
    """A row of the guide's last table.

    Attributes:
        complexity: Low, Medium or High.
        keras: Yes, No or N/A.
        proof: whether a proof of concept is wanted.
        irregular: whether irregular attributes are wanted.
        chosen: the choice in the guide's words.
        names: the libraries of the choice; ``manual`` for manual tuning.
    """

    complexity: str
    keras: str
    proof: str
    irregular: str
    chosen: str
    names: tuple[str, ...]


GUIDE = [
    Choice("Low", "N/A", "Yes", "No", "Manual Tuning", (MANUAL,)),
    Choice("Low", "N/A", "No", "No", "Scikit-Learn, Manual Tuning", ("scikit-learn", MANUAL)),
    Choice("Medium", "No", "N/A", "No", "Scikit-Learn", ("scikit-learn",)),
    Choice("Medium", "Yes", "N/A", "No", "Keras Tuner", ("keras-tuner",)),
    Choice("High", "No", "N/A", "N/A", "Optuna", ("optuna",)),
    Choice("High", "Yes", "N/A", "No", "Keras Tuner, Possibly Optuna", ("keras-tuner", "optuna")),
    Choice("High", "Yes", "N/A", "Yes", "Optuna, Possibly Keras Tuner", ("optuna", "keras-tuner")),
]


def build(records: ReportRecords) -> ReportTable:
    """Build the table: the guide's seven rows."""
    datasets = compare_datasets(records)
    rows = [_row(choice, datasets) for choice in GUIDE] if datasets else []
    columns = [
        text_column("complexity", "Complexity?", "the guide"),
        text_column("keras", "Keras?", "the guide"),
        text_column("proof", "Proof of concept?", "the guide"),
        text_column("irregular", "Irregular attributes?", "the guide"),
        text_column("chosen", "Possible choice", "the guide", wide=True),
        text_column("verdict", "What was measured", wide=True),
        text_column("data", "Data"),
    ]
    notes = [
        "The first five columns are the guide's last table, word for word. The guide does not define complexity. Here "
        "the complexity of a dataset is low if the best model without a search (manual, nearest neighbors, random "
        "forest) is better than the best tuned one or not distinguishable from it, both chosen on dev. Otherwise it is "
        "medium or high; the records cannot separate the two. Keras: whether Keras trained the trials.",
        "Supported: the guide's choice has the lowest eval error, distinguishable from all others that were run. "
        "Contradicted: another has the lowest, distinguishable from every choice of the guide. p is adjusted over all "
        "pairs of all datasets. With a single seed nothing is decided.",
        "The records do not tell whether a proof of concept or irregular attributes are wanted: rows that differ in "
        "these columns only have the same measurements.",
    ]
    if has_other_metric(records):
        notes.append(f"By what each comparison minimised, in the place of the error: {list_metrics(records.datasets)}.")
    return ReportTable("choices", "Which library to use when: the guide's choices", rows, columns, notes)


def classify_complexity(each: ComparedDataset) -> str | None:
    """Return the complexity of a dataset, "low" or "medium or high"; None if the records cannot tell."""
    untuned = [system for system in each.dataset.classifiers if system.kind != "tuner"]
    if not untuned or each.single_seed:
        return None
    simple, tuned = best_on_dev(untuned), best_on_dev(each.dataset.systems_of_kind("tuner"))
    search_helps = each.differs(simple, tuned) and tuned.objective("eval") < simple.objective("eval")
    return "medium or high" if search_helps else "low"


def _row(choice: Choice, datasets: list[ComparedDataset]) -> Row:
    complexities = [(each, classify_complexity(each)) for each in datasets]
    fitting = [each for each, complexity in complexities if complexity == _required_complexity(choice)]
    compared = [(each, systems) for each in fitting if (systems := _best_by_choice(choice, each))]
    verdicts = [_judge(choice, each, systems) for each, systems in compared]
    unknown = any(complexity is None for _, complexity in complexities)
    return {
        "complexity": choice.complexity,
        "keras": choice.keras,
        "proof": choice.proof,
        "irregular": choice.irregular,
        "chosen": choice.chosen,
        "verdict": render_verdicts(verdicts or [_judge_without_dataset(choice, unknown)]),
        "data": label_data([each.dataset for each, _ in compared]) if compared else None,
        "records": join_paths(
            [path for _, systems in compared for system in systems.values() for path in system.paths]
        ),
    }


def _required_complexity(choice: Choice) -> str:
    return "low" if choice.complexity == "Low" else "medium or high"


def _best_by_choice(choice: Choice, each: ComparedDataset) -> dict[str, SystemRecords]:
    """Return the best system on dev of each library, and of the manual models, among those that the row is about."""
    by_name: dict[str, list[SystemRecords]] = {}
    for system in each.dataset.classifiers:
        if system.kind == "manual" and choice.complexity == "Low":
            by_name.setdefault(MANUAL, []).append(system)
        if system.kind == "tuner" and choice.keras in ("N/A", _trained_by_keras(system)):
            by_name.setdefault(get_library(system), []).append(system)
    return {name: best_on_dev(systems) for name, systems in by_name.items()}


def _trained_by_keras(system: SystemRecords) -> str:
    return "Yes" if "keras" in (describe_trainer(system.runs[0].card) or "") else "No"


def _judge(choice: Choice, each: ComparedDataset, systems: dict[str, SystemRecords]) -> Verdict:
    lowest = min(systems, key=lambda name: systems[name].objective("eval"))
    chosen = [name for name in choice.names if name in systems]
    verdict = partial(Verdict, "choice", dataset=each.dataset.title)
    facts: dict[str, Fact] = {"lowest": {lowest: systems[lowest]}}
    if not chosen:
        return verdict("not decided: not run", facts)
    rivals = [name for name in systems if name not in chosen] if lowest in chosen else chosen
    if not rivals:
        return verdict("not decided: alone", facts)
    equal = [name for name in rivals if not each.differs(systems[lowest], systems[name])]
    if equal:
        return verdict("not decided: equal", facts | {"rivals": {name: systems[name] for name in equal}})
    decision = "supported" if lowest in chosen else "contradicted"
    return verdict(decision, facts | {"rivals": {name: systems[name] for name in rivals}})


def _judge_without_dataset(choice: Choice, unknown: bool) -> Verdict:
    if unknown:
        return Verdict("choice", "not decided: unknown complexity", {})
    trained = {"Yes": " whose trials Keras trained", "No": " whose trials Keras did not train", "N/A": ""}[choice.keras]
    return Verdict(
        "choice", "not decided: no dataset", {"complexity": _required_complexity(choice), "trained": trained}
    )

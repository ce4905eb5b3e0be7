"""Which library when: the guide's own table of choices, each row with what was measured where it applies."""

from dataclasses import dataclass

from blindtune.report.library_verdicts import ComparedDataset, best_on_dev, compare_datasets, format_system
from blindtune.report.records import ReportRecords, SystemRecords
from blindtune.report.searches import library_of
from blindtune.report.table import ReportTable, Row, join_paths, text_column
from blindtune.report.tables.tuner_ranks import label_data

MANUAL = "manual"


@dataclass(frozen=True)
class Choice:
    """A row of the guide's last table.

    Attributes:
        complexity: Low, Medium or High.
        keras: Yes, No or N/A.
        proof: whether a proof of concept is wanted.
        irregular: whether irregular attributes are wanted.
        chosen: as the guide words it.
        names: the libraries that it names, and ``manual``.
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
    """The guide's seven rows."""
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
        "The first five columns are the guide's last table, word for word. It does not say what complexity is. Here a "
        "dataset counts as low where a model that no search made (manual, nearest neighbours, forest) is not told "
        "apart from the best tuned one, both chosen by dev, or is better; else as medium or high, which "
        "the records cannot tell from each other. Keras: whether Keras trained the trials.",
        "Supported: the lowest eval error is the guide's choice, and it is told apart from all others that were run. "
        "Contradicted: another is lower, and told apart from every choice of the guide. p is adjusted over all pairs "
        "of the dataset; with a single seed nothing is decided.",
        "Whether a proof of concept or irregular attributes are wanted is for the reader to say; rows that differ in "
        "them alone are measured alike.",
    ]
    return ReportTable("choices", "Which library when: the guide's choices", rows, columns, notes)


def complexity(each: ComparedDataset) -> str | None:
    """Low, or not; None where nothing was run that no search made, or a single seed leaves it open."""
    untuned = [system for system in each.dataset.classifiers if system.kind != "tuner"]
    if not untuned or each.single_seed:
        return None
    simple, tuned = best_on_dev(untuned), best_on_dev(each.dataset.systems_of_kind("tuner"))
    worth = each.differs(simple, tuned) and tuned.error("eval") < simple.error("eval")
    return "medium or high" if worth else "low"


def _row(choice: Choice, datasets: list[ComparedDataset]) -> Row:
    known = [(each, complexity(each)) for each in datasets]
    wanted = "low" if choice.complexity == "Low" else "medium or high"
    fitting = [each for each, found in known if found == wanted]
    said = [(each, compared) for each in fitting if (compared := _compared(choice, each))]
    paths = [path for each, compared in said for system in compared.values() for path in system.paths]
    return {
        "complexity": choice.complexity,
        "keras": choice.keras,
        "proof": choice.proof,
        "irregular": choice.irregular,
        "chosen": choice.chosen,
        "verdict": ". ".join(f"{each.dataset.title}: {_outcome(choice, each, compared)}" for each, compared in said)
        or _nothing(choice, known),
        "data": label_data([each.dataset for each, _ in said]) if said else None,
        "records": join_paths(paths),
    }


def _compared(choice: Choice, each: ComparedDataset) -> dict[str, SystemRecords]:
    """The champion of each library, and of the manual models, among those that the row is about."""
    by_name: dict[str, list[SystemRecords]] = {}
    for system in each.dataset.classifiers:
        if system.kind == "manual" and choice.complexity == "Low":
            by_name.setdefault(MANUAL, []).append(system)
        if system.kind == "tuner" and choice.keras in ("N/A", _keras(system)):
            by_name.setdefault(library_of(system), []).append(system)
    return {name: best_on_dev(systems) for name, systems in by_name.items()}


def _keras(system: SystemRecords) -> str:
    return "Yes" if "keras" in system.runs[0].card.settings["trainer"] else "No"


def _outcome(choice: Choice, each: ComparedDataset, compared: dict[str, SystemRecords]) -> str:
    lowest = min(compared, key=lambda name: compared[name].error("eval"))
    chosen = [name for name in choice.names if name in compared]
    start = f"lowest is {lowest} ({format_system(compared[lowest])})"
    if not chosen:
        return f"not decided: the guide's choice was not run; {start}"
    rivals = [name for name in compared if name not in chosen] if lowest in chosen else chosen
    if not rivals:
        return f"not decided: nothing but the guide's choice was run; {start}"
    equal = [name for name in rivals if not each.differs(compared[lowest], compared[name])]
    if equal:
        return f"not decided: {start}, not told apart from {_listed(equal, compared)}"
    word = "supported" if lowest in chosen else "contradicted"
    return f"{word}: {start}, told apart from {_listed(rivals, compared)}"


def _listed(names: list[str], compared: dict[str, SystemRecords]) -> str:
    return ", ".join(f"{name} ({format_system(compared[name])})" for name in names)


def _nothing(choice: Choice, known: list[tuple[ComparedDataset, str | None]]) -> str:
    if any(found is None for _, found in known):
        return "not decided: the complexity is unknown with a single seed, or where every model was tuned"
    word = "low" if choice.complexity == "Low" else "medium or high"
    trained = {"Yes": " whose trials Keras trained", "No": " whose trials Keras did not train", "N/A": ""}[choice.keras]
    return f"not decided: no dataset of {word} complexity with tuners{trained} is in this report"

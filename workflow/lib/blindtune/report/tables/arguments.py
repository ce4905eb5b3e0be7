"""Table 2: the arguments of every tuner and of training, published and ours."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from blindtune.config.training import OPTIONAL_SETTINGS
from blindtune.metrics.registry import ERROR
from blindtune.records.model_card import ModelCard
from blindtune.report.minimised import get_title, has_other_metric
from blindtune.report.published import load_published
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.searches import describe_view
from blindtune.report.table import ABSENT, Cell, ReportTable, Row, join_paths, text_column
from blindtune.tuners.engines import ENGINES
from blindtune.tuners.registry import read_tuner_config

_SAME = ("kind", "argument", "meaning", "published", "ours")
_KINDS = ("tuner", "manual", "knn", "random_forest", "bayes")

_CONDITIONS = {
    "exact": "exact: it knows which are active",
    "flattened": "flattened: it proposes all, and those that are not active are dropped",
    "refused": "refused",
}

TRAINING = ("optimizer", "learning_rate", "batch_size", "epochs", "loss")

_OURS: dict[str, Callable[[ModelCard], object]] = {
    "objective": lambda card: f"dev {get_title(card.metric or ERROR)}, {card.score_epoch} epoch",
    "max_trials": lambda card: card.budget and card.budget.trials,
    "seed": lambda card: card.seed,
    "allow_new_entries": lambda card: card.settings["tuner"].get("allow_new_entries"),
    "tune_new_entries": lambda card: card.settings["tuner"].get("tune_new_entries"),
}


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per argument and value, with all systems that share it."""
    rows = _merged(
        [row for dataset in records.datasets for system in dataset.systems for row in _rows(dataset, system)]
    )
    columns = [
        text_column("kind", "For"),
        text_column("argument", "Argument"),
        text_column("meaning", "Meaning", wide=True),
        text_column("published", "published", wide=True),
        text_column("ours", "ours", wide=True),
        text_column("systems", "Used by", wide=True),
    ]
    notes = [
        "Published tuner arguments are those of the published Table 2, for all its datasets. Training settings were "
        "published for #10 and #11 only.",
        "'In the search space': the argument was a dimension of the search space; the value is that of the selected "
        "trial.",
        "Our tuners minimize the dev error, which ranks trials as the published val_accuracy does. 'last' or 'best' "
        "names the epoch whose dev error counts.",
    ]
    if has_other_metric(records):
        notes[-1] = (
            "Our tuners minimize what 'objective' names, the metric of their comparison, in the place of the dev "
            "error; the published ones maximize val_accuracy. 'last' or 'best' names the epoch whose value counts."
        )
    return ReportTable("table2_arguments", "Table 2. The arguments of the tuners and of training", rows, columns, notes)


def _merged(rows: list[Row]) -> list[Row]:
    """Merge rows that differ in dataset and system only, and list the systems by dataset."""
    together: dict[tuple[Cell, ...], list[Row]] = {}
    for row in rows:
        together.setdefault(tuple(row[key] for key in _SAME), []).append(row)
    merged = []
    for same in together.values():
        by_dataset: dict[Cell, list[str]] = {}
        for row in same:
            by_dataset.setdefault(row["title"], []).append(str(row["system"]))
        used = "; ".join(f"{dataset}: {', '.join(systems)}" for dataset, systems in by_dataset.items())
        records = join_paths([str(row["records"]) for row in same])
        data = ", ".join(dict.fromkeys(str(row["data"]) for row in same))
        merged.append({**{key: same[0][key] for key in _SAME}, "systems": used, "data": data, "records": records})
    return sorted(merged, key=_place)


def _place(row: Row) -> tuple[int, int]:
    """Return the sort key: tuners first, their arguments in the published order."""
    order = ["library", *(argument.name for argument in load_published().arguments.arguments), *TRAINING]
    argument = str(row["argument"])
    return _KINDS.index(str(row["kind"])), order.index(argument) if argument in order else len(order)


def _rows(dataset: DatasetRecords, system: SystemRecords) -> Iterator[Row]:
    if system.kind == "tuner":
        library = ", ".join(_distinct(_library(run.card) for run in system.runs))
        yield _row(dataset, system, "library", "library and algorithm", "Keras Tuner, random search", library)
        for argument in load_published().arguments.arguments:
            if argument.name in TRAINING and system.runs[0].card.estimator is not None:
                continue
            ours = _ours(system, argument.name)
            yield _row(dataset, system, argument.name, argument.meaning, argument.published, ours)
        yield from _engine_rows(dataset, system)
    if describe_view(system.runs[0].card) is not None:
        yield _row(dataset, system, "view", "view of a sample", None, str(describe_view(system.runs[0].card)))
    if system.runs[0].card.estimator is not None:
        yield from _estimator_rows(dataset, system)
    elif system.kind in ("tuner", "manual"):
        yield from _training_rows(dataset, system)
    else:
        for name in system.runs[0].card.hyperparameters:
            chosen = _distinct(_text(run.card.hyperparameters.get(name)) for run in system.runs)
            meaning = "setting of the estimate" if system.kind == "bayes" else "chosen on dev"
            yield _row(dataset, system, name, meaning, None, ", ".join(chosen))


def _engine_rows(dataset: DatasetRecords, system: SystemRecords) -> Iterator[Row]:
    """Yield what must be known of a tuner with an optional engine: its version, and what it makes of conditions."""
    card = system.runs[0].card
    config = read_tuner_config(card.settings["tuner"])
    if config is None or config.engine is None:
        return
    names = [package.name for package in ENGINES[config.engine].packages]
    versions = _distinct(", ".join(f"{name} {run.card.versions.get(name)}" for name in names) for run in system.runs)
    yield _row(dataset, system, "engine", "versions of the optional engine", None, "; ".join(versions))
    if config.conditions is not None:
        meaning = "what the algorithm makes of dimensions that depend on others"
        yield _row(dataset, system, "conditions", meaning, None, _CONDITIONS[config.conditions])


def _estimator_rows(dataset: DatasetRecords, system: SystemRecords) -> Iterator[Row]:
    recipes = [recipe for run in system.runs if (recipe := run.card.estimator) is not None]
    classes = ", ".join(_distinct(", ".join(recipe.steps) for recipe in recipes))
    versions = ", ".join(
        _distinct(", ".join(f"{name} {version}" for name, version in recipe.libraries.items()) for recipe in recipes)
    )
    yield _row(dataset, system, "estimator", f"class that is fitted ({versions})", None, classes)
    searched = {name for run in system.runs for name in run.card.hyperparameters}
    for name in dict.fromkeys(name for recipe in recipes for name in recipe.parameters):
        values = ", ".join(_distinct(_number(recipe.parameters.get(name, ABSENT)) for recipe in recipes))
        meaning = "chosen by the tuner" if name in searched else "fixed argument"
        yield _row(dataset, system, name, meaning, None, values)


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _training_rows(dataset: DatasetRecords, system: SystemRecords) -> Iterator[Row]:
    number = dataset.manifest.published
    training = load_published().training(number, system.kind)
    for name in TRAINING:
        known, meaning = getattr(training, name, None), "training setting"
        if system.kind == "tuner" and name in {argument.name for argument in load_published().arguments.arguments}:
            # Table 2 has a range for a tuner's epochs and batch size; those of a dataset are in section V and Table 5.
            if known is None:
                continue
            meaning = f"the same, for #{number}"
        yield _row(dataset, system, name, meaning, known, _ours(system, name))
    for name in OPTIONAL_SETTINGS:
        if any(run.card.training is not None and run.card.training.given(name) for run in system.runs):
            yield _row(dataset, system, name, "training setting", None, _ours(system, name))


def _ours(system: SystemRecords, name: str) -> str:
    return ", ".join(_distinct(_value(run.card, name) for run in system.runs))


def _value(card: ModelCard, name: str) -> object:
    if name in _OURS:
        return _OURS[name](card)
    value = getattr(card.training, name, None)
    return f"{value} (in the search space)" if card.kind == "tuner" and name in card.hyperparameters else value


def _text(value: object) -> str:
    """Format a hyperparameter; an estimate of the Bayes error has one per split."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)


def _library(card: ModelCard) -> str:
    tuner: dict[str, Any] = card.settings["tuner"]
    return f"{tuner['library']}, {tuner['algorithm']}"


def _distinct(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


def _row(
    dataset: DatasetRecords, system: SystemRecords, argument: str, meaning: str, known: str | None, ours: str
) -> Row:
    return {
        "title": dataset.title,
        "data": dataset.data,
        "system": system.name,
        "kind": system.kind,
        "argument": argument,
        "meaning": meaning,
        "published": known,
        "ours": ours,
        "records": join_paths([run.paths[0] for run in system.runs]),
    }

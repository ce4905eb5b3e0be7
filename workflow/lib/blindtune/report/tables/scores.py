"""The table of scores: dev and eval errors, on a scale from random search to the best system."""

from dataclasses import dataclass

from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.searches import describe_tuner, find_random_searches
from blindtune.report.stats.seed_statistics import compute_rank_correlation
from blindtune.report.table import (
    Column,
    ReportTable,
    Row,
    format_number,
    join_paths,
    number_column,
    text_column,
    to_percent,
)
from blindtune.report.tables.decode_cells import decode_cells, decode_column


@dataclass(frozen=True)
class ScoreScale:
    """The scale of scores of a dataset: 0 is random search, 1 the best system.

    Attributes:
        zero: the random searches; their mean eval error has score 0.
        best: the system with the lowest mean eval error; it has score 1.
    """

    zero: list[SystemRecords]
    best: SystemRecords

    @property
    def floor(self) -> float:
        """The mean eval error of random search, from 0 to 1."""
        return sum(system.error("eval") for system in self.zero) / len(self.zero)

    def score(self, system: SystemRecords) -> float | None:
        """Return the score of a system; None if random search is the best or has another budget."""
        length = self.floor - self.best.error("eval")
        if length <= 0 or (system.kind == "tuner" and not self._same_budget(system)):
            return None
        return (self.floor - system.error("eval")) / length

    def _same_budget(self, system: SystemRecords) -> bool:
        return all(system.runs[0].card.budget == random.runs[0].card.budget for random in self.zero)


def build_scale(dataset: DatasetRecords) -> ScoreScale | None:
    """Return the scale of a dataset; None if no random search was run."""
    zero = find_random_searches(dataset)
    return ScoreScale(zero, min(dataset.classifiers, key=lambda system: system.error("eval"))) if zero else None


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and classifier, with means over the seeds."""
    rows = [
        _row(dataset, system, build_scale(dataset)) for dataset in records.datasets for system in dataset.classifiers
    ]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        text_column("what", "What it is"),
        Column("Parameters", _parameters, wide=True),
        number_column("dev", "dev", 2, "error %"),
        number_column("eval", "eval", 2, "error %"),
        number_column("gap", "eval − dev", 2, "error %"),
        number_column("score", "Score", 2),
        decode_column("Decodes"),
    ]
    notes = [
        "Means over the seeds. Parameters: the numbers of weights of the frozen models, from lowest to highest. eval "
        "− dev: in points. Models were selected on dev, so the dev error is optimistic, and more so the more trials "
        "a search had.",
        "Score: 0 is the eval error of random search with the same budget, 1 the lowest of all systems here (Kégl "
        "2023, arXiv 2311.15854). A score below 0 is worse than random search; a tuner with another budget has none. "
        "The best system "
        "was selected on eval, so its score is optimistic. The tables of comparisons and of tuner pairs show whether "
        "two systems are distinguishable.",
        *(_scale_note(dataset) for dataset in records.datasets),
        *(_correlation_note(dataset) for dataset in records.datasets),
        "How often the selected configuration is worse on eval than the tuner's first one (overtuning; Schneider et "
        "al. 2025, arXiv 2506.19540) is unknown: only the selected model is decoded on eval.",
    ]
    return ReportTable("scores", "Scores from random search to the best system", rows, columns, notes)


def _row(dataset: DatasetRecords, system: SystemRecords, scale: ScoreScale | None) -> Row:
    parameters = [run.card.n_parameters for run in system.runs if run.card.n_parameters is not None]
    dev, held_out = system.error("dev"), system.error("eval")
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": system.name,
        "kind": system.kind,
        "what": describe_tuner(system) if system.kind == "tuner" else system.kind.replace("_", " "),
        "seeds": len(system.runs),
        "parameters_least": min(parameters, default=None),
        "parameters_most": max(parameters, default=None),
        "dev": to_percent(dev),
        "eval": to_percent(held_out),
        "gap": to_percent(held_out - dev),
        "score": scale.score(system) if scale else None,
        **decode_cells(system),
        "records": join_paths(system.paths),
    }


def _scale_note(dataset: DatasetRecords) -> str:
    scale = build_scale(dataset)
    if scale is None:
        return f"{dataset.title}: no scores, since no random search was run."
    names = ", ".join(f"{system.name} ({describe_tuner(system)})" for system in scale.zero)
    mean = "the mean of " if len(scale.zero) > 1 else ""
    zero = f"0 is {mean}{names}, {100 * scale.floor:.2f}% on eval"
    if scale.floor <= scale.best.error("eval"):
        return f"{dataset.title}: no scores, since no system has a lower eval error than random search ({names})."
    return f"{dataset.title}: {zero}; 1 is {scale.best.name}, {100 * scale.best.error('eval'):.2f}%."


def _correlation_note(dataset: DatasetRecords) -> str:
    systems = dataset.classifiers
    found = compute_rank_correlation(
        [system.error("dev") for system in systems], [system.error("eval") for system in systems]
    )
    if found is None:
        return f"{dataset.title}: too few systems to tell whether dev ranks them as eval does."
    text = f"{found:.2f}".replace("-", "−")
    return f"{dataset.title}: the rank correlation of dev and eval error over the {len(systems)} systems is {text}."


def _parameters(row: Row) -> str:
    least, most = row["parameters_least"], row["parameters_most"]
    return format_number(least, 0) if least == most else f"{format_number(least, 0)}–{format_number(most, 0)}"

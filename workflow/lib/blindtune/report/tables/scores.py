"""The table of scores: dev and eval errors, and what was minimised on a scale from random search to the best system."""

from dataclasses import dataclass

from blindtune.core.sums import add_in_order
from blindtune.metrics.registry import is_error
from blindtune.report.intervals import format_value
from blindtune.report.minimised import format_metric, get_title, get_unit, has_other_metric, to_cell
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
        zero: the random searches; their mean on eval, of what was minimised, has score 0.
        best: the system with the lowest mean on eval; it has score 1.
    """

    zero: list[SystemRecords]
    best: SystemRecords

    @property
    def floor(self) -> float:
        """The mean on eval of random search, of what was minimised."""
        return add_in_order(system.objective("eval") for system in self.zero) / len(self.zero)

    def score(self, system: SystemRecords) -> float | None:
        """Return the score of a system; None if random search is the best or has another budget."""
        length = self.floor - self.best.objective("eval")
        if length <= 0 or (system.kind == "tuner" and not self._same_budget(system)):
            return None
        return (self.floor - system.objective("eval")) / length

    def _same_budget(self, system: SystemRecords) -> bool:
        return all(system.runs[0].card.budget == random.runs[0].card.budget for random in self.zero)


def build_scale(dataset: DatasetRecords) -> ScoreScale | None:
    """Return the scale of a dataset; None if no random search was run."""
    zero = find_random_searches(dataset)
    return ScoreScale(zero, min(dataset.classifiers, key=lambda system: system.objective("eval"))) if zero else None


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
    if has_other_metric(records):
        columns[-2:-2] = [
            text_column("metric", "which", "metric"),
            *map(_metric_column, ("dev", "eval", "gap"), ("dev", "eval", "eval − dev")),
        ]
        notes.append(
            "Metric: what the comparison minimised, lower is better. Models were selected, and scores are computed, by "
            "it in the place of the error."
        )
    else:
        rows = [{key: cell for key, cell in row.items() if not key.startswith("metric")} for row in rows]
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
        **_metric_cells(dataset.metric, system),
        "score": scale.score(system) if scale else None,
        **decode_cells(system),
        "records": join_paths(system.paths),
    }


def _metric_column(key: str, title: str) -> Column:
    return Column(title, lambda row: format_value(row, f"metric_{key}"), "metric", numeric=True)


def _metric_cells(metric: str, system: SystemRecords) -> Row:
    on_dev, on_eval = system.objective("dev"), system.objective("eval")
    return {
        "metric": get_title(metric),
        "metric_unit": get_unit(metric),
        "metric_dev": to_cell(metric, on_dev),
        "metric_eval": to_cell(metric, on_eval),
        "metric_gap": to_cell(metric, on_eval - on_dev),
    }


def _scale_note(dataset: DatasetRecords) -> str:
    scale = build_scale(dataset)
    if scale is None:
        return f"{dataset.title}: no scores, since no random search was run."
    names = ", ".join(f"{system.name} ({describe_tuner(system)})" for system in scale.zero)
    mean = "the mean of " if len(scale.zero) > 1 else ""
    best, title = scale.best.objective("eval"), get_title(dataset.metric)
    if scale.floor <= best:
        return f"{dataset.title}: no scores, since no system has a lower eval {title} than random search ({names})."
    of = "" if is_error(dataset.metric) else f" {title}"
    floor, lowest = (format_metric(dataset.metric, value) for value in (scale.floor, best))
    return f"{dataset.title}: 0 is {mean}{names}, {floor}{of} on eval; 1 is {scale.best.name}, {lowest}{of}."


def _correlation_note(dataset: DatasetRecords) -> str:
    systems = dataset.classifiers
    found = compute_rank_correlation(
        [system.objective("dev") for system in systems], [system.objective("eval") for system in systems]
    )
    if found is None:
        return f"{dataset.title}: too few systems to tell whether dev ranks them as eval does."
    text = f"{found:.2f}".replace("-", "−")
    title = get_title(dataset.metric)
    return f"{dataset.title}: the rank correlation of dev and eval {title} over the {len(systems)} systems is {text}."


def _parameters(row: Row) -> str:
    least, most = row["parameters_least"], row["parameters_most"]
    return format_number(least, 0) if least == most else f"{format_number(least, 0)}–{format_number(most, 0)}"

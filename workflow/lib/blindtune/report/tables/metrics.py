"""The table of the metric that a comparison minimises, next to the error."""

from blindtune.core.sums import add_in_order
from blindtune.metrics.registry import METRICS, is_error
from blindtune.report.minimised import format_cell, get_unit, to_cell
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.stats.comparisons import PairComparison, compare_report
from blindtune.report.stats.metric_samples import MAX_PARTS
from blindtune.report.stats.statistics import MIN_GROUPS, compute_sd
from blindtune.report.table import (
    ABSENT,
    Cell,
    Column,
    ReportTable,
    Row,
    format_number,
    join_paths,
    number_column,
    text_column,
    to_percent,
)
from blindtune.report.tables.datasets import SPLITS
from blindtune.report.tables.decode_cells import decode_cells, decode_column

_GAP = "difference from the lowest"


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per classifier of each dataset whose comparison has another metric than the error."""
    compared = [(dataset, pairs) for dataset, pairs in compare_report(records) if not is_error(dataset.metric)]
    datasets = [dataset for dataset, _ in compared]
    rows = [row for dataset, pairs in compared for row in _rows(dataset, pairs)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        text_column("metric", "Metric"),
        *(_measured(split) for split in SPLITS),
        number_column("error_dev", "dev", 2, "error %"),
        number_column("error_eval", "eval", 2, "error %"),
        Column("eval", lambda row: _value(row, "difference"), _GAP, numeric=True),
        Column("95% interval", _interval, _GAP, numeric=True),
        text_column("varies", "varies", _GAP),
        Column("adjusted p", lambda row: format_number(row["adjusted_p"], 3), _GAP, numeric=True),
        text_column("verdict", "verdict", _GAP),
        decode_column("Decodes"),
    ]
    return ReportTable("metrics", "The metric that was minimised, next to the error", rows, columns, _notes(datasets))


def _rows(dataset: DatasetRecords, pairs: list[PairComparison]) -> list[Row]:
    """Return a row per classifier, with its pair with the best one; the pairs of the best one come first."""
    best = pairs[0].better.name if pairs else None
    from_best = {pair.other.name: pair for pair in pairs if pair.better.name == best}
    return [_row(dataset, system, from_best.get(system.name), system.name == best) for system in dataset.classifiers]


def _row(dataset: DatasetRecords, system: SystemRecords, pair: PairComparison | None, is_best: bool) -> Row:
    metric = dataset.metric
    entry = METRICS[metric]
    row: Row = {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": system.name,
        "kind": system.kind,
        "metric": entry.title,
        "unit": get_unit(metric),
        "seeds": len(system.runs),
    }
    for split in SPLITS:
        values = system.metric_values(split)
        row[split] = to_cell(metric, add_in_order(values) / len(values)) if values else None
        row[f"{split}_sd"] = to_cell(metric, compute_sd(values)) if values else None
    for split in SPLITS:
        row[f"error_{split}"] = to_percent(system.error(split))
    known = pair.difference if pair and pair.difference.has_interval else None
    verdict = None if pair is None else pair.verdict
    return row | {
        "difference": to_cell(metric, pair.difference.value) if pair else None,
        "low": to_cell(metric, known.low) if known else None,
        "high": to_cell(metric, known.high) if known else None,
        "varies": pair.varies if pair else None,
        "p": pair.difference.p if pair else None,
        "adjusted_p": pair.adjusted_p if pair else None,
        "verdict": "lowest" if is_best else verdict,
        **decode_cells(system),
        "records": join_paths(system.paths),
    }


def _measured(split: str) -> Column:
    def text(row: Row) -> str:
        spread = row[f"{split}_sd"]
        return _value(row, split) + ("" if spread is None else f" ± {_number(row, spread)}")

    return Column(split, text, "metric", numeric=True)


def _value(row: Row, key: str) -> str:
    return ABSENT if row[key] is None else _number(row, row[key]) + (" %" if row["unit"] else "")


def _number(row: Row, value: Cell) -> str:
    return format_cell(row["unit"], value)


def _interval(row: Row) -> str:
    return ABSENT if row["low"] is None else f"{_number(row, row['low'])} to {_number(row, row['high'])}"


def _notes(datasets: list[DatasetRecords]) -> list[str]:
    if not datasets:
        return ["Every comparison of this report minimises the error, so there is no other metric."]
    entries = [f"{METRICS[name].title}: {METRICS[name].description}" for name in sorted({d.metric for d in datasets})]
    return [
        f"{'; '.join(entries)}. All are scikit-learn's, turned so that lower is better. Means over the seeds, ± their "
        "standard deviation.",
        "Tuners minimised the metric on dev; epochs, trials and pruning were ranked by it. The value on eval is "
        "computed from the recorded answers of the one decode.",
        "Difference: from the system with the lowest mean on eval. The variance over the eval samples is that of a "
        f"jackknife that leaves out one of {MAX_PARTS} parts of the samples at a time, or of the patients if samples "
        "belong to patients; with several seeds, the variance over the seeds of each system is added, less what both "
        f"hold. No interval: without one of the parts, a class has no sample, or there are fewer than {MIN_GROUPS} "
        "patients. p is adjusted by Holm's method over all pairs of all datasets; the verdict uses it at 5%.",
    ]

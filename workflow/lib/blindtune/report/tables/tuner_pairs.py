"""The table of tuner pairs: every pair of tuners on every dataset, paired by seed."""

from itertools import combinations

from blindtune.metrics.registry import METRICS, is_error
from blindtune.report.intervals import format_interval, interval_cells, note_missing_intervals
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.searches import compare_by_seed
from blindtune.report.stats.metric_samples import compare_by_seed as compare_metric_by_seed
from blindtune.report.stats.seed_statistics import (
    MEANINGFUL_PROBABILITY,
    MIN_PAIRS,
    Outperformance,
    estimate_outperformance,
)
from blindtune.report.stats.statistics import CONFIDENCE
from blindtune.report.table import (
    ABSENT,
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
from blindtune.report.tables.metrics import to_cell


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and pair of tuners, the lower mean eval error first."""
    rows = [_row(dataset, better, other) for dataset in records.datasets for better, other in list_tuner_pairs(dataset)]
    notes = [*_notes(records), *note_missing_intervals(rows)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("better", "A: lower eval error"),
        text_column("other", "B"),
        number_column("seeds", "Seeds"),
        number_column("difference", "B − A", 2, "eval error, points"),
        Column("95% interval", format_interval, "eval error, points", numeric=True),
        number_column("outperforms", "estimate", 2, "P(A > B)"),
        Column("95% interval", _outperforms_interval, "P(A > B)", numeric=True),
        text_column("verdict", "Verdict", wide=True),
        decode_column("Decodes"),
    ]
    if any(not is_error(dataset.metric) for dataset in records.datasets):
        columns[-1:-1] = [
            text_column("metric", "which", "by the metric"),
            Column("B − A", lambda row: _by_metric(row, "metric_difference"), "by the metric", numeric=True),
            Column("95% interval", _metric_interval, "by the metric", numeric=True),
            number_column("metric_outperforms", "P(A > B)", 2, "by the metric"),
        ]
        notes.append(
            "By the metric: the same for the metric that was minimised. A and B are as named, so a difference below 0 "
            "says that B has the lower metric."
        )
    else:
        rows = [{key: cell for key, cell in row.items() if not key.startswith("metric")} for row in rows]
    return ReportTable("tuner_pairs", "Pairs of tuners, paired by seed", rows, columns, notes)


def list_tuner_pairs(dataset: DatasetRecords) -> list[tuple[SystemRecords, SystemRecords]]:
    """Return every pair of tuners of a dataset, the lower mean eval error first."""
    return list(combinations(sorted(dataset.systems_of_kind("tuner"), key=lambda system: system.error("eval")), 2))


def estimate_pair(dataset: DatasetRecords, first: SystemRecords, second: SystemRecords) -> Outperformance:
    """Estimate how often one tuner has a lower eval error than another with the same seed.

    Args:
        dataset: the dataset.
        first: the tuner that may be better.
        second: the other tuner.

    Returns:
        The estimate with its interval and the sign test.
    """
    return estimate_outperformance(first.errors("eval"), second.errors("eval"), (dataset.name, first.name, second.name))


def _notes(records: ReportRecords) -> list[str]:
    notes = [
        "Difference: mean difference of the runs with the same seed. Its interval covers the sampling of eval and, "
        "with several seeds, the variance over seeds (t quantile, Welch-Satterthwaite).",
        "P(A > B): how often A has the lower eval error of two runs with the same seed, ties counting half, with a "
        "bootstrap interval over the seeds. A outperforms B if the interval is above 0.5 and reaches "
        f"{MEANINGFUL_PROBABILITY} (Bouthillier et al. 2021, arXiv 2103.03098, who advise 29 pairs). The interval is "
        "slightly too narrow for few pairs: its coverage is 80% to 98% with ten pairs and 92% to 96% with thirty. So "
        "the sign test must agree at 5%.",
        f"With fewer than {MIN_PAIRS} seeds nothing is decided and no bootstrap interval is shown: if all of a few "
        "seeds agree, the interval has no width, although five of five agree by chance in 6 of 100 cases.",
    ]
    several = [len(list_tuner_pairs(dataset)) for dataset in records.datasets]
    if sum(several) > 1:
        notes.append(
            f"Intervals and verdicts are not adjusted for the number of pairs: of {sum(several)} pairs without a "
            f"difference, the intervals of about {max(1, round((1 - CONFIDENCE) * sum(several)))} would exclude 0 by "
            "chance."
        )
    return notes


def _row(dataset: DatasetRecords, better: SystemRecords, other: SystemRecords) -> Row:
    difference = compare_by_seed(other, better)
    found = estimate_pair(dataset, better, other)
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "better": better.name,
        "other": other.name,
        "seeds": found.pairs,
        "difference": to_percent(difference.value),
        **interval_cells(difference),
        "outperforms": found.share,
        "outperforms_low": found.low,
        "outperforms_high": found.high,
        "sign_test_p": found.p,
        **_metric_cells(dataset, better, other),
        "verdict": _verdict(found),
        **decode_cells(better, other),
        "records": join_paths([*better.paths, *other.paths]),
    }


def _metric_cells(dataset: DatasetRecords, better: SystemRecords, other: SystemRecords) -> Row:
    """Return the same comparison by the metric that was minimised; without values if that is the error."""
    names = ("metric", "metric_unit", "metric_difference", "metric_low", "metric_high", "metric_outperforms")
    empty: Row = dict.fromkeys(names)
    first, second = better.metric_sample, other.metric_sample
    if first is None or second is None:
        return empty
    metric, entry = dataset.metric, METRICS[dataset.metric]
    difference = compare_metric_by_seed(second, first)
    found = estimate_outperformance(
        first.values.tolist(), second.values.tolist(), (dataset.name, better.name, other.name, metric)
    )
    known = difference if difference.has_interval else None
    return {
        "metric": entry.title,
        "metric_unit": "%" if entry.is_share else None,
        "metric_difference": to_cell(metric, difference.value),
        "metric_low": to_cell(metric, known.low) if known else None,
        "metric_high": to_cell(metric, known.high) if known else None,
        "metric_outperforms": found.share,
    }


def _by_metric(row: Row, key: str) -> str:
    return format_number(row[key], 2 if row["metric_unit"] else 4)


def _metric_interval(row: Row) -> str:
    if row["metric_low"] is None:
        return ABSENT
    return f"{_by_metric(row, 'metric_low')} to {_by_metric(row, 'metric_high')}"


def _verdict(found: Outperformance) -> str:
    if found.pairs < MIN_PAIRS:
        return "not decided: too few seeds"
    if found.is_meaningful:
        return "A outperforms B"
    if found.is_ahead:
        return f"A is ahead, but not in {MEANINGFUL_PROBABILITY:.0%} of the runs"
    return "not decided: may be chance"


def _outperforms_interval(row: Row) -> str:
    if int(row["seeds"] or 0) < MIN_PAIRS:
        return ABSENT
    return f"{format_number(row['outperforms_low'], 2)} to {format_number(row['outperforms_high'], 2)}"

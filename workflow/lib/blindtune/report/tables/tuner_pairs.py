"""The table of tuner pairs: every pair of tuners on every dataset, paired by seed."""

from itertools import combinations
from math import ceil, log2

from blindtune.metrics.registry import is_error
from blindtune.report.intervals import (
    format_interval,
    format_metric_interval,
    format_value,
    interval_cells,
    metric_interval_cells,
    note_missing_intervals,
)
from blindtune.report.minimised import get_title, get_unit, has_other_metric, to_cell
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.searches import compare_by_seed, compare_minimised_by_seed
from blindtune.report.stats.comparisons import name_variation
from blindtune.report.stats.seed_statistics import (
    MEANINGFUL_PROBABILITY,
    MIN_PAIRS,
    Outperformance,
    OutperformanceVerdict,
    estimate_outperformance,
)
from blindtune.report.stats.statistics import CONFIDENCE, adjust_holm
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

_METRIC_KEYS = (
    "metric",
    "metric_unit",
    "metric_difference",
    "metric_low",
    "metric_high",
    "metric_outperforms",
    "metric_outperforms_low",
    "metric_outperforms_high",
    "metric_sign_test_p",
)


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and pair of tuners, the lower on eval first, by what was minimised."""
    rows = _decide_all([_row(dataset, *pair) for dataset in records.datasets for pair in list_tuner_pairs(dataset)])
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
        text_column("varies", "Varies"),
        Column("adjusted p", lambda row: format_number(row["adjusted_p"], 3), numeric=True),
        text_column("verdict", "Verdict", wide=True),
        decode_column("Decodes"),
    ]
    if has_other_metric(records):
        columns[2] = text_column("better", "A: lower on eval")
        columns[-4:-4] = [
            text_column("metric", "which", "by the metric"),
            Column("B − A", lambda row: format_value(row, "metric_difference"), "by the metric", numeric=True),
            Column("95% interval", format_metric_interval, "by the metric", numeric=True),
            number_column("metric_outperforms", "P(A > B)", 2, "by the metric"),
            Column("95% interval of it", _metric_outperforms_interval, "by the metric", numeric=True),
        ]
        notes.append(
            "By the metric: the same for the metric that was minimised, where that is not the error. A is the tuner "
            "that is lower by it, and the verdict is by it. A difference in error below 0 says that B, which is higher "
            "by the metric, has the lower error."
        )
    else:
        rows = [{key: cell for key, cell in row.items() if not key.startswith("metric")} for row in rows]
    return ReportTable("tuner_pairs", "Pairs of tuners, paired by seed", rows, columns, notes)


def list_tuner_pairs(dataset: DatasetRecords) -> list[tuple[SystemRecords, SystemRecords]]:
    """Return every pair of tuners of a dataset, the lower mean on eval first, by what was minimised."""
    return list(combinations(sorted(dataset.systems_of_kind("tuner"), key=lambda system: system.objective("eval")), 2))


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


def estimate_pair_by_metric(dataset: DatasetRecords, first: SystemRecords, second: SystemRecords) -> Outperformance:
    """Estimate the same by the metric that was minimised, if that is not the error.

    Args:
        dataset: the dataset.
        first: the tuner that may be better.
        second: the other tuner.
    """
    return estimate_outperformance(
        first.metric_values("eval"), second.metric_values("eval"),
        (dataset.name, first.name, second.name, dataset.metric),
    )  # fmt: skip


def _notes(records: ReportRecords) -> list[str]:
    notes = [
        "Difference: mean difference of the runs with the same seed. The column Varies names what its interval covers; "
        "the method is that of the table of comparisons, with seeds that both tuners share.",
        "P(A > B): how often A has the lower eval error of two runs with the same seed, ties counting half, with a "
        "bootstrap interval over the seeds. A outperforms B if the interval is above 0.5 and reaches "
        f"{MEANINGFUL_PROBABILITY} (Bouthillier et al. 2021, arXiv 2103.03098, who advise 29 pairs). The interval is "
        "slightly too narrow for few pairs: its coverage is 80% to 98% with ten pairs and 92% to 96% with thirty. So "
        "the sign test must agree at 5%; its p is adjusted by Holm's method over all pairs of all datasets.",
        f"With fewer than {MIN_PAIRS} seeds nothing is decided and no bootstrap interval is shown: if all of a few "
        "seeds agree, the interval has no width, although five of five agree by chance in 6 of 100 cases.",
    ]
    pairs = sum(len(list_tuner_pairs(dataset)) for dataset in records.datasets)
    if pairs > 1:
        notes.append(
            f"For {pairs} pairs at least {count_needed_seeds(pairs)} seeds are needed: with fewer, a tuner that wins "
            "with every seed may still be chance after the adjustment. The intervals of the differences are not "
            f"adjusted: of {pairs} pairs without a difference, those of about "
            f"{max(1, round((1 - CONFIDENCE) * pairs))} would exclude 0."
        )
    return notes


def count_needed_seeds(pairs: int) -> int:
    """Return with how many seeds the sign test of one of several pairs can be significant at 5%.

    Args:
        pairs: number of pairs that are tested together.
    """
    return max(MIN_PAIRS, ceil(1 + log2(pairs / (1 - CONFIDENCE))))


def _decide_all(found: list[tuple[Row, Outperformance]]) -> list[Row]:
    """Adjust the p values of the sign tests for all pairs, and add the verdicts."""
    adjusted = adjust_holm([minimised.p for _, minimised in found])
    return [
        {key: cell for key, cell in row.items() if key != "records"}
        | {"adjusted_p": p, "verdict": _VERDICTS[minimised.judge(p)], "records": row["records"]}
        for (row, minimised), p in zip(found, adjusted, strict=True)
    ]


def _row(dataset: DatasetRecords, better: SystemRecords, other: SystemRecords) -> tuple[Row, Outperformance]:
    """Return the row of a pair without its verdict, and what decides it: the comparison by what was minimised."""
    difference = compare_by_seed(other, better)
    found = estimate_pair(dataset, better, other)
    by_metric = None if is_error(dataset.metric) else estimate_pair_by_metric(dataset, better, other)
    row: Row = {
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
        **_metric_cells(dataset, better, other, by_metric),
        "varies": name_variation(better, other),
        **decode_cells(better, other),
        "records": join_paths([*better.paths, *other.paths]),
    }
    return row, by_metric or found


def _metric_cells(
    dataset: DatasetRecords, better: SystemRecords, other: SystemRecords, found: Outperformance | None
) -> Row:
    """Return the same comparison by the metric that was minimised; without values if that is the error."""
    if found is None:
        return dict.fromkeys(_METRIC_KEYS)
    metric, difference = dataset.metric, compare_minimised_by_seed(other, better)
    cells: Row = {
        "metric": get_title(metric),
        "metric_unit": get_unit(metric),
        "metric_difference": to_cell(metric, difference.value),
        **metric_interval_cells(metric, difference),
        "metric_outperforms": found.share,
        "metric_outperforms_low": found.low,
        "metric_outperforms_high": found.high,
        "metric_sign_test_p": found.p,
    }
    return cells


_VERDICTS: dict[OutperformanceVerdict, str] = {
    "too few pairs": "not decided: too few seeds",
    "may be chance": "not decided: may be chance",
    "outperforms": "A outperforms B",
    "ahead": f"A is ahead, but not in {MEANINGFUL_PROBABILITY:.0%} of the runs",
}


def _outperforms_interval(row: Row, prefix: str = "") -> str:
    low, high = (row[f"{prefix}outperforms_{end}"] for end in ("low", "high"))
    if int(row["seeds"] or 0) < MIN_PAIRS or low is None:
        return ABSENT
    return f"{format_number(low, 2)} to {format_number(high, 2)}"


def _metric_outperforms_interval(row: Row) -> str:
    return _outperforms_interval(row, "metric_")

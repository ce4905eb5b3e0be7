"""The table of comparisons: the best system of each dataset against the others, and manual against tuned."""

from collections.abc import Iterable
from dataclasses import dataclass

from blindtune.report.intervals import (
    format_interval,
    format_metric_interval,
    format_value,
    interval_cells,
    metric_interval_cells,
    note_missing_intervals,
)
from blindtune.report.minimised import format_margin, get_title, get_unit, has_other_metric, to_cell
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.stats.comparisons import (
    PairComparison,
    compare_report,
    describe_lowest_error,
    describe_manual_and_tuned,
    describe_published_gaps,
    describe_winner,
    format_p,
    select_manual_tuned_pairs,
    select_pairs_with_best,
)
from blindtune.report.table import (
    Cell,
    Column,
    ReportTable,
    Row,
    join_paths,
    number_column,
    text_column,
    to_percent,
)
from blindtune.report.tables.decode_cells import decode_cells, decode_column

RULE = (
    "Method: the eval samples, or the patients if samples belong to patients, and the seeds are drawn; each seed's "
    "model answers every sample. The variance of a difference is that over the samples plus that over the seeds of "
    "each system, less what both hold (Obuchowski and Rockette 1995); t quantile with the degrees of freedom of "
    "Hillis (2007). Two imaginary samples are added, on each of which only one system is wrong, so that a few "
    "disagreements do not look like certainty. The column Varies names what an interval covers. Each seed is another "
    "search or training; the samples of train and dev never vary. With a single seed an interval covers the samples "
    "alone: it is about the two models of that seed, and no verdict on the systems follows. With two or three seeds "
    "that differ much it is very wide."
)

ADJUSTMENT = (
    "Several tests: the verdict uses p adjusted by Holm's method over all pairs of classifiers of all datasets of this "
    "report, at 5%. Intervals are not adjusted, so a pair whose interval excludes 0 may still be not distinguishable."
)


def describe_margin(metrics: Iterable[str], margin: float) -> str:
    """Return the note on equivalence and on what could be told apart.

    Args:
        metrics: those that the comparisons minimised; of a share the margin is in points, of another metric it is a
            hundredth of that.
        margin: in points of %.
    """
    margins = " or ".join(sorted({format_margin(metric, margin) for metric in metrics}))
    return (
        "Equal within: the smallest margin within which the two are equal with 95% confidence (two one-sided tests, "
        f"Schuirmann 1987). Equivalent: they differ by less than {margins} (report.margin), p adjusted in the "
        "same way. Detectable: the difference that so many samples and seeds would find at 5% in 80 of 100 cases, "
        "without adjustment for other pairs. Neither is given where it is more than two systems can differ by."
    )


METRIC_RULE = (
    "Which of two systems is lower, and the verdict, are by the metric that the comparison minimised; where that is "
    "the error, the columns agree. The variance of another metric over the samples is that of a jackknife, as in the "
    "table of metrics; the seeds and the p value are treated in the same way. A difference in error below 0 says that "
    "B, which is higher by the metric, has the lower error."
)


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per pair and question; its findings are the answers in words."""
    rows: list[Row] = []
    for dataset, found in compare_report(records):
        asked = {
            "best against the others": select_pairs_with_best(dataset, found),
            "manual against tuned": select_manual_tuned_pairs(found),
        }
        rows += [_row(dataset, question, pair) for question, asked_of in asked.items() for pair in asked_of]
    by_metric = has_other_metric(records)
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("question", "Question"),
        *(_metric_columns() if by_metric else _error_columns()),
        text_column("varies", "Varies"),
        text_column("verdict", "Verdict"),
        decode_column("Decodes"),
    ]
    if not by_metric:
        rows = [{key: cell for key, cell in row.items() if not key.startswith("metric")} for row in rows]
    notes = [RULE, ADJUSTMENT, describe_margin([dataset.metric for dataset in records.datasets], records.margin)]
    notes += [*([METRIC_RULE] if by_metric else []), *note_missing_intervals(rows)]
    return ReportTable(
        "comparisons", "Comparisons on the same eval samples", rows, columns, notes, list_findings(records)
    )


def _error_columns() -> list[Column]:
    return [
        text_column("better", "lower error"),
        number_column("better_eval", "eval %", 2),
        text_column("other", "higher error"),
        number_column("other_eval", "eval %", 2),
        number_column("difference", "Difference", 2),
        Column("95% interval", format_interval, numeric=True),
        Column("adjusted p", _p, numeric=True),
        number_column("equal_within", "Equal within", 2),
        number_column("detectable", "Detectable", 2),
    ]


def _metric_columns() -> list[Column]:
    """Return the columns of a report in which a comparison minimised another metric: it, and the error next to it."""
    group, error = "by the metric", "error %"
    return [
        text_column("metric", "Metric"),
        text_column("better", "A: lower"),
        text_column("other", "B: higher"),
        Column("A", lambda row: format_value(row, "metric_better"), group, numeric=True),
        Column("B", lambda row: format_value(row, "metric_other"), group, numeric=True),
        Column("B − A", lambda row: format_value(row, "metric_difference"), group, numeric=True),
        Column("95% interval", format_metric_interval, group, numeric=True),
        Column("adjusted p", lambda row: _format_p(row["metric_adjusted_p"]), group, numeric=True),
        Column("Equal within", lambda row: format_value(row, "metric_equal_within"), group, numeric=True),
        Column("Detectable", lambda row: format_value(row, "metric_detectable"), group, numeric=True),
        number_column("better_eval", "A", 2, error),
        number_column("other_eval", "B", 2, error),
        number_column("difference", "B − A", 2, error),
        Column("95% interval", format_interval, error, numeric=True),
        Column("adjusted p", _p, error, numeric=True),
    ]


@dataclass(frozen=True)
class DatasetAnswers:
    """The sentences about one dataset.

    Attributes:
        title: the title of the dataset.
        lowest: the heading of the next sentences, such as "Lowest error".
        winner: which system is lowest on eval by what was minimised.
        headline: manual against tuned models.
    """

    title: str
    lowest: str
    winner: str
    headline: str


def answer_questions(records: ReportRecords) -> list[DatasetAnswers]:
    """Describe the best system, and manual against tuned models, for each dataset."""
    answers = []
    for dataset, found in compare_report(records):
        answers.append(
            DatasetAnswers(
                dataset.title,
                f"Lowest {get_title(dataset.metric)}",
                " ".join(filter(None, [describe_winner(dataset, found), describe_lowest_error(dataset)])),
                describe_manual_and_tuned(dataset, found),
            )
        )
    return answers


def list_findings(records: ReportRecords) -> list[str]:
    """Return all answers, followed by the descriptions of the published differences."""
    sentences = [f"{each.title}: {text}" for each in answer_questions(records) for text in (each.winner, each.headline)]
    return [*sentences, *describe_published_gaps(records)]


def _row(dataset: DatasetRecords, question: str, pair: PairComparison) -> Row:
    metric = dataset.metric
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "question": question,
        "better": pair.better.name,
        "better_eval": to_percent(pair.better.error("eval")),
        "other": pair.other.name,
        "other_eval": to_percent(pair.other.error("eval")),
        "eval_samples": dataset.samples,
        "seeds": len(pair.better.runs),
        "difference": to_percent(pair.error_difference.value),
        **interval_cells(pair.error_difference),
        "p": pair.error_difference.p,
        "adjusted_p": pair.adjusted_error_p,
        "equal_within": to_percent(pair.error_difference.equal_within),
        "detectable": to_percent(pair.error_difference.detectable),
        "varies": pair.varies,
        "metric": get_title(metric),
        "metric_unit": get_unit(metric),
        "metric_better": to_cell(metric, pair.better.objective("eval")),
        "metric_other": to_cell(metric, pair.other.objective("eval")),
        "metric_difference": to_cell(metric, pair.difference.value),
        **metric_interval_cells(metric, pair.difference),
        "metric_p": pair.difference.p,
        "metric_adjusted_p": pair.adjusted_p,
        "metric_equal_within": to_cell(metric, pair.difference.equal_within),
        "metric_detectable": to_cell(metric, pair.difference.detectable),
        "equivalence_p": pair.equivalence_p,
        "verdict": pair.verdict,
        **decode_cells(pair.better, pair.other),
        "records": join_paths([*pair.better.paths, *pair.other.paths]),
    }


def _p(row: Row) -> str:
    return _format_p(row["adjusted_p"])


def _format_p(p: Cell) -> str:
    return format_p(float(p or 0)).removeprefix("= ")

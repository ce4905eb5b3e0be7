"""The table of comparisons: the best system of each dataset against the others, and manual against tuned."""

from dataclasses import dataclass

from blindtune.report.intervals import format_interval, interval_cells, note_missing_intervals
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.stats.comparisons import (
    PairComparison,
    compare_all_pairs,
    describe_manual_and_tuned,
    describe_published_gaps,
    describe_winner,
    format_p,
    select_manual_tuned_pairs,
    select_pairs_with_best,
)
from blindtune.report.table import (
    Column,
    ReportTable,
    Row,
    join_paths,
    number_column,
    text_column,
    to_percent,
)
from blindtune.report.tables.decode_cells import decode_cells, decode_column
from blindtune.report.tables.metrics import describe_lowest

RULE = (
    "Method: per eval sample, the errors of both systems are averaged over the seeds and subtracted. The variance of "
    "the mean difference is that over the samples, or that over the patients if samples belong to patients and it is "
    "larger. Two imaginary samples are added, on each of which only one system is wrong, so that a few disagreements "
    "do not look like certainty. With several seeds, the variance over the seeds of each system is added. The 95% "
    "interval uses the t quantile with Welch-Satterthwaite degrees of freedom and is not adjusted for several pairs; "
    "with two or three seeds that differ much it is very wide. The verdict uses the p value, adjusted by Holm's method "
    "over all pairs of the dataset, at 5%. So a pair whose interval excludes 0 may still be not distinguishable."
)


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per pair and question; its findings are the answers in words."""
    rows: list[Row] = []
    for dataset in records.datasets:
        found = compare_all_pairs(dataset)
        asked = {
            "best against the others": select_pairs_with_best(dataset, found),
            "manual against tuned": select_manual_tuned_pairs(found),
        }
        rows += [_row(dataset, question, pair) for question, asked_of in asked.items() for pair in asked_of]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("question", "Question"),
        text_column("better", "lower error"),
        number_column("better_eval", "eval %", 2),
        text_column("other", "higher error"),
        number_column("other_eval", "eval %", 2),
        number_column("difference", "Difference", 2),
        Column("95% interval", format_interval, numeric=True),
        Column("adjusted p", _p, numeric=True),
        text_column("verdict", "Verdict"),
        decode_column("Decodes"),
    ]
    return ReportTable(
        "comparisons",
        "Comparisons on the same eval samples",
        rows,
        columns,
        [RULE, *note_missing_intervals(rows)],
        list_findings(records),
    )


@dataclass(frozen=True)
class DatasetAnswers:
    """The sentences about one dataset.

    Attributes:
        title: the title of the dataset.
        winner: which system has the lowest eval error.
        headline: manual against tuned models.
    """

    title: str
    winner: str
    headline: str


def answer_questions(records: ReportRecords) -> list[DatasetAnswers]:
    """Describe the best system, and manual against tuned models, for each dataset."""
    answers = []
    for dataset in records.datasets:
        found = compare_all_pairs(dataset)
        answers.append(
            DatasetAnswers(
                dataset.title,
                " ".join(filter(None, [describe_winner(dataset, found), describe_lowest(dataset)])),
                describe_manual_and_tuned(dataset, found),
            )
        )
    return answers


def list_findings(records: ReportRecords) -> list[str]:
    """Return all answers, followed by the descriptions of the published differences."""
    sentences = [f"{each.title}: {text}" for each in answer_questions(records) for text in (each.winner, each.headline)]
    return [*sentences, *describe_published_gaps(records)]


def _row(dataset: DatasetRecords, question: str, pair: PairComparison) -> Row:
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
        "difference": to_percent(pair.difference.value),
        **interval_cells(pair.difference),
        "p": pair.difference.p,
        "adjusted_p": pair.adjusted_p,
        "verdict": "distinguishable" if pair.differs else "not distinguishable",
        **decode_cells(pair.better, pair.other),
        "records": join_paths([*pair.better.paths, *pair.other.paths]),
    }


def _p(row: Row) -> str:
    return format_p(float(row["adjusted_p"] or 0)).removeprefix("= ")

"""The comparisons: the best system of each dataset against the others, and manual against tuned."""

from dataclasses import dataclass

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
    format_number,
    join_paths,
    number_column,
    text_column,
    to_percent,
)

RULE = (
    "How it is judged: per eval sample, the errors of both systems are averaged over the seeds and subtracted. The "
    "variance of the mean difference is that over the samples (with one imagined sample more on which only the first "
    "is wrong, and one on which only the second is, so that a few disagreements do not look like certainty), or over "
    "the patients where samples belong to patients and that is more, plus, if "
    "there are several seeds, that over the seeds of each system. The 95% interval uses the t quantile with "
    "Welch-Satterthwaite degrees of freedom and holds for one pair alone; with two or three seeds that differ "
    "much it is very wide. The verdict follows the p value, adjusted by Holm's method over all pairs of the dataset, "
    "at 5%; so a pair whose interval leaves out 0 may still count as not distinguishable."
)


def build(records: ReportRecords) -> ReportTable:
    """One row per pair that answers a question; the answers in words are its findings."""
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
        Column("95% interval", _interval, numeric=True),
        Column("adjusted p", _p, numeric=True),
        text_column("verdict", "Verdict"),
        text_column("blind", "Looks"),
    ]
    return ReportTable(
        "comparisons", "Comparisons on the same eval samples", rows, columns, [RULE], list_findings(records)
    )


@dataclass(frozen=True)
class DatasetAnswers:
    """What is said of one dataset."""

    title: str
    winner: str
    headline: str


def answer_questions(records: ReportRecords) -> list[DatasetAnswers]:
    """Per dataset, who won, and manual against tuned."""
    said = []
    for dataset in records.datasets:
        found = compare_all_pairs(dataset)
        said.append(
            DatasetAnswers(dataset.title, describe_winner(dataset, found), describe_manual_and_tuned(dataset, found))
        )
    return said


def list_findings(records: ReportRecords) -> list[str]:
    """The answers in a row, and what is to be said of the published gap."""
    said = [f"{each.title}: {text}" for each in answer_questions(records) for text in (each.winner, each.headline)]
    return [*said, *describe_published_gaps(records)]


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
        "standard_error": to_percent(pair.difference.error),
        "low": to_percent(pair.difference.low),
        "high": to_percent(pair.difference.high),
        "p": pair.difference.p,
        "adjusted_p": pair.adjusted_p,
        "verdict": "distinguishable" if pair.differs else "not distinguishable",
        "blind": "blind" if pair.better.blind and pair.other.blind else "not blind",
        "records": join_paths([*pair.better.paths, *pair.other.paths]),
    }


def _interval(row: Row) -> str:
    return f"{format_number(row['low'], 2)} to {format_number(row['high'], 2)}"


def _p(row: Row) -> str:
    return format_p(float(row["adjusted_p"] or 0)).removeprefix("= ")

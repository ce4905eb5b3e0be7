"""The comparisons: the best system of each dataset against the others, and manual against tuned."""

from dataclasses import dataclass

from blindtune.report.records import DatasetRecords, Records
from blindtune.report.stats.comparisons import (
    Pair,
    headline,
    manual_and_tuned,
    pairs,
    probability,
    published_gaps,
    winner,
    with_best,
)
from blindtune.report.table import Column, Row, Table, fixed, joined, number, percent, plain

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


def build(records: Records) -> Table:
    """One row per pair that answers a question; the answers in words are its findings."""
    rows: list[Row] = []
    for dataset in records.datasets:
        found = pairs(dataset)
        asked = {"best against the others": with_best(dataset, found), "manual against tuned": manual_and_tuned(found)}
        rows += [_row(dataset, question, pair) for question, asked_of in asked.items() for pair in asked_of]
    columns = [
        plain("dataset", "Dataset"),
        plain("data", "Data"),
        plain("question", "Question"),
        plain("better", "lower error"),
        number("better_eval", "eval %", 2),
        plain("other", "higher error"),
        number("other_eval", "eval %", 2),
        number("difference", "Difference", 2),
        Column("95% interval", _interval, numeric=True),
        Column("adjusted p", _p, numeric=True),
        plain("verdict", "Verdict"),
        plain("blind", "Looks"),
    ]
    return Table("comparisons", "Comparisons on the same eval samples", rows, columns, [RULE], sentences(records))


@dataclass(frozen=True)
class Answers:
    """What is said of one dataset."""

    title: str
    winner: str
    headline: str


def answers(records: Records) -> list[Answers]:
    """Per dataset, who won, and manual against tuned."""
    said = []
    for dataset in records.datasets:
        found = pairs(dataset)
        said.append(Answers(dataset.title, winner(dataset, found), headline(dataset, found)))
    return said


def sentences(records: Records) -> list[str]:
    """The answers in a row, and what is to be said of the published gap."""
    said = [f"{each.title}: {text}" for each in answers(records) for text in (each.winner, each.headline)]
    return [*said, *published_gaps(records)]


def _row(dataset: DatasetRecords, question: str, pair: Pair) -> Row:
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "question": question,
        "better": pair.better.name,
        "better_eval": percent(pair.better.error("eval")),
        "other": pair.other.name,
        "other_eval": percent(pair.other.error("eval")),
        "eval_samples": dataset.samples,
        "seeds": len(pair.better.runs),
        "difference": percent(pair.difference.value),
        "standard_error": percent(pair.difference.error),
        "low": percent(pair.difference.low),
        "high": percent(pair.difference.high),
        "p": pair.difference.p,
        "adjusted_p": pair.adjusted,
        "verdict": "distinguishable" if pair.distinct else "not distinguishable",
        "blind": "blind" if pair.better.blind and pair.other.blind else "not blind",
        "records": joined([*pair.better.paths, *pair.other.paths]),
    }


def _interval(row: Row) -> str:
    return f"{fixed(row['low'], 2)} to {fixed(row['high'], 2)}"


def _p(row: Row) -> str:
    return probability(float(row["adjusted_p"] or 0)).removeprefix("= ")

"""Every pair of tuners on every dataset, paired by seed."""

from itertools import combinations

from blindtune.report.records import DatasetRecords, Records, SystemRecords
from blindtune.report.searches import apart
from blindtune.report.stats.seed_statistics import FEWEST_PAIRS, MEANINGFUL, Outperforming, outperforming
from blindtune.report.stats.statistics import LEVEL
from blindtune.report.table import ABSENT, Column, Row, Table, fixed, joined, number, percent, plain


def build(records: Records) -> Table:
    """One row per dataset and pair of tuners, the one with the lower mean eval error first."""
    rows = [_row(dataset, better, other) for dataset in records.datasets for better, other in pairs(dataset)]
    columns = [
        plain("dataset", "Dataset"),
        plain("data", "Data"),
        plain("better", "A: lower eval error"),
        plain("other", "B"),
        number("seeds", "Seeds"),
        number("difference", "B − A", 2, "eval error, points"),
        Column("95% interval", _interval, "eval error, points", numeric=True),
        number("outperforms", "estimate", 2, "P(A > B)"),
        Column("95% interval", _outperforms_interval, "P(A > B)", numeric=True),
        plain("verdict", "Verdict", wide=True),
    ]
    return Table("tuner_pairs", "Each pair of tuners, paired by seed", rows, columns, _notes(records))


def pairs(dataset: DatasetRecords) -> list[tuple[SystemRecords, SystemRecords]]:
    """Every pair of tuners of a dataset, the lower mean eval error first."""
    return list(combinations(sorted(dataset.of_kind("tuner"), key=lambda system: system.error("eval")), 2))


def compared(dataset: DatasetRecords, first: SystemRecords, second: SystemRecords) -> Outperforming:
    """How often ``first`` has the lower eval error than ``second`` with the same seed."""
    return outperforming(first.errors("eval"), second.errors("eval"), (dataset.name, first.name, second.name))


def _notes(records: Records) -> list[str]:
    notes = [
        "Difference: mean of the differences of the runs with the same seed. Its interval covers sampling eval and, "
        "with several seeds, what another seed would change (t quantile, Welch-Satterthwaite).",
        "P(A > B): how often A has the lower eval error of two runs with the same seed, a tie counting half, with a "
        f"bootstrap interval over the seeds. A outperforms B if the interval lies above 0.5 and reaches {MEANINGFUL} "
        "(Bouthillier et al. 2021, arXiv 2103.03098, who advise 29 pairs). The interval is a little too narrow for few "
        "pairs: the true value lies in it about 80 to 98 times in 100 with ten pairs, and 92 to 96 with thirty. So the "
        "sign test must agree at 5%.",
        f"With fewer than {FEWEST_PAIRS} seeds nothing is decided and no bootstrap interval is shown: where a few "
        "seeds fall out alike it shows no doubt at all, though five out of five happen by chance, one way or the "
        "other, in 6 of 100 cases.",
    ]
    several = [len(pairs(dataset)) for dataset in records.datasets]
    if sum(several) > 1:
        notes.append(
            f"Intervals and verdicts are those of each pair alone: of {sum(several)} pairs without any difference, the "
            f"intervals of about {max(1, round((1 - LEVEL) * sum(several)))} would leave out 0 by chance."
        )
    return notes


def _row(dataset: DatasetRecords, better: SystemRecords, other: SystemRecords) -> Row:
    difference = apart(other, better)
    found = compared(dataset, better, other)
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "better": better.name,
        "other": other.name,
        "seeds": found.pairs,
        "difference": percent(difference.value),
        "low": percent(difference.low),
        "high": percent(difference.high),
        "outperforms": found.share,
        "outperforms_low": found.low,
        "outperforms_high": found.high,
        "sign_test_p": found.p,
        "verdict": _verdict(found),
        "blind": "blind" if better.blind and other.blind else "not blind",
        "records": joined([*better.paths, *other.paths]),
    }


def _verdict(found: Outperforming) -> str:
    if found.pairs < FEWEST_PAIRS:
        return "not decided: too few seeds"
    if found.decided:
        return "A outperforms B"
    if found.ahead:
        return f"A is ahead, but not in {MEANINGFUL:.0%} of the runs"
    return "not decided: may be chance"


def _interval(row: Row) -> str:
    return f"{fixed(row['low'], 2)} to {fixed(row['high'], 2)}"


def _outperforms_interval(row: Row) -> str:
    if int(row["seeds"] or 0) < FEWEST_PAIRS:
        return ABSENT
    return f"{fixed(row['outperforms_low'], 2)} to {fixed(row['outperforms_high'], 2)}"

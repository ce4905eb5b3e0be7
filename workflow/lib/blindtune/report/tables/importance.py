"""The table of hyperparameters: which mattered on each dataset, with the spread over the seeds."""

from blindtune.report.importance import (
    LOG_RATIO,
    MIN_ACTIVE,
    MIN_TOP,
    MOST_SETS,
    SHUFFLES,
    TOP_SHARE,
    Importance,
    SpaceTrials,
    rank_hyperparameters,
)
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import Column, ReportTable, Row, format_number, join_paths, number_column, text_column

#: The most important hyperparameters of each space that are displayed; the CSV has all.
DISPLAYED = 8


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset, space and hyperparameter, the most important first."""
    found = [(dataset, group) for dataset in records.datasets for group in rank_hyperparameters(dataset)]
    rows = [_row(dataset, group, one, place) for dataset, group in found for place, one in enumerate(group.found, 1)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("space", "Space"),
        text_column("tuners", "Tuners", wide=True),
        number_column("sets", "Sets"),
        text_column("hyperparameter", "Hyperparameter"),
        number_column("importance", "mean", 1, "importance, %"),
        Column("seeds", _range, "importance, %", numeric=True),
        number_column("chance", "by chance up to", 1, "importance, %"),
        number_column("active", "Active, % of sets", 0),
    ]
    shown = [row for row in rows if isinstance(row["place"], int) and row["place"] <= DISPLAYED]
    return ReportTable("importance", "Which hyperparameters mattered", rows, columns, _notes(found), shown=shown)


def _row(dataset: DatasetRecords, group: SpaceTrials, one: Importance, place: int) -> Row:
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "space": group.space,
        "tuners": group.tuners,
        "seeds": len(group.seeds),
        "sets": group.sets,
        "place": place,
        "hyperparameter": one.name,
        "importance": 100 * one.mean,
        "importance_low": 100 * min(one.of_seeds),
        "importance_high": 100 * max(one.of_seeds),
        "chance": 100 * one.chance,
        "active": 100 * one.active,
        "records": join_paths([path for system in group.systems for path in system.paths[::2]]),
    }


def _range(row: Row) -> str:
    return f"{format_number(row['importance_low'], 1)}–{format_number(row['importance_high'], 1)}"


def _notes(found: list[tuple[DatasetRecords, SpaceTrials]]) -> list[str]:
    notes = [
        "Importance: how differently the hyperparameter is distributed among the best "
        f"{100 * TOP_SHARE:.0f}% of the sets (at least {MIN_TOP}) and among all, as a share of the sum over all "
        "hyperparameters (PED-ANOVA as Optuna has it: Watanabe et al. 2023, arXiv 2304.10255). The mean and the range "
        "over the seeds. It says what was needed to be among the best on dev, not that one value is better than "
        "another everywhere; the figure of slices shows which.",
        f"By chance: the highest share in {SHUFFLES} or more shuffles of the values among the sets. An importance "
        "below it is none.",
        "Sets: all that were scored on dev, of all tuners with the same space and training together, of all seeds; of "
        "a set that was promoted, the last trial. A set of a tuner that trains promising sets longer may be among the "
        f"best for that. Of more than {MOST_SETS} sets of a seed, so many are taken, evenly spaced.",
        "Active: a hyperparameter that only some sets have, such as the units of a third layer, is compared among "
        "those sets, and their share is its weight (arXiv 2601.20800). So a rare one can be important only if it is "
        f"frequent among the best. Left out are those that are active in fewer than {MIN_ACTIVE} sets of a seed, and "
        f"those with one value. The ranges are those that were tried; numbers over a factor of {LOG_RATIO} are taken "
        "on the logarithmic scale.",
    ]
    for dataset, group in found:
        if group.refused:
            notes.append(f"{dataset.title}, {group.space} ({group.tuners}): not ranked, {group.refused}.")
        elif group.left_out:
            notes.append(
                f"{dataset.title}, {group.space}: left out, since a seed has too few sets with them or a single value: "
                f"{', '.join(group.left_out)}."
            )
    if any(len(group.found) > DISPLAYED for _, group in found):
        notes.append(f"Displayed are the first {DISPLAYED} of each space.")
    return notes

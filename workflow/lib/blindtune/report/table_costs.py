"""The costs: what each system spent, and what became of it between dev and eval."""

from blindtune.report.records import DatasetRecords, Records, Run, SystemRecords
from blindtune.report.statistics import mean
from blindtune.report.table import ABSENT, Column, Row, Table, fixed, joined, number, percent, plain
from blindtune.trials import Seconds

PARTS = ("suggest", "build", "train", "evaluate", "save")
BAD = ("invalid", "failed", "diverged", "pruned")


def build(records: Records) -> Table:
    """One row per dataset and system: means over the seeds of one study each."""
    rows = [_row(dataset, system) for dataset in records.datasets for system in dataset.systems]
    columns = [
        plain("dataset", "Dataset"),
        plain("data", "Data"),
        plain("system", "System"),
        number("budget", "given", 0, "budget, trials"),
        Column("spent", lambda row: _count(row["trials"]), "budget, trials", numeric=True),
        Column("spent, invalid left out", lambda row: _count(row["trials_valid"]), "budget, trials", numeric=True),
        Column("without a score", _bad, "budget, trials", wide=True),
        Column("Epochs", lambda row: _count(row["epochs"]), numeric=True),
        *(_time(part) for part in (*PARTS, "total")),
        Column("Parameters", _parameters, wide=True),
        number("gap", "eval − dev", 2),
    ]
    hosts = sorted({trial.host for run in records.runs for trial in run.trials})
    notes = [
        "Every number is the mean over the seeds of one study each; parameters are those of the frozen models, from "
        "the fewest to the most. Times are wall / CPU seconds of the process that trains.",
        "Two accounts of the budget: all trials that were spent, and those that were left when invalid sets, from "
        "which no model can be built, are not counted. No set ever halts a search.",
        "eval − dev is the error on eval minus the error on dev, in points; a large one: dev was a bad guide.",
        f"The trials ran on {', '.join(hosts) or 'no host'}; times on different machines must not be compared."
        " Reference systems with several candidates count each as a trial.",
    ]
    return Table("costs", "What each system cost", rows, columns, notes)


def _row(dataset: DatasetRecords, system: SystemRecords) -> Row:
    runs = system.runs
    parameters = [run.card.parameters for run in runs if run.card.parameters is not None]
    row: Row = {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": system.name,
        "kind": system.kind,
        "seeds": len(runs),
        "budget": budget.trials if (budget := runs[0].card.budget) else None,
        "trials": mean([run.card.spent.trials for run in runs]),
        "trials_valid": mean([run.card.spent.trials - run.card.statuses.get("invalid", 0) for run in runs]),
    }
    for status in BAD:
        row[status] = mean([run.card.statuses.get(status, 0) for run in runs])
    row["exhausted"] = sum(run.card.exhausted for run in runs)
    row["epochs"] = mean([run.card.spent.epochs for run in runs])
    for clock in ("wall", "cpu"):
        for part in PARTS:
            row[f"{part}_{clock}_seconds"] = mean([_seconds(run, part, clock) for run in runs])
        row[f"total_{clock}_seconds"] = mean([_total(run, clock) for run in runs])
    row |= {
        "parameters_least": min(parameters, default=None),
        "parameters_most": max(parameters, default=None),
        # The estimates of two splits have nothing to do with each other.
        "gap": None if system.kind == "bayes" else percent(system.error("eval") - system.error("dev")),
        "records": joined(system.paths),
    }
    return row


def _seconds(run: Run, part: str, clock: str) -> float:
    return float(getattr(run.card.spent.seconds.get(part, Seconds()), clock))


def _total(run: Run, clock: str) -> float:
    return sum(float(getattr(seconds, clock)) for seconds in run.card.spent.seconds.values())


def _count(value: object) -> str:
    return fixed(value, 0 if value == int(value) else 1) if isinstance(value, int | float) else ABSENT


def _bad(row: Row) -> str:
    return ", ".join(f"{_count(row[status])} {status}" for status in BAD if row[status]) or "0"


def _time(part: str) -> Column:
    def text(row: Row) -> str:
        return " / ".join(_brief(row[f"{part}_{clock}_seconds"]) for clock in ("wall", "cpu"))

    return Column(part, text, "seconds, wall / CPU", numeric=True)


def _brief(value: object) -> str:
    if not isinstance(value, int | float):
        return ABSENT
    return fixed(value, 0 if value >= 100 else 1 if value >= 1 else 2)


def _parameters(row: Row) -> str:
    least, most = row["parameters_least"], row["parameters_most"]
    return fixed(least, 0) if least == most else f"{fixed(least, 0)}–{fixed(most, 0)}"

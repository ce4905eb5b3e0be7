"""Where the seconds of every study went."""

from blindtune.core.timing import CpuWallTime
from blindtune.report.records import ReportRecords, SystemRecords
from blindtune.report.stats.statistics import mean
from blindtune.report.table import ABSENT, Cell, Column, ReportTable, Row, format_number, join_paths, text_column

PARTS = ("suggest", "build", "train", "evaluate", "save")

FUSED = (
    "Trained by fused: many trials at once as one model in PyTorch, each with the very numbers that it gets alone; the "
    "seconds of an epoch are shared among them by their parameters. Without dropout that is the model that the trainer "
    "pytorch gives, up to rounding. Keras draws other initial weights than PyTorch, whatever trains."
)


def build(records: ReportRecords) -> ReportTable:
    """One row per dataset and system: means over the seeds of one study each."""
    rows = [
        {
            "dataset": dataset.name,
            "data": dataset.data,
            "system": system.name,
            "trainer": system.runs[0].card.settings.get("trainer"),
            "seeds": len(system.runs),
            **_parts(system),
            "records": join_paths(system.paths),
        }
        for dataset in records.datasets
        for system in dataset.systems
    ]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        text_column("trainer", "Trained by"),
        *map(_column, PARTS),
    ]
    hosts = sorted({trial.host for run in records.runs for trial in run.trials})
    notes = [
        "Means over the seeds of one study each, in wall / CPU seconds of the process that trains; their sums stand in "
        "the table of costs. Suggesting is all that the tuner itself does, evaluating is scoring on dev, saving is "
        "writing weights.",
        f"The trials ran on {', '.join(hosts) or 'no host'}; times on different machines must not be compared.",
    ]
    if any(row["trainer"] == "fused" for row in rows):
        notes.append(FUSED)
    return ReportTable("times", "Where the seconds went", rows, columns, notes)


def mean_seconds(system: SystemRecords, part: str, clock: str) -> float:
    """Seconds of one part of a study, mean over the seeds; ``clock`` is wall or cpu."""
    return mean([float(getattr(run.card.spent.seconds.get(part, CpuWallTime()), clock)) for run in system.runs])


def format_seconds(value: Cell) -> str:
    """Seconds with three digits or so."""
    if not isinstance(value, int | float):
        return ABSENT
    return format_number(value, 0 if value >= 100 else 1 if value >= 1 else 2 if value >= 0.1 or value == 0 else 3)


def _parts(system: SystemRecords) -> Row:
    return {f"{part}_{clock}_seconds": mean_seconds(system, part, clock) for clock in ("wall", "cpu") for part in PARTS}


def _column(part: str) -> Column:
    def text(row: Row) -> str:
        return " / ".join(format_seconds(row[f"{part}_{clock}_seconds"]) for clock in ("wall", "cpu"))

    return Column(part, text, "seconds, wall / CPU", numeric=True)

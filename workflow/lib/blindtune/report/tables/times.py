"""The table of times: how the seconds of every study divide into parts."""

from blindtune.core.timing import CpuWallTime
from blindtune.report.records import ReportRecords, SystemRecords
from blindtune.report.searches import describe_trainer
from blindtune.report.stats.statistics import mean
from blindtune.report.table import ABSENT, Cell, Column, ReportTable, Row, format_number, join_paths, text_column

PARTS = ("suggest", "build", "train", "evaluate", "save")

FUSED = (
    "Trained by fused: many trials as one fused PyTorch model, each bit-identical to training it alone. The seconds "
    "of an epoch are divided among the trials by their numbers of parameters. Without dropout, the trainer pytorch "
    "gives the same models up to rounding. Keras draws other initial weights than PyTorch, for any trainer."
)


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and system, with means over the seeds."""
    rows = [
        {
            "dataset": dataset.name,
            "data": dataset.data,
            "system": system.name,
            "trainer": describe_trainer(system.runs[0].card),
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
        "Means over the seeds, in wall / CPU seconds of the training process; the table of costs has their sums. "
        "suggest: all work of the tuner itself; evaluate: scoring on dev; save: writing weights.",
        f"The trials ran on {', '.join(hosts) or 'no host'}. Times of different machines must not be compared.",
    ]
    if any(row["trainer"] == "fused" for row in rows):
        notes.append(FUSED)
    return ReportTable("times", "Where the seconds went", rows, columns, notes)


def compute_mean_seconds(system: SystemRecords, part: str, clock: str) -> float:
    """Return the seconds of one part of a study, mean over the seeds.

    Args:
        system: the system.
        part: one of `PARTS`.
        clock: wall or cpu.

    Returns:
        The seconds.
    """
    return mean([float(getattr(run.card.spent.seconds.get(part, CpuWallTime()), clock)) for run in system.runs])


def format_seconds(value: Cell) -> str:
    """Format seconds with about three significant digits."""
    if not isinstance(value, int | float):
        return ABSENT
    return format_number(value, 0 if value >= 100 else 1 if value >= 1 else 2 if value >= 0.1 or value == 0 else 3)


def _parts(system: SystemRecords) -> Row:
    return {
        f"{part}_{clock}_seconds": compute_mean_seconds(system, part, clock)
        for clock in ("wall", "cpu")
        for part in PARTS
    }


def _column(part: str) -> Column:
    def text(row: Row) -> str:
        return " / ".join(format_seconds(row[f"{part}_{clock}_seconds"]) for clock in ("wall", "cpu"))

    return Column(part, text, "seconds, wall / CPU", numeric=True)

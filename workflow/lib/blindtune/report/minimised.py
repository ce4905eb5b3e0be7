"""What a comparison minimised, as text, as cells of tables and as labels of axes.

Every metric is turned so that lower is better, in records, tables and figures alike: ``roc_auc`` is shown as 1 − ROC
AUC. A share is shown in %, and a difference of two shares in points.
"""

from blindtune.metrics.registry import ERROR, METRICS, is_error
from blindtune.report.margin import from_points
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.table import Cell, format_number, to_percent


def has_other_metric(records: ReportRecords) -> bool:
    """Return whether a comparison of the report minimised another metric than the error."""
    return any(not is_error(dataset.metric) for dataset in records.datasets)


def get_title(metric: str) -> str:
    """Return the name of a metric in tables, such as "log loss"."""
    return METRICS[metric].title


def get_unit(metric: str) -> str | None:
    """Return the unit in which a metric is shown: "%" for a share, else None."""
    return "%" if METRICS[metric].is_share else None


def get_scale(metric: str) -> float:
    """Return what a value is multiplied by to be shown."""
    return 100.0 if METRICS[metric].is_share else 1.0


def format_metric(metric: str, value: float) -> str:
    """Return a value of a metric as text, in % if it is a share."""
    return f"{to_percent(value):.2f}%" if METRICS[metric].is_share else f"{value:.4f}"


def format_change(metric: str, value: float) -> str:
    """Return a difference of two values as text, in points if they are shares, without the unit."""
    # As in tables: a half of the last digit must not be rounded up in one place and down in another.
    scaled = round(get_scale(metric) * value, 10)
    digits = 2 if METRICS[metric].is_share else 4
    # No "-0.00" either.
    return f"{round(scaled, digits) + 0.0:.{digits}f}".replace("-", "−")


def format_margin(metric: str, margin: float) -> str:
    """Return the difference that is too small to matter as text, with its unit if it has one.

    Args:
        metric: what was minimised.
        margin: in points of %.
    """
    if not METRICS[metric].is_share:
        return f"{from_points(margin):g}"
    return f"{margin:g} {'point' if margin == 1 else 'points'}"


def raise_to_equal(level: float) -> float:
    """Return the highest value that counts as equal to a level: means of as many wrong samples differ by rounding."""
    return level + 1e-9


def to_cell(metric: str, value: float | None) -> float | None:
    """Return a value of a metric for the cell of a table: in % if it is a share."""
    return to_percent(value) if METRICS[metric].is_share else value


def format_cell(unit: Cell, value: Cell) -> str:
    """Return a cell that `to_cell` made as text.

    Args:
        unit: of the metric.
        value: of the cell.
    """
    return format_number(value, 2 if unit else 4)


def label_axis(split: str, metric: str) -> str:
    """Return the label of an axis, such as "dev error (%)"."""
    return f"{split} {METRICS[metric].title}{' (%)' if METRICS[metric].is_share else ''}"


def describe_value(system: SystemRecords, after: str = "") -> str:
    """Return the mean on eval of what was minimised as text, and the error next to it if that is another number.

    Args:
        system: the system.
        after: words that follow the value.
    """
    value = format_metric(system.metric, system.objective("eval")) + after
    return value if is_error(system.metric) else f"{value}, error {format_metric(ERROR, system.error('eval'))}"


def list_metrics(datasets: list[DatasetRecords]) -> str:
    """Return what each dataset's comparison minimised, as text."""
    return "; ".join(f"{dataset.title}: {get_title(dataset.metric)}" for dataset in datasets)

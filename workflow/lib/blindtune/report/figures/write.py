"""Every figure of the report; `blindtune.report.contents` has the list."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.report import contents
from blindtune.report.figures.style import SystemStyle, assign_styles, save_figure
from blindtune.report.records import DatasetRecords, ReportRecords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAW: dict[str, Callable[[DatasetRecords, dict[str, SystemStyle]], "Figure"]] = contents.load_members(
    contents.FIGURE_MODULES, "draw"
)
#: What stands under a figure of each kind.
CAPTIONS: dict[str, str] = contents.load_members(contents.FIGURE_MODULES, "CAPTION")


def write_figures(records: ReportRecords, folder: Path) -> None:
    """Write every figure of `names` as SVG and PNG; where one makes no sense, a sentence stands in its place.

    Raises:
        UserError: the disk refuses.
    """
    of_system = assign_styles(records)
    for dataset in records.datasets:
        for kind in dataset.figure_kinds:
            save_figure(DRAW[kind](dataset, of_system), folder, f"{kind}_{dataset.name}")

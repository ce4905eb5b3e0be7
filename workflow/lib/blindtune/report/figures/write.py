"""Every figure of the report; `blindtune.report.contents` has the list."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.report import contents as names
from blindtune.report.figures.style import Mark, marks, save
from blindtune.report.records import DatasetRecords, Records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES: dict[str, Callable[[DatasetRecords, dict[str, Mark]], "Figure"]] = names.members(names.FIGURES, "draw")
#: What stands under a figure of each family.
CAPTIONS: dict[str, str] = names.members(names.FIGURES, "CAPTION")


def write_figures(records: Records, folder: Path) -> None:
    """Write every figure of `names` as SVG and PNG; where one makes no sense, a sentence stands in its place.

    Raises:
        UserError: the disk refuses.
    """
    of_system = marks(records)
    for dataset in records.datasets:
        for family in dataset.families:
            save(FAMILIES[family](dataset, of_system), folder, f"{family}_{dataset.name}")

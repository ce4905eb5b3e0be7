"""Every figure of the report, a function per family; `names` gives their names."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.report import figure_cost, figure_search, figure_splits, figure_surfaces
from blindtune.report.names import figures as names
from blindtune.report.records import DatasetRecords, Records
from blindtune.report.style import Mark, marks, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES: dict[str, Callable[[DatasetRecords, dict[str, Mark]], "Figure"]] = {
    "splits": figure_splits.draw,
    "surfaces": figure_surfaces.draw,
    "search": figure_search.draw,
    "cost": figure_cost.draw,
}

__all__ = ["CAPTIONS", "FAMILIES", "names", "write_figures"]

#: What stands under a figure of each family.
CAPTIONS = {
    "splits": "Samples of each split, drawn at random (the published Figure 2 shows the same of #10). "
    "Eval was drawn after every model of the dataset was frozen.",
    "surfaces": "What each system decides over the plane (the published Figure 5 shows the same of #10). Of "
    "several seeds, the one with the lowest dev error; the background is the decision, the dots are eval "
    "samples in their true class.",
    "search": "Dev error of the best trial so far, against trials and against wall seconds; one line per seed. Systems "
    "that do not search are a dashed level on the left and a point per seed on the right.",
    "cost": "Error on eval against the parameters of the frozen model and against the wall seconds of its study; one "
    "point per seed.",
}


def write_figures(records: Records, folder: Path) -> None:
    """Write every figure of `names` as SVG and PNG; where one makes no sense, a sentence stands in its place.

    Raises:
        UserError: the disk refuses.
    """
    of_system = marks(records)
    for dataset in records.datasets:
        for family, draw in FAMILIES.items():
            save(draw(dataset, of_system), folder, f"{family}_{dataset.name}")

"""Every figure of the report, a function per family; `names` gives their names."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.report import (
    figure_cost,
    figure_pairs,
    figure_pareto,
    figure_search,
    figure_splits,
    figure_surfaces,
    figure_times,
)
from blindtune.report.names import figures as names
from blindtune.report.records import DatasetRecords, Records
from blindtune.report.style import Mark, marks, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES: dict[str, Callable[[DatasetRecords, dict[str, Mark]], "Figure"]] = {
    "splits": figure_splits.draw,
    "surfaces": figure_surfaces.draw,
    "search": figure_search.draw,
    "pairs": figure_pairs.draw,
    "times": figure_times.draw,
    "pareto": figure_pareto.draw,
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
    "search": "Dev error of the best trial so far, against the epochs of all trials, whatever became of them, and "
    "against the wall seconds of all parts. Of several seeds the line is the median and the band reaches from the "
    "lowest to the highest; a search that ended keeps what it had. The worst first guesses lie above the frame. A "
    "tuner that scores on folds shows only what it trained on all of train. The legend begins with the lowest dev "
    "error. Systems that do not search are a dotted level on the left and a point per seed on the right.",
    "pairs": "Mean eval error of the tuner of the row minus that of the column, in points, paired by seed; the lowest "
    "error comes first. Framed: the 95% interval of this pair alone leaves out 0.",
    "times": "Wall seconds of a study by what they went into, mean over the seeds: on the left as they are, on the "
    "right as shares.",
    "pareto": "Every completed trial of every tuner and seed: dev error and trainable parameters. The black line is "
    "the front of all tuners together: no trial is both smaller and better than one on it; each of its corners bears "
    "the mark of the tuner that found it. Tuners that sought both at once are drawn out with fronts of their own, and "
    "the others are faint.",
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

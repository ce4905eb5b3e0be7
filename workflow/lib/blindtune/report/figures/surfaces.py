"""The figure of decision surfaces (Figure 5 of Shawki et al. 2021)."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blindtune.core.colors import CLASSES
from blindtune.report.figures.splits import add_class_legend, scatter_samples
from blindtune.report.figures.style import WIDTH, SystemStyle, draw_sentence, escape_dollars, new_figure
from blindtune.report.records import Arrays, DatasetRecords, RunRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "The decision surface of each system (as in the published Figure 5 for #10). With several seeds, the one with the "
    "lowest dev {metric} is shown. The background is the predicted class; the dots are eval samples in the color of "
    "their true class."
)


@dataclass(frozen=True)
class Grid:
    """How panels are arranged.

    Attributes:
        columns: panels in each row.
        height: of a row, in inches.
        samples: dots in each panel, few enough that the decision surface stays visible.
        edge: the width of a white line around each dot, in points.
        dot: the largest area of a dot, in square points.
        size: of the letters; None: that of all figures.
    """

    columns: int
    height: float
    samples: int
    edge: float
    dot: float
    size: float | None


#: With more panels than this they are smaller, so that all can be seen at once.
MANY_PANELS = 12
FEW, MANY = Grid(3, 2.75, 600, 0.3, 9.0, None), Grid(5, 1.7, 150, 0.0, 3.2, 6.5)


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one panel per system: its decision surface and some eval samples.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    chosen = [(system.name, system.best_on_dev()) for system in dataset.classifiers]
    drawn = [(name, run, run.surface) for name, run in chosen if run.surface is not None]
    if not drawn:
        return draw_sentence(f"{dataset.name} does not have exactly two features, so no decision surface is drawn.")
    grid = FEW if len(drawn) <= MANY_PANELS else MANY
    rows = math.ceil(len(drawn) / grid.columns)
    with new_figure(WIDTH, grid.height * rows + 0.7) as figure:
        panels: Any = figure.subplots(rows, grid.columns, sharex=True, sharey=True, squeeze=False)
        for axes, (name, run, surface) in zip(panels.flat, drawn, strict=False):
            _panel(axes, dataset, surface, grid)
            axes.set_title(f"{escape_dollars(name)}\n{_caption(run)}", fontsize=grid.size)
            axes.tick_params(labelsize=grid.size)
        for axes in panels.flat[len(drawn) :]:
            axes.set_visible(False)
        _label_edges(panels, len(drawn), dataset.manifest.units, grid)
        add_class_legend(figure, dataset)
        figure.suptitle(f"{escape_dollars(dataset.title)}: decision surfaces with some eval samples", fontsize=10.5)
        return figure


def _caption(run: RunRecords) -> str:
    return f"seed {run.card.seed}, eval error {run.decode.error:.2%}"


def _panel(axes: "Axes", dataset: DatasetRecords, surface: Arrays, grid: Grid) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap

    labels = len(dataset.manifest.classes)
    colors = ListedColormap([CLASSES[label % len(CLASSES)][1] for label in range(labels)])
    x, y = surface["x"], surface["y"]
    axes.imshow(
        surface["label"],
        extent=(float(x[0]), float(x[-1]), float(y[0]), float(y[-1])),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=colors,
        norm=BoundaryNorm([label - 0.5 for label in range(labels + 1)], labels),
    )
    samples, classes = (dataset.split_samples[f"eval_{part}"][: grid.samples] for part in "xy")
    scatter_samples(axes, samples, classes, grid.edge, grid.dot)
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.set_ylim(float(y[0]), float(y[-1]))
    axes.grid(False)


def _label_edges(panels: Any, drawn: int, units: str, grid: Grid) -> None:
    """Label the axes of the outer panels only, including panels without one below them."""
    for number in range(drawn):
        axes = panels.flat[number]
        if number % grid.columns == 0:
            axes.set_ylabel(f"feature 2 ({escape_dollars(units)})", fontsize=grid.size)
        if number + grid.columns >= drawn:
            axes.set_xlabel(f"feature 1 ({escape_dollars(units)})", fontsize=grid.size)
            axes.tick_params(labelbottom=True)

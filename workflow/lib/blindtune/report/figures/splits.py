"""The samples of train, dev and eval side by side (Figure 2 of Shawki et al. 2021)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.core.colors import CLASSES
from blindtune.report.figures.style import WIDTH, SystemStyle, draw_sentence, escape_dollars, new_figure
from blindtune.report.records import DatasetRecords
from blindtune.report.tables.datasets import SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Samples of each split, drawn at random (the published Figure 2 shows the same of #10). Eval was drawn after "
    "every model of the dataset was frozen."
)


def draw(dataset: DatasetRecords, marks: dict[str, SystemStyle]) -> "Figure":
    """Three panels with the same axes, a colour per class."""
    if dataset.manifest.sample_shape != [2]:
        return draw_sentence(f"{dataset.name} has no two features that could be drawn as a plane.")
    with new_figure(WIDTH, 3.0) as figure:
        panels: Any = figure.subplots(1, 3, sharex=True, sharey=True)
        for split, axes in zip(SPLITS, panels, strict=True):
            x, y = dataset.split_samples[f"{split}_x"], dataset.split_samples[f"{split}_y"]
            scatter_samples(axes, x, y)
            axes.set_title(f"{split}: {len(y):,} of {sum(dataset.manifest.counts[split].values()):,} samples")
            axes.set_xlabel(f"feature 1 ({escape_dollars(dataset.manifest.units)})")
        panels[0].set_ylabel(f"feature 2 ({escape_dollars(dataset.manifest.units)})")
        _frame(panels[0], dataset)
        add_class_legend(figure, dataset)
        figure.suptitle(escape_dollars(dataset.title), fontsize=10.5)
        return figure


def scatter_samples(axes: "Axes", x: Any, y: Any, edge: float = 0.0) -> None:
    """Samples ``x`` (samples, 2) by class ``y``, as pixels: an SVG with every dot would be huge.

    The fewer there are, the larger the dots; ``edge`` is the width of a white line around them, in points.
    """
    colours = np.array([CLASSES[label % len(CLASSES)][0] for label in range(int(y.max()) + 1)])
    size = min(9.0, 0.8 + 2500 / max(1, len(y)))
    axes.scatter(
        x[:, 0], x[:, 1], s=size, c=colours[y], linewidths=edge, edgecolors="white", alpha=0.8, rasterized=True
    )


def add_class_legend(figure: "Figure", dataset: DatasetRecords) -> None:
    """A dot and a name per class, below all panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker="o", linestyle="", color=CLASSES[label % len(CLASSES)][0], label=escape_dollars(name))
        for label, name in enumerate(dataset.manifest.classes)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))


def _frame(axes: "Axes", dataset: DatasetRecords) -> None:
    """Show all but the few far outliers, which would shrink everything else."""
    x = np.concatenate([dataset.split_samples[f"{split}_x"] for split in SPLITS])
    low, high = np.quantile(x, [0.002, 0.998], axis=0)
    margin = 0.05 * (high - low)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])

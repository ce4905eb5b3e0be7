"""The figure of splits: samples of train, dev and eval (Figure 2 of Shawki et al. 2021)."""

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
    "Random samples of each split (as in the published Figure 2 for #10). The samples of eval were read after every "
    "model of the dataset was frozen."
)


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw three panels with the same axes and one color per class.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    if dataset.manifest.sample_shape != [2]:
        return draw_sentence(f"{dataset.name} does not have exactly two features, so its splits are not drawn.")
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


def scatter_samples(axes: "Axes", x: Any, y: Any, edge: float = 0.0, most: float = 9.0) -> None:
    """Draw samples as dots; the fewer, the larger. They are rasterized, because an SVG of all dots would be huge.

    Args:
        axes: the axes.
        x: the samples, ``(n_samples, 2)``.
        y: their classes, ``(n_samples,)``.
        edge: the width of a white line around each dot, in points.
        most: the largest area of a dot, in square points.
    """
    colors = np.array([CLASSES[label % len(CLASSES)][0] for label in range(int(y.max()) + 1)])
    size = min(most, 0.8 + 2500 / max(1, len(y)))
    axes.scatter(x[:, 0], x[:, 1], s=size, c=colors[y], linewidths=edge, edgecolors="white", alpha=0.8, rasterized=True)


def add_class_legend(figure: "Figure", dataset: DatasetRecords) -> None:
    """Add a legend of the classes below all panels.

    Args:
        figure: the figure.
        dataset: the dataset with the names of the classes.
    """
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker="o", linestyle="", color=CLASSES[label % len(CLASSES)][0], label=escape_dollars(name))
        for label, name in enumerate(dataset.manifest.classes)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))


def _frame(axes: "Axes", dataset: DatasetRecords) -> None:
    """Limit the axes to all samples but a few far outliers, which would shrink the rest."""
    x = np.concatenate([dataset.split_samples[f"{split}_x"] for split in SPLITS])
    low, high = np.quantile(x, [0.002, 0.998], axis=0)
    margin = 0.05 * (high - low)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])

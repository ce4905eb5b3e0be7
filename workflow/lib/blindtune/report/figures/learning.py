"""The figure of learning curves: the frozen models on dev and on train, epoch by epoch."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.report.curves import compute_median, find_chosen, follow_curve, read_dev, read_train_error
from blindtune.report.figures.style import (
    WIDTH,
    SystemStyle,
    add_legend_below,
    draw_sentence,
    escape_dollars,
    new_figure,
    set_error_axis,
)
from blindtune.report.minimised import label_axis
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "The training of each frozen model: its dev {metric} after each epoch, and its train error as both libraries "
    "report it, a mean over the epoch while the weights change and dropout is active. Line: the median of the seeds "
    "that trained so long, while that is at least half of them. Thin lines: the seeds, if there are at most 40 lines. "
    "Marker: the epoch that was scored, of the seed with the lowest value on dev."
)

#: With more lines than this, only medians are drawn.
MOST_THIN = 40


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw the curves of every model that was trained epoch by epoch.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    trained = [system for system in dataset.classifiers if system.kind in ("manual", "tuner")]
    shown = [system for system in trained if len(_longest(system)) > 1]
    if not shown:
        return draw_sentence(f"No model on {dataset.name} was trained for more than one epoch.")
    thin = sum(len(system.runs) for system in shown) <= MOST_THIN
    with new_figure(WIDTH, 3.4 + 0.06 * len(shown)) as figure:
        panels: Any = figure.subplots(1, 2)
        on_dev, on_train = (
            [value for system in shown for value in _draw_system(panels, place, system, styles[system.name], thin)]
            for place in range(2)
        )
        for axes, values in zip(panels, (on_dev, on_train), strict=True):
            known = np.array(values)[np.isfinite(values)]
            if len(known):
                set_error_axis(axes, float(known.min()), float(np.quantile(known, 0.97)))
            axes.set_xlabel("epoch")
        panels[0].set_ylabel(label_axis("dev", dataset.metric))
        panels[1].set_ylabel("train error (%), during the epoch")
        add_legend_below(figure, *panels[0].get_legend_handles_labels())
        figure.suptitle(f"{escape_dollars(dataset.title)}: the training of the frozen models", fontsize=10.5)
        return figure


def _curves(system: SystemRecords, place: int) -> list[Floats]:
    """Return the curve of each seed on dev (place 0) or on train (place 1)."""
    followed = [follow_curve(run.trials, chosen) for run in system.runs if (chosen := find_chosen(run)) is not None]
    return [read_train_error(curve) if place else read_dev(curve, system.runs[0].card.metric) for curve in followed]


def _longest(system: SystemRecords) -> Floats:
    return max(_curves(system, 0), key=len, default=np.zeros(0))


def _draw_system(panels: Any, place: int, system: SystemRecords, style: SystemStyle, thin: bool) -> list[float]:
    """Draw a system in one panel and return the values that it shows."""
    axes, curves = panels[place], _curves(system, place)
    for curve in curves if thin and len(curves) > 1 else []:
        axes.plot(_epochs(curve), curve, color=style.color, linewidth=0.6, alpha=0.45)
    middle = compute_median(curves)
    axes.plot(_epochs(middle), middle, color=style.color, linestyle=style.line, linewidth=1.7, zorder=3)
    axes.plot(
        [], [], color=style.color, linestyle=style.line, marker=style.marker, markersize=5,
        label=escape_dollars(system.name),
    )  # fmt: skip
    best = system.best_on_dev()
    chosen = find_chosen(best)
    curve = curves[system.runs.index(best)] if len(curves) == len(system.runs) else np.zeros(0)
    at = chosen.scored_epoch if chosen is not None else None
    if at is not None and 0 < at <= len(curve):
        axes.plot([at], [curve[at - 1]], color=style.color, marker=style.marker, markersize=5.5, zorder=4)
    return [float(value) for one in [middle, *(curves if thin else [])] for value in one]


def _epochs(curve: Floats) -> Floats:
    return np.arange(1.0, len(curve) + 1)

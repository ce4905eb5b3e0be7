"""The figure of trial curves: what each trial of a search reached on dev, epoch by epoch, and where it was pruned."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.records.trial import Trial
from blindtune.report.curves import find_chosen, read_dev
from blindtune.report.figures.style import (
    PALETTE,
    WIDTH,
    SystemStyle,
    draw_sentence,
    escape_dollars,
    new_figure,
    set_error_axis,
)
from blindtune.report.importance import thin
from blindtune.report.minimised import label_axis
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import get_folds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "The dev {metric} of each trial after each epoch, of the first seed. Crosses: pruned there; wine: diverged or "
    "failed; black: the chosen one. A trial that continues another begins at its epoch. Of more than 40 trials, so "
    "many are shown, evenly spaced, and the chosen one; of more than 9 searches, the first 9. The worst values are "
    "above the frame. A line has at most 25 points."
)

#: The fewest trials with a curve of two epochs that a search is shown with.
MIN_TRIALS = 3
MOST_TRIALS, MOST_SEARCHES, COLUMNS = 40, 9, 3
#: The most points of a line.
MOST_POINTS = 25


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one panel of thin lines for each search.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    shown = [system for system in dataset.systems_of_kind("tuner") if _is_shown(system)][:MOST_SEARCHES]
    if not shown:
        return draw_sentence(f"No search on {dataset.name} has {MIN_TRIALS} trials that were trained epoch by epoch.")
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with new_figure(WIDTH, 0.6 + 2.1 * rows) as figure:
        grid: Any = figure.subplots(rows, columns, squeeze=False, sharey=True)
        values = np.concatenate([
            _panel(axes, system) for axes, system in zip(grid.ravel(), shown, strict=False)
        ])  # fmt: skip
        for axes in grid.ravel()[len(shown) :]:
            axes.set_axis_off()
        set_error_axis(grid[0, 0], float(values.min()), float(np.quantile(values, 0.95)))
        for axes in grid[:, 0]:
            axes.set_ylabel(label_axis("dev", dataset.metric))
        figure.suptitle(f"{escape_dollars(dataset.title)}: the trials of each search", fontsize=10.5)
        return figure


def _is_shown(system: SystemRecords) -> bool:
    run = system.runs[0]
    followed = [read_dev(trial.curve, run.card.metric) for trial in run.trials if len(trial.curve) > 1]
    has_values = any(np.isfinite(curve).any() for curve in followed)
    return not get_folds(system) and len(followed) >= MIN_TRIALS and has_values


def _panel(axes: "Axes", system: SystemRecords) -> np.ndarray:
    """Draw the trials of a search and return the values that are shown."""
    run = system.runs[0]
    chosen = find_chosen(run)
    drawn = [trial for trial in run.trials if trial.curve]
    kept = thin(drawn, MOST_TRIALS)
    values = [_line(axes, trial, system.runs[0].card.metric) for trial in kept]
    if chosen is not None and chosen.curve:
        curve = read_dev(chosen.curve, run.card.metric)
        axes.plot(_epochs(chosen), curve, color="#111111", linewidth=1.6, zorder=4)
        values.append(curve)
    axes.set_xlabel("epoch", fontsize=8)
    more = f", {len(kept)} of {len(drawn)}" if len(kept) < len(drawn) else ""
    axes.set_title(escape_dollars(f"{system.name}{more}"), loc="left", fontsize=8.5)
    found = np.concatenate(values)
    known: np.ndarray = found[np.isfinite(found)]
    return known


def _line(axes: "Axes", trial: Trial, metric: str | None) -> np.ndarray:
    curve = read_dev(trial.curve, metric)
    color = {"pruned": PALETTE[5], "diverged": PALETTE[6], "failed": PALETTE[6]}.get(trial.status, PALETTE[0])
    kept = np.unique(np.linspace(0, len(curve) - 1, MOST_POINTS).round().astype(int))
    axes.plot(_epochs(trial)[kept], curve[kept], color=color, linewidth=0.7, alpha=0.45, zorder=2)
    if trial.status == "pruned":
        axes.plot(
            _epochs(trial)[-1:], curve[-1:], linestyle="", marker="x", markersize=3.6, color=PALETTE[1],
            zorder=3,
        )  # fmt: skip
    return curve


def _epochs(trial: Trial) -> np.ndarray:
    return trial.trained_before + np.arange(1, len(trial.curve) + 1)

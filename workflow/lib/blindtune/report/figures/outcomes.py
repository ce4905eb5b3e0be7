"""The figure of outcomes over time: how many sets of a search are pruned, invalid, diverged or failed, and when."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.report.figures.style import PALETTE, WIDTH, SystemStyle, draw_sentence, escape_dollars, new_figure
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "The outcome of the trials in each tenth of a search, in the order of their proposals, all seeds together; what is "
    "left white is completed. Only searches with a trial that did not complete are shown, at most 24 of them."
)

#: The parts of a search.
PARTS = 10
#: With fewer trials of all seeds, a part has one or two.
MIN_TRIALS = 30
COLUMNS, MOST = 4, 24
#: The color of each outcome that is shown.
COLORS = {"pruned": PALETTE[5], "invalid": "#9a9a9a", "diverged": PALETTE[6], "failed": PALETTE[1]}


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one panel of stacked shares for each search.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    shown = [system for system in dataset.systems_of_kind("tuner") if _is_shown(system)][:MOST]
    if not shown:
        return draw_sentence(
            f"On {dataset.name}, no search of {MIN_TRIALS} trials or more has one that did not complete."
        )
    from matplotlib.patches import Patch

    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with new_figure(WIDTH, 0.9 + 1.45 * rows) as figure:
        grid: Any = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, (axes, system) in enumerate(zip(grid.ravel(), shown, strict=False)):
            _panel(axes, system)
            # A panel without one below it has the labels of the axis.
            is_lowest = place + columns >= len(shown)
            axes.tick_params(labelbottom=is_lowest)
            axes.set_xlabel("course of the search (%)" if is_lowest else "", fontsize=8)
        for axes in grid.ravel()[len(shown) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("trials (%)")
        handles = [Patch(color=color, label=outcome) for outcome, color in COLORS.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        figure.suptitle(f"{escape_dollars(dataset.title)}: outcomes over the course of a search", fontsize=10.5)
        return figure


def count_outcomes(system: SystemRecords) -> Floats:
    """Return the share of each outcome of `COLORS` in each part of a search, ``(n_outcomes, n_parts)``.

    Args:
        system: a tuner; the trials of all seeds are counted together.
    """
    counts, trials = np.zeros((len(COLORS), PARTS)), np.zeros(PARTS)
    for run in system.runs:
        for place, trial in enumerate(run.trials):
            part = place * PARTS // len(run.trials)
            trials[part] += 1
            if trial.status in COLORS:
                counts[list(COLORS).index(trial.status), part] += 1
    return counts / np.maximum(trials, 1)


def _is_shown(system: SystemRecords) -> bool:
    trials = [trial for run in system.runs for trial in run.trials]
    return len(trials) >= MIN_TRIALS and any(trial.status in COLORS for trial in trials)


def _panel(axes: "Axes", system: SystemRecords) -> None:
    places = (np.arange(PARTS) + 0.5) * 100 / PARTS
    bottom = np.zeros(PARTS)
    for color, share in zip(COLORS.values(), 100 * count_outcomes(system), strict=True):
        seen = share > 0
        axes.bar(places[seen], share[seen], width=92 / PARTS, bottom=bottom[seen], color=color)
        bottom += share
    axes.set_ylim(0, 100)
    axes.set_xlim(0, 100)
    axes.set_title(escape_dollars(system.name), loc="left", fontsize=8.5)

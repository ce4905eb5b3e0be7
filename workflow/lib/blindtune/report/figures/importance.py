"""The figure of hyperparameters: how important each was for being among the best on dev."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.report.figures.style import PALETTE, WIDTH, SystemStyle, draw_sentence, escape_dollars, new_figure
from blindtune.report.importance import SpaceTrials, describe_too_few, list_ranked_spaces
from blindtune.report.records import DatasetRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "The share of each hyperparameter in what sets the best trials on dev apart from all (PED-ANOVA). Bar: the mean "
    "over the seeds; dots: the seeds; grey: what shuffled values give by chance. In parentheses the share of the sets "
    "in which the hyperparameter is active, if that is not all."
)

#: The most important hyperparameters of each space that are shown.
MOST_BARS = 12


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one panel of bars for each space.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    groups = list_ranked_spaces(dataset)
    if not groups:
        return draw_sentence(describe_too_few(dataset))
    bars = [min(MOST_BARS, len(group.found)) for group in groups]
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    with new_figure(WIDTH, 0.5 + rows * (0.95 + 0.24 * max(bars))) as figure:
        panels: Any = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).ravel())
        for axes, group in zip(panels, groups, strict=False):
            _bars(axes, group)
        for axes in panels[len(groups) :]:
            axes.set_axis_off()
        figure.suptitle(f"{escape_dollars(dataset.title)}: which hyperparameters mattered", fontsize=10.5)
        return figure


def _bars(axes: "Axes", group: SpaceTrials) -> None:
    shown = group.found[:MOST_BARS]
    places = np.arange(len(shown))
    axes.barh(places, [100 * one.mean for one in shown], height=0.62, color=PALETTE[4], alpha=0.75)
    for place, one in enumerate(shown):
        axes.plot(
            [100 * share for share in one.of_seeds], [place] * len(one.of_seeds), linestyle="", marker="o",
            markersize=3.2, color=PALETTE[0], zorder=4,
        )  # fmt: skip
    axes.barh(places, [100 * one.chance for one in shown], height=0.86, color="#888888", alpha=0.28, zorder=1)
    axes.set_yticks(places, [_label(one.name, one.active) for one in shown])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(left=0)
    axes.set_xlabel("importance (%)")
    more = "" if len(group.found) <= MOST_BARS else f", first {MOST_BARS} of {len(group.found)}"
    axes.set_title(escape_dollars(f"{_shorten(group)}{more}"), loc="left", fontsize=9)


def _shorten(group: SpaceTrials) -> str:
    """Return the name of a space with its tuners, or their number if there are several."""
    names = group.tuners if len(group.systems) == 1 else f"{len(group.systems)} tuners"
    return f"{group.space}: {names}, {group.sets:,} sets"


def _label(name: str, active: float) -> str:
    return escape_dollars(name if active > 0.995 else f"{name} ({100 * active:.0f}%)")

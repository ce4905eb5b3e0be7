"""The figure of ranks over time: how the tuners of a dataset rank on dev while their budgets are spent."""

from typing import TYPE_CHECKING, Any

from blindtune.report.figures.style import (
    WIDTH,
    SystemStyle,
    add_legend_below,
    draw_sentence,
    escape_dollars,
    new_figure,
)
from blindtune.report.ranks import SHARES, rank_over_time
from blindtune.report.records import DatasetRecords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "The mean rank of each tuner over the seeds, by the lowest dev {metric} so far, against the share of its budget "
    "that was spent; 1 is the lowest. Tuners that score on folds are left out. The legend is in the order of the last "
    "rank."
)


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw the mean rank of each tuner.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    found = rank_over_time(dataset)
    if found is None:
        return draw_sentence(f"Fewer than two tuners scored on dev of {dataset.name}: there are no ranks.")
    ranks = found.mean
    with new_figure(WIDTH, 2.6 + 0.09 * len(found.tuners)) as figure:
        axes: Any = figure.subplots()
        for place in sorted(range(len(found.tuners)), key=lambda place: ranks[place, -1]):
            name = found.tuners[place].name
            style = styles[name]
            axes.plot(
                100 * SHARES, ranks[place], color=style.color, linestyle=style.line, marker=style.marker,
                markevery=[-1], markersize=5.5, linewidth=1.6, label=escape_dollars(name), clip_on=False,
            )  # fmt: skip
        axes.set_ylim(len(found.tuners) + 0.1, 0.9)
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of the budget spent (%)")
        axes.set_ylabel("mean rank on dev")
        add_legend_below(figure, *axes.get_legend_handles_labels())
        figure.suptitle(f"{escape_dollars(dataset.title)}: ranks while the budget is spent", fontsize=10.5)
        return figure

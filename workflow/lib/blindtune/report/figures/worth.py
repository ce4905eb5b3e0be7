"""The figure of what an expert is worth: the best of n trials on dev, and how likely it matches the expert."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.report.figures.style import (
    WIDTH,
    SystemStyle,
    add_legend_below,
    draw_sentence,
    escape_dollars,
    new_figure,
    set_error_axis,
    set_log_axis,
)
from blindtune.report.minimised import get_scale, label_axis
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats
from blindtune.report.worth import RecordedSearch, list_searches, space_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Left: the expected lowest dev {metric} of n trials; the band is the range over the seeds. Right: the probability "
    "that it is at least as good as the mean of the manual model with the lowest dev {metric}, dotted on the left; the "
    "grey lines are 50% and 95%. Solid: the tuner draws its sets independently, so the mean is over all choices of n "
    "trials of all seeds, without replacement. Dashed: the recorded order, the mean over the seeds."
)

#: With fewer trials in every search, the curves are too short to show anything.
MIN_TRIALS = 8

SOLID, DASHED = "-", (0, (4, 1.5))


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw the expected best of n trials of each tuner, and the probability that it matches the manual model.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    searches = _long_enough(dataset)
    if not searches:
        return draw_sentence(f"No search on {dataset.name} has {MIN_TRIALS} trials: too few to show the best of n.")
    manual = dataset.lowest_on_dev("manual")
    with new_figure(WIDTH, 4.4 + 0.12 * len(searches)) as figure:
        panels: Any = figure.subplots(1, 1 if manual is None else 2, squeeze=False)[0]
        for search in searches:
            _lowest(panels[0], search, styles[search.system.name], min(0.16, 0.8 / len(searches)))
        if manual is not None:
            _level(panels[0], manual, styles[manual.name])
            for search in searches:
                _probability(panels[1], search, manual.objective("dev"), styles[search.system.name])
            _finish_probability(panels[1])
        _finish_lowest(panels[0], dataset, searches, manual)
        for axes in panels:
            axes.set_xlabel("trials of any status, n")
            axes.set_xscale("log")
            set_log_axis(axes.xaxis, 1, max(search.most for search in searches))
        add_legend_below(figure, *panels[0].get_legend_handles_labels())
        figure.suptitle(f"{escape_dollars(dataset.title)}: the best of n trials on dev", fontsize=10.5)
        return figure


def _long_enough(dataset: DatasetRecords) -> list[RecordedSearch]:
    """Return the searches that have a curve: in a recorded order, every seed must have a value before one ends."""
    return [
        search
        for search in list_searches(dataset)
        if max(map(len, search.values)) >= MIN_TRIALS
        and not np.isnan(search.expect_lowest(np.array([search.most]))).any()
    ]


def _line(search: RecordedSearch) -> Any:
    return SOLID if search.resampled else DASHED


def _lowest(axes: "Axes", search: RecordedSearch, style: SystemStyle, shade: float) -> None:
    counts, scale = space_counts(search.most), get_scale(search.system.metric)
    axes.plot(
        counts, scale * search.expect_lowest(counts), color=style.color, linestyle=_line(search), linewidth=1.7,
        marker=style.marker, markevery=[-1], markersize=5, label=escape_dollars(search.system.name), zorder=3,
        drawstyle="default" if search.resampled else "steps-post",
    )  # fmt: skip
    of_seeds = scale * np.stack(search.lowest_by_seed(counts))
    known = ~np.isnan(of_seeds).any(axis=0)
    low, high = of_seeds[:, known].min(axis=0), of_seeds[:, known].max(axis=0)
    steps: Any = None if search.resampled else "post"
    axes.fill_between(counts[known], low, high, step=steps, color=style.color, alpha=shade, linewidth=0)


def _level(axes: "Axes", manual: SystemRecords, style: SystemStyle) -> None:
    level = get_scale(manual.metric) * manual.objective("dev")
    axes.axhline(level, color=style.color, linestyle=(0, (1, 2)), linewidth=1.3, zorder=2)
    axes.plot(
        [], [], color=style.color, linestyle=(0, (1, 2)), marker=style.marker, markerfacecolor="white", markersize=5,
        label=f"{escape_dollars(manual.name)} (manual)",
    )  # fmt: skip


def _probability(axes: "Axes", search: RecordedSearch, target: float, style: SystemStyle) -> None:
    counts = space_counts(search.most)
    axes.plot(
        counts, 100 * search.match_probability(target, counts), color=style.color, linestyle=_line(search),
        linewidth=1.7, marker=style.marker, markevery=[-1], markersize=5, zorder=3, clip_on=False,
        drawstyle="default" if search.resampled else "steps-post",
    )  # fmt: skip


def _finish_probability(axes: "Axes") -> None:
    for level in (50, 95):
        axes.axhline(level, color="#999999", linewidth=0.9, zorder=1)
    axes.set_ylim(0, 100)
    axes.set_ylabel("at least as good as the manual model on dev (%)")


def _finish_lowest(
    axes: "Axes", dataset: DatasetRecords, searches: list[RecordedSearch], manual: SystemRecords | None
) -> None:
    scale = get_scale(dataset.metric)
    curves: list[Floats] = [scale * search.expect_lowest(space_counts(search.most)) for search in searches]
    levels = [] if manual is None else [scale * manual.objective("dev")]
    # Before the first scored trial of every seed there is no value.
    shown = np.concatenate([*(curve[~np.isnan(curve)] for curve in curves), levels])
    set_error_axis(axes, float(shown.min()), float(shown.max()))
    axes.set_ylabel(label_axis("expected lowest dev", dataset.metric))

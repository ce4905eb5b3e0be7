"""The figure of searches: the lowest value on dev so far, the error or the metric, against epochs and seconds."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.records.trial import Trial
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
from blindtune.report.minimised import get_scale, get_title, label_axis
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats, accumulate_best, accumulate_epochs, accumulate_seconds, sum_study_seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Dev {metric} of the best trial so far, against the epochs of all trials of any status and against the wall "
    "seconds of all parts. With several seeds, the line is the median and the band is the range; a search that has "
    "ended keeps its best {metric}. The worst first trials are above the frame. For a tuner that scores on folds, only "
    "trials trained on all of train are shown. The legend is sorted by dev {metric}. Systems without a search are a "
    "dotted level on the left and one point per seed on the right."
)

#: The x axes of the two panels: the function that returns what was spent up to each trial, and the label.
AXES: tuple[tuple[Callable[[list[Trial]], Floats], str], ...] = (
    (accumulate_epochs, "training epochs spent, all trials together"),
    (accumulate_seconds, "wall seconds spent, all parts together"),
)


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw the median and the range over the seeds of each tuner, and the other systems as levels and points.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    tuners = dataset.systems_of_kind("tuner")
    if not tuners:
        return draw_sentence(f"No tuner was run on {dataset.name}: there is no search to show.")
    with new_figure(WIDTH, 5.2) as figure:
        panels: Any = figure.subplots(1, 2, sharey=True)
        others = [system for system in dataset.classifiers if system.kind != "tuner"]
        # The more bands overlap, the fainter each.
        shade = min(0.14, 0.7 / len(tuners))
        for system in sorted(tuners, key=lambda system: system.objective("dev")):
            _curves(panels, system, styles[system.name], shade)
        for system in others:
            _level(panels, system, styles[system.name])
        _finish(panels, dataset)
        handles, labels = panels[0].get_legend_handles_labels()
        add_legend_below(figure, handles, labels)
        figure.suptitle(f"{escape_dollars(dataset.title)}: best dev {get_title(dataset.metric)} so far", fontsize=10.5)
        return figure


def compute_median_and_band(spent: list[Floats], best: list[Floats]) -> tuple[Floats, Floats]:
    """Compute the best error so far at every point at which a trial of any seed ended.

    A search that has ended keeps its best error. There are no points before every seed has a first score.

    Args:
        spent: what was spent up to the end of each trial, ``(n_trials,)`` per seed.
        best: the best error up to each trial, ``(n_trials,)`` per seed.

    Returns:
        The points, ``(n_points,)``, and the minimum, median and maximum over the seeds, ``(3, n_points)``.
    """
    points = np.unique(np.concatenate(spent))
    places = [np.searchsorted(seed, points, side="right") - 1 for seed in spent]
    reached = np.stack([
        np.where(place >= 0, seed[place], np.nan) for seed, place in zip(best, places, strict=True)
    ])  # fmt: skip
    known = ~np.isnan(reached).any(axis=0)
    of_seeds = reached[:, known]
    return points[known], np.stack([of_seeds.min(axis=0), np.median(of_seeds, axis=0), of_seeds.max(axis=0)])


def find_changes(reached: Floats) -> NDArray[np.intp]:
    """Return the places where steps change, and the last one: those between them are on the same level.

    Args:
        reached: the minimum, median and maximum at each point, ``(3, n_points)``.
    """
    changed = np.ones(reached.shape[1], dtype=bool)
    changed[1:-1] = (reached[:, 1:-1] != reached[:, :-2]).any(axis=0)
    return np.flatnonzero(changed)


def _curves(panels: Any, system: SystemRecords, mark: SystemStyle, shade: float) -> None:
    panels[0].plot(
        [],
        [],
        color=mark.color,
        linestyle=mark.line,
        marker=mark.marker,
        markersize=5,
        label=escape_dollars(system.name),
    )
    best = [accumulate_best(run.trials) for run in system.runs]
    for axes, (measure, _) in zip(panels, AXES, strict=True):
        points, reached = compute_median_and_band([measure(run.trials) for run in system.runs], best)
        # Of hundreds of points, a file needs the few dozen where something changes.
        kept = find_changes(reached)
        points, reached = points[kept], reached[:, kept]
        axes.fill_between(points, reached[0], reached[2], step="post", color=mark.color, alpha=shade, linewidth=0)
        axes.plot(
            points, reached[1], color=mark.color, linestyle=mark.line, linewidth=1.7, drawstyle="steps-post", zorder=3
        )
        axes.plot(points[-1:], reached[1, -1:], marker=mark.marker, markersize=5.5, color=mark.color, zorder=4)


def _level(panels: Any, system: SystemRecords, mark: SystemStyle) -> None:
    dots = (0, (1, 2))
    scale = get_scale(system.metric)
    panels[0].axhline(scale * system.objective("dev"), color=mark.color, linestyle=dots, linewidth=1.1, zorder=1)
    style: dict[str, Any] = {"marker": mark.marker, "markersize": 5, "color": mark.color, "markerfacecolor": "white"}
    panels[0].plot([], [], linestyle=dots, label=escape_dollars(system.name), **style)
    seconds, values = (
        [sum_study_seconds(run) for run in system.runs],
        [scale * run.dev_objective for run in system.runs],
    )
    panels[1].plot(seconds, values, linestyle="", **style)


def _finish(panels: "list[Axes]", dataset: DatasetRecords) -> None:
    set_error_axis(panels[0], *_frame(dataset))
    panels[0].set_ylabel(label_axis("dev", dataset.metric))
    for axes, (_, what) in zip(panels, AXES, strict=True):
        axes.set_xlabel(what)
        axes.set_xscale("log")
        set_log_axis(axes.xaxis, *axes.get_xlim())


def _frame(dataset: DatasetRecords) -> tuple[float, float]:
    """Return the range of values shown: all final ones, and early ones up to their median; shares are in %."""
    scale = get_scale(dataset.metric)
    last = [scale * run.dev_objective for system in dataset.classifiers for run in system.runs]
    early = [_after(run.trials, 0.1) for system in dataset.systems_of_kind("tuner") for run in system.runs]
    return min(last), max([*last, float(np.nanmedian([*early, max(last)]))])


def _after(trials: list[Trial], share: float) -> float:
    """Return the lowest value on dev after this share of the trials; NaN if there is none yet."""
    return float(accumulate_best(trials)[int(share * (len(trials) - 1))])

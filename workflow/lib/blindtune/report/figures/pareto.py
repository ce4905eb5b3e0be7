"""The figure of Pareto fronts: dev error, or metric, against parameters of every trial."""

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
from blindtune.report.minimised import get_scale, get_title, label_axis
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats, has_several_objectives, select_scored_on_dev

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Every completed trial of every tuner and seed: dev {metric} and trainable parameters. The black line is the "
    "Pareto front of all tuners: no trial is both smaller and better than a trial on it. Each corner has the marker of "
    "the tuner that found it. Tuners that minimize both objectives have their own fronts; the others are faint. Of "
    "more than 2,000 trials, so many are shown, evenly spaced; the fronts are those of all."
)

#: The most trials that are shown besides those on the front.
MOST_DOTS = 2000

#: Parameters and the value on dev of each trial, ``(n_trials, 2)``, by tuner.
Points = dict[str, Floats]


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw every completed trial, the front of all tuners, and the fronts of those with several objectives.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    tuners = dataset.systems_of_kind("tuner")
    points = {system.name: found for system in tuners if len(found := collect_points(system))}
    if not points:
        return draw_sentence(f"No tuner on {dataset.name} has a completed trial with trainable parameters.")
    sought = [system.name for system in tuners if has_several_objectives(system) and system.name in points]
    with new_figure(WIDTH, 5.0) as figure:
        axes: Any = figure.subplots()
        _scatter(axes, thin_points(points), sought, styles)
        _common_front(axes, points, styles)
        for name in sought:
            steps = _outline(find_front(points[name]))
            axes.plot(
                *steps.T, color=styles[name].color, linewidth=2, zorder=4, label=f"front of {escape_dollars(name)}"
            )
        axes.set_xscale("log")
        set_log_axis(axes.xaxis, *axes.get_xlim())
        axes.set_xlabel("trainable parameters")
        errors = np.concatenate(list(points.values()))[:, 1]
        set_error_axis(axes, float(errors.min()), float(errors.max()))
        axes.set_ylabel(label_axis("dev", dataset.metric))
        add_legend_below(figure, *axes.get_legend_handles_labels())
        title = f"dev {get_title(dataset.metric)} and size of every completed trial"
        figure.suptitle(f"{escape_dollars(dataset.title)}: {title}", fontsize=10.5)
        return figure


def collect_points(system: SystemRecords) -> Floats:
    """Return parameters and what was minimised on dev of each completed trial of all seeds, ``(n_trials, 2)``.

    Args:
        system: a tuner; a share is in %.
    """
    scale = get_scale(system.metric)
    trials = [trial for run in system.runs for trial in select_scored_on_dev(run.trials)]
    pairs = [(trial.n_parameters, scale * trial.objective_value()) for trial in trials if trial.n_parameters]
    return np.array(pairs, dtype=float).reshape(-1, 2)


def thin_points(points: Points, most: int = MOST_DOTS) -> Points:
    """Return about ``most`` of the points, of every tuner the same share, evenly spaced.

    Args:
        points: of each tuner, in the order of its trials.
        most: the most points; every tuner keeps one at least.
    """
    total = sum(map(len, points.values()))
    if total <= most:
        return points
    return {
        name: found[np.linspace(0, len(found) - 1, max(1, len(found) * most // total)).round().astype(int)]
        for name, found in points.items()
    }


def find_front(points: Floats) -> Floats:
    """Return the points, of ``(n, 2)``, that no other dominates, sorted by network size."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    return ordered[np.r_[True, ordered[1:, 1] < lowest[:-1]]]


def _scatter(axes: "Axes", points: Points, sought: list[str], styles: dict[str, SystemStyle]) -> None:
    for name, found in points.items():
        faint = bool(sought) and name not in sought
        style: dict[str, Any] = {"color": styles[name].color, "marker": styles[name].marker, "linestyle": ""}
        size, alpha = (3.5, 0.3) if faint else (5.0, 0.65)
        axes.plot(*found.T, markersize=size, alpha=alpha, markeredgewidth=0, **style)
        axes.plot([], [], markersize=5.5, label=escape_dollars(name), **style)


def _common_front(axes: "Axes", points: Points, styles: dict[str, SystemStyle]) -> None:
    """Draw the front of all tuners, each corner with the marker of the tuner that found it."""
    common = find_front(np.concatenate(list(points.values())))
    axes.plot(*_outline(common).T, color="#333333", linewidth=1.1, zorder=3, label="front of all")
    for name, found in points.items():
        own = np.array([corner for corner in common if (found == corner).all(axis=1).any()]).reshape(-1, 2)
        axes.plot(
            *own.T, linestyle="", marker=styles[name].marker, markersize=7.5, zorder=5,
            color=styles[name].color, markeredgecolor="#222222", markeredgewidth=0.8,
        )  # fmt: skip


def _outline(corners: Floats) -> Floats:
    """Return the corners of a front with the steps between them, ``(2 n - 1, 2)``."""
    between = np.column_stack([corners[1:, 0], corners[:-1, 1]])
    outline = np.empty((2 * len(corners) - 1, 2))
    outline[0::2], outline[1::2] = corners, between
    return outline

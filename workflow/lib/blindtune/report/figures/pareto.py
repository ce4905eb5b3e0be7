"""The dev error of every trial against its parameters: what a smaller network costs."""

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
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats, has_several_objectives, select_scored_on_dev

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Every completed trial of every tuner and seed: dev error and trainable parameters. The black line is the front "
    "of all tuners together: no trial is both smaller and better than one on it; each of its corners bears the mark "
    "of the tuner that found it. Tuners that sought both at once are drawn out with fronts of their own, and the "
    "others are faint."
)

#: Of one tuner: parameters and dev error in % of each trial, (trials, 2).
Points = dict[str, Floats]


def draw(dataset: DatasetRecords, marks: dict[str, SystemStyle]) -> "Figure":
    """A dot per completed trial, the front of all tuners together, and that of each that sought it."""
    tuners = dataset.systems_of_kind("tuner")
    points = {system.name: found for system in tuners if len(found := collect_points(system))}
    if not points:
        return draw_sentence(f"No tuner on {dataset.name} has a completed trial with trainable parameters.")
    sought = [system.name for system in tuners if has_several_objectives(system) and system.name in points]
    with new_figure(WIDTH, 5.0) as figure:
        axes: Any = figure.subplots()
        _scatter(axes, points, sought, marks)
        _common_front(axes, points, marks)
        for name in sought:
            steps = _outline(find_front(points[name]))
            axes.plot(
                *steps.T, color=marks[name].colour, linewidth=2, zorder=4, label=f"front of {escape_dollars(name)}"
            )
        axes.set_xscale("log")
        set_log_axis(axes.xaxis, *axes.get_xlim())
        axes.set_xlabel("trainable parameters")
        errors = np.concatenate(list(points.values()))[:, 1]
        set_error_axis(axes, float(errors.min()), float(errors.max()))
        axes.set_ylabel("dev error (%)")
        add_legend_below(figure, *axes.get_legend_handles_labels())
        figure.suptitle(f"{escape_dollars(dataset.title)}: dev error and size of every completed trial", fontsize=10.5)
        return figure


def collect_points(system: SystemRecords) -> Floats:
    """Parameters and dev error in % of each completed trial of all seeds, (trials, 2)."""
    trials = [trial for run in system.runs for trial in select_scored_on_dev(run.trials)]
    pairs = [(trial.parameters, 100 * trial.objective_value()) for trial in trials if trial.parameters]
    return np.array(pairs, dtype=float).reshape(-1, 2)


def find_front(points: Floats) -> Floats:
    """Those of ``points`` (n, 2) that no other beats in both, from the smallest network on."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    return ordered[np.r_[True, ordered[1:, 1] < lowest[:-1]]]


def _scatter(axes: "Axes", points: Points, sought: list[str], marks: dict[str, SystemStyle]) -> None:
    for name, found in points.items():
        faint = bool(sought) and name not in sought
        style: dict[str, Any] = {"color": marks[name].colour, "marker": marks[name].marker, "linestyle": ""}
        size, alpha = (3.5, 0.3) if faint else (5.0, 0.65)
        axes.plot(*found.T, markersize=size, alpha=alpha, markeredgewidth=0, **style)
        axes.plot([], [], markersize=5.5, label=escape_dollars(name), **style)


def _common_front(axes: "Axes", points: Points, marks: dict[str, SystemStyle]) -> None:
    """The front over all tuners, each corner in the mark of the tuner that found it."""
    everyone = find_front(np.concatenate(list(points.values())))
    axes.plot(*_outline(everyone).T, color="#333333", linewidth=1.1, zorder=3, label="front of all")
    for name, found in points.items():
        mine = np.array([corner for corner in everyone if (found == corner).all(axis=1).any()]).reshape(-1, 2)
        axes.plot(
            *mine.T, linestyle="", marker=marks[name].marker, markersize=7.5, zorder=5,
            color=marks[name].colour, markeredgecolor="#222222", markeredgewidth=0.8,
        )  # fmt: skip


def _outline(corners: Floats) -> Floats:
    """The corners of a front with the steps between them, (2 n - 1, 2)."""
    between = np.column_stack([corners[1:, 0], corners[:-1, 1]])
    outline = np.empty((2 * len(corners) - 1, 2))
    outline[0::2], outline[1::2] = corners, between
    return outline

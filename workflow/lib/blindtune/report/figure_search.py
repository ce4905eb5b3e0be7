"""The best dev error so far against the trials and the seconds that it took."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.report.records import DatasetRecords, Run, SystemRecords
from blindtune.report.style import INCH, Mark, drawing, literal, log_axis, sentence
from blindtune.trials import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


def draw(dataset: DatasetRecords, marks: dict[str, Mark]) -> "Figure":
    """A line per seed of each tuner; the other systems, which do not search, as a level and a point."""
    if not dataset.of_kind("tuner"):
        return sentence(f"No tuner was run on {dataset.name}: there is no search to show.")
    with drawing(INCH, 3.5) as figure:
        panels: Any = figure.subplots(1, 2, sharey=True)
        for system in dataset.classifiers:
            draw_system = _curves if system.kind == "tuner" else _level
            draw_system(panels, system, marks[system.name])
        _finish(panels)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), handlelength=3)
        figure.suptitle(f"{literal(dataset.title)}: best dev error so far", fontsize=10.5)
        return figure


def best_so_far(trials: list[Trial]) -> Floats:
    """The lowest dev error in % up to each trial, (trials,); NaN before the first that completed."""
    scores = np.array([np.nan if trial.score is None else 100 * trial.score for trial in trials])
    return np.fmin.accumulate(scores) if len(scores) else scores


def seconds_spent(trials: list[Trial]) -> Floats:
    """Wall seconds up to the end of each trial, (trials,)."""
    return np.cumsum([sum(part.wall for part in trial.seconds.values()) for trial in trials])


def _curves(panels: Any, system: SystemRecords, mark: Mark) -> None:
    _legend_entry(panels[0], system, mark, "-")
    for run in system.runs:
        best = best_so_far(run.trials)
        style: dict[str, Any] = {"color": mark.colour, "linewidth": 1.6, "alpha": 0.85, "drawstyle": "steps-post"}
        trials = np.arange(1, len(best) + 1)
        for axes, x in zip(panels, (trials, seconds_spent(run.trials)), strict=True):
            axes.plot(x, best, **style)
            axes.plot(x[-1:], best[-1:], marker=mark.marker, markersize=5, color=mark.colour)


def _level(panels: Any, system: SystemRecords, mark: Mark) -> None:
    dashes = (0, (4, 2))
    _legend_entry(panels[0], system, mark, dashes)
    panels[0].axhline(100 * system.error("dev"), color=mark.colour, linestyle=dashes, linewidth=1.2)
    panels[1].plot(*_points(system.runs), linestyle="", marker=mark.marker, markersize=5.5, color=mark.colour)


def _legend_entry(axes: "Axes", system: SystemRecords, mark: Mark, line: Any) -> None:
    """Line and marker in one, as they stand in the two panels."""
    axes.plot([], [], color=mark.colour, linestyle=line, marker=mark.marker, markersize=5, label=literal(system.name))


def _points(runs: list[Run]) -> tuple[list[float], list[float]]:
    return [float(seconds_spent(run.trials)[-1]) for run in runs], [100 * run.card.dev_error for run in runs]


def _finish(panels: "list[Axes]") -> None:
    from matplotlib.ticker import MaxNLocator

    panels[0].set_xlabel("trials spent")
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_ylabel("dev error (%)")
    panels[1].set_xlabel("wall seconds spent")
    panels[1].set_xscale("log")
    log_axis(panels[1].xaxis, *panels[1].get_xlim())

"""The figure of post-mortems: every trial on dev and on eval, and its size against the gap between them."""

from typing import TYPE_CHECKING, Any

from blindtune.report.figures.style import (
    WIDTH,
    SystemStyle,
    add_legend_below,
    draw_sentence,
    escape_dollars,
    new_figure,
    set_log_axis,
)
from blindtune.report.minimised import get_scale, get_title, label_axis
from blindtune.report.post_mortem import SearchAutopsy, find_autopsies, value_on_dev, value_on_eval
from blindtune.report.records import DatasetRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "An analysis after the fact, by which nothing was chosen. Left: {metric} on dev and on eval of every trial of each "
    "search and seed that was evaluated after all models had been decoded. Large markers with a dark edge are the "
    "chosen models, stars the best on eval that a search had met; dotted lines are the manual models. On the diagonal, "
    "dev and eval are equal. Right: trainable parameters against eval minus dev, if the trials are networks. Of many "
    "trials the frame holds the lower nine tenths; the others are above it."
)

#: The part of the trials that the frame holds, if there are many.
_SHOWN, _MANY = 0.9, 40


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw every evaluated trial of every search.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    autopsies = [autopsy for autopsy in find_autopsies(dataset) if autopsy.evaluated]
    if not autopsies:
        return draw_sentence(f"No trial of {dataset.name} was evaluated in a post-mortem.")
    with new_figure(WIDTH, 4.4) as figure:
        has_sizes = any(trial.n_parameters for one in autopsies for trial in one.evaluated)
        panels: Any = figure.subplots(1, 2 if has_sizes else 1, squeeze=False)[0]
        scale = get_scale(dataset.metric)
        alpha = max(0.12, min(0.6, 60 / sum(len(one.evaluated) for one in autopsies)))
        for autopsy in autopsies:
            _scatter(panels, autopsy, styles[autopsy.system.name], scale, alpha)
        for autopsy in autopsies:
            _mark(panels[0], autopsy, styles[autopsy.system.name], scale)
        named = {autopsy.system.name: None for autopsy in autopsies}
        for name in named:
            mark = styles[name]
            label = escape_dollars(name)
            panels[0].plot([], [], color=mark.color, marker=mark.marker, linestyle="", markersize=5.5, label=label)
        for system in dataset.systems_of_kind("manual"):
            level = scale * system.objective("eval")
            label = f"{escape_dollars(system.name)} on eval"
            panels[0].axhline(level, color=styles[system.name].color, linestyle=(0, (1, 2)), linewidth=1.3, label=label)
        _set_axes(panels, dataset, autopsies, scale)
        add_legend_below(figure, *panels[0].get_legend_handles_labels())
        title = f"{get_title(dataset.metric)} of all trials on dev and on eval, after the fact"
        figure.suptitle(f"{escape_dollars(dataset.title)}: {title}", fontsize=10.5)
        return figure


def _scatter(panels: Any, autopsy: SearchAutopsy, mark: SystemStyle, scale: float, alpha: float) -> None:
    style: dict[str, Any] = {"color": mark.color, "marker": mark.marker, "linestyle": "", "markeredgewidth": 0}
    values = [(scale * value_on_dev(trial), scale * value_on_eval(trial)) for trial in autopsy.evaluated]
    panels[0].plot(*zip(*values, strict=True), markersize=4, alpha=alpha, **style)
    sized = [
        (trial.n_parameters, on_eval - on_dev)
        for trial, (on_dev, on_eval) in zip(autopsy.evaluated, values, strict=True)
        if trial.n_parameters
    ]
    if sized:
        panels[1].plot(*zip(*sized, strict=True), markersize=4, alpha=alpha, **style)


def _mark(axes: "Axes", autopsy: SearchAutopsy, mark: SystemStyle, scale: float) -> None:
    """Mark the chosen trial and the best one."""
    style: dict[str, Any] = {"color": mark.color, "linestyle": "", "markeredgecolor": "#222222", "zorder": 5}
    dev = autopsy.run.dev_objective
    axes.plot([scale * dev], [scale * autopsy.chosen], marker=mark.marker, markersize=8.5, **style)
    if autopsy.best is not None:
        best = [scale * value_on_dev(autopsy.best)], [scale * value_on_eval(autopsy.best)]
        axes.plot(*best, marker="*", markersize=11, markeredgewidth=0.6, **style)


def _set_axes(panels: Any, dataset: DatasetRecords, autopsies: list[SearchAutopsy], scale: float) -> None:
    import numpy as np

    pairs = np.array(
        [(value_on_dev(trial), value_on_eval(trial)) for autopsy in autopsies for trial in autopsy.evaluated]
    )
    shown = _SHOWN if len(pairs) >= _MANY else 1.0
    chosen = np.array([(one.run.dev_objective, one.chosen) for one in autopsies])
    manual = [system.objective("eval") for system in dataset.systems_of_kind("manual")]
    low = scale * np.concatenate([pairs, chosen]).min(axis=0)
    high = scale * np.maximum(np.quantile(pairs, shown, axis=0), chosen.max(axis=0))
    low[1], high[1] = min([low[1], *(scale * np.array(manual))]), max([high[1], *(scale * np.array(manual))])
    room = 0.06 * np.maximum(high - low, 1e-3 * scale)
    panels[0].set_xlim(low[0] - room[0], high[0] + room[0])
    panels[0].set_ylim(low[1] - room[1], high[1] + room[1])
    ends = [float(min(low) - max(room)), float(max(high) + max(room))]
    panels[0].plot(ends, ends, color="#777777", linewidth=0.9, zorder=1, label="dev = eval")
    panels[0].set_xlabel(label_axis("dev", dataset.metric))
    panels[0].set_ylabel(label_axis("eval", dataset.metric))
    if len(panels) == 1:
        return
    gaps = scale * (pairs[:, 1] - pairs[:, 0])
    panels[1].set_ylim(gaps.min() - 0.06 * np.ptp(gaps) - 1e-3 * scale, np.quantile(gaps, shown) + 0.1 * np.ptp(gaps))
    panels[1].axhline(0, color="#777777", linewidth=0.9, zorder=1)
    panels[1].set_ylabel(f"{label_axis('eval minus dev', dataset.metric).replace('(%)', '(points)')}")
    panels[1].set_xlabel("trainable parameters")
    panels[1].set_xscale("log")
    set_log_axis(panels[1].xaxis, *panels[1].get_xlim())

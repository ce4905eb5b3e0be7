"""The figure of slices: what each set reached on dev, against each of its most important hyperparameters."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.records.trial import Trial
from blindtune.report.figures.style import (
    PALETTE,
    WIDTH,
    SystemStyle,
    draw_sentence,
    escape_dollars,
    new_figure,
    set_error_axis,
)
from blindtune.report.importance import (
    LOG_RATIO,
    SpaceTrials,
    describe_too_few,
    list_ranked_spaces,
    thin,
)
from blindtune.report.minimised import get_scale, label_axis
from blindtune.report.records import DatasetRecords
from blindtune.search_space import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Every set that was scored on dev against its most important hyperparameters, one row for each space; in "
    "parentheses the importance. Crosses: the best tenth of the sets; line: the median. Sets without the "
    "hyperparameter are not in its panel. Of more than 600 sets, so many are shown, evenly spaced; the worst "
    "fiftieth is above the frame."
)

#: Panels in each row.
COLUMNS = 4
#: Sets of a space that are shown.
MOST_SETS = 600
#: The line of medians has at most so many points.
BINS = 10


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one row of panels for each space.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    groups = list_ranked_spaces(dataset)
    if not groups:
        return draw_sentence(describe_too_few(dataset))
    with new_figure(WIDTH, 0.5 + 2.1 * len(groups)) as figure:
        panels: Any = figure.subplots(len(groups), COLUMNS, squeeze=False, sharey="row")
        for row, group in zip(panels, groups, strict=True):
            _row(row, group, dataset.metric)
        figure.suptitle(f"{escape_dollars(dataset.title)}: dev against each hyperparameter", fontsize=10.5)
        return figure


def _row(row: "list[Axes]", group: SpaceTrials, metric: str) -> None:
    trials = thin([trial for of_seed in group.seeds for trial in of_seed], MOST_SETS)
    scale = get_scale(metric)
    reached = scale * np.array([trial.objective_value() for trial in trials])
    best = float(np.quantile(reached, 0.1))
    for axes, one in zip(row, group.found, strict=False):
        _panel(axes, one.name, trials, scale, best)
        axes.set_title(escape_dollars(f"{one.name} ({100 * one.mean:.0f}%)"), loc="left", fontsize=8.5)
    for axes in row[len(group.found) :]:
        axes.set_axis_off()
    set_error_axis(row[0], float(reached.min()), float(np.quantile(reached, 0.98)))
    row[0].set_ylabel(f"{escape_dollars(group.space)}\n{label_axis('dev', metric)}")


def _panel(axes: "Axes", name: str, trials: list[Trial], scale: float, best: float) -> None:
    active = [trial for trial in trials if name in trial.hyperparameters]
    values = [trial.hyperparameters[name] for trial in active]
    reached = scale * np.array([trial.objective_value() for trial in active])
    places, labels = place_values(values)
    categorical = labels is not None
    if labels is not None:
        axes.set_xticks(range(len(labels)), list(map(escape_dollars, labels)))
        axes.tick_params(axis="x", labelsize=7.5, rotation=30 if max(map(len, labels)) > 5 else 0)
        axes.set_xlim(-0.6, len(labels) - 0.4)
    elif places.min() > 0 and places.max() / places.min() >= LOG_RATIO:
        axes.set_xscale("log")
    spread = spread_places(places, categorical)
    top = reached <= best
    dots: dict[str, Any] = {"linestyle": "", "markeredgewidth": 0, "rasterized": True, "zorder": 2}
    axes.plot(spread[~top], reached[~top], marker="o", markersize=2.4, color=PALETTE[4], alpha=0.5, **dots)
    crosses = dots | {"markeredgewidth": 0.8, "zorder": 3}
    axes.plot(spread[top], reached[top], marker="x", markersize=3.4, color=PALETTE[1], **crosses)
    centers, medians = compute_medians(places, reached)
    axes.plot(
        centers, medians, color="#222222", linewidth=1.2, zorder=4, linestyle="" if categorical else "-",
        marker="_" if categorical else "", markersize=11,
    )  # fmt: skip


def place_values(values: list[Value]) -> tuple[np.ndarray, list[str] | None]:
    """Return the place of each value on the x axis, ``(n_values,)``, and the labels of categories, or None.

    Args:
        values: of one hyperparameter.
    """
    if any(isinstance(value, bool | str) for value in values):
        labels = sorted({str(value) for value in values})
        at = {label: place for place, label in enumerate(labels)}
        return np.array([at[str(value)] for value in values], dtype=float), labels
    return np.array(values, dtype=float), None


def spread_places(places: np.ndarray, categorical: bool) -> np.ndarray:
    """Return the places moved a little, so that sets of one value do not hide each other; the same every time.

    Args:
        places: of the sets on the x axis.
        categorical: whether they are numbers of categories.
    """
    known = np.unique(places)
    if len(known) > 12:
        return places
    width = 0.55 if categorical else 0.45 * float(np.diff(known).min()) if len(known) > 1 else 0.0
    # Multiples of the golden ratio fill an interval evenly without being drawn.
    moved: np.ndarray = places + width * ((np.arange(len(places)) * 0.618034) % 1 - 0.5)
    return moved


def compute_medians(places: np.ndarray, reached: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of what was reached at each place, or in each of `BINS` parts with equally many sets.

    Args:
        places: of the sets on the x axis.
        reached: by the sets.

    Returns:
        The median place and the median of each part.
    """
    known = np.unique(places)
    if len(known) <= BINS:
        return known, np.array([np.median(reached[places == place]) for place in known])
    parts = np.array_split(np.argsort(places, kind="stable"), min(BINS, max(1, len(places) // 8)))
    return np.array([np.median(places[part]) for part in parts]), np.array([np.median(reached[part]) for part in parts])

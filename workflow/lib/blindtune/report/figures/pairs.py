"""The figure of tuner pairs: the difference of each pair, and whether it is more than chance."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.report.figures.style import WIDTH, SystemStyle, draw_sentence, escape_dollars, new_figure
from blindtune.report.minimised import format_change, format_metric, get_scale, get_title, get_unit
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats, compare_minimised_by_seed
from blindtune.report.stats.statistics import Difference
from blindtune.report.table import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

#: With more tuners than this, the numbers are smaller and have fewer digits, so that they fit into their squares.
MANY_TUNERS = 13
#: With more tuners than this, no number fits: the squares have colors and a scale for them, and are not as high.
MOST_NUMBERED = 24

CAPTION = (
    "Mean eval {metric} of the row's tuner minus that of the column's{points}, paired by seed. The tuners are sorted "
    "by {metric}, the lowest first. Framed: the 95% interval, not adjusted for the number of pairs, excludes 0. Of "
    f"more than {MOST_NUMBERED} tuners the numbers are in the table of tuner pairs."
)


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one square per pair of tuners, the lowest mean eval error first.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    tuners = sorted(dataset.systems_of_kind("tuner"), key=lambda system: system.objective("eval"))
    if len(tuners) < 2:
        return draw_sentence(f"Fewer than two tuners were run on {dataset.name}: there is no pair to compare.")
    found = {
        (row, column): compare_minimised_by_seed(tuners[row], tuners[column])
        for row in range(1, len(tuners))
        for column in range(row)
    }
    is_numbered = len(tuners) <= MOST_NUMBERED
    with new_figure(WIDTH, 1.6 + (0.36 if is_numbered else 0.15) * len(tuners)) as figure:
        axes: Any = figure.subplots()
        colors = _colors(axes, _matrix(found, len(tuners), get_scale(dataset.metric)), is_numbered)
        if not is_numbered:
            figure.colorbar(colors, ax=axes, label=_label_scale(dataset.metric), shrink=0.5)
        for place, difference in found.items():
            _square(axes, place, difference, dataset.metric, len(tuners))
        _label(axes, tuners, is_numbered)
        title = f"eval {get_title(dataset.metric)} of the row minus that of the column"
        figure.suptitle(f"{escape_dollars(dataset.title)}: {title}", fontsize=10.5)
        return figure


def _matrix(found: dict[tuple[int, int], Difference], tuners: int, scale: float) -> Floats:
    """Return the differences as shown, ``(n_tuners - 1, n_tuners - 1)``: rows from the second, columns to the last."""
    matrix = np.full((tuners, tuners), np.nan)
    for place, difference in found.items():
        matrix[place] = scale * difference.value
    return matrix[1:, :-1]


def _colors(axes: "Axes", matrix: Floats, is_numbered: bool) -> "AxesImage":
    # The lower error comes first, so no difference is negative. Half the color scale keeps the numbers readable.
    widest = max(float(np.nanmax(matrix)), 1e-9)
    shown = axes.imshow(matrix, cmap="Oranges", vmin=0, vmax=2 * widest if is_numbered else widest, aspect="auto")
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    return shown


def _label_scale(metric: str) -> str:
    return "difference, points" if get_unit(metric) else "difference"


def _square(axes: "Axes", place: tuple[int, int], difference: Difference, metric: str, tuners: int) -> None:
    from matplotlib.patches import Rectangle

    row, column = place[0] - 1, place[1]
    differs = difference.excludes_zero()
    text = format_change(metric, difference.value)
    size = 8.0
    if tuners > MANY_TUNERS:
        text, size = format_number(get_scale(metric) * difference.value, 1 if get_unit(metric) else 3), 5.6
    if tuners <= MOST_NUMBERED:
        axes.text(column, row, text, ha="center", va="center", fontsize=size, weight="bold" if differs else "normal")
    if differs:
        wide = 1.2 if tuners <= MOST_NUMBERED else 0.6
        frame = Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor="#222222", linewidth=wide)
        axes.add_patch(frame)


def _label(axes: "Axes", tuners: list[SystemRecords], is_numbered: bool) -> None:
    names = [
        f"{escape_dollars(system.name)} ({format_metric(system.metric, system.objective('eval'))})" for system in tuners
    ]
    size = 9.0 if is_numbered else 6.5
    axes.set_yticks(range(len(tuners) - 1), names[1:], fontsize=size)
    columns = [escape_dollars(system.name) for system in tuners[:-1]]
    rotation, vertical = (35, "baseline") if is_numbered else (90, "center_baseline")
    axes.set_xticks(
        range(len(tuners) - 1),
        columns,
        rotation=rotation,
        ha="right",
        va=vertical,
        rotation_mode="anchor",
        fontsize=size,
    )
    axes.tick_params(length=0)

"""The figure of times: how the seconds of a search divide into parts."""

from typing import TYPE_CHECKING, Any

import numpy as np

from blindtune.report.figures.style import PALETTE, WIDTH, SystemStyle, draw_sentence, escape_dollars, new_figure
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import Floats
from blindtune.report.tables.times import PARTS, compute_mean_seconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = "Wall seconds of a study by part, mean over the seeds: in seconds on the left, as shares on the right."

NAMES = {
    "suggest": "suggesting",
    "build": "building",
    "train": "training",
    "evaluate": "scoring",
    "save": "saving",
}
COLORS = dict(zip(PARTS, (PALETTE[1], PALETTE[5], PALETTE[0], PALETTE[4], PALETTE[7]), strict=True))


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one bar per tuner, in wall seconds and in shares of suggesting, building, training, scoring and saving.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    tuners = dataset.systems_of_kind("tuner")
    if not tuners:
        return draw_sentence(f"No tuner was run on {dataset.name}: there is no search to show.")
    seconds = np.array([[compute_mean_seconds(system, part, "wall") for part in PARTS] for system in tuners])
    with new_figure(WIDTH, 1.5 + 0.28 * len(tuners)) as figure:
        panels: Any = figure.subplots(1, 2, sharey=True)
        _bars(panels[0], tuners, seconds)
        _bars(panels[1], tuners, 100 * seconds / np.maximum(seconds.sum(axis=1, keepdims=True), 1e-12))
        panels[0].set_ylim(len(tuners) - 0.5, -0.5)
        panels[0].set_xlabel("wall seconds of a study")
        panels[1].set_xlabel("share of them (%)")
        panels[1].set_xlim(0, 100)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(PARTS))
        figure.suptitle(f"{escape_dollars(dataset.title)}: where the seconds went, mean over the seeds", fontsize=10.5)
        return figure


def _bars(axes: Any, tuners: list[SystemRecords], amounts: Floats) -> None:
    names = [escape_dollars(system.name) for system in tuners]
    start = np.zeros(len(tuners))
    for part, amount in zip(PARTS, amounts.T, strict=True):
        axes.barh(names, amount, left=start, height=0.72, color=COLORS[part], label=NAMES[part], linewidth=0)
        start += amount
    axes.grid(visible=False, axis="y")

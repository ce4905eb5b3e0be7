"""The eval error of every patient under every system."""

from typing import TYPE_CHECKING

import numpy as np

from blindtune.report.figures.style import (
    WIDTH,
    SystemStyle,
    add_legend_below,
    draw_sentence,
    escape_dollars,
    new_figure,
)
from blindtune.report.records import DatasetRecords
from blindtune.report.tables.patients import compute_errors_by_patient

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Eval error of each patient, mean over the seeds, with the patients in one order for all systems: that of their "
    "mean error over the systems. The line is the error over all samples of the system with the lowest. A patient with "
    "few samples has few possible errors, and one with samples of a single class is often wrong or right as a whole."
)

#: Of more patients than this the names would not be read.
NAMED = 40


def draw(dataset: DatasetRecords, marks: dict[str, SystemStyle]) -> "Figure":
    """A column per patient, a mark per system."""
    found = {system.name: compute_errors_by_patient(dataset, system) for system in dataset.classifiers}
    found = {name: patients for name, patients in found.items() if patients}
    if not found:
        return draw_sentence(f"No look at {dataset.name} was counted by patient.")
    errors = np.array([[error for _, error, _ in patients] for patients in found.values()])
    order = np.argsort(errors.mean(axis=0), kind="stable")
    patients = [next(iter(found.values()))[at] for at in order]
    with new_figure(WIDTH, 3.6) as figure:
        axes = figure.subplots()
        for number, name in enumerate(found):
            # Side by side, so that marks with the same error stay apart.
            shift = 0.5 * ((number + 0.5) / len(found) - 0.5)
            axes.plot(
                np.arange(len(order)) + shift, 100 * errors[number][order], linestyle="", markersize=5, alpha=0.9,
                marker=marks[name].marker, color=marks[name].colour, label=escape_dollars(name),
            )  # fmt: skip
        counted = [system for system in dataset.classifiers if system.name in found]
        best = min(counted, key=lambda system: system.error("eval"))
        axes.axhline(100 * best.error("eval"), color=marks[best.name].colour, linewidth=0.9, zorder=0)
        _name(axes, [(name, samples) for name, _, samples in patients])
        axes.set_ylim(-4, 104)
        axes.set_ylabel("eval error (%)")
        add_legend_below(figure, *axes.get_legend_handles_labels())
        figure.suptitle(f"{escape_dollars(dataset.title)}: eval error of each of {len(order)} patients", fontsize=10.5)
        return figure


def _name(axes: "Axes", patients: list[tuple[str, int]]) -> None:
    axes.set_xlim(-0.6, len(patients) - 0.4)
    axes.grid(visible=False, axis="x")
    if len(patients) > NAMED:
        axes.set_xticks([])
        axes.set_xlabel("patients")
        return
    axes.set_xticks(range(len(patients)), [f"{escape_dollars(name)} ({samples})" for name, samples in patients])
    axes.tick_params(axis="x", labelrotation=90 if len(patients) > 6 else 0, labelsize=7)
    axes.set_xlabel("patient (samples in eval)")

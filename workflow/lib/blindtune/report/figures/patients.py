"""The figure of patients: the eval error of every patient for every system."""

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
    "Eval error of each patient, mean over the seeds. The patients are sorted by their mean error over the systems. "
    "The line is the error of the best system over all samples. A patient with few samples has few possible errors; "
    "one with samples of a single class is often right or wrong as a whole."
)

#: The names of more patients than this would not be readable.
NAMED = 40


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one column per patient and one marker per system.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    found = {system.name: compute_errors_by_patient(dataset, system) for system in dataset.classifiers}
    found = {name: patients for name, patients in found.items() if patients}
    if not found:
        return draw_sentence(f"No decode of {dataset.name} recorded errors per patient.")
    errors = np.array([[error for _, error, _ in patients] for patients in found.values()])
    order = np.argsort(errors.mean(axis=0), kind="stable")
    patients = [next(iter(found.values()))[at] for at in order]
    with new_figure(WIDTH, 3.6) as figure:
        axes = figure.subplots()
        for number, name in enumerate(found):
            # Side by side, so that markers with the same error do not overlap.
            shift = 0.5 * ((number + 0.5) / len(found) - 0.5)
            axes.plot(
                np.arange(len(order)) + shift, 100 * errors[number][order], linestyle="", markersize=5, alpha=0.9,
                marker=styles[name].marker, color=styles[name].color, label=escape_dollars(name),
            )  # fmt: skip
        counted = [system for system in dataset.classifiers if system.name in found]
        best = min(counted, key=lambda system: system.error("eval"))
        axes.axhline(100 * best.error("eval"), color=styles[best.name].color, linewidth=0.9, zorder=0)
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

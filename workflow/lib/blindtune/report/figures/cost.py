"""The figure of costs: eval error, or metric, against parameters and against seconds."""

from typing import TYPE_CHECKING, Any

from blindtune.metrics.registry import is_error
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
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords
from blindtune.report.searches import sum_study_seconds
from blindtune.report.stats.metric_samples import estimate_over_samples
from blindtune.report.stats.statistics import Difference, binomial_component, estimate_difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "{Metric} on eval against the parameters of the frozen model and against the wall seconds of its study; one point "
    "per seed."
)


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw one point per system and seed, with the 95% interval of sampling eval samples or patients.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    if not dataset.classifiers:
        return draw_sentence(f"No classifier was run on {dataset.name}.")
    with new_figure(WIDTH, 3.5) as figure:
        panels: Any = figure.subplots(1, 2, sharey=True)
        for system in dataset.classifiers:
            _points(panels, system, styles[system.name])
        panels[0].set_xlabel("trainable parameters")
        panels[0].set_ylabel(label_axis("eval", dataset.metric))
        panels[1].set_xlabel("wall seconds of the study")
        for axes in panels:
            axes.set_xscale("log")
            axes.margins(x=0.12)
            set_log_axis(axes.xaxis, *axes.get_xlim())
        handles, labels = panels[1].get_legend_handles_labels()
        add_legend_below(figure, handles, labels)
        title = f"eval {get_title(dataset.metric)} and cost; {_describe_bars(dataset)}"
        figure.suptitle(f"{escape_dollars(dataset.title)}: {title}", fontsize=10)
        return figure


def _describe_bars(dataset: DatasetRecords) -> str:
    uncounted = [system for system in dataset.classifiers if system.runs[0].card.n_parameters is None]
    without = [escape_dollars(system.name) for system in uncounted]
    patients = len(dataset.classifiers[0].runs[0].decode.groups or [])
    bars = f"bars: 95% interval for sampling {dataset.samples:,} eval samples" + (
        f" of {patients} patients" if patients else ""
    )
    if patients == 1:
        bars = "no bars: all eval samples belong to one patient"
    return bars + (f"\n{', '.join(without)}: no trainable parameters, shown on the right only" if without else "")


def _points(panels: Any, system: SystemRecords, mark: SystemStyle) -> None:
    scale = get_scale(system.metric)
    values = [scale * value for value in system.objectives("eval")]
    bars = list(zip(*_bars(system), strict=True))
    parameters = [run.card.n_parameters for run in system.runs]
    seconds = [sum_study_seconds(run) for run in system.runs]
    style: dict[str, Any] = {
        "fmt": mark.marker, "color": mark.color, "markersize": 6, "elinewidth": 1, "alpha": 0.9,
    }  # fmt: skip
    if all(parameters):
        panels[0].errorbar(parameters, values, yerr=bars, **style)
    panels[1].errorbar(seconds, values, yerr=bars, label=escape_dollars(system.name), **style)


def _bars(system: SystemRecords) -> list[tuple[float, float]]:
    """Return the 95% interval of sampling eval below and above the value of each run, as shown; 0 if it is unknown."""
    scale, sample = get_scale(system.metric), system.metric_sample
    if is_error(system.metric):
        found = [_error_interval(run) for run in system.runs]
    elif sample is None:
        return [(0.0, 0.0)] * len(system.runs)
    else:
        found = [estimate_over_samples(sample, seed) for seed in range(len(system.runs))]
    return [
        (scale * (one.value - one.low), scale * (one.high - one.value)) if one.has_interval else (0.0, 0.0)
        for one in found
    ]


def _error_interval(run: RunRecords) -> Difference:
    alone = SystemRecords(run.card.system, [run])
    part = alone.clustered_variance() or binomial_component(run.decode.error, run.decode.samples)
    return estimate_difference(run.decode.error, [part], lowest=0.0)

"""Draw and write all figures of the report; `blindtune.report.contents` lists them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blindtune.core.garbage import pause_collection
from blindtune.report import contents
from blindtune.report.figures.style import SystemStyle, assign_styles, save_figure
from blindtune.report.minimised import get_title, get_unit
from blindtune.report.records import DatasetRecords, ReportRecords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The function that draws each kind of figure, by the kind's name.
DRAW: dict[str, Callable[[DatasetRecords, dict[str, SystemStyle]], "Figure"]] = contents.load_members(
    contents.FIGURE_MODULES, "draw"
)
_CAPTIONS: dict[str, str] = contents.load_members(contents.FIGURE_MODULES, "CAPTION")


def describe_figure(kind: str, dataset: DatasetRecords) -> str:
    """Return the caption of a figure.

    Args:
        kind: of the figure.
        dataset: that it shows.
    """
    return fill_in_metric(_CAPTIONS[kind], dataset)


def fill_in_metric(caption: str, dataset: DatasetRecords) -> str:
    """Return a caption with the words of a dataset.

    ``{metric}`` is what the comparison minimised, ``{Metric}`` begins a sentence with it, and ``{points}`` is the unit
    of its differences.

    Args:
        caption: of a figure or a chart.
        dataset: that it shows.
    """
    title = get_title(dataset.metric)
    words = {
        "{metric}": title,
        "{Metric}": title[0].upper() + title[1:],
        "{points}": ", in points" if get_unit(dataset.metric) else "",
    }
    for name, word in words.items():
        caption = caption.replace(name, word)
    return caption


def write_figures(records: ReportRecords, folder: Path) -> None:
    """Write every figure as SVG and PNG; a figure that does not apply to a dataset is a sentence that says why.

    Args:
        records: the records of the report.
        folder: the folder of the figures.

    Raises:
        UserError: a file cannot be written.
    """
    styles = assign_styles(records)
    for dataset in records.datasets:
        for kind in dataset.figure_kinds:
            # The garbage of a figure is collected after it.
            with pause_collection():
                save_figure(DRAW[kind](dataset, styles), folder, f"{kind}_{dataset.name}")

"""The figure of example samples of a corpus (Figures 3 and 4 of Shawki et al. 2021)."""

from typing import TYPE_CHECKING

from blindtune.report.figures.example_patches import draw_patches
from blindtune.report.figures.example_signals import draw_signals
from blindtune.report.figures.style import SystemStyle, draw_sentence
from blindtune.report.records import DatasetRecords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "Random samples of train, from different patients as far as possible (as in the published Figures 3 and 4 for #11 "
    "and #12). For slides, one slide of each class is shown too: squares are its patches in train, lines are annotated "
    "regions, both in the color of their class; regions of other classes are grey. For recordings, the middle two "
    "seconds of each segment are shown."
)


def draw(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> "Figure":
    """Draw patches with their slides, or signals, depending on the axes of a sample.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.

    Returns:
        The figure.
    """
    axes = dataset.manifest.axes[1:]
    if axes == ["row", "column", "channel"]:
        return draw_patches(dataset)
    if axes == ["channel", "time"]:
        return draw_signals(dataset)
    return draw_sentence(f"There is no figure for samples with the axes of {dataset.name}: {', '.join(axes)}.")

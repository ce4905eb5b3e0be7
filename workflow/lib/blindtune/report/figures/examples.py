"""Samples of each class of a corpus (Figures 3 and 4 of Shawki et al. 2021)."""

from typing import TYPE_CHECKING

from blindtune.report.figures.example_patches import draw_patches
from blindtune.report.figures.example_signals import draw_signals
from blindtune.report.figures.style import SystemStyle, draw_sentence
from blindtune.report.records import DatasetRecords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "Samples of train, drawn at random, each of another patient as far as there are (the published Figures 3 and 4 "
    "show the same of #11 and #12). Of slides, one of each class is also shown whole: squares are the patches that "
    "train has of it, lines go around the annotated regions, both in the colour of their class; regions of no class "
    "are grey. Of recordings, two seconds from the middle of each segment are shown."
)


def draw(dataset: DatasetRecords, marks: dict[str, SystemStyle]) -> "Figure":
    """Patches with their slides, or signals, by what the axes of a sample are."""
    axes = dataset.manifest.axes[1:]
    if axes == ["row", "column", "channel"]:
        return draw_patches(dataset)
    if axes == ["channel", "time"]:
        return draw_signals(dataset)
    return draw_sentence(f"Samples of {dataset.name} have axes that no figure is made for: {', '.join(axes)}.")

"""Draw example patches of each class, and slides that contain them."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.colors import CLASSES
from blindtune.report.figures.style import WIDTH, escape_dollars, new_figure
from blindtune.report.records import DatasetRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Pixels along the longer side of a patch and of a slide: enough for their size in the figure, with few bytes.
PATCH, SLIDE = 192, 420


def draw_patches(dataset: DatasetRecords) -> "Figure":
    """Draw one row of patches per class, and below them one slide per class."""
    shown, classes = dataset.examples, dataset.manifest.classes
    located = [label for label in range(len(classes)) if f"located_{label}" in shown]
    columns = max(int((shown["y"] == label).sum()) for label in range(len(classes)))
    heights = [len(classes) * (WIDTH / columns + 0.25), *([_height(dataset, located)] if located else [])]
    with new_figure(WIDTH, sum(heights) + 0.3) as figure:
        parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
        top, below = (parts[0], parts[1]) if located else (parts, None)
        panels = top.subplots(len(classes), columns, squeeze=False)
        for label, row in enumerate(panels):
            for axes, at in _filled(row, np.flatnonzero(shown["y"] == label)):
                _picture(axes, shown["x"][at], PATCH, label)
                axes.set_title(
                    f"{escape_dollars(classes[label])}: {escape_dollars(str(shown['group'][at]))}", fontsize=8
                )
        for axes, label in zip(
            below.subplots(1, len(located), squeeze=False)[0] if below else [], located, strict=True
        ):
            _picture(axes, shown[f"located_{label}"], SLIDE, label)
            axes.set_title(f"{escape_dollars(classes[label])}: {_name(str(shown[f'located_{label}_raw']))}", fontsize=7)
        figure.suptitle(
            f"{escape_dollars(dataset.title)}: patches of train, and slides that contain some", fontsize=10.5
        )
        return figure


def _height(dataset: DatasetRecords, located: list[int]) -> float:
    """Return the height that the slides need side by side, with titles, in inches."""
    sizes = [dataset.examples[f"located_{label}"].shape for label in located]
    return 0.3 + WIDTH / len(located) * max(float(rows / columns) for rows, columns, _ in sizes)


def _filled(row: Any, chosen: NDArray[np.intp]) -> "list[tuple[Axes, int]]":
    """Pair panels with samples, and hide the panels without one."""
    for axes in row[len(chosen) :]:
        axes.set_visible(False)
    return list(zip(row, map(int, chosen), strict=False))


def _picture(axes: "Axes", pixels: NDArray[np.uint8], side: int, label: int) -> None:
    # No interpolation by the program that displays the SVG.
    axes.imshow(_smaller(pixels, side), interpolation="none")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=CLASSES[label % len(CLASSES)][0], linewidth=1.4)


def _smaller(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(image)


def _name(file: str) -> str:
    """Return the end of a path, as much as fits."""
    return escape_dollars(file.rsplit("/", 1)[-1][-60:])

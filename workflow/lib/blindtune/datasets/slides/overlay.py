"""A thumbnail of a slide with the outlines of its regions and the squares of its patches, for the report."""

from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from blindtune.core.errors import UserError
from blindtune.datasets.corpus.survey import Candidate
from blindtune.datasets.slides.annotations import read_annotation
from blindtune.datasets.slides.reader import BadSlideError, SlideReader

#: Colour of regions that belong to no class.
GREY = (120, 120, 120)


def draw_overlay(
    slide: Path,
    annotation: Path,
    patches: list[Candidate],
    patch_side: float,
    colors: dict[str, tuple[int, int, int]],
    outlines: dict[str, tuple[int, int, int]],
    side: int = 440,
    offset: tuple[float, float] = (0, 0),
) -> NDArray[np.uint8]:
    """Return a small picture of a slide with the outlines of its regions and squares where patches were cut.

    Args:
        slide: path of the slide.
        annotation: path of its annotation.
        patches: which patches to show.
        patch_side: side of a patch in pixels of the full resolution, from the facts of the survey.
        colors: red, green and blue from 0 to 255 by class, for the squares.
        outlines: the same by annotation label, for the outlines; those of other labels are grey. A class can have the
            name of a label that is in another class, or in none.
        side: maximum width and height of the picture in pixels.
        offset: x and y by which the annotation is moved, in pixels of the full resolution.

    Returns:
        (n_rows, n_columns, 3) uint8.

    Raises:
        UserError: the slide or its annotation cannot be read.
    """
    regions = read_annotation(annotation).resolve_labels(outlines).shift(*offset).regions
    try:
        with closing(SlideReader(slide)) as opened:
            image = Image.fromarray(opened.read_thumbnail(side)[0])
            scale = image.width / opened.size[0]
    except BadSlideError as error:
        raise UserError(f"{slide}: {error}.") from error
    drawing = ImageDraw.Draw(image)
    for region in regions:
        for polygon in (region.polygon, *region.holes):
            ring = [(float(x), float(y)) for x, y in np.concatenate([polygon, polygon[:1]]) * scale]
            drawing.line(ring, fill=outlines.get(region.label, GREY), width=2)
    for patch in patches:
        left, top = patch.place["x"] * scale, patch.place["y"] * scale
        square = (left, top, left + patch_side * scale, top + patch_side * scale)
        drawing.rectangle(square, outline=colors.get(patch.label, GREY), width=1)
    return np.asarray(image)

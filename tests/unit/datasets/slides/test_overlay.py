"""The overlay of regions and patches on a slide."""

from pathlib import Path

import numpy as np

from blindtune.datasets.slides.discovery import SlideFile
from blindtune.datasets.slides.overlay import draw_overlay
from blindtune.datasets.slides.survey import survey
from support.slide_files import (
    NAME,
    rectangle,
    slides_config,
    write_csv,
    write_slide,
)


def test_draw_overlay_outlines_and_squares(tmp_path: Path):
    """Outlines and squares are drawn at their places."""
    pixels = np.full((1024, 1280, 3), 200, np.uint8)
    slide = write_slide(tmp_path / f"{NAME}.svs", pixels)
    annotation = write_csv(tmp_path / f"{NAME}.csv", [("dcis", rectangle(200, 100, 800, 400))])
    result = survey(
        tmp_path,
        SlideFile(slide.name, annotation.name, "1"),
        "train",
        slides_config(patch=128, tissue={"max_white": 1.0, "min_focus": 0.0}),
    )
    blue, red = (0, 0, 255), (255, 0, 0)
    square = result.candidates[:1]
    bare = draw_overlay(slide, annotation, [], 128, {"dcis": blue}, side=640)
    assert bare.shape == (512, 640, 3)
    assert bare[150, 100].tolist() == list(blue)
    assert bare[50, 300].tolist() == list(blue)
    drawn = draw_overlay(slide, annotation, square, 128, {"dcis": red}, side=640)
    x, y = (int(square[0].place[axis] / 2) for axis in "xy")
    assert drawn[y + 30, x].tolist() == list(red)
    assert drawn[y, x + 30].tolist() == list(red)

"""The overlay of regions and patches on a slide."""

from pathlib import Path

import numpy as np

from blindtune.datasets.corpus.survey import Survey
from blindtune.datasets.slides.discovery import SlideFile
from blindtune.datasets.slides.overlay import GREY, draw_overlay
from blindtune.datasets.slides.survey import survey
from support.slide_files import (
    NAME,
    rectangle,
    slides_config,
    slides_corpus,
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
    bare = draw_overlay(slide, annotation, [], 128, {}, {"dcis": blue}, side=640)
    assert bare.shape == (512, 640, 3)
    assert bare[150, 100].tolist() == list(blue)
    assert bare[50, 300].tolist() == list(blue)
    drawn = draw_overlay(slide, annotation, square, 128, {"dcis": red}, {"dcis": blue}, side=640)
    x, y = (int(square[0].place[axis] / 2) for axis in "xy")
    assert drawn[y + 30, x].tolist() == list(red)
    assert drawn[y, x + 30].tolist() == list(red)


def test_draw_overlay_takes_no_class_for_a_label(tmp_path: Path):
    """A region whose label is the name of a class, but not among the labels of that class, is not in its colour."""
    slide = write_slide(tmp_path / f"{NAME}.svs", np.full((1024, 1280, 3), 200, np.uint8))
    write_csv(
        tmp_path / f"{NAME}.csv", [("tumour", rectangle(200, 100, 400, 400)), ("dcis", rectangle(800, 100, 400, 400))]
    )
    corpus = slides_corpus(
        folder=str(tmp_path),
        patient=r"(\d+)",
        classes={"tumour": ["indc"], "dcis": ["norm"], "other": ["dcis"]},
        sizes={"train": 6, "dev": 3, "eval": 3},
    )
    found = Survey(file=slide.name, sha256={}, group="1", split="train", facts={"geometry": {"side": 128.0}})
    colors = {"tumour": (255, 0, 0), "dcis": (0, 255, 0), "other": (0, 0, 255)}
    picture = corpus.locate_samples(tmp_path, found, colors)
    assert picture is not None
    row, scale = round(300 * picture.shape[1] / 1280), picture.shape[1] / 1280
    edges = [picture[row, round(x * scale) - 2 : round(x * scale) + 2].tolist() for x in (200, 800)]
    assert list(GREY) in edges[0], "no class has this label"
    assert [255, 0, 0] not in edges[0]
    assert [0, 0, 255] in edges[1]

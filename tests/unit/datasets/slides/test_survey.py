"""Surveys of slides, and the patches that are cut from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.errors import GEOSException

from blindtune.core.errors import UserError
from blindtune.datasets.corpus.survey import Survey
from blindtune.datasets.slides import survey as survey_module
from blindtune.datasets.slides.config import STAIN_TARGETS
from blindtune.datasets.slides.discovery import SlideFile
from blindtune.datasets.slides.normalization import StainTransform
from blindtune.datasets.slides.polygons import compute_area, compute_coverage
from blindtune.datasets.slides.reader import SlideReader
from blindtune.datasets.slides.survey import OpenSlideFile, cut, survey
from support.slide_files import (
    ASYMMETRIC,
    NAME,
    REAL,
    rectangle,
    slides_config,
    spoil_tiles,
    tissue,
    write_csv,
    write_pair,
    write_slide,
    write_xml,
)

SMALL = slides_config(patch=128, max_per_file=10)


def corners(result: Survey, label: str) -> NDArray[np.int64]:
    return np.array([[one.place["x"], one.place["y"]] for one in result.candidates if one.label == label]).reshape(
        -1, 2
    )


@pytest.mark.skipif(not REAL.exists(), reason="the real slide is not here")
@pytest.mark.parametrize("form", ["csv", "xml"])
def test_survey_and_cut_a_real_slide(tmp_path: Path, form: str):
    """A real slide is surveyed and cut with either annotation."""
    from openslide import OpenSlide

    slide = tmp_path / f"{NAME}.svs"
    slide.symlink_to(REAL)
    regions = [
        ("dcis", [(700, 900), (2150, 1000), (1900, 1500), (900, 1700)]),
        ("indc", rectangle(100, 2100, 1700, 800)),
    ]
    annotation = slide.with_suffix(f".{form}")
    if form == "csv":
        write_csv(annotation, regions, "# MicronsPerPixel = 0.4990\n# width = 2220 pixels, height = 2967 pixels")
    else:
        write_xml(annotation, regions, 'MicronsPerPixel="0.499"', (2220, 2967))
    result = survey(
        tmp_path, SlideFile(slide.name, annotation.name, "00477780"), "train", slides_config(patch=256), threads=2
    )
    assert result.bad is None
    assert set(result.sha256) == {slide.name, annotation.name}
    assert result.facts["mpp"] == 0.499
    patches = cut(slide, result.candidates, result.facts, threads=2)
    assert patches.shape == (len(result.candidates), 256, 256, 3)
    assert min(len(corners(result, label)) for label in ("dcis", "indc")) >= 2
    with OpenSlide(REAL) as plain:
        for candidate, patch in zip(result.candidates, patches, strict=True):
            place = (int(candidate.place["x"]), int(candidate.place["y"]))
            expected = np.asarray(plain.read_region(place, 0, (256, 256)))
            inside = expected[..., 3] == 255
            np.testing.assert_array_equal(patch[inside], expected[inside][:, :3])
            assert (patch[~inside] == 255).all()
    for label, polygon in regions:
        assert compute_coverage(corners(result, label), 256, compute_area(np.array(polygon, float))).min() >= 0.5


@pytest.mark.parametrize("form", ["csv", "xml"])
def test_survey_does_not_swap_axes(tmp_path: Path, form: str):
    """Patches are in the polygon and not in its mirror image."""
    found = write_pair(tmp_path, [("dcis", ASYMMETRIC)])
    if form == "xml":
        (tmp_path / f"{NAME}.csv").unlink()
        write_xml(tmp_path / f"{NAME}.xml", [("dcis", ASYMMETRIC)])
        found = SlideFile(found.file, f"{NAME}.xml", found.patient)
    result = survey(tmp_path, found, "train", SMALL)
    places, polygon = corners(result, "dcis"), np.array(ASYMMETRIC, float)
    assert len(places) >= 5
    assert compute_coverage(places, 128, compute_area(polygon)).min() >= 0.5
    assert compute_coverage(places, 128, compute_area(polygon[:, ::-1])).min() < 0.5


def test_survey_bounds_overlap_and_number(tmp_path: Path):
    """Candidates do not overlap and are not more than the config allows."""
    regions = [("dcis", rectangle(0, 0, 640, 1024)), ("indc", rectangle(640, 0, 640, 1024))]
    result = survey(tmp_path, write_pair(tmp_path, regions), "dev", SMALL)
    places = np.concatenate([corners(result, "dcis"), corners(result, "indc")])
    assert len(places) == 20
    apart = np.abs(places[:, None] - places[None]).max(axis=2) + 1000 * np.eye(20)
    assert apart.min() >= 128
    crowded = SMALL.model_copy(update={"max_overlap": 0.9, "max_per_file": 100})
    more = survey(tmp_path, write_pair(tmp_path, regions), "dev", crowded)
    assert len(more.candidates) == 200


def test_survey_does_not_depend_on_threads(tmp_path: Path):
    """A survey depends on the seed and not on the number of threads."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 900, 1024)), ("indc", rectangle(900, 0, 380, 1024))])
    one, many = survey(tmp_path, found, "train", SMALL), survey(tmp_path, found, "train", SMALL, threads=3)
    assert one == many
    reseeded = survey(tmp_path, found, "train", SMALL.model_copy(update={"seed": 2}))
    assert one.candidates != reseeded.candidates


def test_survey_counts_places_rejected_by_regions(tmp_path: Path):
    """Places that the regions reject are counted by rule and class."""
    regions = [("dcis", rectangle(100, 100, 700, 700)), ("indc", rectangle(50, 100, 400, 700)), ("null", ASYMMETRIC)]
    result = survey(tmp_path, write_pair(tmp_path, regions), "train", SMALL)
    assert result.left_out["other_class"]["dcis"] > 0
    assert result.left_out["other_class"]["indc"] > 0
    assert corners(result, "indc").size == 0
    areas = [compute_area(np.array(polygon, float)) for _, polygon in regions]
    assert compute_coverage(corners(result, "dcis"), 128, areas[1]).max() <= 0.05
    narrow = [("dcis", rectangle(100, 100, 40, 700))]
    result = survey(tmp_path, write_pair(tmp_path, narrow), "train", SMALL)
    assert result.candidates == []
    assert result.bad is None
    assert result.left_out["cover"]["dcis"] > 0


def test_survey_counts_places_rejected_by_pixels(tmp_path: Path):
    """Places that the pixels reject are counted by rule and class."""
    pixels = tissue(1280, 1024)
    pixels[:256] = 245
    pixels[256:512] = (20, 120, 40)
    pixels[512:768] = (220, 130, 190)
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))], pixels)
    result = survey(tmp_path, found, "train", SMALL.model_copy(update={"max_per_file": 60}))
    assert result.facts["regions"] == {"dcis": 1}
    assert all(result.left_out[rule]["dcis"] >= 3 for rule in ("white", "ink", "blur"))
    # A patch on the border to the flat part has an edge, which is in focus.
    assert corners(result, "dcis")[:, 1].min() > 490


def test_survey_lists_odd_regions(tmp_path: Path):
    """Odd regions are listed and do not make a slide bad."""
    regions = [
        ("dcis", rectangle(-200, 300, 700, 900)),
        ("dcis", [(600, 10), (1200, 500), (1200, 10), (600, 500)]),
        ("indc", [(1, 1), (2, 2)]),
        ("null", rectangle(700, 600, 300, 300)),
    ]
    result = survey(tmp_path, write_pair(tmp_path, regions), "train", SMALL)
    assert result.bad is None
    assert result.facts["regions"] == {"dcis": 2, "indc": 1, "null": 1}
    assert result.facts["oddities"] == [
        "region 0 (dcis) reaches past the slide's edge and is cut off there",
        "region 1 (dcis) crosses itself",
        "region 2 (indc) has no area",
    ]
    assert len(result.candidates) == 10


def test_survey_takes_no_place_where_a_bad_region_may_be(tmp_path: Path):
    """The centre of a patch of the outer class is not in the box around a bad region of another class."""
    outer, bad = rectangle(0, 0, 1280, 1024), [(200.0, 200.0), (np.nan, 300.0), (1000.0, 800.0)]
    result = survey(tmp_path, write_pair(tmp_path, [("dcis", outer), ("indc", bad)]), "train", SMALL)
    centres = corners(result, "dcis") + 64
    assert len(centres) == 10
    assert not ((centres > (200, 200)) & (centres < (1000, 800))).all(axis=1).any()
    assert len(result.facts["oddities"]) == 2


def test_geometry_that_fails_anywhere_makes_the_slide_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One slide's outlines take no other slide of the batch with them."""

    def fail(*arguments: Any) -> None:
        raise GEOSException("TopologyException: side location conflict")

    monkeypatch.setattr(survey_module, "compute_coverage", fail)
    result = survey(tmp_path, write_pair(tmp_path, [("dcis", rectangle(0, 0, 900, 900))]), "train", SMALL)
    assert result.bad == "the geometry of its regions fails (TopologyException: side location conflict)"
    assert result.candidates == []


def test_survey_with_a_class_null(tmp_path: Path):
    """The label null can be a class."""
    found = write_pair(tmp_path, [("null", rectangle(0, 0, 640, 1024)), ("dcis", rectangle(640, 0, 640, 1024))])
    settings = slides_config(patch=128, max_per_file=5, classes={"dcis": ["dcis"], "nothing": ["null"]})
    assert len(corners(survey(tmp_path, found, "train", settings), "nothing")) == 5


def test_survey_patches_past_the_edge(tmp_path: Path):
    """A patch may extend past the edge, where it is white."""
    dark = tissue(1280, 1024)
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 60, 1024))], dark)
    settings = slides_config(patch=128, max_per_file=40, min_coverage=0.3, tissue={"max_white": 0.7})
    result = survey(tmp_path, found, "train", settings)
    patches = cut(tmp_path / found.file, result.candidates, result.facts)
    outside = [(x, patch) for x, patch in zip(corners(result, "dcis")[:, 0], patches, strict=True) if x < 0]
    assert outside
    for x, patch in outside:
        assert (patch[:, :-x] == 255).all()
        assert patch[:, -x:].mean() < 200


def bad_slides() -> list[tuple[str, str]]:
    return [
        ("truncated", "OpenSlide cannot open it"),
        ("no annotation", "has no annotation"),
        ("no scale", "says nowhere how large its pixels are"),
        ("wrong pair", "its annotation is for 999 x 1024 pixels, the slide has 1280 x 1024"),
        ("bad row", "row 4: has 10 values for 9 columns"),
        ("damaged", "is damaged: more than 3 of its tiles cannot be read"),
    ]


@pytest.mark.parametrize(("fault", "reason"), bad_slides())
def test_survey_gives_the_reason_of_a_bad_slide(tmp_path: Path, fault: str, reason: str):
    """The fault of a slide is the reason why it is bad."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))], mpp=None if fault == "no scale" else 0.5)
    slide, annotation = tmp_path / found.file, tmp_path / f"{NAME}.csv"
    if fault == "truncated":
        slide.write_bytes(slide.read_bytes()[:-2000])
    if fault == "no annotation":
        found = SlideFile(found.file, None, found.patient)
    if fault == "wrong pair":
        write_csv(annotation, [("dcis", ASYMMETRIC)], "# width = 999 pixels, height = 1024 pixels")
    if fault == "bad row":
        annotation.write_text(annotation.read_text().replace(",0,0,0,1.0", ",0,0,0,0,1.0", 1))
    if fault == "damaged":
        spoil_tiles(slide, *range(0, 20, 2))
    result = survey(tmp_path, found, "train", SMALL)
    assert result.bad is not None
    assert reason in result.bad
    assert str(tmp_path) not in result.bad and not result.bad.endswith(".")
    assert (result.candidates, result.left_out) == ([], {})


def test_survey_tolerates_one_damaged_tile(tmp_path: Path):
    """One damaged tile is tolerated and counted."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))])
    spoil_tiles(tmp_path / found.file, *range(7, 8))
    result = survey(tmp_path, found, "train", SMALL.model_copy(update={"max_per_file": 50}), threads=2)
    assert result.bad is None
    assert result.left_out["damaged"]["dcis"] >= 1
    covered = compute_coverage(
        corners(result, "dcis"), 128, compute_area(np.array(rectangle(512, 256, 256, 256), float))
    )
    assert covered.max() == 0
    assert len(cut(tmp_path / found.file, result.candidates, result.facts)) == len(result.candidates)


def test_survey_digests_changed_bytes(tmp_path: Path):
    """Changed bytes that OpenSlide does not notice change the digest."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))])
    before = survey(tmp_path, found, "train", SMALL).sha256
    path = tmp_path / found.file
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))
    after = survey(tmp_path, found, "train", SMALL).sha256
    assert before[found.file] != after[found.file]
    assert before[f"{NAME}.csv"] == after[f"{NAME}.csv"]


def test_cut_refuses_a_slide_damaged_since(tmp_path: Path):
    """To cut from a slide that was damaged since its survey is an error."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))])
    result = survey(tmp_path, found, "train", SMALL)
    spoil_tiles(tmp_path / found.file, *range(20))
    with pytest.raises(UserError, match=r"is damaged at .* survey it again"):
        cut(tmp_path / found.file, result.candidates, result.facts)


def test_survey_by_magnification(tmp_path: Path):
    """A low magnification reads a coarser level."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))])
    result = survey(tmp_path, found, "train", slides_config(patch=64, magnification=5.0, max_per_file=4))
    assert result.facts["geometry"] == {"level": 1, "pixels": 64, "side": 256.0, "patch": 64}
    assert cut(tmp_path / found.file, result.candidates, result.facts).shape == (4, 64, 64, 3)


def with_bounds(monkeypatch: pytest.MonkeyPatch, left: int, top: int, width: int, height: int) -> None:
    monkeypatch.setattr(SlideReader, "bounds", property(lambda _: (left, top, width, height)))


def test_survey_annotation_relative_to_the_scanned_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Coordinates that begin at the scanned area are moved, or make the slide bad, or are taken as they are."""
    with_bounds(monkeypatch, 300, 200, 900, 800)
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 400, 400)), ("indc", rectangle(450, 0, 400, 400))])
    result = survey(tmp_path, found, "train", SMALL)
    assert result.bad is not None and "Set annotation_origin in the config to bounds, or to slide" in result.bad
    as_it_is = survey(tmp_path, found, "train", SMALL.model_copy(update={"annotation_origin": "slide"}))
    moved = survey(tmp_path, found, "train", SMALL.model_copy(update={"annotation_origin": "bounds"}))
    assert as_it_is.bad is None and "offset" not in as_it_is.facts
    assert moved.facts["offset"] == [300, 200]
    assert {(one.place["x"] >= 230, one.place["y"] >= 130) for one in moved.candidates} == {(True, True)}


def test_survey_takes_coordinates_of_the_slide_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Regions within the scanned area are where they belong."""
    with_bounds(monkeypatch, 100, 100, 1100, 900)
    found = write_pair(tmp_path, [("dcis", rectangle(200, 200, 400, 400))])
    assert survey(tmp_path, found, "train", SMALL).bad is None


def test_each_patch_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Patches that the survey accepts are cut without reading them again, but for those beyond the limit."""
    found = write_pair(tmp_path, [("dcis", rectangle(100, 100, 700, 700))])
    expected, original = survey(tmp_path, found, "train", SMALL), SlideReader.read_patches
    patches = cut(tmp_path / found.file, expected.candidates, expected.facts)
    for limit, again in ((10**9, 0), (0, len(expected.candidates))):
        monkeypatch.setattr(survey_module, "MAX_KEPT", limit)
        with OpenSlideFile(tmp_path, found, "train", SMALL) as opened:
            assert opened.survey() == expected
            read: list[int] = []

            def count(self: SlideReader, places: Any, geometry: Any, read: list[int] = read) -> Any:
                read.append(len(places))
                return original(self, places, geometry)

            with monkeypatch.context() as context:
                context.setattr(SlideReader, "read_patches", count)
                np.testing.assert_array_equal(opened.cut(expected.candidates), patches)
        assert sum(read) == again


def test_survey_reads_only_places_that_do_not_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No place is read that an earlier one of its batch rules out."""
    found = write_pair(tmp_path, [("dcis", rectangle(100, 100, 600, 600))])
    settings = SMALL.model_copy(update={"max_per_file": 1000})
    read: list[tuple[int, int]] = []
    original = SlideReader.read_patches

    def note(self: SlideReader, places: Any, geometry: Any) -> Any:
        read.extend(places if geometry.patch == settings.patch else [])
        return original(self, places, geometry)

    monkeypatch.setattr(SlideReader, "read_patches", note)
    result = survey(tmp_path, found, "train", settings)
    rejected = sum(sum(result.left_out.get(rule, {}).values()) for rule in ("white", "ink", "blur", "damaged"))
    assert len(read) == len(result.candidates) + rejected


def test_survey_names_pixels_that_are_not_square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A slide of oblong pixels is bad; nearly square ones, and a largest level that is no original, are said."""
    found = write_pair(tmp_path, [("dcis", rectangle(100, 100, 700, 700))])
    for high, bad in (("0.25", "its pixels are not square: 0.5 µm wide and 0.25 µm high"), ("0.502", None)):
        original = SlideReader._open

        def opened(self: SlideReader, high: str = high, original: Any = original) -> None:
            original(self)
            others = {"openslide.mpp-y": high, "dicom.ImageType[3]": "RESAMPLED"}
            properties = dict(self._handle.properties) | others
            self._handle = _Other(self._handle, properties)  # type: ignore[assignment]

        with monkeypatch.context() as context:
            context.setattr(SlideReader, "_open", opened)
            result = survey(tmp_path, found, "train", SMALL)
        assert result.bad == bad
    assert result.facts["oddities"] == [
        "its pixels are 0.5 µm wide and 0.502 µm high; the width counts",
        "its file of the full resolution seems to be missing: its largest, 1280 x 1024 pixels, is called RESAMPLED. "
        "Coordinates of regions are taken for pixels of that one",
    ]


class _Other:
    """A handle of OpenSlide with other properties."""

    def __init__(self, handle: Any, properties: dict[str, str]) -> None:
        self._handle, self.properties = handle, properties

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)


def test_survey_normalizes_stains_of_the_same_places(tmp_path: Path):
    """Normalized patches are the pixels of the same places through one transform, which the survey records."""
    regions = [("dcis", rectangle(0, 0, 640, 1024)), ("indc", rectangle(640, 0, 640, 1024))]
    found = write_pair(tmp_path, regions)
    plain = survey(tmp_path, found, "train", SMALL)
    before = cut(tmp_path / found.file, plain.candidates, plain.facts)
    assert "stains" not in plain.facts
    for method in ("macenko", "reinhard"):
        settings = slides_config(patch=128, max_per_file=10, stain_normalization={"method": method})
        with OpenSlideFile(tmp_path, found, "train", settings) as opened:
            result = opened.survey()
            patches = opened.cut(result.candidates)
        assert (result.bad, result.candidates, result.left_out) == (None, plain.candidates, plain.left_out)
        transform = StainTransform.from_facts(result.facts["stains"])
        np.testing.assert_array_equal(patches, np.stack([transform.apply(patch) for patch in before]))
        np.testing.assert_array_equal(patches, cut(tmp_path / found.file, result.candidates, result.facts))
        assert np.abs(patches.astype(int) - before).mean() > 3, "the colours of the target are others"
        described = survey_module.describe(settings, [result])["stain_normalization"]
        assert described == {"method": method, "target": STAIN_TARGETS[method]}
    assert "stain_normalization" not in survey_module.describe(SMALL, [plain])


def test_survey_says_that_stains_cannot_be_estimated(tmp_path: Path):
    """A slide of glass and of no stain is bad, with the reason."""
    found = write_pair(tmp_path, [("dcis", ASYMMETRIC)])
    write_slide(tmp_path / found.file, np.full((1024, 1280, 3), 240, np.uint8))
    settings = slides_config(patch=128, stain_normalization={"method": "reinhard"})
    result = survey(tmp_path, found, "train", settings)
    assert result.bad == "shows too little tissue to estimate its stains (0 pixels)"


def test_survey_leaves_out_places_outside_of_the_mask(tmp_path: Path):
    """With min_tissue, places of too little tissue are left out before their pixels are read, and counted."""
    pixels = tissue(1280, 1024)
    pixels[:, 640:] = 240
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))])
    write_slide(tmp_path / found.file, pixels)
    settings = slides_config(patch=128, max_per_file=20, tissue={"max_white": 1.0, "min_tissue": 0.9, "min_focus": 0.0})
    result = survey(tmp_path, found, "train", settings)
    places = corners(result, "dcis")
    assert len(places) > 5 and places[:, 0].max() <= 640 - 0.9 * 128 + 4
    assert set(result.left_out) == {"cover", "background"} and result.left_out["background"]["dcis"] > 5


def test_survey_estimates_stains_around_a_damaged_tile(tmp_path: Path):
    """One damaged tile takes neither the mask nor the stains of the rest of the slide."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 1280, 1024))])
    spoil_tiles(tmp_path / found.file, 7)
    settings = slides_config(patch=128, stain_normalization={"method": "reinhard"}, tissue={"min_tissue": 0.5})
    result = survey(tmp_path, found, "train", settings)
    assert result.bad is None and len(result.candidates) > 10 and "stains" in result.facts
    assert result.left_out["damaged"]["dcis"] >= 1 and "background" not in result.left_out
    spoil_tiles(tmp_path / found.file, *range(20))
    result = survey(tmp_path, found, "train", settings)
    assert result.bad == "shows too little tissue to estimate its stains (0 pixels); 100% of it is damaged"
    settings = slides_config(patch=128, tissue={"min_tissue": 0.5})
    assert survey(tmp_path, found, "train", settings).bad == "is damaged: more than 3 of its tiles cannot be read"


def test_a_negative_region_is_no_region_of_a_label(tmp_path: Path):
    """A negative region without a label is a hole, which is used, and not one of no class."""
    found = write_pair(tmp_path, [])
    (tmp_path / f"{NAME}.csv").unlink()
    path = write_xml(
        tmp_path / f"{NAME}.xml", [("dcis", rectangle(0, 0, 900, 900)), ("", rectangle(200, 200, 400, 400))]
    )
    path.write_text(path.read_text().replace('<Region Id="2"', '<Region Id="2" NegativeROA="1"'))
    result = survey(tmp_path, SlideFile(found.file, path.name, found.patient), "train", SMALL)
    assert result.facts["regions"] == {"dcis": 1}
    assert result.facts["oddities"] == []


def test_a_slide_with_two_scales_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of two scales in a file the first counts, and this is said; the same one twice is not."""
    found = write_pair(tmp_path, [("dcis", rectangle(0, 0, 900, 1024))])
    monkeypatch.setattr(SlideReader, "_list_scales", lambda _: (0.5, 0.51, 352.8))
    assert survey(tmp_path, found, "train", SMALL).facts["oddities"] == []
    monkeypatch.setattr(SlideReader, "_list_scales", lambda _: (0.5, None, 0.25))
    assert survey(tmp_path, found, "train", SMALL).facts["oddities"] == [
        "its file gives two scales: openslide.mpp-x 0.5 and tiff.XResolution 0.25 µm per pixel; openslide.mpp-x counts"
    ]

"""A real recording and a real slide, to samples; `pytest -s` prints what docs/measured/real_files.md quotes."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from blindtune.datasets.corpus.base import RawFile
from blindtune.datasets.eeg import edf_header, preprocessing
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.slides.reader import PatchGeometry, SlideReader
from blindtune.views.frames import SignalFrames
from support.eeg_files import ABSENT, eeg_corpus, open_signals, tse
from support.eeg_files import REAL as RECORDING
from support.scipy_eeg import prepared
from support.slide_files import REAL as SLIDE
from support.slide_files import write_slide

here = pytest.mark.skipif(not RECORDING.is_file(), reason=ABSENT)
there = pytest.mark.skipif(not SLIDE.is_file(), reason=f"the real slide is not here ({SLIDE.name} of the shared data)")
#: The last two reach past the edge.
PLACES = [(0, 0), (517, 233), (1701, 2449), (1024, 1024), (-100, 2900), (2100, -37)]


@here
def test_real_recording_equals_scipy(tmp_path: Path) -> None:
    """From the file by its survey and its cut to frames, against the bytes of the file, NumPy and scipy."""
    path = tmp_path / RECORDING.name
    path.symlink_to(RECORDING)
    path.with_suffix(".tse_bi").write_text(tse([(5.0, 27.5, "seiz")]), encoding="utf-8")
    source = eeg_corpus(folder=str(tmp_path), patient=r"(S\d+)R")
    config = source.config
    assert isinstance(config, EegConfig)
    opened = source.open_file(tmp_path, RawFile(path.name, (f"{path.stem}.tse_bi",), "train"))
    survey = opened.survey()
    assert survey.bad is None and survey.facts["rate"] == 160 and survey.facts["seconds"] == 61
    starts = [candidate.place["start"] for candidate in survey.candidates]
    assert starts == [5.0, 15.0, 37.5, 47.5]
    ours = opened.cut(survey.candidates)
    whole = prepared(path)
    assert whole.shape == (20, 3050) and ours.shape == (4, 20, 500)
    theirs = np.stack([whole[:, round(50 * at) : round(50 * at) + 500] for at in starts])
    apart = np.abs(ours - theirs).max(axis=(0, 2)) / np.abs(theirs).max(axis=(0, 2))
    assert apart.max() < 1e-6
    header = edf_header.parse_header(path.read_bytes())
    exact = np.abs(preprocessing.filter_recording(*open_signals(path), config) - whole).max() / np.abs(whole).max()
    assert exact < 1e-9
    mean, deviation = (np.asarray(part, np.float32) for part in (theirs.mean(axis=(0, 2)), theirs.std(axis=(0, 2))))
    keys = {name: getattr(config, name) for name in ("frame_length", "frame_hop", "sfreq")}
    framed = SignalFrames(ours, keys, mean, deviation).eval_batch(slice(0, 4))
    normal = (theirs - mean[:, None]) / deviation[:, None]
    windows = np.lib.stride_tricks.sliding_window_view(normal, 15, axis=-1)[:, :, ::5].swapaxes(1, 2)
    assert framed.shape == (4, 98, 300)
    by_frame = np.abs(framed - windows.reshape(framed.shape)).max() / np.abs(normal).max()
    assert by_frame < 1e-6
    print(f"\n{path.name}: {header.kind}, {len(header.labels)} channels at {survey.facts['rate']:g} Hz, 61 s")
    print(f"facts: {survey.facts}; left out: {survey.left_out}")
    print(f"whole: {whole.shape}, largest difference from scipy {exact:.1e} of the largest value, in float64")
    print(f"segments: {ours.shape}, as stored in float32: {apart.max():.1e}")
    print(f"frames, normalised: {framed.shape}, {by_frame:.1e} of the largest value")
    for step in preprocessing.describe(config)["steps"]:
        print(f"filter: {step}")


def by_openslide(path: Path, place: tuple[int, int], geometry: PatchGeometry) -> NDArray[np.uint8]:
    """A patch by OpenSlide and Pillow alone, its transparent part laid on white."""
    from openslide import OpenSlide

    with OpenSlide(path) as plain:
        region = plain.read_region(place, geometry.level, (geometry.pixels, geometry.pixels))
    white = Image.alpha_composite(Image.new("RGBA", region.size, "white"), region).convert("RGB")
    same = geometry.pixels == geometry.patch
    return np.asarray(white if same else white.resize((geometry.patch, geometry.patch), Image.Resampling.LANCZOS))


@there
@pytest.mark.parametrize(
    ("mpp", "geometry"),
    [
        (None, PatchGeometry(0, 512, 512.0, 512)),
        (0.5, PatchGeometry(0, 512, 512.0, 512)),
        (0.75, PatchGeometry(0, 770, 770.0, 512)),
        (1.0, PatchGeometry(0, 1026, 1026.0, 512)),
    ],
)
def test_real_slide_equals_openslide(mpp: float | None, geometry: PatchGeometry) -> None:
    """Patches of a real slide are those of OpenSlide and Pillow."""
    with closing(SlideReader(SLIDE, threads=2)) as slide:
        scale = slide.find_scale(None, None)
        assert scale is not None and (scale.mpp, scale.origin) == (0.499, "openslide.mpp-x")
        assert slide.choose_geometry(512, mpp, scale) == geometry
        patches = slide.read_patches(PLACES, geometry)
        print(f"\n{SLIDE.name}: {slide.size[0]} x {slide.size[1]}, {scale.mpp} um by {scale.origin}; {mpp}: {geometry}")
    for place, patch in zip(PLACES, patches, strict=True):
        np.testing.assert_array_equal(patch, by_openslide(SLIDE, place, geometry))
    # The last begins 37 rows above the slide; scaling blurs its edge.
    assert patches[-1] is not None and (patches[-1][:12] == 255).all()
    print(f"{len(PLACES)} patches, two of them past the edge: every pixel as OpenSlide gives it")


@there
@pytest.mark.parametrize(("mpp", "level", "pixels"), [(0.5, 0, 512), (2.0, 1, 512), (4.0, 1, 1023)])
def test_real_slide_in_a_pyramid_equals_openslide(tmp_path: Path, mpp: float, level: int, pixels: int) -> None:
    """The real slide has one level; its pixels, written with two, are read from the nearest finer one."""
    from openslide import OpenSlide

    with OpenSlide(SLIDE) as plain:
        shown = np.asarray(plain.read_region((0, 0), 0, plain.dimensions).convert("RGB"))
    path = write_slide(tmp_path / "pyramid.svs", shown)
    with closing(SlideReader(path)) as slide:
        geometry = slide.choose_geometry(512, mpp, slide.find_scale(None, None))
        assert (geometry.level, geometry.pixels) == (level, pixels)
        patches = slide.read_patches(PLACES, geometry)
    for place, patch in zip(PLACES, patches, strict=True):
        np.testing.assert_array_equal(patch, by_openslide(path, place, geometry))

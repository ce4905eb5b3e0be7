"""One slide: its scale, its patches, and what is wrong with a file."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from blindtune.datasets.slides import reader
from blindtune.datasets.slides.annotations import Annotation
from blindtune.datasets.slides.reader import BadSlideError, PatchGeometry, Scale, SlideReader, composite_on_white
from support.slide_files import REAL, spoil_tiles, tissue, write_slide

NATIVE = PatchGeometry(0, 128, 128.0, 128)


def as_tiff(path: Path, pixels: NDArray[np.uint8], **options: object) -> Path:
    """A tiled TIFF without Aperio's description, bit exact."""
    from tifffile import imwrite

    imwrite(path, pixels, tile=(256, 256), compression="deflate", photometric="rgb", metadata=None, **options)
    return path


def test_read_patches_of_a_written_slide(tmp_path: Path):
    """Pixels that were written are read again."""
    pixels = tissue(700, 600)
    with closing(SlideReader(write_slide(tmp_path / "a.svs", pixels))) as slide:
        assert slide.size == (700, 600)
        (patch,) = slide.read_patches([(100, 37)], NATIVE)
    assert patch is not None
    assert np.abs(patch.astype(int) - pixels[37:165, 100:228]).mean() < 4


@pytest.mark.skipif(not REAL.exists(), reason="the real slide is not here")
def test_read_patches_equals_openslide():
    """Patches of a real slide are those that OpenSlide gives."""
    from openslide import OpenSlide

    places = [(0, 0), (517, 233), (1701, 2449), (1024, 1024)]
    with closing(SlideReader(REAL, threads=2)) as slide:
        assert slide.find_scale_in_file() == Scale(0.499, "openslide.mpp-x")
        geometry = slide.choose_geometry(512, 0.5, slide.find_scale_in_file())
        assert geometry == PatchGeometry(0, 512, 512.0, 512)
        patches = slide.read_patches(places, geometry)
    with OpenSlide(REAL) as plain:
        for place, patch in zip(places, patches, strict=True):
            expected = np.asarray(plain.read_region(place, 0, (512, 512)))
            assert (expected[..., 3] == 255).all()
            np.testing.assert_array_equal(patch, expected[..., :3])


def test_read_patches_white_outside(tmp_path: Path):
    """Pixels outside the slide are white."""
    dark = np.full((512, 512, 3), 60, np.uint8)
    with closing(SlideReader(write_slide(tmp_path / "a.svs", dark))) as slide:
        first, last, far = slide.read_patches([(-64, -32), (448, 480), (9000, 9000)], NATIVE)
    assert first is not None
    assert last is not None
    assert far is not None
    assert (first[:32] == 255).all()
    assert (first[:, :64] == 255).all()
    assert (first[32:, 64:] < 70).all()
    assert (last[:32, :64] < 70).all()
    assert (last[32:] == 255).all()
    assert (last[:, 64:] == 255).all()
    assert (far == 255).all()


def test_composite_on_white():
    """Half-transparent pixels are composited on white."""
    pixels = np.array([[[10, 20, 30, 255], [0, 0, 0, 0], [100, 100, 100, 51]]], np.uint8)
    assert composite_on_white(pixels).tolist() == [[[10, 20, 30], [255, 255, 255], [224, 224, 224]]]


def test_find_scale_in_file(tmp_path: Path):
    """The scale in the file takes precedence."""
    with closing(SlideReader(write_slide(tmp_path / "a.svs", tissue(256, 256), 0.25))) as slide:
        assert slide.find_scale(0.5, 0.5) == Scale(0.25, "openslide.mpp-x")


def test_find_scale_elsewhere(tmp_path: Path):
    """Without a scale in the file, the annotation counts, then the config."""
    with closing(SlideReader(write_slide(tmp_path / "a.svs", tissue(256, 256), None))) as slide:
        assert slide.find_scale_in_file() is None
        assert slide.find_scale(0.5, 0.25) == Scale(0.5, "annotation")
        assert slide.find_scale(None, 0.25) == Scale(0.25, "config")
        assert slide.find_scale(None, None) is None
        with pytest.raises(BadSlideError, match="says nowhere how large its pixels are"):
            slide.choose_geometry(128, 0.5, None)
        assert slide.choose_geometry(128, None, None) == NATIVE


def test_a_scale_that_does_not_count_is_named(tmp_path: Path):
    """A file of 72 pixels per inch, or with the size of its pixels in OME alone, is bad, and the reason has it."""
    ome = '<OME><Image><Pixels PhysicalSizeX="0.5"/></Image></OME>'
    as_tiff(tmp_path / "a.tif", tissue(256, 256), resolution=(72, 72), resolutionunit="INCH", description=ome)
    message = (
        r"in the config can\); openslide.mpp-x gives 352.778 and tiff.XResolution gives 352.778 µm per pixel, which "
    )
    with closing(SlideReader(tmp_path / "a.tif")) as slide:
        scale = slide.find_scale(None, None)
        with pytest.raises(BadSlideError, match=message + r"no slide has; PhysicalSizeX of OME, 0.5, is not read"):
            slide.choose_geometry(128, 0.5, scale)


def test_find_scale_by_objective_power(tmp_path: Path):
    """The objective power gives a scale, after the annotation."""
    head = "Aperio Image Library v12\r\n512x512 (256x256) JPEG/RGB Q=85"
    power = as_tiff(tmp_path / "a.tif", tissue(512, 512), description=f"{head}|AppMag = 40")
    with closing(SlideReader(power)) as slide:
        assert slide.find_scale(None, 0.5) == Scale(0.25, "objective power")
        assert slide.find_scale(0.3, 0.5) == Scale(0.3, "annotation")


def test_find_scale_by_tiff_resolution(tmp_path: Path):
    """The resolution of a TIFF gives a scale."""
    head = "Aperio Image Library v12\r\n512x512 (256x256) JPEG/RGB Q=85"
    options = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER", "description": head}
    with closing(SlideReader(as_tiff(tmp_path / "a.tif", tissue(512, 512), **options))) as slide:
        assert slide.find_scale(0.3, None) == Scale(0.5, "tiff.XResolution")


def test_find_scale_ignores_screen_resolution(tmp_path: Path):
    """The resolution of a screen is not a scale."""
    options = {"resolution": (72, 72), "resolutionunit": "INCH"}
    with closing(SlideReader(as_tiff(tmp_path / "a.tif", tissue(512, 512), **options))) as slide:
        assert slide.find_scale(None, None) is None


@pytest.mark.parametrize(
    ("wanted", "geometry"),
    [
        (0.5, PatchGeometry(0, 128, 128.0, 128)),
        (0.52, PatchGeometry(0, 128, 128.0, 128)),
        (0.48, PatchGeometry(0, 128, 128.0, 128)),
        (1.0, PatchGeometry(0, 256, 256.0, 128)),
        (2.0, PatchGeometry(1, 128, 512.0, 128)),
        (1.95, PatchGeometry(1, 128, 512.0, 128)),
        (4.0, PatchGeometry(1, 256, 1024.0, 128)),
    ],
)
def test_choose_geometry_nearest_finer_level(tmp_path: Path, wanted: float, geometry: PatchGeometry):
    """Patches are read from the nearest finer level."""
    with closing(SlideReader(write_slide(tmp_path / "a.svs", tissue(1024, 1024)))) as slide:
        assert slide.choose_geometry(128, wanted, slide.find_scale_in_file()) == geometry


def test_choose_geometry_refuses_coarse_slides(tmp_path: Path):
    """A slide that is coarser than wanted is bad."""
    with (
        closing(SlideReader(write_slide(tmp_path / "a.svs", tissue(256, 256)))) as slide,
        pytest.raises(BadSlideError, match="coarser"),
    ):
        slide.choose_geometry(128, 0.25, slide.find_scale_in_file())


def test_read_patches_scaled(tmp_path: Path):
    """A scaled patch shows the same place."""
    pixels = np.full((1024, 1024, 3), 250, np.uint8)
    pixels[300:556, 200:456] = 40
    with closing(SlideReader(write_slide(tmp_path / "a.svs", pixels))) as slide:
        for wanted in (1.0, 2.0):
            (patch,) = slide.read_patches([(200, 300)], slide.choose_geometry(200, wanted, slide.find_scale_in_file()))
            inner = int(256 / (wanted / 0.5))
            assert patch is not None
            assert patch.shape == (200, 200, 3)
            assert patch[2 : inner - 2, 2 : inner - 2].max() < 60
            assert patch[inner + 2 :].min() > 230
            assert patch[:, inner + 2 :].min() > 230


def test_read_patches_around_damaged_tiles(tmp_path: Path):
    """A damaged tile affects only the patches on it."""
    pixels = tissue(1024, 1024)
    path = write_slide(tmp_path / "a.svs", pixels)
    places = [(x, y) for y in range(0, 1024, 128) for x in range(0, 1024, 128)]
    with closing(SlideReader(path)) as slide:
        whole = slide.read_patches(places, NATIVE)
    spoil_tiles(path, 5, 10)
    on_bad = {(x, y) for x, y in places if (y // 256 * 4 + x // 256) in (5, 10)}
    for threads in (1, 4):
        with closing(SlideReader(path, threads)) as slide:
            found = slide.read_patches(places, NATIVE)
            again = slide.read_patches(places[:3], NATIVE)
        assert {place for place, patch in zip(places, found, strict=True) if patch is None} == on_bad
        for before, after in zip(whole, found, strict=True):
            assert after is None or np.array_equal(before, after)
        assert all(patch is not None for patch in again)


def test_find_damaged_tiles(tmp_path: Path):
    """Damaged tiles are found by column and row."""
    path = write_slide(tmp_path / "a.svs", tissue(1024, 1024))
    spoil_tiles(path, 5, 6, 15)
    with closing(SlideReader(path)) as slide:
        assert slide.find_damaged_tiles((300, 300), PatchGeometry(0, 400, 400.0, 400)) == {(1, 1), (2, 1)}
        assert slide.find_damaged_tiles((-100, -100), NATIVE) == set()


@pytest.mark.parametrize("content", [b"", b"not a slide", b"II*\x00\x08\x00\x00\x00"])
def test_slide_reader_refuses_other_files(tmp_path: Path, content: bytes):
    """A file that is not a slide is bad."""
    (tmp_path / "a.svs").write_bytes(content)
    with pytest.raises(BadSlideError, match="OpenSlide cannot open it"):
        SlideReader(tmp_path / "a.svs")


def test_slide_reader_refuses_truncated_slides(tmp_path: Path):
    """A truncated slide is bad."""
    path = write_slide(tmp_path / "a.svs", tissue(1024, 1024))
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(BadSlideError, match="OpenSlide cannot open it"):
            SlideReader(path)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Annotation([], slide="b"), "is that of b"),
        (Annotation([], size=(256, 300)), "for 256 x 300 pixels, the slide has 256 x 256"),
        (Annotation([], mpp=0.25), "for 0.25 µm per pixel, openslide.mpp-x says 0.5"),
    ],
)
def test_check_annotation_of_another_slide(tmp_path: Path, annotation: Annotation, message: str):
    """An annotation of another slide is refused."""
    with closing(SlideReader(write_slide(tmp_path / "a.svs", tissue(256, 256)))) as slide:
        slide.check_annotation(Annotation([], mpp=0.5041, size=(256, 256), slide="a"))
        with pytest.raises(BadSlideError, match=message):
            slide.check_annotation(annotation)


def test_read_thumbnail_of_a_damaged_slide_is_grey_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A picture of a damaged slide is drawn in parts, and is grey where it cannot be read."""
    path = write_slide(tmp_path / "a.svs", np.full((1024, 1280, 3), 200, np.uint8))
    monkeypatch.setattr(reader, "_MAX_READ", 256**2)
    with closing(SlideReader(path)) as slide:
        whole, unread = slide.read_thumbnail(1000)
    assert not unread.any()
    spoil_tiles(path, 0)
    with closing(SlideReader(path)) as slide:
        damaged, unread = slide.read_thumbnail(1000)
    assert unread[:190, :190].all() and not unread[210:, 210:].any()
    assert whole.shape == damaged.shape == (800, 1000, 3)
    np.testing.assert_allclose(whole, 200, atol=3)
    assert (damaged[:190, :190] == 128).all()
    np.testing.assert_array_equal(damaged[210:, 210:], whole[210:, 210:])
    # Read in one part, it is divided until only what is near the damaged tile is missing.
    monkeypatch.setattr(reader, "_MAX_READ", 4096**2)
    with closing(SlideReader(path)) as slide:
        divided, _ = slide.read_thumbnail(1000)
    assert (divided[:190, :190] == 128).all()
    np.testing.assert_allclose(divided[220:], 200, atol=3)
    np.testing.assert_allclose(divided[:, 220:], 200, atol=3)
    # So many damaged parts are divided and no more.
    monkeypatch.setattr(reader, "_MAX_DAMAGED", 0)
    with closing(SlideReader(path)) as slide:
        picture, unread = slide.read_thumbnail(1000)
        assert (picture == 128).all() and unread.all()

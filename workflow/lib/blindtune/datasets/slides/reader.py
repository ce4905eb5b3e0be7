"""One slide as OpenSlide reads it: its scale, and patches from it.

OpenSlide is silent or unforgiving about some faults, and this module is about those: outside a slide it gives
transparent black, which becomes white here; after one damaged tile a handle refuses every later read, so it is closed
and opened again; and the size of a pixel stands in several places, or in none.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.annotations import Annotation

#: How far two statements of a scale may be apart without being different.
TOLERANCE = 0.05

#: What a pixel of a scanned slide can measure, in µm; files that name no resolution often say 72 per inch.
PLAUSIBLE = (0.02, 20.0)

#: Where µm per pixel are looked for, in this order: in the file, then elsewhere.
IN_FILE = ("openslide.mpp-x", "aperio.MPP", "tiff.XResolution")
ELSEWHERE = ("annotation", "objective power", "config")

_MICRONS = {"inch": 25_400.0, "centimeter": 10_000.0}


class BadSlide(Exception):
    """A slide that gives no sample; the message is the reason that the list of bad files shows."""


@dataclass(frozen=True)
class Scale:
    """µm per pixel of full resolution, and where that was found."""

    mpp: float
    origin: str


@dataclass(frozen=True)
class View:
    """How a patch is read.

    Attributes:
        level: level of the pyramid.
        pixels: side of the square that is read there.
        side: side of that square in pixels of full resolution.
        patch: side of the patch that it becomes.
    """

    level: int
    pixels: int
    side: float
    patch: int


class Slide:
    """An open slide, to be closed."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Open the slide at ``path``; so many ``threads`` read patches side by side, by one handle.

        Raises:
            BadSlide: OpenSlide cannot open it: it is damaged, cut off or no slide.
        """
        self.path = path
        self._open()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def close(self) -> None:
        """Give back the handle and its cache."""
        self._handle.close()
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the full resolution in pixels."""
        return self._size

    def said_mpp(self) -> Scale | None:
        """µm per pixel as the file itself states it: by OpenSlide, by Aperio, or by the resolution of the TIFF."""
        properties = self._handle.properties
        unit = _MICRONS.get(properties.get("tiff.ResolutionUnit", ""))
        resolution = _number(properties.get("tiff.XResolution"))
        values = (
            _number(properties.get("openslide.mpp-x")),
            _number(properties.get("aperio.MPP")),
            unit / resolution if unit and resolution else None,
        )
        return _first_plausible(IN_FILE, values)

    def scale(self, annotated: float | None, assumed: float | None) -> Scale | None:
        """µm per pixel: what the file says, else its annotation, else 10 / objective power, else the config.

        Args:
            annotated: µm per pixel in the annotation.
            assumed: µm per pixel in the config.
        """
        said = self.said_mpp()
        if said is not None:
            return said
        power = _number(self._handle.properties.get("openslide.objective-power"))
        return _first_plausible(ELSEWHERE, (annotated, 10 / power if power else None, assumed))

    def check_belongs(self, annotation: Annotation) -> None:
        """Refuse an annotation that was made on another slide.

        Raises:
            BadSlide: it names another slide, another size or another scale.
        """
        if annotation.slide is not None and annotation.slide != self.path.stem:
            raise BadSlide(f"its annotation is that of {annotation.slide}")
        if annotation.size is not None and annotation.size != self.size:
            raise BadSlide(f"its annotation is for {_by(annotation.size)} pixels, the slide has {_by(self.size)}")
        said = self.said_mpp()
        if said is not None and annotation.mpp is not None and abs(annotation.mpp / said.mpp - 1) > TOLERANCE:
            raise BadSlide(f"its annotation is for {annotation.mpp:g} µm per pixel, {said.origin} says {said.mpp:g}")

    def view(self, patch: int, wanted: float | None, scale: Scale | None) -> View:
        """How to read patches of ``patch`` pixels of ``wanted`` µm; none: the slide's own pixels.

        The nearest finer level is read and scaled once; within `TOLERANCE` of ``wanted`` nothing is scaled.

        Raises:
            BadSlide: the scale is not known, or the slide is coarser than what is wanted.
        """
        if wanted is None:
            return View(0, patch, float(patch), patch)
        if scale is None:
            raise BadSlide("says nowhere how large its pixels are (assumed_mpp in the config can)")
        factor = wanted / scale.mpp
        if factor * (1 + TOLERANCE) < 1:
            raise BadSlide(f"has {scale.mpp:g} µm per pixel, coarser than the {wanted:g} that are asked for")
        level = self._handle.get_best_level_for_downsample(factor * (1 + TOLERANCE))
        shrunk = self._handle.level_downsamples[level]
        rest = factor / shrunk
        pixels = patch if abs(rest - 1) <= TOLERANCE else round(patch * rest)
        return View(level, pixels, pixels * shrunk, patch)

    def read(self, places: Sequence[tuple[int, int]], view: View) -> list[NDArray[np.uint8] | None]:
        """The patches at ``places``, x and y of their upper left corners in pixels of full resolution.

        Returns:
            For each place (patch, patch, 3) uint8, white outside the slide; none where the slide is damaged.
        """
        side_by_side = map if self._pool is None else self._pool.map
        found = list(side_by_side(lambda place: self._try(place, view), places))
        # Places that failed beside a damaged one are read again, each by a handle that no error has spoilt.
        spoilt = True
        for number in [number for number, patch in enumerate(found) if patch is None]:
            if spoilt:
                self._reopen()
            found[number] = self._try(places[number], view)
            spoilt = found[number] is None
        if any(patch is None for patch in found):
            self._reopen()
        return found

    def damaged_tiles(self, place: tuple[int, int], view: View) -> set[tuple[int, int]]:
        """Which tiles under a damaged patch are so, by column and row of the level's tiles."""
        shrunk, properties = self._handle.level_downsamples[view.level], self._handle.properties
        width, height = (
            int(properties.get(f"openslide.level[{view.level}].tile-{side}", 256)) for side in ("width", "height")
        )
        left, top = (int(part / shrunk) for part in place)
        found = set()
        for column in range(max(0, left) // width, (left + view.pixels) // width + 1):
            for row in range(max(0, top) // height, (top + view.pixels) // height + 1):
                corner = (int(column * width * shrunk), int(row * height * shrunk))
                # One pixel takes the whole tile to decode.
                if self._try(corner, View(view.level, 1, shrunk, 1)) is None:
                    found.add((column, row))
                    self._reopen()
        return found

    def thumbnail(self, side: int) -> NDArray[np.uint8]:
        """The whole slide, at most ``side`` pixels wide and high, (rows, columns, 3) uint8.

        Raises:
            BadSlide: a part of it is damaged.
        """
        from openslide import OpenSlideError

        try:
            return np.asarray(self._handle.get_thumbnail((side, side)))
        except OpenSlideError as error:
            raise BadSlide(f"cannot be read as a whole ({error})") from error

    def _try(self, place: tuple[int, int], view: View) -> NDArray[np.uint8] | None:
        from openslide import OpenSlideError

        try:
            region = self._handle.read_region(place, view.level, (view.pixels, view.pixels))
        except OpenSlideError:
            return None
        # Most patches are opaque, and Pillow drops the fourth value faster than NumPy does.
        opaque = region.getchannel(3).getextrema() == (255, 255)
        patch = np.asarray(region.convert("RGB")) if opaque else on_white(np.asarray(region))
        return patch if view.pixels == view.patch else _resized(patch, view.patch)

    def _reopen(self) -> None:
        self._handle.close()
        self._open()

    def _open(self) -> None:
        from openslide import OpenSlide, OpenSlideError

        try:
            self._handle = OpenSlide(self.path)
            self._size = self._handle.dimensions
        except (OpenSlideError, OSError) as error:
            raise BadSlide(f"OpenSlide cannot open it ({_reason(error, self.path)})") from error


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Red, green, blue and opacity (rows, columns, 4) laid on white, (rows, columns, 3)."""
    share = pixels[..., 3:].astype(np.float32) / 255
    return (pixels[..., :3] * share + 255 * (1 - share)).round().astype(np.uint8)


def _resized(patch: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(patch).resize((side, side), Image.Resampling.LANCZOS))


def _first_plausible(origins: Sequence[str], values: Sequence[float | None]) -> Scale | None:
    for origin, value in zip(origins, values, strict=True):
        if value is not None and PLAUSIBLE[0] <= value <= PLAUSIBLE[1]:
            return Scale(value, origin)
    return None


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if value > 0 else None


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _reason(error: Exception, path: Path) -> str:
    text = str(error).replace(str(path), path.name).strip().rstrip(".")
    return text or "unsupported or damaged format"

"""Reading of one slide through OpenSlide: its scale, and patches from it.

This module handles three properties of OpenSlide: outside a slide it returns transparent black, which becomes white
here; after one damaged tile a handle refuses every later read, so it is reopened; and the size of a pixel can be in
several properties, or in none.
"""

import hashlib
import math
import re
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.annotations import Annotation

#: Largest relative difference of two scales that count as equal.
TOLERANCE = 0.05

#: Largest relative difference of the width and the height of a pixel that is rounding.
_EQUAL = 0.001

#: Pixels of a level that are read at once for a small picture.
_MAX_READ = 4096 * 1024

#: Plausible sizes of a pixel in µm, from and to; files without a resolution often have 72 pixels per inch.
PLAUSIBLE = (0.02, 20.0)

#: Where µm per pixel are searched, in this order: first in the file, then elsewhere.
IN_FILE = ("openslide.mpp-x", "aperio.MPP", "tiff.XResolution")
ELSEWHERE = ("annotation", "objective power", "config")

#: Squares by which a slide is known again: rows and columns of their grid, their side in pixels, and how many of them
#: must show more than one color.
_GRID, _SQUARE, _MIN_SHOWN = 6, 64, 6

#: Grey of damaged parts in a small picture, how many of them are divided, and the sides in pixels of the picture from
#: which they are not.
_DAMAGED, _MAX_DAMAGED, _MIN_PART = 128, 400, 16

#: Letters of a description of OME in which the size of a pixel is searched, for a message.
_MAX_OME = 100_000

_MICRONS = {"inch": 25_400.0, "centimeter": 10_000.0}


class BadSlideError(Exception):
    """The slide gives no samples; the message is the reason shown in the list of bad files."""


@dataclass(frozen=True)
class Scale:
    """The size of a pixel of the full resolution.

    Attributes:
        mpp: µm per pixel.
        origin: where it was found, one of `IN_FILE` and `ELSEWHERE`.
    """

    mpp: float
    origin: str


@dataclass(frozen=True)
class PatchGeometry:
    """From which level of the pyramid, and in which size, patches are read.

    Attributes:
        level: number of the level; 0 is the full resolution.
        pixels: side of the square that is read, in pixels of the level.
        side: side of that square, in pixels of the full resolution.
        patch: side of the patch to which the square is scaled, in pixels.
    """

    level: int
    pixels: int
    side: float
    patch: int


class SlideReader:
    """An open slide; the caller closes it."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Open a slide.

        Args:
            path: of the slide.
            threads: number of threads that read patches, through one handle.

        Raises:
            BadSlideError: OpenSlide cannot open the file: it is damaged, truncated or not a slide.
        """
        self.path = path
        self._open()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def close(self) -> None:
        """Close the handle and release its cache."""
        self._handle.close()
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the full resolution, in pixels."""
        return self._size

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the scanned area in pixels; the whole slide if the file does not give it."""
        found = [self._handle.properties.get(f"openslide.bounds-{name}", "") for name in ("x", "y", "width", "height")]
        if not all(text.isdecimal() for text in found):
            return (0, 0, *self.size)
        left, top, width, height = map(int, found)
        return left, top, width, height

    def check_pixels(self) -> str | None:
        """Check that pixels are as wide as high; return a remark if they nearly are.

        Raises:
            BadSlideError: they are not, so that no square of pixels is a square of tissue.
        """
        x, y = (_parse_number(self._handle.properties.get(f"openslide.mpp-{axis}")) for axis in "xy")
        if x is None or y is None or abs(y / x - 1) <= _EQUAL:
            return None
        if abs(y / x - 1) > TOLERANCE:
            raise BadSlideError(f"its pixels are not square: {x:g} µm wide and {y:g} µm high")
        return f"its pixels are {x:g} µm wide and {y:g} µm high; the width counts"

    def check_scales(self) -> str | None:
        """Return a remark if the file gives two scales: one that was made smaller can have kept its old one."""
        found = [
            Scale(value, origin)
            for origin, value in zip(IN_FILE, self._list_scales(), strict=True)
            if value is not None and PLAUSIBLE[0] <= value <= PLAUSIBLE[1]
        ]
        other = next((one for one in found[1:] if abs(one.mpp / found[0].mpp - 1) > TOLERANCE), None)
        if other is None:
            return None
        return (
            f"its file gives two scales: {found[0].origin} {found[0].mpp:g} and {other.origin} {other.mpp:g} µm per "
            f"pixel; {found[0].origin} counts"
        )

    def check_full_resolution(self) -> str | None:
        """Return a remark if the largest level of a slide in DICOM was made from a larger one, which is not there."""
        if self._handle.properties.get("dicom.ImageType[3]", "").strip().upper() != "RESAMPLED":
            return None
        width, height = self.size
        return (
            f"its file of the full resolution seems to be missing: its largest, {width} x {height} pixels, is called "
            "RESAMPLED. Coordinates of regions are taken for pixels of that one"
        )

    def find_scale_in_file(self) -> Scale | None:
        """Return the scale that the file gives: to OpenSlide, to Aperio, or as the resolution of a TIFF."""
        return _first_plausible(IN_FILE, self._list_scales())

    def _list_scales(self) -> tuple[float | None, ...]:
        """Return µm per pixel by `IN_FILE`, None where the file does not give it."""
        properties = self._handle.properties
        unit = _MICRONS.get(properties.get("tiff.ResolutionUnit", ""))
        resolution = _parse_number(properties.get("tiff.XResolution"))
        return (
            _parse_number(properties.get("openslide.mpp-x")),
            _parse_number(properties.get("aperio.MPP")),
            unit / resolution if unit and resolution else None,
        )

    def _describe_scales(self) -> str:
        """Return which scales the file gives that are none of tissue or are not read, as the end of a sentence."""
        found = [
            f"{origin} gives {value:g}" for origin, value in zip(IN_FILE, self._list_scales(), strict=True) if value
        ]
        ome = re.search(
            r'PhysicalSizeX="([\d.eE+-]{1,20})"', self._handle.properties.get("tiff.ImageDescription", "")[:_MAX_OME]
        )
        parts = [f"{' and '.join(found)} µm per pixel, which no slide has"] if found else []
        parts += [f"PhysicalSizeX of OME, {ome[1]}, is not read"] if ome else []
        return "".join(f"; {part}" for part in parts)

    def find_scale(self, annotated: float | None, assumed: float | None) -> Scale | None:
        """Return the scale from the file, else the annotation, else 10 / objective power, else the config.

        Args:
            annotated: µm per pixel in the annotation.
            assumed: µm per pixel in the config.

        Returns:
            The scale; None if it is unknown.
        """
        in_file = self.find_scale_in_file()
        if in_file is not None:
            return in_file
        power = _parse_number(self._handle.properties.get("openslide.objective-power"))
        return _first_plausible(ELSEWHERE, (annotated, 10 / power if power else None, assumed))

    def check_annotation(self, annotation: Annotation) -> None:
        """Check that an annotation belongs to the slide.

        Raises:
            BadSlideError: the annotation gives another slide, another size or another scale.
        """
        names = (self.path.stem.casefold(), self.path.name.casefold(), self.path.stem.casefold().removesuffix(".ome"))
        if annotation.slide is not None and annotation.slide.casefold() not in names:
            raise BadSlideError(f"its annotation is that of {annotation.slide}")
        if annotation.size is not None and annotation.size not in (self.size, self.bounds[2:]):
            raise BadSlideError(
                f"its annotation is for {_format_size(annotation.size)} pixels, the slide has {_format_size(self.size)}"
            )
        scale = self.find_scale_in_file()
        if scale is not None and annotation.mpp is not None and abs(annotation.mpp / scale.mpp - 1) > TOLERANCE:
            raise BadSlideError(
                f"its annotation is for {annotation.mpp:g} µm per pixel, {scale.origin} says {scale.mpp:g}"
            )

    def choose_geometry(self, patch: int, wanted: float | None, scale: Scale | None) -> PatchGeometry:
        """Return from which level patches are read: the nearest finer one, scaled once.

        Within `TOLERANCE` of the wanted scale, nothing is scaled.

        Args:
            patch: side of a patch in pixels.
            wanted: µm per pixel of a patch; None: the pixels of the full resolution, of any size.
            scale: of the slide; None if it is unknown.

        Raises:
            BadSlideError: the scale is unknown, or the slide is coarser than wanted.
        """
        if wanted is None:
            return PatchGeometry(0, patch, float(patch), patch)
        if scale is None:
            raise BadSlideError(
                f"says nowhere how large its pixels are (assumed_mpp in the config can){self._describe_scales()}"
            )
        factor = wanted / scale.mpp
        if factor * (1 + TOLERANCE) < 1:
            raise BadSlideError(f"has {scale.mpp:g} µm per pixel, coarser than the {wanted:g} that are asked for")
        level = self._handle.get_best_level_for_downsample(factor * (1 + TOLERANCE))
        shrunk = self._handle.level_downsamples[level]
        rest = factor / shrunk
        pixels = patch if abs(rest - 1) <= TOLERANCE else round(patch * rest)
        return PatchGeometry(level, pixels, pixels * shrunk, patch)

    def read_patches(
        self, places: Sequence[tuple[int, int]], geometry: PatchGeometry
    ) -> list[NDArray[np.uint8] | None]:
        """Read patches.

        Args:
            places: x and y of their upper left corners, in pixels of the full resolution.
            geometry: as `choose_geometry` returns it.

        Returns:
            For each place (patch, patch, 3) uint8, white outside the slide; None if the slide is damaged there.
        """
        run_all = map if self._pool is None else self._pool.map
        found = list(run_all(lambda place: self._try(place, geometry), places))
        # Places that failed only because of a damaged one are read again, each by a handle without an earlier error.
        failed = True
        for number in [number for number, patch in enumerate(found) if patch is None]:
            if failed:
                self._reopen()
            found[number] = self._try(places[number], geometry)
            failed = found[number] is None
        if any(patch is None for patch in found):
            self._reopen()
        return found

    def find_damaged_tiles(self, place: tuple[int, int], geometry: PatchGeometry) -> set[tuple[int, int]]:
        """Return the damaged tiles under a patch.

        Args:
            place: x and y of the upper left corner of the patch, in pixels of the full resolution.
            geometry: of the patch.

        Returns:
            Column and row of each damaged tile, counted in tiles of the level.
        """
        shrunk, properties = self._handle.level_downsamples[geometry.level], self._handle.properties
        width, height = (
            int(properties.get(f"openslide.level[{geometry.level}].tile-{side}", 256)) for side in ("width", "height")
        )
        left, top = (int(part / shrunk) for part in place)
        found = set()
        for column in range(max(0, left) // width, (left + geometry.pixels) // width + 1):
            for row in range(max(0, top) // height, (top + geometry.pixels) // height + 1):
                corner = (int(column * width * shrunk), int(row * height * shrunk))
                # To read one pixel, OpenSlide decodes the whole tile.
                if self._try(corner, PatchGeometry(geometry.level, 1, shrunk, 1)) is None:
                    found.add((column, row))
                    self._reopen()
        return found

    def digest_pixels(self) -> str | None:
        """Return a digest of small squares of the full resolution, on a grid over the whole slide.

        It depends on neither metadata, levels nor tiles. Two different slides could only be taken for one if they are
        of the same size and equal in every square, which is why squares of one color do not count.

        Returns:
            The digest, or None if too few squares show anything.
        """
        side = min(_SQUARE, *self.size)
        steps = [(2 * step + 1) / (2 * _GRID) for step in range(_GRID)]
        places = [(int(x * (self.size[0] - side)), int(y * (self.size[1] - side))) for y in steps for x in steps]
        squares = self.read_patches(places, PatchGeometry(0, side, side, side))
        shown = [square for square in squares if square is not None and (square != square[0, 0]).any()]
        if len(shown) < _MIN_SHOWN:
            return None
        total = hashlib.sha256(f"{self.size}".encode())
        for square in squares:
            total.update(b"damaged" if square is None else np.ascontiguousarray(square).data)
        return total.hexdigest()

    def read_thumbnail(self, side: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return a picture of the whole slide, and where the slide is damaged; there the picture is grey.

        The slide is read in parts, so that one without small levels takes no more memory than another. Parts with a
        damaged tile are read again in quarters, so that most of what is not damaged is shown.

        Args:
            side: maximum width and height of the picture in pixels.

        Returns:
            (n_rows, n_columns, 3) uint8, and (n_rows, n_columns) bool.

        Raises:
            BadSlideError: the slide cannot be opened again.
        """
        from PIL import Image

        factor = max(1.0, max(self.size) / side)
        width, height = (max(1, round(length / factor)) for length in self.size)
        level = self._handle.get_best_level_for_downsample(factor)
        shrunk = self._handle.level_downsamples[level]
        # Squares of the picture, and what they are in pixels of the level.
        step = max(1, int(_MAX_READ**0.5 * shrunk / factor))
        picture, damaged = np.full((height, width, 3), _DAMAGED, np.uint8), np.ones((height, width), bool)
        starts = [(top, left) for top in range(0, height, step) for left in range(0, width, step)]
        # The largest parts first, so that the limit of divisions affects the smallest.
        parts = deque((top, left, min(step, height - top), min(step, width - left)) for top, left in starts)
        n_damaged = 0
        while parts:
            top, left, rows, columns = parts.popleft()
            place = round(left * factor), round(top * factor)
            size = tuple(max(1, round(length * factor / shrunk)) for length in (columns, rows))
            part = self._read(place, level, (size[0], size[1]))
            if part is not None:
                small = Image.fromarray(part).resize((columns, rows), Image.Resampling.BOX)
                picture[top : top + rows, left : left + columns] = np.asarray(small)
                damaged[top : top + rows, left : left + columns] = False
                continue
            self._reopen()
            n_damaged += 1
            if n_damaged <= _MAX_DAMAGED and min(rows, columns) > _MIN_PART:
                parts.extend(_quarter(top, left, rows, columns))
        return picture, damaged

    def _try(self, place: tuple[int, int], geometry: PatchGeometry) -> NDArray[np.uint8] | None:
        """Return one patch, or None if the slide is damaged there."""
        patch = self._read(place, geometry.level, (geometry.pixels, geometry.pixels))
        return patch if patch is None or geometry.pixels == geometry.patch else _resize(patch, geometry.patch)

    def _read(self, place: tuple[int, int], level: int, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """Return a part of a level, white outside the slide; None if it is damaged."""
        from openslide import OpenSlideError

        try:
            region = self._handle.read_region(place, level, size)
        except OpenSlideError:
            return None
        # Most patches are opaque, and Pillow drops the fourth channel faster than NumPy.
        opaque = region.getchannel(3).getextrema() == (255, 255)
        return np.asarray(region.convert("RGB")) if opaque else composite_on_white(np.asarray(region))

    def _reopen(self) -> None:
        self._handle.close()
        self._open()

    def _open(self) -> None:
        from openslide import OpenSlide, OpenSlideError

        try:
            self._handle = OpenSlide(self.path)
            self._size = self._handle.dimensions
        except (OpenSlideError, OSError) as error:
            raise BadSlideError(f"OpenSlide cannot open it ({_reason(error, self.path)})") from error


def composite_on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return red, green, blue and opacity (n_rows, n_columns, 4) composited on white, (n_rows, n_columns, 3)."""
    found = pixels[..., :3].copy()
    clear = pixels[..., 3] < 255
    share = pixels[clear, 3:].astype(np.float32) / 255
    found[clear] = (found[clear] * share + 255 * (1 - share)).round().astype(np.uint8)
    return found


def _quarter(top: int, left: int, rows: int, columns: int) -> list[tuple[int, int, int, int]]:
    """Return the four quarters of a rectangle, each as top, left, number of rows and of columns."""
    down, right = rows // 2, columns // 2
    vertical, horizontal = ((top, down), (top + down, rows - down)), ((left, right), (left + right, columns - right))
    return [(y, x, height, width) for y, height in vertical for x, width in horizontal]


def _resize(patch: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(patch).resize((side, side), Image.Resampling.LANCZOS))


def _first_plausible(origins: Sequence[str], values: Sequence[float | None]) -> Scale | None:
    for origin, value in zip(origins, values, strict=True):
        if value is not None and PLAUSIBLE[0] <= value <= PLAUSIBLE[1]:
            return Scale(value, origin)
    return None


def _parse_number(text: Any) -> float | None:
    try:
        value = float(text.replace(",", ".") if isinstance(text, str) else text)
    except (TypeError, ValueError):
        return None
    return value if 0 < value < math.inf else None


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _reason(error: Exception, path: Path) -> str:
    text = str(error).replace(str(path), path.name).strip().rstrip(".")
    return text or "unsupported or damaged format"

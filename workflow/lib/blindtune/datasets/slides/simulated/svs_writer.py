"""Writer of slides in Aperio's format: a TIFF of JPEG tiles with full resolution, thumbnail and a coarser level."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 256

#: Downsampling factor from one level to the next.
SHRINK = 4

Strip = NDArray[np.uint8]


def write_svs(
    path: Path, size: tuple[int, int], mpp: float | None, strip: Callable[[int, int], Strip], quality: int = 85
) -> None:
    """Write a slide of two levels, with the same bytes each time.

    Memory holds one row of tiles and the coarser level, a sixteenth of the slide.

    Args:
        path: of the file.
        size: width and height in pixels.
        mpp: µm per pixel; None: the file does not give it.
        strip: returns the rows from ``first`` to before ``last`` of the slide, (last - first, width, 3) uint8; called
            for adjacent rows from the top down.
        quality: of the JPEG, from 1 to 100.
    """
    from tifffile import TiffWriter

    width, height = size
    coarse = np.full((height // SHRINK, width // SHRINK, 3), 255, np.uint8)
    scale = "" if mpp is None else f"|AppMag = {10 / mpp:g}|MPP = {mpp:.4f}"
    header = "Aperio Image Library v12.0.5\r\n"
    # One thread: a job has as many cores as it was given.
    options: dict[str, Any] = {
        "dtype": np.uint8,
        "tile": (TILE, TILE),
        "compression": "jpeg",
        "compressionargs": {"level": quality},
        "photometric": "rgb",  # of the pixels that are given; the file holds luminance and colour, as JPEG does
        "metadata": None,
        "software": False,
        "maxworkers": 1,
    }
    with TiffWriter(path) as writer:
        writer.write(
            _full_tiles(size, strip, coarse),
            shape=(height, width, 3),
            description=f"{header}{width}x{height} [0,0 {width}x{height}] (256x256) JPEG/RGB Q={quality}{scale}",
            **options,
        )
        thumbnail = np.ascontiguousarray(coarse[::2, ::2])
        description = f"{header}{width}x{height} -> {thumbnail.shape[1]}x{thumbnail.shape[0]} - "
        writer.write(thumbnail, photometric="rgb", description=description, metadata=None, software=False)
        rows, columns = coarse.shape[:2]
        writer.write(
            _split_tiles(coarse),
            shape=coarse.shape,
            description=f"{header}{width}x{height} -> {columns}x{rows} JPEG/RGB Q={quality}",
            **options,
        )


def _full_tiles(size: tuple[int, int], strip: Callable[[int, int], Strip], coarse: Strip) -> Iterator[Strip]:
    """Yield the tiles of the full resolution, row by row; fills ``coarse`` meanwhile."""
    width, height = size
    for top in range(0, height, TILE):
        rows = strip(top, min(top + TILE, height))
        short = rows[: len(rows) // SHRINK * SHRINK, : width // SHRINK * SHRINK].astype(np.uint16)
        sums = sum(short[row::SHRINK, column::SHRINK] for row in range(SHRINK) for column in range(SHRINK))
        coarse[top // SHRINK : top // SHRINK + len(short) // SHRINK] = sums // SHRINK**2
        yield from _split_tiles(rows)


def _split_tiles(picture: Strip) -> Iterator[Strip]:
    """Yield the tiles of a picture, row by row; those at its edges are padded with white."""
    for top in range(0, picture.shape[0], TILE):
        for left in range(0, picture.shape[1], TILE):
            tile = picture[top : top + TILE, left : left + TILE]
            if tile.shape[:2] != (TILE, TILE):
                whole = np.full((TILE, TILE, 3), 255, np.uint8)
                whole[: tile.shape[0], : tile.shape[1]] = tile
                tile = whole
            yield np.ascontiguousarray(tile)

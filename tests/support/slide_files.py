"""Builders of slides, annotations and regions for the tests of slides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.validation import parse
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.registry import create_corpus
from blindtune.datasets.slides.config import SlidesConfig
from blindtune.datasets.slides.discovery import SlideFile
from blindtune.datasets.slides.simulated.svs_writer import write_svs
from support.builders import ROOT

#: A real Aperio slide, one level of 2220 x 2967 pixels of 0.499 µm; it has no annotation.
REAL = ROOT.parent / "shared" / "data" / "wsi" / "CMU-1-Small-Region.svs"

NAME = "00477780_aaaaaagg_s000_0hne_0000_a005_lvl001_t000"

#: No two of its sides, angles or distances from an edge of the slide are the same: x and y cannot be swapped unnoticed.
ASYMMETRIC = [(300, 100), (1100, 180), (980, 420), (420, 700), (340, 500)]

Regions = Sequence[tuple[str, Sequence[tuple[float, float]]]]


def slides_config(**changes: Any) -> SlidesConfig:
    """Return the config of a corpus, with some keys changed."""
    content = {"source": "slides", "folder": "corpus", "sizes": {"train": 4, "dev": 2, "eval": 2}}
    return parse(SlidesConfig, content | changes, "config.yaml")


def slides_corpus(**changes: Any) -> Corpus:
    """Return the source of `slides_config`."""
    return create_corpus(slides_config(**changes))


def tissue(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return pixels that no rule rejects, with different parts, (height, width, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 2, (height // 4 + 1, width // 4 + 1, 1)).repeat(4, 0).repeat(4, 1)[:height, :width]
    slope = np.add.outer(np.arange(height) % 97, np.arange(width) % 61)[..., None] / 8
    return (np.array([190, 110, 170]) - coarse * [70, 60, 30] + slope).astype(np.uint8)


def write_slide(path: Path, pixels: NDArray[np.uint8], mpp: float | None = 0.5) -> Path:
    """Write an Aperio slide of ``pixels``, which JPEG changes slightly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_svs(path, (pixels.shape[1], pixels.shape[0]), mpp, lambda first, last: pixels[first:last], quality=95)
    return path


def write_csv(path: Path, regions: Regions, head: str = "") -> Path:
    """Write an annotation as NEDC's CSV: row is y, column is x."""
    rows = [
        f"{index},{index + 1},breast,{label},{number},{y},{x},0,1.0"
        for index, (label, polygon) in enumerate(regions)
        for number, (x, y) in enumerate(polygon)
    ]
    names = "index,region_id,tissue,label,coord_index,row,column,depth,confidence"
    path.write_text("\n".join(["# version = csv_v1.0.0", *head.splitlines(), "#", names, *rows]) + "\n")
    return path


def write_xml(path: Path, regions: Regions, attributes: str = "", size: tuple[int, int] | None = None) -> Path:
    """Write an annotation as Aperio's XML."""
    attribute_elements = (
        ""
        if size is None
        else "".join(f'<Attribute Name="{n}" Value="{v}"/>' for n, v in zip(("width", "height"), size, strict=True))
    )
    text = "".join(
        f'<Region Id="{number}" Text="{label}"><Attributes><Attribute Value="breast"/></Attributes><Vertices>'
        + "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in polygon)
        + "</Vertices></Region>"
        for number, (label, polygon) in enumerate(regions, 1)
    )
    inner = f"<Attributes>{attribute_elements}</Attributes><Regions>{text}</Regions>"
    path.write_text(f"<Annotations {attributes}><Annotation>{inner}</Annotation></Annotations>")
    return path


def rectangle(left: float, top: float, width: float, height: float) -> list[tuple[float, float]]:
    """Return the corners of a rectangle."""
    return [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]


def write_pair(
    folder: Path, regions: Regions, pixels: NDArray[np.uint8] | None = None, **options: float | None
) -> SlideFile:
    """Write a slide and its annotation, a CSV."""
    path = write_slide(folder / f"{NAME}.svs", tissue(1280, 1024) if pixels is None else pixels, **options)
    write_csv(path.with_suffix(".csv"), regions)
    return SlideFile(path.name, f"{NAME}.csv", "00477780")


def spoil_tiles(path: Path, *numbers: int) -> None:
    """Overwrite the first bytes of some tiles of the full resolution."""
    from tifffile import TiffFile

    with TiffFile(path) as tiff:
        offsets = tiff.pages.first.dataoffsets
    with path.open("rb+") as stream:
        for number in numbers:
            stream.seek(offsets[number])
            stream.write(bytes(16))

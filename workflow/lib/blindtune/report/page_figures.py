"""The figures of the page: files next to it, and the same packed into it, for a page that is opened alone."""

import base64
import io
import re
import zlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.report.contents import FIGURES, SUMMARY_FIGURES
from blindtune.report.figures.style import NOT_APPLICABLE
from blindtune.report.figures.write import describe_figure
from blindtune.report.page_svg import SvgPacker
from blindtune.report.records import DatasetRecords

#: An SVG that is larger when packed is packed as a picture of pixels, if that is smaller.
MAX_PACKED = 60_000
#: Letters of all packed figures of a page. Of a report with more, some figures are not packed.
MAX_LETTERS = 2_000_000
#: The width of such a picture, in pixels, and its quality.
PIXELS, QUALITY = 1100, 60


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page.

    Attributes:
        kind: a key of `blindtune.report.contents.FIGURES`.
        stem: of its files, ``<kind>_<dataset>``.
        title: one line.
        caption: what it shows.
        file: its SVG, relative to the page.
        size: width and height.
        packed: the content in base64: a shortened SVG without its letters compressed with zlib, or a WebP; empty:
            the page would be too large.
        media: the media type of the content.
        in_summary: whether the printed summary has it.
    """

    kind: str
    stem: str
    title: str
    caption: str
    file: str
    size: tuple[int, int]
    packed: str
    media: str
    in_summary: bool


def load_figures(dataset: DatasetRecords, folder: Path, packer: SvgPacker) -> list[PageFigure]:
    """Load the figures of a dataset, without those that do not apply to it.

    Args:
        dataset: the dataset.
        folder: the folder written by `blindtune.report.figures.write.write_figures`.
        packer: what shortens the figures, the same for all of the page.

    Returns:
        The figures, in the order of the registry.

    Raises:
        UserError: a figure is missing.
    """
    loaded = [_load(kind, dataset, folder, packer) for kind in dataset.figure_kinds]
    return [figure for figure in loaded if figure is not None]


def limit_packed(figures: Sequence[PageFigure], charted: Container[str], most: int = MAX_LETTERS) -> list[PageFigure]:
    """Return the figures of a page, some of them not packed if all together are too large.

    First those are left out that an interactive chart of the page shows too, then the others, both the largest first.

    Args:
        figures: of all datasets.
        charted: the stems of the figures that a chart shows too.
        most: the most letters of all packed figures.
    """
    left_out: set[str] = set()
    total = sum(len(figure.packed) for figure in figures)
    for figure in sorted(figures, key=lambda one: (one.stem not in charted, one.in_summary, -len(one.packed))):
        if total <= most:
            break
        left_out.add(figure.stem)
        total -= len(figure.packed)
    return [replace(figure, packed="") if figure.stem in left_out else figure for figure in figures]


def _load(kind: str, dataset: DatasetRecords, folder: Path, packer: SvgPacker) -> PageFigure | None:
    stem = f"{kind}_{dataset.name}"
    svg = _read(folder / f"{stem}.svg")
    if NOT_APPLICABLE.encode() in svg:
        return None
    packed, media = zlib.compress(packer.shorten(svg).encode(), 9), "image/svg+xml"
    if len(packed) > MAX_PACKED:
        picture = _to_webp(folder / f"{stem}.png")
        packed, media = min((packed, media), (picture, "image/webp"), key=lambda one: len(one[0]))
    return PageFigure(
        kind=kind,
        stem=stem,
        title=f"{dataset.title}: {FIGURES[kind].title or kind}",
        caption=describe_figure(kind, dataset),
        file=f"{folder.name}/{stem}.svg",
        size=_find_size(svg),
        packed=base64.b64encode(packed).decode(),
        media=media,
        in_summary=kind in SUMMARY_FIGURES,
    )


def _to_webp(path: Path) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(io.BytesIO(_read(path))) as image:
        small = image.convert("RGB")
        small.thumbnail((PIXELS, 10 * PIXELS))
        small.save(stream, "WEBP", quality=QUALITY, method=4)
    return stream.getvalue()


def _find_size(svg: bytes) -> tuple[int, int]:
    """Return the width and height of an SVG by Matplotlib, so that the page does not move when it is shown."""
    found = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg[:2000])
    return (0, 0) if found is None else (round(float(found[1])), round(float(found[2])))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Remove it and run again.") from error

"""A simulated corpus of slides in the layout of TUDP v3, some with deliberate faults.

Every slide depends only on the settings, its patient and its name, so slides can be written in any order with the same
bytes. Most patients have one class, as most real ones do; a split that separates the slides of a patient would
therefore give scores that are far too good.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import write_atomically, write_text
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.base import Simulator
from blindtune.datasets.slides.annotations import Region
from blindtune.datasets.slides.config import ANNOTATIONS, SimulatedSlidesConfig, SlideCorruption
from blindtune.datasets.slides.simulated.svs_writer import write_svs
from blindtune.datasets.slides.simulated.tissue import COARSE, Mask, draw_appearance, render

CLASSES = ("dcis", "indc")


@dataclass(frozen=True)
class SimulatedSlide:
    """One slide of the simulated corpus.

    Attributes:
        split, patient: as in its path.
        number: of the slide among those of the patient, from 1.
        labels: the label of each region.
        annotations: the suffixes of its annotation files.
        fault: its deliberate fault; None for a slide without one.
    """

    split: str
    patient: str
    number: int
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    fault: SlideCorruption | None = None

    @property
    def file(self) -> str:
        """Path below the folder of the corpus."""
        return f"v3.0.0/svs/{self.split}/{self.patient}/s000_2017/breast/{self.stem}.svs"

    @property
    def stem(self) -> str:
        """File name without the suffix."""
        # A deeper cut is of the same block, and its name tells so.
        block = "deep" if self.fault == "deeper_cut" else "0000"
        return f"{self.patient}_s000_0hne_{block}_a{self.number:03d}_lvl001_t000"

    @property
    def sidecars(self) -> list[str]:
        """Paths of its annotation files."""
        return [self.file.removesuffix(".svs") + suffix for suffix in self.annotations]


class SlidesSimulator(Simulator):
    """Writes the slides of a simulated corpus."""

    def __init__(self, config: SimulatedSlidesConfig) -> None:
        """Keep the config of the simulated corpus; nothing is written yet."""
        self.config = config

    def list_files(self) -> dict[str, list[str]]:
        """Return the annotation files of each slide, by the slide; paths are below the folder of the corpus."""
        return {slide.file: slide.sidecars for slide in list_slides(self.config)}

    def write(self, file: str, folder: Path) -> None:
        """Write one slide and its annotations; each file is complete or missing.

        Args:
            file: one of `list_files`.
            folder: folder of the corpus.

        Raises:
            UserError: the corpus has no such slide, or the disk refuses.
        """
        settings = self.config
        slide = next((slide for slide in list_slides(settings) if slide.file == file), None)
        if slide is None:
            raise UserError(f"{file}: is not a slide of the simulated corpus with these settings.")
        pieces = _draw_pieces(slide, settings)
        mpp = None if slide.fault in ("no_mpp", "no_scale") else settings.mpp
        write_atomically(folder / file, lambda path: _write_slide(path, slide, pieces, settings, mpp))
        regions = list(_list_regions(slide, pieces, settings))
        for sidecar in slide.sidecars:
            format_regions = _format_xml if sidecar.endswith(".xml") else _format_csv
            write_text(folder / sidecar, format_regions(regions, _create_header(slide, settings)))


def list_slides(settings: SimulatedSlidesConfig) -> list[SimulatedSlide]:
    """Return every slide of the corpus, in the order of splits and patients; nothing is written."""
    slides: list[SimulatedSlide] = []
    first = 0
    for split in SPLITS:
        count = getattr(settings.patients, split)
        found = [slide for place in range(count) for slide in _plan_patient(first + place, place, split, settings)]
        slides += found
        first += count
        if split == "train":
            slides += _plan_corrupted(found, settings.faults)
    return slides


def _plan_patient(patient: int, place: int, split: str, settings: SimulatedSlidesConfig) -> Iterator[SimulatedSlide]:
    """Yield the slides of a patient; classes alternate by its place within the split, so that each split has both."""
    own = CLASSES[place % 2]
    random = np.random.default_rng(derive("slides", "patient", settings.seed, patient))
    mixed = random.random() < settings.mixed
    for number in range(1, 2 + place // 2 % 2):
        labels = [own] * settings.regions
        labels[-1] = str(random.choice(["norm", "infl", "bckg"]))
        if mixed:
            labels[0] = CLASSES[1 - CLASSES.index(own)]
        kinds = ((".csv",), (".xml",), (".csv", ".xml"))[(patient + number) % 3]
        yield SimulatedSlide(split, _patient_name(patient), number, tuple(labels), kinds)


def _patient_name(patient: int) -> str:
    """Return the name of a patient's folder: eight digits, and eight letters that count in base 26."""
    letters = "".join(chr(ord("a") + patient // 26**place % 26) for place in reversed(range(8)))
    return f"{477_780 + 7 * patient:08d}_{letters}"


def _plan_corrupted(slides: list[SimulatedSlide], faults: list[SlideCorruption]) -> list[SimulatedSlide]:
    """Return one more slide for each fault; patients take turns, and their slides are counted on."""
    patients = list(dict.fromkeys(slide.patient for slide in slides))
    result: list[SimulatedSlide] = []
    for turn, fault in enumerate(faults):
        own = [slide for slide in slides if slide.patient == patients[turn % len(patients)]]
        # A deeper cut is another slide of the block of the first one, by its name and its picture.
        number = own[0].number if fault == "deeper_cut" else len(own) + 1 + turn // len(patients)
        kinds = () if fault == "no_annotation" else (ANNOTATIONS[turn % 2],)
        result.append(replace(own[0], number=number, annotations=kinds, fault=fault))
    return result


@dataclass(frozen=True)
class _TissuePiece:
    """A piece of tissue: its place, its label, its tissue on the coarse grid, and the outline of its region."""

    left: int
    top: int
    label: str
    tissue: Mask
    outline: NDArray[np.float64]
    seed: int

    @property
    def bottom(self) -> int:
        return self.top + COARSE * len(self.tissue)


def _draw_pieces(slide: SimulatedSlide, settings: SimulatedSlidesConfig) -> list[_TissuePiece]:
    """Return the pieces of a slide from the top down, each in a separate field."""
    fields = _count_fields(settings.regions)
    field = settings.side // fields
    return [
        _draw_piece(slide, settings, number, label, number % fields * field, number // fields * field, field)
        for number, label in enumerate(slide.labels)
    ]


def _count_fields(regions: int) -> int:
    """Return the number of fields in a row of fields, for a number of regions."""
    return math.isqrt(regions - 1) + 1


def _draw_piece(
    slide: SimulatedSlide, settings: SimulatedSlidesConfig, number: int, label: str, left: int, top: int, field: int
) -> _TissuePiece:
    # The fault is not in the seed: a deeper cut has the same structures as the other cut of its block.
    seed = derive("slides", "piece", settings.seed, slide.patient, slide.number, number)
    random = np.random.default_rng(seed)
    side = field // COARSE
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = [(order, random.normal(0, 0.1 / order), random.uniform(0, 2 * np.pi)) for order in (2, 3, 4, 5)]

    def reach(angle: NDArray[np.float64]) -> NDArray[np.float64]:
        bumps = sum(size * np.cos(order * angle + phase) for order, size, phase in waves)
        return np.asarray(side * 0.45 * np.clip(1 + bumps, 0.75, 1.1))

    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    # The piece is more square than the region in it, so that few patches of the region contain glass.
    tissue = (x**4 + y**4) ** 0.25 < _tabulate(reach, np.arctan2(y, x))
    drawn = 0.9 * reach(angles) * random.normal(1, 0.01, len(angles)) * COARSE
    middle = np.array([left, top]) + field / 2
    outline = middle + np.stack([np.cos(angles), np.sin(angles)], 1) * drawn[:, None]
    return _TissuePiece(left, top, label, tissue, outline.round(), seed)


def _tabulate(
    reach: Callable[[NDArray[np.float64]], NDArray[np.float64]], angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Evaluate ``reach`` for many angles through a table, which is many times faster."""
    steps = np.linspace(-np.pi, np.pi, 721)
    return reach(steps)[np.rint((angle + np.pi) * (360 / np.pi)).astype(np.int64)]


def _write_slide(
    path: Path, slide: SimulatedSlide, pieces: list[_TissuePiece], settings: SimulatedSlidesConfig, mpp: float | None
) -> None:
    appearance = draw_appearance(np.random.default_rng(derive("slides", "look", settings.seed, slide.patient)))
    glass = appearance.glass.astype(np.uint8)

    # A row of tiles meets pieces of at most two rows of fields.
    @lru_cache(maxsize=2 * _count_fields(len(pieces)))
    def picture(number: int) -> NDArray[np.uint8]:
        piece = pieces[number]
        shapes = np.random.default_rng(derive(piece.seed, "shapes"))
        grain = np.random.default_rng(derive(piece.seed, "grain", slide.fault))
        return render(piece.label, piece.tissue, settings.mpp, appearance, shapes, grain)

    def strip(first: int, last: int) -> NDArray[np.uint8]:
        rows = np.empty((last - first, settings.side, 3), np.uint8)
        rows[:] = glass
        for number, piece in enumerate(pieces):
            top, bottom = max(first, piece.top), min(last, piece.bottom)
            if top < bottom:
                shown = picture(number)[top - piece.top : bottom - piece.top]
                rows[top - first : bottom - first, piece.left : piece.left + shown.shape[1]] = shown
        return rows

    write_svs(path, (settings.side, settings.side), mpp, strip)
    _damage(path, slide.fault, pieces)


def _damage(path: Path, fault: SlideCorruption | None, pieces: list[_TissuePiece]) -> None:
    """Damage the file on disk if its fault requires it."""
    if fault == "truncated":
        with path.open("rb+") as stream:
            stream.truncate(int(path.stat().st_size * 0.6))
    elif fault in ("damaged_tile", "damaged"):
        from tifffile import TiffFile

        with TiffFile(path) as tiff:
            page = tiff.pages.first
            offsets, across = page.dataoffsets, -(-page.imagewidth // page.tilewidth)
        x, y = (int(value) // page.tilewidth for value in pieces[0].outline.mean(axis=0))
        hit = [y * across + x] if fault == "damaged_tile" else range(0, len(offsets), 2)
        with path.open("rb+") as stream:
            for number in hit:
                # Without its first bytes a tile is not a JPEG; changed bytes further inside often go unnoticed.
                stream.seek(offsets[number])
                stream.write(bytes(16))


def _list_regions(
    slide: SimulatedSlide, pieces: list[_TissuePiece], settings: SimulatedSlidesConfig
) -> Iterator[Region]:
    """Yield the regions of a slide as its annotations give them."""
    for number, piece in enumerate(pieces):
        label, outline = piece.label, piece.outline
        if number == 0 and slide.fault == "past_edge":
            outline = (outline.mean(axis=0) + 1.3 * (outline - outline.mean(axis=0))).round()
        if number == 0 and slide.fault == "self_crossing":
            outline = np.concatenate([outline[:20], outline[20:30][::-1], outline[30:]])
        if number == len(pieces) - 1 and slide.fault == "null_region":
            label = "null"
        yield Region(str(number), label, outline)
    if slide.fault == "empty_region":
        yield Region(str(len(pieces)), slide.labels[0], pieces[0].outline[[0, 10]])


@dataclass(frozen=True)
class _AnnotationHeader:
    """What the header of an annotation file gives about its slide."""

    stem: str
    side: int
    mpp: float | None


def _create_header(slide: SimulatedSlide, settings: SimulatedSlidesConfig) -> _AnnotationHeader:
    if slide.fault == "wrong_pair":
        return _AnnotationHeader(slide.stem.replace("_a0", "_a1"), settings.side + 512, settings.mpp)
    return _AnnotationHeader(slide.stem, settings.side, None if slide.fault == "no_scale" else settings.mpp)


def _format_csv(regions: list[Region], about: _AnnotationHeader) -> str:
    """Return the annotation in the format of NEDC's tools: row is y, column is x."""
    lines = ["# version = csv_v1.0.0"]
    lines += [] if about.mpp is None else [f"# MicronsPerPixel = {about.mpp:.4f}"]
    lines += [
        f"# bname = {about.stem}",
        f"# width = {about.side} pixels, height = {about.side} pixels",
        "# tissue = breast",
        "#",
        "index,region_id,tissue,label,coord_index,row,column,depth,confidence",
    ]
    lines += [
        f"{index},{index + 1},breast,{region.label},{number},{y:.0f},{x:.0f},0,1.0"
        for index, region in enumerate(regions)
        for number, (x, y) in enumerate(region.polygon)
    ]
    return "\n".join(lines) + "\n"


def _format_xml(regions: list[Region], about: _AnnotationHeader) -> str:
    """Return the annotation in the format of Aperio ImageScope."""
    mpp = "" if about.mpp is None else f' MicronsPerPixel="{about.mpp:.6f}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<Annotations{mpp}>",
        '  <Annotation Id="1" Name="" ReadOnly="0" LineColor="65280" Visible="1" Selected="1" Type="4">',
        "    <Attributes>",
        f'      <Attribute Name="width" Id="0" Value="{about.side}"/>',
        f'      <Attribute Name="height" Id="1" Value="{about.side}"/>',
        "    </Attributes>",
        "    <Regions>",
    ]
    for number, region in enumerate(regions, 1):
        lines += [
            f'      <Region Id="{number}" Type="0" Text={quoteattr(region.label)} NegativeROA="0">',
            '        <Attributes><Attribute Name="tissue" Id="0" Value="breast"/></Attributes>',
            "        <Vertices>",
            *(f'          <Vertex X="{x:.1f}" Y="{y:.1f}" Z="0"/>' for x, y in region.polygon),
            "        </Vertices>",
            "      </Region>",
        ]
    return "\n".join([*lines, "    </Regions>", "  </Annotation>", "</Annotations>"]) + "\n"

"""The stand-in corpus of slides: files as TUDP v3 has them, of made tissue, some with faults on purpose.

Every slide is a function of the settings, its patient and its name alone, so any of them can be made by itself, in any
order, with the same bytes. Most patients show one class, as most real ones do; that is why a split that parts the
slides of a patient would look far too good.
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
from blindtune.datasets.slides.annotations import Region
from blindtune.datasets.slides.config import ANNOTATIONS, Fault, MadeSlides
from blindtune.datasets.slides.simulated.svs_writer import write_svs
from blindtune.datasets.slides.simulated.tissue import COARSE, Mask, draw_look, render

CLASSES = ("dcis", "indc")


@dataclass(frozen=True)
class Planned:
    """One slide of the stand-in.

    Attributes:
        split, patient: as in its path.
        number: the how manieth slide of the patient.
        labels: the label of each of its regions.
        annotations: the kinds of its annotation files.
        fault: what is wrong with it on purpose.
    """

    split: str
    patient: str
    number: int
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    fault: Fault | None = None

    @property
    def file(self) -> str:
        """Its path below the corpus."""
        return f"v3.0.0/svs/{self.split}/{self.patient}/s000_2017/breast/{self.stem}.svs"

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        # A deeper cut is the same block once more, and says so.
        block = "deep" if self.fault == "deeper_cut" else "0000"
        return f"{self.patient}_s000_0hne_{block}_a{self.number:03d}_lvl001_t000"

    @property
    def sidecars(self) -> list[str]:
        """The paths of its annotation files."""
        return [self.file.removesuffix(".svs") + suffix for suffix in self.annotations]


def plan(settings: MadeSlides) -> list[Planned]:
    """Every slide of the corpus, known without making any."""
    slides: list[Planned] = []
    first = 0
    for split in SPLITS:
        count = getattr(settings.patients, split)
        found = [slide for place in range(count) for slide in _of_patient(first + place, place, split, settings)]
        slides += found
        first += count
        if split == "train":
            slides += _faulty(found, settings.faults)
    return slides


def files(settings: MadeSlides) -> dict[str, list[str]]:
    """The annotation files of each slide, by the slide; paths below the corpus."""
    return {slide.file: slide.sidecars for slide in plan(settings)}


def write(settings: MadeSlides, file: str, folder: Path) -> None:
    """Make one slide and its annotations; each file is whole or not there.

    Args:
        settings: see the config.
        file: the slide, one of `files`.
        folder: folder of the corpus.

    Raises:
        UserError: the corpus has no such slide, or the disk refuses.
    """
    slide = next((slide for slide in plan(settings) if slide.file == file), None)
    if slide is None:
        raise UserError(f"{file}: is no slide of the stand-in corpus with these settings.")
    pieces = _pieces(slide, settings)
    mpp = None if slide.fault in ("no_mpp", "no_scale") else settings.mpp
    write_atomically(folder / file, lambda path: _write_slide(path, slide, pieces, settings, mpp))
    regions = list(_regions(slide, pieces, settings))
    for sidecar in slide.sidecars:
        form = _xml if sidecar.endswith(".xml") else _csv
        write_text(folder / sidecar, form(regions, _described(slide, settings)))


def _of_patient(patient: int, place: int, split: str, settings: MadeSlides) -> Iterator[Planned]:
    """The slides of a patient; classes take turns by the ``place`` within the split, so that each split has both."""
    own = CLASSES[place % 2]
    random = np.random.default_rng(derive("slides", "patient", settings.seed, patient))
    mixed = random.random() < settings.mixed
    for number in range(1, 2 + place // 2 % 2):
        labels = [own] * settings.regions
        labels[-1] = str(random.choice(["norm", "infl", "bckg"]))
        if mixed:
            labels[0] = CLASSES[1 - CLASSES.index(own)]
        kinds = ((".csv",), (".xml",), (".csv", ".xml"))[(patient + number) % 3]
        yield Planned(split, _name(patient), number, tuple(labels), kinds)


def _name(patient: int) -> str:
    """A patient's folder: eight digits, and eight letters that count in base 26."""
    letters = "".join(chr(ord("a") + patient // 26**place % 26) for place in reversed(range(8)))
    return f"{477_780 + 7 * patient:08d}_{letters}"


def _faulty(slides: list[Planned], faults: list[Fault]) -> list[Planned]:
    """One more slide for each fault; patients take turns, and go on counting their slides."""
    patients = list(dict.fromkeys(slide.patient for slide in slides))
    result: list[Planned] = []
    for turn, fault in enumerate(faults):
        own = [slide for slide in slides if slide.patient == patients[turn % len(patients)]]
        # A deeper cut is another slide of the first one's block, by name and by sight.
        number = own[0].number if fault == "deeper_cut" else len(own) + 1 + turn // len(patients)
        kinds = () if fault == "no_annotation" else (ANNOTATIONS[turn % 2],)
        result.append(replace(own[0], number=number, annotations=kinds, fault=fault))
    return result


@dataclass(frozen=True)
class _Piece:
    """A piece of tissue: where it lies, its label, its tissue on the coarse grid, and the outline of its region."""

    left: int
    top: int
    label: str
    tissue: Mask
    outline: NDArray[np.float64]
    seed: int

    @property
    def bottom(self) -> int:
        return self.top + COARSE * len(self.tissue)


def _pieces(slide: Planned, settings: MadeSlides) -> list[_Piece]:
    """The pieces of a slide from the top down, each in a field of its own."""
    fields = _fields(settings.regions)
    field = settings.side // fields
    return [
        _piece(slide, settings, number, label, number % fields * field, number // fields * field, field)
        for number, label in enumerate(slide.labels)
    ]


def _fields(regions: int) -> int:
    """How many fields lie side by side on a slide with so many regions."""
    return math.isqrt(regions - 1) + 1


def _piece(slide: Planned, settings: MadeSlides, number: int, label: str, left: int, top: int, field: int) -> _Piece:
    # Without the fault: a deeper cut shows the same structures as the slide that it is a twin of.
    seed = derive("slides", "piece", settings.seed, slide.patient, slide.number, number)
    random = np.random.default_rng(seed)
    side = field // COARSE
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = [(order, random.normal(0, 0.1 / order), random.uniform(0, 2 * np.pi)) for order in (2, 3, 4, 5)]

    def reach(angle: NDArray[np.float64]) -> NDArray[np.float64]:
        bumps = sum(size * np.cos(order * angle + phase) for order, size, phase in waves)
        return np.asarray(side * 0.45 * np.clip(1 + bumps, 0.75, 1.1))

    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    # The piece is squarer than the region in it, so that few patches of the region show glass.
    tissue = (x**4 + y**4) ** 0.25 < _table(reach, np.arctan2(y, x))
    drawn = 0.9 * reach(angles) * random.normal(1, 0.01, len(angles)) * COARSE
    middle = np.array([left, top]) + field / 2
    outline = middle + np.stack([np.cos(angles), np.sin(angles)], 1) * drawn[:, None]
    return _Piece(left, top, label, tissue, outline.round(), seed)


def _table(
    reach: Callable[[NDArray[np.float64]], NDArray[np.float64]], angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``reach`` of many angles by way of a table, which is many times faster."""
    steps = np.linspace(-np.pi, np.pi, 721)
    return reach(steps)[np.rint((angle + np.pi) * (360 / np.pi)).astype(np.int64)]


def _write_slide(path: Path, slide: Planned, pieces: list[_Piece], settings: MadeSlides, mpp: float | None) -> None:
    look = draw_look(np.random.default_rng(derive("slides", "look", settings.seed, slide.patient)))
    glass = look.glass.astype(np.uint8)

    # A row of tiles meets pieces of two rows of fields at most.
    @lru_cache(maxsize=2 * _fields(len(pieces)))
    def picture(number: int) -> NDArray[np.uint8]:
        piece = pieces[number]
        shapes = np.random.default_rng(derive(piece.seed, "shapes"))
        grain = np.random.default_rng(derive(piece.seed, "grain", slide.fault))
        return render(piece.label, piece.tissue, settings.mpp, look, shapes, grain)

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


def _damage(path: Path, fault: Fault | None, pieces: list[_Piece]) -> None:
    """Spoil the file on the disk, where that is its fault."""
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
                # Without its first bytes a tile is no JPEG; bits that flip further in often pass unnoticed.
                stream.seek(offsets[number])
                stream.write(bytes(16))


def _regions(slide: Planned, pieces: list[_Piece], settings: MadeSlides) -> Iterator[Region]:
    """The regions of a slide as its annotations show them."""
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
class _Described:
    """What the head of an annotation says of its slide."""

    stem: str
    side: int
    mpp: float | None


def _described(slide: Planned, settings: MadeSlides) -> _Described:
    if slide.fault == "wrong_pair":
        return _Described(slide.stem.replace("_a0", "_a1"), settings.side + 512, settings.mpp)
    return _Described(slide.stem, settings.side, None if slide.fault == "no_scale" else settings.mpp)


def _csv(regions: list[Region], about: _Described) -> str:
    """The annotation as NEDC's tools write it: row is y, column is x."""
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


def _xml(regions: list[Region], about: _Described) -> str:
    """The annotation as Aperio ImageScope writes it."""
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

"""Simulated breast tissue under haematoxylin and eosin: ducts filled with tumour cells, or invasive nests.

Only the architecture distinguishes the two classes. In situ (dcis), the epithelium fills round ducts with a smooth rim
(basement membrane and myoepithelium), often around holes or a dead centre. Invasive (indc), it forms ragged nests and
cords that cover the same share of the area, with single cells between them. Stain, size and density of the nuclei and
focus depend on the patient and are drawn from the same distributions for both. Colours follow the Beer-Lambert law
with the stain vectors of Ruifrok and Johnston (2001).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from blindtune.datasets.slides.stains import EOSIN, HAEMATOXYLIN

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Single tumour cells per µm² between invasive nests.
SINGLE_CELLS = 0.0007

#: Structures are drawn on a grid that is coarser than the pixels by this factor; nuclei are drawn on the pixels.
COARSE = 2


@dataclass(frozen=True)
class TissueAppearance:
    """What all slides of one patient have in common, independent of the class.

    Attributes:
        haematoxylin, eosin: strengths of the stains.
        tilt: (2, 3) deviation of the stain vectors.
        glass: (3,) red, green and blue of empty glass, from 0 to 255.
        radius: mean radius of tumour nuclei in µm (the grade).
        variety: standard deviation of that radius as a fraction of it.
        density: tumour nuclei per µm² of epithelium.
        lymphocytes: probability that the stroma of a region is inflamed.
        softness: width of the edge of nuclei as a fraction of their radius; models the focus.
        noise: standard deviation of the optical density.
        stroma: amount of eosin in the stroma.
    """

    haematoxylin: float
    eosin: float
    tilt: NDArray[np.float32]
    glass: NDArray[np.float64]
    radius: float
    variety: float
    density: float
    lymphocytes: float
    softness: float
    noise: float
    stroma: float


def draw_appearance(random: Generator) -> TissueAppearance:
    """Draw the appearance of one patient."""
    return TissueAppearance(
        haematoxylin=float(np.exp(random.normal(0, 0.16))),
        eosin=float(np.exp(random.normal(0, 0.16))),
        tilt=random.normal(0, 0.035, (2, 3)).astype(np.float32),
        glass=random.uniform(235, 248, 3),
        radius=random.uniform(3.0, 4.8),
        variety=random.uniform(0.12, 0.32),
        density=random.uniform(0.0055, 0.0095),
        lymphocytes=random.uniform(0, 1),
        softness=random.uniform(0.3, 0.6),
        noise=random.uniform(0.004, 0.012),
        stroma=random.uniform(0.25, 0.5),
    )


def render(
    kind: str, tissue: Mask, mpp: float, appearance: TissueAppearance, shapes: Generator, grain: Generator
) -> NDArray[np.uint8]:
    """Render one piece of tissue on glass.

    Args:
        kind: "dcis", "indc", "infl" (inflamed stroma) or anything else for plain stroma.
        tissue: (n_rows, n_columns) bool, where there is tissue, on a grid `COARSE` times coarser than the pixels.
        mpp: µm per pixel.
        appearance: that of the patient.
        shapes: draws the structures.
        grain: draws the noise of the camera, in which two cuts of one block differ.

    Returns:
        (n_rows, n_columns, 3) uint8 with `COARSE` times as many rows and columns as ``tissue``.
    """
    canvas = _Canvas(tissue, mpp, appearance, shapes)
    _STRUCTURES.get(kind, _draw_stroma)(canvas)
    return canvas.develop(grain)


class _Canvas:
    """The two stains of a piece of tissue while it is drawn: nuclei on the pixels, eosin on the coarse grid."""

    def __init__(self, tissue: Mask, mpp: float, appearance: TissueAppearance, shapes: Generator) -> None:
        self.tissue, self.mpp, self.appearance, self.random = tissue, mpp, appearance, shapes
        self.step = mpp * COARSE
        self.nuclei: Plane = np.zeros((tissue.shape[0] * COARSE, tissue.shape[1] * COARSE), np.float32)
        fibres = self.draw_noise((40, 10), (1, 0.5))
        self.eosin: Plane = appearance.stroma + 0.1 * fibres + 0.06 * np.sin(fibres * 9 + self.draw_noise((60,)) * 4)

    def draw_noise(self, scales: tuple[float, ...], weights: tuple[float, ...] | None = None) -> Plane:
        """Return smooth noise of zero mean and unit deviation; ``scales`` are lengths in µm."""
        rows, columns = self.tissue.shape
        total: Plane = np.zeros((rows, columns), np.float32)
        for scale, weight in zip(scales, weights or (1.0,) * len(scales), strict=True):
            size = max(2.0, scale / self.step)
            knots = self.random.standard_normal((int(rows / size) + 3, int(columns / size) + 3), dtype=np.float32)
            total += weight * _enlarge(knots, (rows, columns), (columns / size, rows / size))
        total -= total.mean()
        total /= total.std()
        return total

    def add_nuclei(
        self,
        where: Mask,
        density: float,
        radius: float,
        deviation: float,
        elongation: tuple[float, float],
        depth: float,
    ) -> None:
        """Draw nuclei at random in ``where``: ``density`` per µm², ``radius`` and its deviation in µm."""
        places = np.flatnonzero(where & self.tissue)
        count = self.random.poisson(len(places) * self.step**2 * density)
        if not count:
            return
        rows, columns = np.divmod(places[self.random.integers(len(places), size=count)], self.tissue.shape[1])
        centres = (np.stack([rows, columns], 1) + self.random.random((count, 2))) * COARSE
        radii = np.clip(self.random.normal(radius, deviation, count), 1.3, None) / self.mpp
        longer = self.random.uniform(*elongation, count)
        turned = self.random.uniform(0, np.pi, count)
        depths = np.clip(self.random.normal(depth, 0.1, count), 0.3, None)
        for (row, column), *shape, dark in zip(centres, radii, longer, turned, depths, strict=True):
            _stamp(
                self.nuclei, int(row), int(column), _draw_nucleus(*_round_shape(*shape), self.appearance.softness), dark
            )

    def add_fibroblasts(self, where: Mask) -> None:
        """Draw the thin nuclei of connective tissue in ``where``."""
        self.add_nuclei(where, 0.0007, 1.5, 0.25, (2.2, 3.6), 0.7)

    def add_epithelium(self, where: Mask) -> None:
        """Fill ``where`` with tumour cells."""
        self.eosin[where] = self.eosin[where] * 0.5 + 0.22
        self.add_nuclei(
            where,
            self.appearance.density,
            self.appearance.radius,
            self.appearance.radius * self.appearance.variety,
            (1, 1.45),
            0.9,
        )

    def add_lymphocytes(self, where: Mask) -> None:
        """Draw clusters of lymphocytes in ``where``."""
        self.add_nuclei((self.draw_noise((45,)) > 1.1) & where, 0.010, 1.8, 0.2, (1, 1.15), 1.0)

    def add_some_lymphocytes(self, where: Mask, layout: "_TumourLayout") -> None:
        """Draw lymphocytes in ``where`` if the region is inflamed, by the patient's probability."""
        if layout.inflamed < self.appearance.lymphocytes:
            self.add_lymphocytes(where)

    def develop(self, grain: Generator) -> NDArray[np.uint8]:
        """Return the picture, (n_rows, n_columns, 3) uint8."""
        appearance = self.appearance
        empty = (self.draw_noise((55,)) > 2.6) | ~self.tissue  # fat and glass
        self.eosin[empty] = 0
        shape = self.nuclei.shape
        whole = (float(self.tissue.shape[1]), float(self.tissue.shape[0]))
        eosin = _enlarge(self.eosin.clip(0), shape, whole) * np.float32(0.8 * appearance.eosin)
        nuclei = self.nuclei * _enlarge((~empty).astype(np.float32), shape, whole)
        nuclei *= np.float32(0.95 * appearance.haematoxylin)
        speckle = grain.standard_normal(shape, dtype=np.float32) * np.float32(appearance.noise)
        picture = np.empty((*shape, 3), np.uint8)
        for channel in range(3):
            density = nuclei * (HAEMATOXYLIN[channel] + appearance.tilt[0, channel])
            density += eosin * (EOSIN[channel] + appearance.tilt[1, channel])
            density += speckle
            np.exp(-density, out=density)
            picture[..., channel] = (density * np.float32(appearance.glass[channel])).clip(0, 255)
        return picture


@dataclass(frozen=True)
class _TumourLayout:
    """Properties of a tumour region with the same distribution for both classes, so that they are uninformative.

    Attributes:
        tumour: share of the area that tumour cells cover.
        hole: share of the tumour that is empty or dead.
        hole_eosin: amount of eosin in the holes.
        inflamed: a uniform random number; the stroma is inflamed if it is below the patient's ``lymphocytes``.
    """

    tumour: float
    hole: float
    hole_eosin: float
    inflamed: float


def _draw_layout(random: Generator) -> _TumourLayout:
    return _TumourLayout(
        tumour=random.uniform(0.3, 0.6),
        hole=random.uniform(0.02, 0.25),
        hole_eosin=0.05 if random.random() < 0.5 else 0.6,
        inflamed=random.random(),
    )


def _draw_stroma(canvas: _Canvas) -> None:
    canvas.add_fibroblasts(canvas.tissue)


def _draw_inflamed(canvas: _Canvas) -> None:
    canvas.add_fibroblasts(canvas.tissue)
    canvas.add_lymphocytes(canvas.tissue)


def _draw_in_situ(canvas: _Canvas) -> None:
    layout = _draw_layout(canvas.random)
    wall = _compute_duct_distance(canvas) + 4 * canvas.draw_noise((45,))
    # Cribriform holes are anywhere in the duct, a comedo or an open lumen in its middle.
    depth = canvas.draw_noise((canvas.random.uniform(14, 30),)) if canvas.random.random() < 0.6 else -wall
    outside, hole = _fit_ducts(wall, depth, layout)
    canvas.add_fibroblasts(outside > 0)
    canvas.eosin[(outside > 0) & (outside < 3)] += 0.25  # basement membrane
    canvas.add_nuclei((outside > -4) & (outside < 0), 0.006, 1.6, 0.25, (1.8, 2.8), 0.8)  # myoepithelium
    canvas.eosin[hole] = layout.hole_eosin
    canvas.add_epithelium((outside < -4) & ~hole)
    canvas.add_some_lymphocytes(outside > 0, layout)


def _fit_ducts(wall: Plane, depth: Plane, layout: _TumourLayout) -> tuple[Plane, Mask]:
    """Return ducts and holes of the sizes of the layout: the distance to the walls in µm, and the mask of holes."""
    narrow, wide = float(wall.min()), float(wall.max())
    for _ in range(12):
        outside = wall - (narrow + wide) / 2
        inside = outside < -14
        hole = inside & (depth > np.quantile(depth[inside], 1 - layout.hole)) if inside.any() else inside
        if ((outside < -4) & ~hole).mean() < layout.tumour:
            narrow = (narrow + wide) / 2
        else:
            wide = (narrow + wide) / 2
    return outside, hole


def _compute_duct_distance(canvas: _Canvas) -> Plane:
    """Return the distance in µm to the wall of the nearest duct, negative inside."""
    random, step = canvas.random, canvas.step
    rows, columns = canvas.tissue.shape
    y = (np.arange(rows, dtype=np.float32) * step)[:, None]
    x = (np.arange(columns, dtype=np.float32) * step)[None]
    nearest: Plane = np.full((rows, columns), 1e9, np.float32)
    for _ in range(1 + random.poisson(rows * columns * step**2 / 230.0**2)):
        middle = random.uniform(-0.1, 1.1, 2) * (rows * step, columns * step)
        radius, flat = random.uniform(55, 150), random.uniform(0.84, 1.18)
        away = np.hypot((y - np.float32(middle[0])) * np.float32(flat), (x - np.float32(middle[1])) / np.float32(flat))
        np.minimum(nearest, away - np.float32(radius), out=nearest)
    return nearest


def _draw_invasive(canvas: _Canvas) -> None:
    random, appearance, layout = canvas.random, canvas.appearance, _draw_layout(canvas.random)
    scales = (random.uniform(200, 350), random.uniform(50, 110), random.uniform(18, 36), 10.0)
    ragged = canvas.draw_noise(scales, (1.3, 1, random.uniform(0.5, 1), 0.4))
    cleft = canvas.draw_noise((random.uniform(20, 60),))
    hole = cleft > np.quantile(cleft, 1 - layout.hole * layout.tumour)
    ragged[hole] = ragged.min()
    # The single cells are part of the tumour: the nests have fewer cells by the same number.
    singles = SINGLE_CELLS / appearance.density * (1 - layout.tumour)
    nests = ragged > np.quantile(ragged, 1 - layout.tumour + singles)
    canvas.add_fibroblasts(~nests & ~hole)
    canvas.eosin[hole] = layout.hole_eosin
    canvas.add_nuclei(
        ~nests & ~hole, SINGLE_CELLS, appearance.radius * 0.95, appearance.radius * appearance.variety, (1, 1.6), 0.85
    )  # single cells
    canvas.add_epithelium(nests)
    canvas.add_some_lymphocytes(~nests & ~hole, layout)


_STRUCTURES: dict[str, Callable[[_Canvas], None]] = {
    "dcis": _draw_in_situ,
    "indc": _draw_invasive,
    "infl": _draw_inflamed,
}


def _enlarge(plane: Plane, shape: tuple[int, ...], part: tuple[float, float]) -> Plane:
    """Return the upper left ``part`` (width, height) of ``plane``, enlarged to ``shape`` by bicubic interpolation."""
    image = Image.fromarray(plane)
    resized = image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=(0, 0, *part))
    return np.asarray(resized)


def _round_shape(radius: float, longer: float, turned: float) -> tuple[int, int, int]:
    """Round the shape of a nucleus, so that few pictures are enough for all nuclei."""
    return int(radius * 4), int(longer * 5), int(turned * 8 / np.pi) % 8


@lru_cache(maxsize=20_000)
def _draw_nucleus(radius: int, longer: int, turned: int, softness: float) -> Plane:
    """Return the picture of a nucleus, an ellipse with a dark rim; arguments as `_round_shape` returns them."""
    short, ratio, angle = radius / 4, longer / 5, turned * np.pi / 8
    half = int(np.ceil(short * ratio * 1.1)) + 1
    across = np.arange(-half, half + 1)
    x, y = np.meshgrid(across, across)
    along, aside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    away = (along / (short * ratio)) ** 2 + (aside / short) ** 2
    edge = np.clip((1.1 - away) / softness, 0, 1)
    picture: Plane = (edge * (0.65 + 0.35 * np.clip(away, 0, 1))).astype(np.float32)
    return picture


def _stamp(plane: Plane, row: int, column: int, picture: Plane, depth: float) -> None:
    """Draw ``picture`` times ``depth`` centred at a place of ``plane``: the darker value wins; clipped at the sides."""
    half = picture.shape[0] // 2
    top, left = row - half, column - half
    above, before = max(0, -top), max(0, -left)
    target = plane[top + above : top + picture.shape[0], left + before : left + picture.shape[1]]
    cut = picture[above : above + target.shape[0], before : before + target.shape[1]]
    np.maximum(target, cut * np.float32(depth), out=target)

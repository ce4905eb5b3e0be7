"""Tissue that looks like breast under haematoxylin and eosin: ducts filled from within, or nests that invade.

Only the architecture tells the two classes apart. In situ (dcis) the epithelium fills round ducts with a smooth rim
(basement membrane and myoepithelium), often around holes or a dead centre; invasive (indc) it stands in ragged nests
and cords of the same share of the area, with single cells between them. Stain, size and density of the nuclei and
focus belong to the patient and are drawn alike for both. Colours follow the Beer-Lambert law with the stain vectors of
Ruifrok and Johnston (2001).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Optical density per unit of stain in red, green and blue (Ruifrok and Johnston 2001), of unit length.
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], np.float32) / np.float32(0.9984)
EOSIN = np.array([0.07, 0.99, 0.11], np.float32) / np.float32(0.9986)

#: Tumour cells per µm² that stand alone between invasive nests.
SINGLE_CELLS = 0.0007

#: Structures are drawn on a grid this much coarser than the pixels; nuclei are stamped on the pixels.
COARSE = 2


@dataclass(frozen=True)
class Look:
    """What one patient's slides have in common, whatever the class.

    Attributes:
        haematoxylin, eosin: strengths of the stains.
        tilt: (2, 3) what the stain vectors deviate by.
        glass: (3,) brightness of empty glass.
        radius: mean radius of tumour nuclei in µm (the grade).
        variety: standard deviation of that radius as a share of it.
        density: tumour nuclei per µm² of epithelium.
        lymphocytes: probability of inflamed stroma in a region.
        softness: width of the edge of nuclei as a share of their radius: the focus.
        noise: standard deviation of the optical density.
        stroma: eosin of the stroma.
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


def draw_look(random: Generator) -> Look:
    """The look of one patient."""
    return Look(
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


def render(kind: str, tissue: Mask, mpp: float, look: Look, shapes: Generator, grain: Generator) -> NDArray[np.uint8]:
    """One piece of tissue on glass.

    Args:
        kind: "dcis", "indc", "infl" (inflamed stroma) or any other word for plain stroma.
        tissue: (rows, columns) where there is tissue, on a grid `COARSE` times coarser than the pixels.
        mpp: µm per pixel.
        look: the look of the patient.
        shapes: draws the structures.
        grain: draws the noise of the camera; two cuts of one block differ in it.

    Returns:
        (rows, columns, 3) uint8 with `COARSE` times as many rows and columns as ``tissue``.
    """
    canvas = _Canvas(tissue, mpp, look, shapes)
    _STRUCTURES.get(kind, _stroma)(canvas)
    return canvas.develop(grain)


class _Canvas:
    """The two stains of a piece of tissue while it is drawn: nuclei on pixels, eosin on the coarse grid."""

    def __init__(self, tissue: Mask, mpp: float, look: Look, shapes: Generator) -> None:
        self.tissue, self.mpp, self.look, self.random = tissue, mpp, look, shapes
        self.step = mpp * COARSE
        self.nuclei: Plane = np.zeros((tissue.shape[0] * COARSE, tissue.shape[1] * COARSE), np.float32)
        fibres = self.noise((40, 10), (1, 0.5))
        self.eosin: Plane = look.stroma + 0.1 * fibres + 0.06 * np.sin(fibres * 9 + self.noise((60,)) * 4)

    def noise(self, scales: tuple[float, ...], weights: tuple[float, ...] | None = None) -> Plane:
        """Smooth noise of zero mean and unit deviation; ``scales`` are lengths in µm."""
        rows, columns = self.tissue.shape
        total: Plane = np.zeros((rows, columns), np.float32)
        for scale, weight in zip(scales, weights or (1.0,) * len(scales), strict=True):
            size = max(2.0, scale / self.step)
            knots = self.random.standard_normal((int(rows / size) + 3, int(columns / size) + 3), dtype=np.float32)
            total += weight * _enlarged(knots, (rows, columns), (columns / size, rows / size))
        total -= total.mean()
        total /= total.std()
        return total

    def scatter(
        self,
        where: Mask,
        density: float,
        radius: float,
        deviation: float,
        elongation: tuple[float, float],
        depth: float,
    ) -> None:
        """Nuclei at random in ``where``: ``density`` per µm², ``radius`` and its deviation in µm."""
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
            _stamp(self.nuclei, int(row), int(column), _nucleus(*_rounded(*shape), self.look.softness), dark)

    def fibroblasts(self, where: Mask) -> None:
        """The thin nuclei of connective tissue in ``where``."""
        self.scatter(where, 0.0007, 1.5, 0.25, (2.2, 3.6), 0.7)

    def epithelium(self, where: Mask) -> None:
        """Tumour cells fill ``where``."""
        self.eosin[where] = self.eosin[where] * 0.5 + 0.22
        self.scatter(where, self.look.density, self.look.radius, self.look.radius * self.look.variety, (1, 1.45), 0.9)

    def inflame(self, where: Mask) -> None:
        """Clusters of lymphocytes in ``where``."""
        self.scatter((self.noise((45,)) > 1.1) & where, 0.010, 1.8, 0.2, (1, 1.15), 1.0)

    def inflame_some(self, where: Mask, plan: "_Plan") -> None:
        """Inflame ``where`` in as many regions as the patient's look says."""
        if plan.inflamed < self.look.lymphocytes:
            self.inflame(where)

    def develop(self, grain: Generator) -> NDArray[np.uint8]:
        """The picture, (rows, columns, 3) uint8."""
        look = self.look
        empty = (self.noise((55,)) > 2.6) | ~self.tissue  # fat and glass
        self.eosin[empty] = 0
        shape = self.nuclei.shape
        whole = (float(self.tissue.shape[1]), float(self.tissue.shape[0]))
        eosin = _enlarged(self.eosin.clip(0), shape, whole) * np.float32(0.8 * look.eosin)
        nuclei = self.nuclei * _enlarged((~empty).astype(np.float32), shape, whole)
        nuclei *= np.float32(0.95 * look.haematoxylin)
        speckle = grain.standard_normal(shape, dtype=np.float32) * np.float32(look.noise)
        picture = np.empty((*shape, 3), np.uint8)
        for channel in range(3):
            density = nuclei * (HAEMATOXYLIN[channel] + look.tilt[0, channel])
            density += eosin * (EOSIN[channel] + look.tilt[1, channel])
            density += speckle
            np.exp(-density, out=density)
            picture[..., channel] = (density * np.float32(look.glass[channel])).clip(0, 255)
        return picture


@dataclass(frozen=True)
class _Plan:
    """What of a tumour's region is drawn alike for both classes, so that it tells nothing.

    Attributes:
        tumour: share of the area that tumour cells fill.
        hole: share of the tumour that is hollow or dead.
        hole_eosin: eosin in there.
        inflamed: a uniform number; the stroma is inflamed where it is below the patient's lymphocytes.
    """

    tumour: float
    hole: float
    hole_eosin: float
    inflamed: float


def _draw_plan(random: Generator) -> _Plan:
    return _Plan(
        tumour=random.uniform(0.3, 0.6),
        hole=random.uniform(0.02, 0.25),
        hole_eosin=0.05 if random.random() < 0.5 else 0.6,
        inflamed=random.random(),
    )


def _stroma(canvas: _Canvas) -> None:
    canvas.fibroblasts(canvas.tissue)


def _inflamed(canvas: _Canvas) -> None:
    canvas.fibroblasts(canvas.tissue)
    canvas.inflame(canvas.tissue)


def _in_situ(canvas: _Canvas) -> None:
    plan = _draw_plan(canvas.random)
    wall = _distance_to_ducts(canvas) + 4 * canvas.noise((45,))
    # Cribriform holes lie anywhere in the duct, a comedo or an open lumen in its middle.
    depth = canvas.noise((canvas.random.uniform(14, 30),)) if canvas.random.random() < 0.6 else -wall
    outside, hole = _ducts(wall, depth, plan)
    canvas.fibroblasts(outside > 0)
    canvas.eosin[(outside > 0) & (outside < 3)] += 0.25  # basement membrane
    canvas.scatter((outside > -4) & (outside < 0), 0.006, 1.6, 0.25, (1.8, 2.8), 0.8)  # myoepithelium
    canvas.eosin[hole] = plan.hole_eosin
    canvas.epithelium((outside < -4) & ~hole)
    canvas.inflame_some(outside > 0, plan)


def _ducts(wall: Plane, depth: Plane, plan: _Plan) -> tuple[Plane, Mask]:
    """Ducts as wide, and holes as large, as the plan says: the distance to the walls in µm, and the holes."""
    narrow, wide = float(wall.min()), float(wall.max())
    for _ in range(12):
        outside = wall - (narrow + wide) / 2
        inside = outside < -14
        hole = inside & (depth > np.quantile(depth[inside], 1 - plan.hole)) if inside.any() else inside
        if ((outside < -4) & ~hole).mean() < plan.tumour:
            narrow = (narrow + wide) / 2
        else:
            wide = (narrow + wide) / 2
    return outside, hole


def _distance_to_ducts(canvas: _Canvas) -> Plane:
    """Distance in µm to the wall of the nearest duct, negative inside."""
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


def _invasive(canvas: _Canvas) -> None:
    random, look, plan = canvas.random, canvas.look, _draw_plan(canvas.random)
    scales = (random.uniform(200, 350), random.uniform(50, 110), random.uniform(18, 36), 10.0)
    ragged = canvas.noise(scales, (1.3, 1, random.uniform(0.5, 1), 0.4))
    cleft = canvas.noise((random.uniform(20, 60),))
    hole = cleft > np.quantile(cleft, 1 - plan.hole * plan.tumour)
    ragged[hole] = ragged.min()
    # The single cells are a part of the tumour: as many of its cells are missing in the nests.
    singles = SINGLE_CELLS / look.density * (1 - plan.tumour)
    nests = ragged > np.quantile(ragged, 1 - plan.tumour + singles)
    canvas.fibroblasts(~nests & ~hole)
    canvas.eosin[hole] = plan.hole_eosin
    canvas.scatter(
        ~nests & ~hole, SINGLE_CELLS, look.radius * 0.95, look.radius * look.variety, (1, 1.6), 0.85
    )  # single cells
    canvas.epithelium(nests)
    canvas.inflame_some(~nests & ~hole, plan)


_STRUCTURES: dict[str, Callable[[_Canvas], None]] = {"dcis": _in_situ, "indc": _invasive, "infl": _inflamed}


def _enlarged(plane: Plane, shape: tuple[int, ...], part: tuple[float, float]) -> Plane:
    """The upper left ``part`` (width, height) of ``plane``, brought to ``shape`` smoothly."""
    image = Image.fromarray(plane)
    resized = image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=(0, 0, *part))
    return np.asarray(resized)


def _rounded(radius: float, longer: float, turned: float) -> tuple[int, int, int]:
    """A nucleus's shape on a coarse grid, so that few pictures serve all nuclei."""
    return int(radius * 4), int(longer * 5), int(turned * 8 / np.pi) % 8


@lru_cache(maxsize=20_000)
def _nucleus(radius: int, longer: int, turned: int, softness: float) -> Plane:
    """The picture of a nucleus, an ellipse with a dark rim; arguments as `_rounded` gives them."""
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
    """The darker of ``plane`` and ``picture`` times ``depth`` with its middle at a place, clipped at the sides."""
    half = picture.shape[0] // 2
    top, left = row - half, column - half
    above, before = max(0, -top), max(0, -left)
    target = plane[top + above : top + picture.shape[0], left + before : left + picture.shape[1]]
    cut = picture[above : above + target.shape[0], before : before + target.shape[1]]
    np.maximum(target, cut * np.float32(depth), out=target)

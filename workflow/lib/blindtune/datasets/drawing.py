"""The source `drawing`: points sampled from shapes, such as those that the published study drew by hand in IMLD.

Shawki et al. 2021 (section III) made their synthetic sets #08 to #10 with a drawing tool: shapes and brush strokes,
blurred with Gaussian noise. Here a drawing is a YAML file that lists the shapes of each split and class, and `sample`
samples any number of points from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from blindtune.core.bounds import MAX_DOTS, MAX_FLOAT, MAX_SEED
from blindtune.core.errors import UserError
from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.validation import Strict, UserPath, load, suggest_name
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, NewSamples, Sizes, Source, Split
from blindtune.datasets.csv_rows import read_new_rows

DRAWINGS = RESOURCES / "drawings"

Finite = Annotated[float, Field(ge=-MAX_FLOAT, le=MAX_FLOAT)]
Length = Annotated[float, Field(ge=0, le=MAX_FLOAT)]
# YAML has lists only, which a strict model would not take for a tuple.
Point = Annotated[tuple[Finite, Finite], Field(strict=False)]
Lengths = Annotated[tuple[Length, Length], Field(strict=False)]


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise ValueError(f"the first limit must be below the second (got {limits[0]} and {limits[1]})")
    return limits


Limits = Annotated[Point, AfterValidator(_ascending)]


class _Shape(Strict):
    """The keys that all shapes have; lengths are in units in which a drawing spans about -1 to 1."""

    share: float = Field(default=1.0, gt=0, le=MAX_FLOAT, description="weight of the shape within its class")
    jitter: Length = Field(default=0.0, description="standard deviation of the Gaussian noise per axis")
    dots: int | None = Field(
        default=None,
        gt=0,
        le=MAX_DOTS,
        description="number of dots of the pen, which are sampled repeatedly; null: every point is a new one",
    )

    def sample(self, count: int, rng: Generator) -> NDArray[np.float64]:
        """Return points of the shape with jitter.

        Args:
            count: number of points.
            rng: source of random numbers.

        Returns:
            (count, 2) float64.
        """
        if self.dots is None:
            drawn = self.points(count, rng)
        else:
            drawn = self.points(self.dots, rng)[rng.integers(self.dots, size=count)]
        jitter: NDArray[np.float64] = rng.normal(0.0, self.jitter, (count, 2))
        return drawn + jitter

    def points(self, count: int, rng: Generator) -> NDArray[np.float64]:
        """Return points of the shape without jitter; called by `sample`.

        Args:
            count: number of points.
            rng: source of random numbers.

        Returns:
            (count, 2) float64.
        """
        raise NotImplementedError


class Rectangle(_Shape):
    """A rectangle, filled uniformly."""

    kind: Literal["rectangle"]
    x: Limits = Field(description="left and right side")
    y: Limits = Field(description="lower and upper side")

    def points(self, count: int, rng: Generator) -> NDArray[np.float64]:
        """Return points of the shape without jitter; see `_Shape.points`."""
        return _sample_rectangle(self.x, self.y, count, rng)


class Frame(_Shape):
    """The outline of a rectangle, drawn with a round brush."""

    kind: Literal["frame"]
    x: Limits = Field(description="left and right side")
    y: Limits = Field(description="lower and upper side")
    width: Length = Field(default=0.0, description="diameter of the brush")

    def points(self, count: int, rng: Generator) -> NDArray[np.float64]:
        """Return points of the shape without jitter; see `_Shape.points`."""
        (left, right), (low, high) = self.x, self.y
        corners = [(left, low), (right, low), (right, high), (left, high), (left, low)]
        return _sample_path(np.array(corners), self.width, count, rng)


class Ellipse(_Shape):
    """An ellipse with axes along x and y, filled uniformly, or a ring if it has a hole."""

    kind: Literal["ellipse"]
    centre: Point = Field(description="x and y of the centre")
    radii: Lengths = Field(description="radius along x and along y")
    hole: float = Field(default=0.0, ge=0, lt=1, description="radius of the hole, as a share of the radii")

    def points(self, count: int, rng: Generator) -> NDArray[np.float64]:
        """Return points of the shape without jitter; see `_Shape.points`."""
        disc = _sample_disc(self.hole, count, rng)
        return disc * self.radii + self.centre


class Stroke(_Shape):
    """Straight lines from point to point, drawn with a round brush."""

    kind: Literal["stroke"]
    path: list[Point] = Field(min_length=2, description="the points that the brush passes, x and y")
    width: Length = Field(default=0.0, description="diameter of the brush")

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if len(set(self.path)) == 1:
            raise ValueError("path: all points are the same; a stroke needs two different ones")
        return self

    def points(self, count: int, rng: Generator) -> NDArray[np.float64]:
        """Return points of the shape without jitter; see `_Shape.points`."""
        return _sample_path(np.array(self.path), self.width, count, rng)


class Blob(_Shape):
    """A Gaussian with axes along x and y."""

    kind: Literal["blob"]
    centre: Point = Field(description="x and y of the mean")
    spread: Lengths = Field(description="standard deviation along x and along y")

    def points(self, count: int, rng: Generator) -> NDArray[np.float64]:
        """Return points of the shape without jitter; see `_Shape.points`."""
        noise: NDArray[np.float64] = rng.standard_normal((count, 2))
        return noise * self.spread + self.centre


Shape = Annotated[Rectangle | Frame | Ellipse | Stroke | Blob, Field(discriminator="kind")]


class Outliers(Strict):
    """Points that belong to no shape, uniform over a rectangle, of any class."""

    share: float = Field(ge=0, lt=1, description="share of the points of each class")
    x: Limits = Field(description="left and right side")
    y: Limits = Field(description="lower and upper side")


class SplitDrawing(Strict):
    """One split of a drawing."""

    outliers: Outliers = Field(description="points that belong to no shape")
    shapes: dict[str, Annotated[list[Shape], Field(min_length=1)]] = Field(description="shapes by class")


class Drawing(Strict):
    """A drawing: the shapes of each class in each split."""

    name: str = Field(min_length=1, description="name of the drawing, from which random numbers are derived")
    classes: list[str] = Field(min_length=2, description="the classes, in the order of their labels from 0")
    train: SplitDrawing = Field(description="the split that models are trained on")
    dev: SplitDrawing = Field(description="the split that models are chosen by")
    eval: SplitDrawing = Field(description="the sealed split")

    @model_validator(mode="after")
    def _same_classes_everywhere(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a class is listed twice")
        for split in SPLITS:
            drawn = getattr(self, split).shapes
            for missing in (name for name in self.classes if name not in drawn):
                raise ValueError(f"{split}.shapes: class {missing!r} is missing")
            for unknown in (name for name in drawn if name not in self.classes):
                raise ValueError(f"{split}.shapes.{unknown}: is not among classes")
        return self


class DrawingConfig(DatasetConfig):
    """The config of points sampled from a drawing, as in the synthetic sets of Shawki et al. 2021 (section III)."""

    source: Literal["drawing"]
    stand_in: bool = Field(
        default=True, description="true: the points only resemble the published ones; the report says so"
    )
    drawing: UserPath = Field(description="name of a drawing in resources/drawings, or a path ending in .yaml")
    sizes: Sizes = Field(description="samples per split, over all classes")
    seed: int = Field(ge=0, le=MAX_SEED, description="seed of the points")
    scale: float = Field(
        default=1.0, gt=0, le=MAX_FLOAT, description="factor on all coordinates; 1 fills about -1 to 1"
    )


class DrawingSource(Source):
    """Points sampled from a drawing."""

    config: DrawingConfig

    def user_files(self) -> dict[str, Path]:
        """Return the file of the drawing, as ``drawing``.

        Raises:
            UserError: there is no drawing of this name, or no file at this path.
        """
        if self.config.drawing.endswith(".yaml"):
            path = Path(self.config.drawing)
            hint = "there is no such file."
        else:
            path = DRAWINGS / f"{self.config.drawing}.yaml"
            hint = suggest_name(self.config.drawing, [file.stem for file in DRAWINGS.glob("*.yaml")])
        if not path.is_file():
            raise UserError(f"drawing: {self.config.drawing!r} is unknown; {hint}")
        return {"drawing": path}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the three splits, sampled from the drawing.

        Args:
            files: the file of the drawing, as ``drawing``.

        Raises:
            UserError: the drawing is not valid, or a split is too small to hold every class.
        """
        drawing = load(Drawing, files["drawing"])
        splits = {}
        for split in SPLITS:
            count = getattr(self.config.sizes, split)
            if count < len(drawing.classes):
                raise UserError(
                    f"sizes.{split}: {count} samples cannot hold the {len(drawing.classes)} classes"
                    f" of {files['drawing']}."
                )
            splits[split] = Split(*sample(drawing, split, count, self.config.seed, self.config.scale))
        return LoadedDataset(
            splits=splits,
            classes=drawing.classes,
            axes=["sample", "coordinate"],
            units="drawing units",
            files=[files["drawing"]],
            parameters={"drawing": drawing.name, "seed": self.config.seed, "scale": self.config.scale},
        )

    def read_new(self, path: Path, manifest: Mapping[str, Any]) -> NewSamples:
        """Return the points of a CSV file of rows ``label,x,y``, whose label is not used, or ``x,y``.

        Args:
            path: the file.
            manifest: not used: nothing is fitted on train.
        """
        return read_new_rows(path)


def sample(
    drawing: Drawing, split: str, count: int, seed: int, scale: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return points of one split of a drawing, in random order (Shawki et al. 2021, section III).

    The classes are balanced: if ``count`` is not a multiple of their number, the first ones get one more point. The
    same arguments give the same points; ``scale`` only multiplies them.

    Args:
        drawing: the drawing.
        split: "train", "dev" or "eval".
        count: number of points over all classes, 0 or more.
        seed: seed of the points.
        scale: factor on all coordinates.

    Returns:
        ``x``, (count, 2) float32 in drawing units times ``scale``, and ``y``, (count,) int64, the labels.
    """
    rng = np.random.default_rng(derive("drawn", drawing.name, split, seed))
    part: SplitDrawing = getattr(drawing, split)
    least, extra = divmod(count, len(drawing.classes))
    sizes = [least + (label < extra) for label in range(len(drawing.classes))]
    x = np.concatenate(
        [_sample_class(part, name, size, rng) for name, size in zip(drawing.classes, sizes, strict=True)]
    )
    y = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    order = rng.permutation(count)
    return (x * scale).astype(np.float32)[order], y[order]


def _sample_class(part: SplitDrawing, name: str, count: int, rng: Generator) -> NDArray[np.float64]:
    """Return points of one class, (count, 2): shape by shape, the outliers last."""
    shapes = part.shapes[name]
    shares = np.array([shape.share for shape in shapes])
    inside = shares / shares.sum() * (1 - part.outliers.share)
    *counts, outside = rng.multinomial(count, [*inside, part.outliers.share])
    pieces = [shape.sample(size, rng) for shape, size in zip(shapes, counts, strict=True)]
    return np.concatenate([*pieces, _sample_rectangle(part.outliers.x, part.outliers.y, outside, rng)])


def _sample_rectangle(
    x: tuple[float, float], y: tuple[float, float], count: int, rng: Generator
) -> NDArray[np.float64]:
    """Return points that are uniform over a rectangle, (count, 2)."""
    return rng.uniform((x[0], y[0]), (x[1], y[1]), (count, 2))


def _sample_disc(hole: float, count: int, rng: Generator) -> NDArray[np.float64]:
    """Return points that are uniform over a disc of radius 1 with a hole of radius ``hole``, (count, 2)."""
    # The area within a radius grows with its square, so the square is uniform.
    radius = np.sqrt(rng.uniform(hole**2, 1.0, count))
    angle = rng.uniform(0.0, 2 * np.pi, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _sample_path(path: NDArray[np.float64], width: float, count: int, rng: Generator) -> NDArray[np.float64]:
    """Return points along a path (n_corners, 2), drawn with a round brush of diameter ``width``, (count, 2)."""
    reached = np.append(0.0, np.cumsum(np.hypot(*np.diff(path, axis=0).T)))
    at = rng.uniform(0.0, reached[-1], count)
    line = np.stack([np.interp(at, reached, path[:, axis]) for axis in (0, 1)], axis=1)
    return line + _sample_disc(0.0, count, rng) * (width / 2)

"""What every reader of annotations gives, and the parts that the readers share.

A vertex is (x, y) in pixels of the slide's full resolution, y pointing down.
"""

import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.bounds import MAX_LABEL
from blindtune.core.errors import UserError
from blindtune.core.validation import show_value
from blindtune.datasets.slides.labels import normalize_label

#: Largest coordinate of a vertex in pixels; the area of a region must stay a number.
MAX_COORDINATE = 1e9
#: Vertices of the polygon that approximates an ellipse: its area is smaller by 0.03%.
_ELLIPSE_VERTICES = 144
_LONGEST_NAME, _LONGEST_KIND = 80, 40

_YES, _NO = ("1", "true", "yes"), ("0", "false", "no")

Polygon = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """One outlined region.

    Attributes:
        name: its name in messages.
        label: its label, in lower case; empty if the file gives none.
        polygon: (n_vertices, 2) float64, x and y in pixels of the full resolution; the last vertex joins the first.
        holes: outlines of what is cut out of it, as ``polygon``.
        layer: what separates it from other regions of the file; a negative region is cut out of those of its layer.
        negative: whether it is only cut out of others.
        groups: labels of the groups that it is in, the nearest first; see `Annotation.resolve_labels`.
    """

    name: str
    label: str
    polygon: Polygon
    holes: tuple[Polygon, ...] = ()
    layer: str = ""
    negative: bool = False
    groups: tuple[str, ...] = ()


class BadOutlineError(UserError):
    """An outline has a vertex that cannot be used.

    Attributes:
        vertices: those that can be, (n_vertices, 2).
    """

    def __init__(self, message: str, vertices: Polygon) -> None:
        """Keep what is known of the outline."""
        super().__init__(message)
        self.vertices = vertices


@dataclass(frozen=True)
class Annotation:
    """The content of an annotation file.

    Attributes:
        regions: in the order of the file.
        mpp: µm per pixel of the slide that was annotated; None if the file does not give it.
        size: width and height in pixels of that slide; None if the file does not give them.
        slide: name of that slide without its suffix; None if the file does not give it.
        unused: a sentence about each shape that is not used: a point encloses no area, an outline has a bad number.
        unclear: regions with a bad number as the box around their other vertices: other classes do not own that area.
    """

    regions: list[Region]
    mpp: float | None = None
    size: tuple[int, int] | None = None
    slide: str | None = None
    unused: tuple[str, ...] = ()
    unclear: tuple[Region, ...] = ()

    def shift(self, x: float, y: float) -> "Annotation":
        """Return the same annotation with every vertex moved by some pixels."""
        offset = np.array([x, y], np.float64)

        def move(one: Region) -> Region:
            return replace(one, polygon=one.polygon + offset, holes=tuple(hole + offset for hole in one.holes))

        return self.change(move)

    def resolve_labels(self, known: Collection[str]) -> "Annotation":
        """Return the same annotation with the label of each region replaced by a known one, if its groups have one.

        Args:
            known: labels of the classes. Of a region's label and those of its groups, the nearest known one counts.
        """

        def resolve(one: Region) -> Region:
            return replace(one, label=next((label for label in (one.label, *one.groups) if label in known), one.label))

        return self.change(lambda one: resolve(one) if one.groups else one)

    def change(self, change: Callable[[Region], Region]) -> "Annotation":
        """Return the same annotation with each region changed."""
        return replace(self, regions=list(map(change, self.regions)), unclear=tuple(map(change, self.unclear)))


class FoundRegions:
    """What a reader has found so far.

    Attributes:
        regions: in the order of the file.
        unused: a sentence about each shape that is not used.
        unclear: regions that cannot be used, each as the box around what is known of it.
    """

    def __init__(self) -> None:
        self.regions: list[Region] = []
        self.unused: list[str] = []
        self.unclear: list[Region] = []

    @contextmanager
    def naming(
        self, kind: str, number: object, label: str, *, negative: bool = False, groups: tuple[str, ...] = ()
    ) -> Iterator[list[Polygon]]:
        """Name a region as one that cannot be used, if a `UserError` is raised in a ``with`` block; go on after it.

        Args:
            kind: what it is called.
            number: its number or name in the file.
            label: its label.
            negative: whether it is cut out of others, which would be too large without it.
            groups: labels of the groups that it is in.

        Yields:
            A list to which the outline is added if something else of the region may be wrong, such as a hole.

        Raises:
            UserError: such a region cannot be used.
        """
        outlines: list[Polygon] = []
        try:
            yield outlines
        except UserError as error:
            reason = f"{name_region(kind, number, label)} cannot be used: {str(error).rstrip('.')}"
            if negative:
                raise UserError(f"the negative {reason}; without it, other regions would be too large.") from error
            self.unused.append(reason)
            known = [*outlines, *([error.vertices] if isinstance(error, BadOutlineError) else [])]
            if known and len(known[0]):
                self.unclear.append(Region(f"{kind} {number}", label, box_between(known[0]), groups=groups))

    def to_annotation(self, **others: Any) -> Annotation:
        """Return the annotation, with other attributes of it."""
        return Annotation(self.regions, unused=tuple(self.unused), unclear=tuple(self.unclear), **others)


def name_region(kind: str, number: object, label: str) -> str:
    """Return how messages name a region, such as "region 3 (dcis)"."""
    return f"{kind} {to_line(str(number)[:_LONGEST_NAME])} ({label[:_LONGEST_NAME] or 'without a label'})"


def name_unknown_type(region: str, kind: str) -> str:
    """Return the sentence about a region of an unknown type, by its name and the type."""
    what = to_line(kind[:_LONGEST_KIND])
    return f"{region} is used, but not its type {what}, which is unknown: its vertices are taken for an outline"


def to_line(text: str) -> str:
    """Return a text of a file with a space for each control character, of which some move the cursor of a terminal."""
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text)


def parse_label(*names: object) -> str:
    """Return the first name that is a text and not empty, cut off and as it is compared; empty if there is none."""
    texts = (normalize_label(to_line(name[:MAX_LABEL])) for name in names if isinstance(name, str))
    return next((text for text in texts if text), "")


def to_number(text: object) -> float:
    """Return a number that has a decimal point or a decimal comma; not a number (nan) if it is none or infinite."""
    if isinstance(text, str):
        # Python reads 1_0 as 10.
        if "_" in text:
            return math.nan
        if text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
    try:
        value = math.nan if isinstance(text, bool) else float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def parse_negative(text: str | None, region: str) -> bool:
    """Return whether a region is cut out of others.

    Args:
        text: the attribute; None if the region does not have it.
        region: name of the region, for the message.

    Raises:
        UserError: it is neither yes nor no, so that the area of others is not known.
    """
    value = (text or "0").strip().lower() or "0"
    if value not in (*_YES, *_NO):
        raise UserError(f"{region}: NegativeROA is {show_value(text)}, which is neither 1 nor 0.")
    return value in _YES


def parse_number(text: object, where: str) -> float:
    """Return a finite number, written with a decimal point or a decimal comma.

    Args:
        text: a text or a number.
        where: place of the number, for the message.

    Raises:
        UserError: it is not a number, or is infinite.
    """
    value = to_number(text)
    if math.isnan(value):
        raise UserError(f"{where}: {show_value(text)} is not a number.")
    return value


def parse_mpp(text: str | None, where: str) -> float | None:
    """Return µm per pixel; None if it is missing, or 0 as programs write that do not know it."""
    value = parse_number(text, where) if text else 0.0
    return value if value > 0 else None


def parse_size(width: str, height: str, where: str) -> tuple[int, int] | None:
    """Return width and height in pixels; None if one is missing."""
    if not width or not height:
        return None
    return int(parse_number(width, f"{where}, width")), int(parse_number(height, f"{where}, height"))


def parse_vertices(vertices: Iterable[Any], what: str = "vertex") -> Polygon:
    """Return the vertices of an outline.

    Args:
        vertices: x and y of each, as texts or numbers; what follows y is ignored.
        what: name of a vertex, for the message.

    Returns:
        (n_vertices, 2) float64.

    Raises:
        BadOutlineError: a coordinate is not a number or too large; the message gives the number of its vertex, from 1.
    """
    found = list(vertices)
    try:
        # JSON has true and false, which are 1 and 0 to Python; a text has letters, which are no coordinates.
        wrong = any(
            not isinstance(one, (list, tuple)) or isinstance(one[0], (bool, str)) or isinstance(one[1], (bool, str))
            for one in found
        )
        if not wrong:
            polygon = np.array([(float(one[0]), float(one[1])) for one in found], np.float64).reshape(-1, 2)
            wrong = not np.isfinite(polygon).all()
    except (TypeError, ValueError, OverflowError, IndexError):
        wrong = True
    if wrong:
        polygon = _parse_each(found, what)
    return check_distance(polygon, what)


def check_distance(polygon: Polygon, what: str = "vertex") -> Polygon:
    """Return an outline.

    Raises:
        BadOutlineError: a vertex is too far away.
    """
    if len(polygon) and np.abs(polygon).max() > MAX_COORDINATE:
        distances = np.abs(polygon).max(axis=1)
        at = int(np.argmax(distances))
        message = f"{what} {at + 1} is {polygon[at].tolist()}, farther away than {MAX_COORDINATE:g}."
        raise BadOutlineError(message, polygon[distances <= MAX_COORDINATE])
    return polygon


def _parse_each(vertices: list[Any], what: str) -> Polygon:
    """Return vertices that are texts; raise `BadOutlineError` with the others if one is wrong."""
    numbers = (
        to_number(one[axis]) if isinstance(one, (list, tuple)) and len(one) > 1 else math.nan
        for one in vertices
        for axis in (0, 1)
    )
    polygon = np.fromiter(numbers, np.float64, 2 * len(vertices)).reshape(-1, 2)
    wrong = np.flatnonzero(np.isnan(polygon).any(axis=1))
    if len(wrong):
        # A message for the first alone: millions of vertices can be wrong.
        message = _explain_vertex(vertices[wrong[0]], f"{what} {wrong[0] + 1}")
        raise BadOutlineError(message, polygon[(np.abs(polygon) <= MAX_COORDINATE).all(axis=1)])
    return polygon


def _explain_vertex(vertex: Any, where: str) -> str:
    """Return why a vertex is wrong."""
    if not isinstance(vertex, (list, tuple)) or len(vertex) < 2:
        return f"{where}: {show_value(vertex)} is not an x and a y."
    name, value = next((name, value) for name, value in zip("XY", vertex, strict=False) if math.isnan(to_number(value)))
    return f"{where}, {name}: {show_value(value)} is not a number."


def box_between(corners: Polygon) -> Polygon:
    """Return the four corners of the upright rectangle around some points; no points for fewer than two."""
    if len(corners) < 2:
        return corners
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def ellipse_between(corners: Polygon) -> Polygon:
    """Return the ellipse that fills the upright rectangle around some points; no ellipse for fewer than two."""
    if len(corners) < 2:
        return corners
    low, high = corners.min(axis=0), corners.max(axis=0)
    return ellipse_around((low + high) / 2, (high - low) / 2)


def ellipse_around(center: Polygon, radii: Polygon) -> Polygon:
    """Return the polygon of an upright ellipse from its center and its two radii."""
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_VERTICES, endpoint=False)
    return np.asarray(center + np.stack([np.cos(angles), np.sin(angles)], 1) * radii, np.float64)


def rotate(polygon: Polygon, center: Polygon, radians: float) -> Polygon:
    """Return a polygon turned about a point, from the x axis towards the y axis."""
    turn = np.array([[math.cos(radians), math.sin(radians)], [-math.sin(radians), math.cos(radians)]])
    return np.asarray((polygon - center) @ turn + center, np.float64)

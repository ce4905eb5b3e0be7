"""XML of annotations, parsed so that its vertices take a few bytes each.

A tree of elements takes 600 bytes for each vertex. Here elements that are vertices become numbers while the file is
parsed, and the others a tree without texts, which no dialect uses.
"""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blindtune.core.validation import show_value
from blindtune.datasets.slides.annotations.base import (
    MAX_COORDINATE,
    BadOutlineError,
    Polygon,
    check_distance,
    to_number,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Elements within each other, at most; those of all programs are less than ten.
_MAX_DEPTH = 100
#: Elements that are vertices, of ImageScope, HALO and ASAP.
_VERTICES = frozenset(["Vertex", "V", "Coordinate"])


class VertexList:
    """The vertices of one name in one element."""

    __slots__ = ("_numbers", "_wrong")

    def __init__(self) -> None:
        self._numbers = array("d")
        #: By attribute: the number, from 0, of the first vertex of which it is not a number, and its text.
        self._wrong: dict[str, tuple[int, str]] = {}

    def __len__(self) -> int:
        """Return the number of vertices."""
        return len(self._numbers) // 3

    def add(self, attributes: Mapping[str, str]) -> None:
        """Add a vertex, by its attributes X, Y and Order; without an order it has its place among the others."""
        at = len(self)
        for name, text in (
            ("X", attributes.get("X", "")),
            ("Y", attributes.get("Y", "")),
            ("Order", attributes.get("Order", at)),
        ):
            number = to_number(text)
            if math.isnan(number):
                self._wrong.setdefault(name, (at, str(text)))
            self._numbers.append(number)

    @property
    def table(self) -> NDArray[np.float64]:
        """X, Y and Order of every vertex, (n_vertices, 3); not a number (nan) where it is none."""
        return np.array(self._numbers, np.float64).reshape(-1, 3)

    def explain(self, names: tuple[str, ...], first: int) -> str:
        """Return which attribute of a vertex is not a number; empty if all are.

        Args:
            names: attributes that must be numbers.
            first: number of the first vertex in messages.
        """
        for name in names:
            if name in self._wrong:
                at, text = self._wrong[name]
                return f"vertex {first + at}, {name}: {show_value(text)} is not a number."
        return ""


@dataclass(frozen=True)
class XmlDocument:
    """A parsed document.

    Attributes:
        root: the tree of its elements, without vertices.
        vertices: the vertices by the element that they are in and by their own name.
    """

    root: "Element"
    vertices: "dict[tuple[Element, str], VertexList]" = field(default_factory=dict)

    def read_outline(self, region: "Element", parent: str, name: str, *, ordered: bool = False) -> Polygon:
        """Return the vertices of a region, (n_vertices, 2) float64.

        Args:
            region: the element of the region.
            parent: name of the element within it that has the vertices.
            name: name of a vertex.
            ordered: whether their attribute Order gives their order.

        Raises:
            BadOutlineError: a number is none or too large; the message gives the number of its vertex, from 1.
        """
        lists = (self.vertices.get((element, name)) for element in region.iterfind(parent))
        found, first, reason = [np.zeros((0, 3))], 1, ""
        for some in lists:
            if some is not None:
                found.append(some.table)
                reason = reason or some.explain(("Order", "X", "Y") if ordered else ("X", "Y"), first)
                first += len(some)
        table = np.concatenate(found)
        if reason:
            raise BadOutlineError(reason, table[(np.abs(table[:, :2]) <= MAX_COORDINATE).all(axis=1), :2])
        if ordered:
            table = table[np.argsort(table[:, 2], kind="stable")]
        return check_distance(np.ascontiguousarray(table[:, :2]))


class DocumentBuilder:
    """What the parser tells about elements as they begin and end."""

    def __init__(self) -> None:
        from xml.etree.ElementTree import Element

        self._create = Element
        self._document: XmlDocument | None = None
        #: The elements that are open; for a vertex again the one that it is in.
        self._open: list[Element] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element.

        Raises:
            ValueError: it is within too many others.
        """
        if len(self._open) >= _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} elements within each other")
        if self._document is not None and tag in _VERTICES:
            parent = self._open[-1]
            self._document.vertices.setdefault((parent, tag), VertexList()).add(attributes)
            self._open.append(parent)
            return
        element = self._create(tag, attributes)
        if self._document is None:
            self._document = XmlDocument(element)
        else:
            self._open[-1].append(element)
        self._open.append(element)

    def end(self, tag: str) -> None:
        """End an element."""
        self._open.pop()

    def close(self) -> XmlDocument | None:
        """Return the document."""
        return self._document

"""Samples that lie in many files, read a few at a time: all at once they may not fit into memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import open_array
from blindtune.core.errors import UserError

#: Bytes of samples that are held at once; one sample is held whatever its size.
CHUNK = 2**24


@dataclass(frozen=True)
class FileRows:
    """Some samples of one file.

    Attributes:
        path: of a .npy array (samples, ...).
        rows: which of its samples, in their order.
    """

    path: Path
    rows: Sequence[int]


class ChunkedArray:
    """The samples of several pieces, one after the other, as if they were one array."""

    def __init__(self, pieces: Sequence[FileRows]) -> None:
        """Look at the first piece; the others must hold samples like it.

        Raises:
            UserError: its file cannot be read.
        """
        first = open_array(pieces[0].path)
        self._pieces = list(pieces)
        self.dtype: np.dtype[Any] = first.dtype
        self.shape: tuple[int, ...] = (sum(len(piece.rows) for piece in pieces), *first.shape[1:])

    def __len__(self) -> int:
        """How many samples there are."""
        return self.shape[0]

    def chunks(self) -> Iterator[NDArray[Any]]:
        """The samples in order, (some, ...) at a time, never more than `CHUNK` bytes of them unless one has more.

        Raises:
            UserError: a file cannot be read, or holds other samples or fewer.
        """
        most = at_once(self)
        for piece in self._pieces:
            stored = open_array(piece.path)
            if (stored.shape[1:], stored.dtype) != (self.shape[1:], self.dtype) or max(piece.rows) >= len(stored):
                raise UserError(f"{piece.path}: holds other samples than it should. Remove its folder and run again.")
            for first in range(0, len(piece.rows), most):
                yield stored[list(piece.rows[first : first + most])]


def at_once(x: "ChunkedArray | NDArray[Any]") -> int:
    """How many samples of ``x`` are held at once."""
    return max(1, CHUNK // max(1, x.dtype.itemsize * int(np.prod(x.shape[1:]))))


def chunks(x: "ChunkedArray | NDArray[Any]") -> Iterator[NDArray[Any]]:
    """The samples of ``x`` in order, some at a time."""
    if isinstance(x, ChunkedArray):
        yield from x.chunks()
        return
    most = at_once(x)
    for first in range(0, len(x), most):
        yield x[first : first + most]

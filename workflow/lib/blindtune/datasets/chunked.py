"""Arrays of samples that are stored in many files and read in chunks, because they may not fit into memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import open_array
from blindtune.core.errors import UserError

#: Maximum size of a chunk in bytes; a chunk has at least one sample.
MAX_CHUNK_BYTES = 2**24

_REMEDY = "Remove the folder 'extracts' that it is in and run again."


@dataclass(frozen=True)
class FileRows:
    """Some samples of one file.

    Attributes:
        path: a .npy array, (n_samples, ...).
        rows: the rows of the samples, in their order.
    """

    path: Path
    rows: Sequence[int]


class ChunkedArray:
    """The concatenation of samples from several files.

    Attributes:
        dtype: type of the values.
        shape: (n_samples, ...).
    """

    def __init__(self, parts: Sequence[FileRows]) -> None:
        """Take type and shape from the first file; the other files must have the same.

        Args:
            parts: the samples of each file, in their order.

        Raises:
            UserError: the first file cannot be read.
        """
        first = open_array(parts[0].path, _REMEDY)
        self._parts = list(parts)
        self.dtype: np.dtype[Any] = first.dtype
        self.shape: tuple[int, ...] = (sum(len(part.rows) for part in parts), *first.shape[1:])

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.shape[0]

    def select(self, rows: NDArray[np.bool_]) -> "ChunkedArray":
        """Return some of the samples, in their order.

        Args:
            rows: whether each sample is taken, (n_samples,); at least one is.
        """
        parts, first = [], 0
        for part in self._parts:
            taken = rows[first : first + len(part.rows)]
            parts.append(FileRows(part.path, [row for row, take in zip(part.rows, taken, strict=True) if take]))
            first += len(part.rows)
        return ChunkedArray([part for part in parts if part.rows])

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield the samples in order, (n_chunk, ...), in chunks of at most `MAX_CHUNK_BYTES`.

        Raises:
            UserError: a file cannot be read, or has samples of another kind or fewer than expected.
        """
        size = samples_per_chunk(self)
        for part in self._parts:
            stored = open_array(part.path, _REMEDY)
            if (stored.shape[1:], stored.dtype) != (self.shape[1:], self.dtype) or max(part.rows) >= len(stored):
                raise UserError(f"{part.path}: holds other samples than it should. {_REMEDY}")
            for first in range(0, len(part.rows), size):
                yield stored[list(part.rows[first : first + size])]


def samples_per_chunk(x: "ChunkedArray | NDArray[Any]") -> int:
    """Return the number of samples of a chunk, at least one."""
    return max(1, MAX_CHUNK_BYTES // max(1, x.dtype.itemsize * int(np.prod(x.shape[1:]))))


def iterate_chunks(x: "ChunkedArray | NDArray[Any]") -> Iterator[NDArray[Any]]:
    """Yield the samples of any array in order, (n_chunk, ...), as `ChunkedArray.chunks`."""
    if isinstance(x, ChunkedArray):
        yield from x.chunks()
        return
    size = samples_per_chunk(x)
    for first in range(0, len(x), size):
        yield x[first : first + size]

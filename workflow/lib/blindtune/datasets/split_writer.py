"""Writes a split in one pass over its samples, which checks, hashes and counts each chunk."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import ArraysDigest
from blindtune.core.errors import UserError
from blindtune.core.files import FileTransaction, inert_cell, tsv_writer
from blindtune.datasets.base import ChunkedSplit, Split, TsvTable
from blindtune.datasets.channel_stats import ChannelStatistics
from blindtune.datasets.chunked import ChunkedArray, iterate_chunks
from blindtune.datasets.content import concatenate_digests, digest_samples

#: Called with each chunk of an array, (n_chunk, ...), in order.
ChunkCallback = Callable[[NDArray[Any]], None]


@dataclass(frozen=True)
class WrittenSplit:
    """What is known of a split after it was written.

    Attributes:
        sha256: the same as `blindtune.datasets.prepared.digest_of_split`.
        arrays: the sha256 of each array alone, by its name.
        digests: of its samples, as `blindtune.datasets.content.digest_samples` returns them.
    """

    sha256: str
    arrays: dict[str, str]
    digests: NDArray[np.bytes_]


def write_split(
    transaction: FileTransaction,
    folder: Path,
    where: str,
    split: Split | ChunkedSplit,
    statistics: ChannelStatistics | None,
) -> WrittenSplit:
    """Write a split in one pass over its samples.

    Args:
        transaction: what the files belong to.
        folder: folder of the split.
        where: what error messages begin with.
        split: the split.
        statistics: gets every chunk of ``x``; None to compute none.

    Returns:
        Its digests, computed in the same pass.

    Raises:
        UserError: a value is not finite, or a file cannot be read or written.
    """
    total, alone = ArraysDigest(), {}
    digests: list[NDArray[np.bytes_]] = []
    callbacks: dict[str, list[ChunkCallback]] = {
        "group": [],
        "weight": [],
        "x": [_finite_check(where), lambda samples: digests.append(digest_samples(samples))],
        "y": [],
    }
    if statistics is not None:
        callbacks["x"].append(statistics.add)
    weight = split.weight if isinstance(split, Split) else None
    arrays = {"group": split.group, "weight": weight, "x": split.x, "y": split.y}
    for name, array in sorted(arrays.items()):
        path = folder / f"{name}.npy"
        if array is None:
            transaction.remove(path)
            continue
        alone[name] = ArraysDigest()
        for digest in (total, alone[name]):
            digest.begin(name, array.dtype, array.shape)
        transaction.write(path, partial(_write_array, array, [*callbacks[name], total.update, alone[name].update]))
    # The origins are read again by a program, which needs every name as it is.
    write_table(transaction, folder / "origins.tsv", split.origins, for_people=False)
    arrays_alone = {name: digest.hexdigest() for name, digest in alone.items()}
    return WrittenSplit(total.hexdigest(), arrays_alone, concatenate_digests(digests))


def _write_array(array: ChunkedArray | NDArray[Any], callbacks: list[ChunkCallback], part: Path) -> None:
    """Write an array as .npy, chunk by chunk, after the callbacks got the chunk."""
    head = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    with part.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, head)
        for samples in iterate_chunks(array):
            for callback in callbacks:
                callback(samples)
            np.ascontiguousarray(samples).tofile(stream)


def _finite_check(where: str) -> ChunkCallback:
    """Return a callback that refuses a value that is not finite."""
    count = 0

    def check(samples: NDArray[Any]) -> None:
        nonlocal count
        finite = samples.dtype.kind in "biu" or np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)
        if not np.all(finite):
            raise UserError(f"{where}: sample {count + int(np.argmin(finite)) + 1} holds a value that is not finite.")
        count += len(samples)

    return check


def write_table(transaction: FileTransaction, path: Path, table: TsvTable | None, *, for_people: bool = True) -> None:
    """Write a table, or remove an earlier one if there is none.

    Args:
        transaction: what the file belongs to.
        path: path of the table.
        table: the table, or None.
        for_people: whether a spreadsheet may open it, so that no text may be a formula.
    """
    if table is None:
        transaction.remove(path)
    else:
        rows = [tuple(map(inert_cell, row)) for row in table.rows] if for_people else table.rows
        transaction.write(path, tsv_writer(table.columns, rows))

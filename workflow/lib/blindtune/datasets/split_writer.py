"""Writes a split in one pass over its samples: they are checked, hashed and counted as they go by."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import ArraysDigest
from blindtune.core.errors import UserError
from blindtune.core.files import FileTransaction, tsv_writer
from blindtune.datasets.base import ChunkedSplit, Split, TsvTable
from blindtune.datasets.channel_stats import Channels
from blindtune.datasets.chunked import ChunkedArray, chunks

#: Takes samples of an array, a few at a time.
Look = Callable[[NDArray[Any]], None]


def write_split(
    transaction: FileTransaction, folder: Path, where: str, split: Split | ChunkedSplit, channels: Channels | None
) -> str:
    """Write a split into ``folder`` in one pass over its samples; returns its sha256, the one of `digest_of_split`."""
    total = ArraysDigest()
    looks: dict[str, list[Look]] = {"group": [], "x": [_finite(where)], "y": []}
    if channels is not None:
        looks["x"].append(channels.add)
    arrays = {"group": split.group, "x": split.x, "y": split.y}
    for name, array in sorted(arrays.items()):
        path = folder / f"{name}.npy"
        if array is None:
            transaction.remove(path)
            continue
        total.begin(name, array.dtype, array.shape)
        transaction.write(path, partial(_write_array, array, [*looks[name], total.update]))
    write_table(transaction, folder / "origins.tsv", split.origins if isinstance(split, ChunkedSplit) else None)
    return total.hexdigest()


def _write_array(array: ChunkedArray | NDArray[Any], looks: list[Look], beside: Path) -> None:
    """Write ``array`` as .npy, a few samples at a time, which everyone of ``looks`` takes first."""
    head = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    with beside.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, head)
        for samples in chunks(array):
            for look in looks:
                look(samples)
            np.ascontiguousarray(samples).tofile(stream)


def _finite(where: str) -> Look:
    """What refuses a value that is not finite."""
    seen = 0

    def look(samples: NDArray[Any]) -> None:
        nonlocal seen
        finite = samples.dtype.kind in "biu" or np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)
        if not np.all(finite):
            raise UserError(f"{where}: sample {seen + int(np.argmin(finite)) + 1} holds a value that is not finite.")
        seen += len(samples)

    return look


def write_table(transaction: FileTransaction, path: Path, table: TsvTable | None) -> None:
    """Write ``table`` to ``path``; where there is none, an earlier one goes."""
    if table is None:
        transaction.remove(path)
    else:
        transaction.write(path, tsv_writer(table.columns, table.rows))

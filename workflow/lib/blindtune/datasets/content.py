"""Digests of samples by content: the same sample is known again under any name, in any order and in any folder."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.chunked import ChunkedArray, iterate_chunks

#: Length of the digest of one sample, in bytes. Two of a billion samples agree by chance once in 10^20 datasets.
DIGEST_SIZE = 16


def digest_samples(x: NDArray[Any] | ChunkedArray) -> NDArray[np.bytes_]:
    """Return the digest of each sample: equal values give equal digests.

    Floats count with the precision of float32, as every model gets them, and -0.0 is 0.0.

    Args:
        x: samples, (n_samples, ...); read in chunks.

    Returns:
        (n_samples,) digests of 16 bytes, dtype ``S16``.
    """
    head = f"{_canonical(np.empty(0, x.dtype)).dtype.str}|{tuple(x.shape[1:])}|".encode()
    digests = b"".join(
        hashlib.blake2b(head + row.tobytes(), digest_size=DIGEST_SIZE).digest()
        for samples in iterate_chunks(x)
        for row in _canonical(samples)
    )
    return np.frombuffer(digests, dtype=f"S{DIGEST_SIZE}")


def digest_rows(rows: Iterable[Sequence[str]]) -> NDArray[np.bytes_]:
    """Return the digest of each row of a table, as its file has it: the texts of all its cells, in their order.

    Args:
        rows: of the table; space around a cell does not count.

    Returns:
        (n_rows,) digests, as `digest_samples`.
    """
    return digest_pieces("\x1f".join(cell.strip() for cell in row).encode("utf-8", "surrogateescape") for row in rows)


def digest_pieces(pieces: Iterable[bytes]) -> NDArray[np.bytes_]:
    """Return the digest of each piece of raw material, such as the pixels of a picture, (n_pieces,)."""
    digests = b"".join(hashlib.blake2b(piece, digest_size=DIGEST_SIZE).digest() for piece in pieces)
    return np.frombuffer(digests, dtype=f"S{DIGEST_SIZE}")


def concatenate_digests(parts: Sequence[NDArray[np.bytes_]]) -> NDArray[np.bytes_]:
    """Return the digests of several chunks of samples as one array, (n_samples,)."""
    return np.concatenate([np.empty(0, f"S{DIGEST_SIZE}"), *parts])


def digest_content(digests: NDArray[np.bytes_]) -> str:
    """Return the sha256 of a set of samples, the same in any order.

    Args:
        digests: of its samples, as `digest_samples` returns them; a sample that occurs twice counts twice.
    """
    return hashlib.sha256(np.sort(digests).tobytes()).hexdigest()


def find_among(digests: NDArray[np.bytes_], known: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Return whether each sample is among others, (n_samples,).

    Args:
        digests: of the samples.
        known: of the others, sorted.
    """
    if len(known) == 0:
        return np.zeros(len(digests), dtype=np.bool_)
    at = np.minimum(np.searchsorted(known, digests), len(known) - 1)
    found: NDArray[np.bool_] = known[at] == digests
    return found


def digest_labelled(digests: NDArray[np.bytes_], labels: NDArray[np.int64]) -> str:
    """Return the sha256 of a set of samples with their labels, the same in any order.

    Args:
        digests: of the samples, as `digest_samples` returns them, (n_samples,).
        labels: of the samples, (n_samples,).
    """
    order = np.lexsort((labels, digests))
    total = hashlib.sha256(digests[order].tobytes())
    total.update(np.ascontiguousarray(labels[order], dtype="<i8").tobytes())
    return total.hexdigest()


def _canonical(samples: NDArray[Any]) -> NDArray[Any]:
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, dtype="<f4") + np.float32(0)  # -0.0 becomes 0.0
    return np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("<"))

"""Proves that a prepared dataset is still what the preparation wrote, before anything trusts it.

The manifest holds the sha256 of every split, and of its own content. A split is digested in full once; a small file
next to the manifest then remembers what the file system says of each array, so that opening it again costs nothing.
"""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import ArraysDigest, digest_arrays, open_array
from blindtune.core.errors import UserError
from blindtune.core.files import digest_json, read_json, read_regular_file, write_json
from blindtune.datasets.base import Split
from blindtune.datasets.chunked import iterate_chunks
from blindtune.datasets.content import concatenate_digests, digest_samples

#: The file that remembers which arrays were digested in full, next to the manifest. It may be removed at any time.
MEMORY = "verified.json"

#: The key of the manifest's own digest.
OWN_DIGEST = "manifest_sha256"

#: Keys without which a file is no manifest.
_REQUIRED = {"dataset", "classes", "sha256", "splits"}

#: The arrays of a split; the last two are missing where samples have no groups, or no weights.
_ARRAYS = ("x", "y", "group", "weight")

#: An array that changed in the last seconds is not remembered: a file system may give the same time to two changes.
_CLOCK_SECONDS = 2.0


def with_own_digest(content: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with the digest of its content, which `read_manifest` checks.

    Args:
        content: the manifest, as plain data.
    """
    return content | {OWN_DIGEST: _own_digest(content)}


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the content of a manifest.

    Raises:
        UserError: the file cannot be read, is no manifest, or was changed after it was written.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content.keys() >= _REQUIRED or not isinstance(content["splits"], dict):
        raise UserError(
            f"{path}: is not a manifest of a prepared dataset. Give results/<name>/data/<dataset>/manifest.json."
        )
    # Manifests that were written before they had a digest of their own are taken as they are.
    if OWN_DIGEST in content and content[OWN_DIGEST] != _own_digest(content):
        raise UserError(
            f"{path}: was changed after the preparation wrote it. Put back the file, or remove it and run again, which "
            "prepares the dataset again."
        )
    return content


def array_files(split: Split) -> dict[str, Any]:
    """Return the arrays of a split that exist, by their names."""
    arrays = {name: getattr(split, name) for name in _ARRAYS}
    return {name: array for name, array in arrays.items() if array is not None}


def digest_with_samples(split: Split) -> tuple[str, NDArray[np.bytes_]]:
    """Return the sha256 over the arrays of a split and the digest of each of its samples, in one pass over them."""
    total, digests = ArraysDigest(), []
    for name, array in sorted(array_files(split).items()):
        total.begin(name, array.dtype, array.shape)
        for chunk in iterate_chunks(array):
            total.update(chunk)
            if name == "x":
                digests.append(digest_samples(chunk))
    return total.hexdigest(), concatenate_digests(digests)


def digest_of_split(split: Split) -> str:
    """Return the sha256 over the arrays of a split."""
    return digest_arrays(array_files(split))


def open_split(folder: Path) -> Split:
    """Return one written split, memory-mapped; nothing is verified.

    Raises:
        UserError: an array of the split is missing or unreadable.
    """
    record = "manifest.json" if (folder.parent / "manifest.json").exists() else "seal.json"
    remedy = f"Remove {folder.parent / record} and run again."
    x, y = (open_array(folder / f"{name}.npy", remedy) for name in ("x", "y"))
    paths = (folder / f"{name}.npy" for name in ("group", "weight"))
    group, weight = (open_array(path, remedy) if path.exists() else None for path in paths)
    return Split(x, y, group, weight=weight)


def open_verified(
    manifest: Path, content: Mapping[str, Any], names: tuple[str, ...], *, in_full: bool = False
) -> list[Split]:
    """Return written splits, memory-mapped, each of which is what the manifest describes.

    Args:
        manifest: path of the manifest; the splits are in folders next to it.
        content: of the manifest.
        names: the splits.
        in_full: whether all arrays are digested, even if they are remembered as verified: who can write the data can
            write the memory.

    Raises:
        UserError: an array is missing, unreadable, or not what was prepared; the message names it.
    """
    memory = {} if in_full else _read_memory(manifest.with_name(MEMORY))
    known = dict(memory)
    splits = []
    for name in names:
        folder, expected = manifest.parent / name, content["splits"].get(name)
        # Seen before the arrays are opened and again after they were read: what is remembered is what was digested.
        seen = describe_files(folder)
        split = open_split(folder)
        if known.get(name) != {"sha256": expected, "files": seen}:
            if digest_of_split(split) != expected:
                raise UserError(_explain_change(manifest, name, split, content.get("arrays", {})))
            if describe_files(folder) == seen and is_settled(seen):
                known[name] = {"sha256": expected, "files": seen}
        splits.append(split)
    if known != memory:
        # A folder that cannot be written only costs the time to digest the arrays again.
        with suppress(UserError, OSError):
            write_json(manifest.with_name(MEMORY), known)
    return splits


def _own_digest(content: dict[str, Any]) -> str:
    try:
        # As it is read again: JSON knows no tuples and no numbers as keys.
        plain = json.loads(json.dumps({key: value for key, value in content.items() if key != OWN_DIGEST}))
        return digest_json(plain)
    except ValueError:
        return ""


def _read_memory(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_regular_file(path))
    except (UserError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def describe_files(folder: Path) -> dict[str, list[int]]:
    """Return size, times, inode and device of each array file of a split."""
    found = {}
    for name in _ARRAYS:
        with suppress(OSError):
            found[name] = describe_file(folder / f"{name}.npy")
    return found


def describe_file(path: Path) -> list[int]:
    """Return size, times, inode and device of a file.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def is_settled(files: Mapping[str, list[int]]) -> bool:
    """Return whether files were last changed so long ago that a change since would show in their times."""
    newest = max((max(times[1:3]) for times in files.values()), default=0)
    return time.time_ns() - newest > _CLOCK_SECONDS * 1e9


def _explain_change(manifest: Path, name: str, split: Split, known: Mapping[str, str]) -> str:
    """Return what to say of a split that is not what was prepared; name its files where their digests are known."""
    of_split = {path: sha256 for path, sha256 in known.items() if path.startswith(f"{name}/")}
    found = {f"{name}/{key}.npy": digest_arrays({key: np.asarray(array)}) for key, array in array_files(split).items()}
    changed = sorted(path for path in of_split.keys() | found.keys() if of_split.get(path) != found.get(path))
    which = ", ".join(str(manifest.parent / path) for path in changed or sorted(found))
    return (
        f"{which}: not what the preparation wrote, by the sha256 in {manifest}. Put back what was changed, or remove "
        f"{manifest} and run again, which prepares the dataset again."
    )

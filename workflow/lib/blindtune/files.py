"""Files that are either whole or not there, and the digests that identify content."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def canonical(value: Any) -> str:
    """``value`` as JSON in one fixed form: sorted keys, no white space, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """The sha256 of ``value`` in its canonical JSON form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """The sha256 of a file's bytes.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error


def digest_of_arrays(arrays: Mapping[str, "NDArray[Any]"]) -> str:
    """The sha256 over the names, types, shapes and bytes of ``arrays``, whatever their order."""
    import numpy as np

    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        total.update(array.data.cast("B") if array.size else b"")
    return total.hexdigest()


def write_beside(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a file beside ``path``, bring it to the disk, then give it its name.

    A reader sees the old file or the whole new one, never a part; on an error the part is removed.

    Raises:
        UserError: the disk refuses (full, read-only); the message names ``path``.
    """
    # The suffix stays last: np.save and safetensors choose or check by it.
    # The name is the same every time: what a kill leaves is overwritten, not gathered.
    beside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        with beside.open("rb+") as stream:
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}). Nothing half-written was left; "
            "make room or allow writing there and run again."
        ) from error
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            beside.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` as `write_beside` does."""

    def write(beside: Path) -> None:
        beside.write_bytes(content)

    write_beside(path, write)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as `write_beside` does."""
    write_beside(path, lambda beside: _write(beside, text))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path`` as `write_beside` does."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_array(path: Path, array: "NDArray[Any]") -> None:
    """Write ``array`` as .npy to ``path`` as `write_beside` does."""
    import numpy as np

    write_beside(path, lambda beside: np.save(beside, array, allow_pickle=False))


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: the file is missing, unreadable or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise UserError(f"{path}: is not valid JSON ({error}). Remove it and run again.") from error


def unused(path: Path) -> Path:
    """``path`` with the first number behind it that is not taken."""
    number = 1
    while (candidate := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return candidate


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")

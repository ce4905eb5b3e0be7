"""Files that are either whole or not there, and the digests that identify content."""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from blindtune.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
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


class ArraysDigest:
    """The sha256 over the names, types, shapes and bytes of arrays, which come by name and a part at a time."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def begin(self, name: str, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> None:
        """The next array; names must come in order."""
        self._total.update(f"{name}|{dtype.str}|{shape}|".encode())

    def update(self, values: "NDArray[Any]") -> None:
        """The next values of the array, in the order of its last axis first."""
        import numpy as np

        array = np.ascontiguousarray(values)
        self._total.update(array.data.cast("B") if array.size else b"")

    def hexdigest(self) -> str:
        """Of all that came so far."""
        return self._total.hexdigest()


def digest_of_arrays(arrays: Mapping[str, "NDArray[Any]"]) -> str:
    """The sha256 over the names, types, shapes and bytes of ``arrays``, whatever their order."""
    import numpy as np

    total = ArraysDigest()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.begin(name, array.dtype, array.shape)
        total.update(array)
    return total.hexdigest()


class Draft:
    """Files that are written beside their places and get their names at the end, all of them or, on an error, none.

    A reader sees the old file or the whole new one, never a part. On an error the parts are removed, and the folders
    that were made for them.
    """

    def __init__(self) -> None:
        self._parts: dict[Path, Path] = {}
        self._made: list[Path] = []
        self._dropped: list[Path] = []

    def __enter__(self) -> Self:
        """Nothing is written yet."""
        return self

    def write(self, path: Path, write: Callable[[Path], None]) -> None:
        """Let ``write`` make a file beside ``path``, and bring it to the disk.

        Raises:
            UserError: the disk refuses (full, read-only); the message names ``path``.
        """
        # The suffix stays last: np.save and safetensors choose or check by it.
        # The name is the same every time: what a kill leaves is overwritten, not gathered.
        part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._parts[path] = part
        with _refused(path):
            self._made += [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            write(part)
            with part.open("rb+") as stream:
                os.fsync(stream.fileno())

    def drop(self, path: Path) -> None:
        """At the end ``path`` is not there, whether or not it was."""
        self._dropped.append(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the files their names, or leave no trace of them."""
        try:
            if kind is None:
                self._name()
        finally:
            for part in self._parts.values():
                with suppress(FileNotFoundError, NotADirectoryError):
                    part.unlink()
            if kind is not None:
                for folder in sorted(self._made, reverse=True):
                    with suppress(OSError):
                        folder.rmdir()

    def _name(self) -> None:
        for path, part in self._parts.items():
            with _refused(path):
                part.replace(path)
        for path in self._dropped:
            with _refused(path):
                path.unlink(missing_ok=True)


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}). Nothing half-written was left; "
            "make room or allow writing there and run again."
        ) from error


def write_beside(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` make a file beside ``path``, bring it to the disk, then give it its name; see `Draft`.

    Raises:
        UserError: the disk refuses (full, read-only); the message names ``path``.
    """
    with Draft() as draft:
        draft.write(path, write)


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


def tsv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Callable[[Path], None]:
    """What writes a table, its columns parted by tabs, for `write_beside` and `Draft`."""

    def write(beside: Path) -> None:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)

    return write


def open_array(path: Path) -> "NDArray[Any]":
    """The array in a .npy file, memory-mapped.

    Raises:
        UserError: the file is missing, unreadable or no array.
    """
    import numpy as np

    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error}). Remove its folder and run again.") from error
    return array


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

"""Write files atomically, read them with clear errors, and compute the digests that identify content."""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from blindtune.core.errors import UserError

if TYPE_CHECKING:
    pass


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON in one fixed form: sorted keys, no white space, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_json(value: Any) -> str:
    """Return the SHA-256 of ``value`` in its canonical JSON form."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error


class FileTransaction:
    """Several files that are written together: all of them get their names at the end or, on an error, none.

    Each file is first written under a temporary name in the same folder. A reader sees the old file or the complete
    new one. On an error the temporary files are removed, and so are the folders that were created for them.

    Example:
        >>> with FileTransaction() as transaction:
        ...     transaction.write(folder / "x.npy", lambda part: np.save(part, x))
        ...     transaction.write(folder / "y.npy", lambda part: np.save(part, y))
        ...     transaction.remove(folder / "group.npy")
    """

    def __init__(self) -> None:
        self._parts: dict[Path, Path] = {}
        self._new_folders: list[Path] = []
        self._removed: list[Path] = []

    def __enter__(self) -> Self:
        """Begin; nothing is written yet."""
        return self

    def write(self, path: Path, write: Callable[[Path], None]) -> None:
        """Write one file under its temporary name and flush it to the disk.

        Args:
            path: The final path.
            write: Writes the file to the temporary path that it is called with.

        Raises:
            UserError: The disk is full or read-only; the message names ``path``.
        """
        # The suffix stays last: np.save and safetensors choose or check by it.
        # The name is the same every time: what a kill leaves is overwritten and does not accumulate.
        part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._parts[path] = part
        with _refused_by_disk(path):
            self._new_folders += [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            write(part)
            with part.open("rb+") as stream:
                os.fsync(stream.fileno())

    def remove(self, path: Path) -> None:
        """Remove ``path`` at the end, if it exists."""
        self._removed.append(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the files their final names or, on an error, remove every trace of them."""
        try:
            if kind is None:
                self._commit()
        finally:
            for part in self._parts.values():
                with suppress(OSError):  # not there, or a file system that became read-only
                    part.unlink()
            if kind is not None:
                for folder in sorted(self._new_folders, reverse=True):
                    with suppress(OSError):
                        folder.rmdir()

    def _commit(self) -> None:
        for path, part in self._parts.items():
            with _refused_by_disk(path):
                part.replace(path)
        for path in self._removed:
            with _refused_by_disk(path):
                path.unlink(missing_ok=True)


@contextmanager
def _refused_by_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or f"{error}; the disk may be full"  # NumPy's has no number
        raise UserError(
            f"{path}: cannot be written ({reason}). Nothing half-written was left; "
            "make room or allow writing there and run again."
        ) from error


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write one file so that a reader sees the old or the complete new content; see `FileTransaction`.

    Args:
        path: The file.
        write: Writes the content to the temporary path that it is called with.

    Raises:
        UserError: The disk is full or read-only; the message names ``path``.
    """
    with FileTransaction() as transaction:
        transaction.write(path, write)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, as `write_atomically` does."""

    def write(part: Path) -> None:
        part.write_bytes(content)

    write_atomically(path, write)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, as `write_atomically` does."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, as `write_atomically` does."""
    write_atomically(path, json_writer(value))


def json_writer(value: Any) -> Callable[[Path], None]:
    """Return a function that writes ``value`` as indented JSON, for `write_atomically` and `FileTransaction`."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"

    def write(part: Path) -> None:
        part.write_bytes(text.encode("utf-8"))

    return write


def tsv_writer(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Callable[[Path], None]:
    """Return a function that writes a tab-separated table, for `write_atomically` and `FileTransaction`.

    Args:
        columns: The header.
        rows: The cells of each row.
    """

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)

    return write


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        UserError: The file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise UserError(f"{path}: is not valid JSON ({error}). Remove it and run again.") from error


def next_free_path(path: Path) -> Path:
    """Return ``path`` with the first free number appended: ``path-1``, ``path-2``, ..."""
    number = 1
    while (candidate := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return candidate

"""Write files atomically, read them with clear errors, and compute the digests that identify content."""

import csv
import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from blindtune.core.errors import UserError

#: Called before each write of this process; see `check_before_writes`.
_checks: list[Callable[[], None]] = []


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
    with open_regular_file(path) as stream:
        try:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}).") from error


@contextmanager
def check_before_writes(check: Callable[[], None]) -> Iterator[None]:
    """Call a function before each write of this process during a ``with`` block: before a file and before its name.

    Args:
        check: Raises `LostClaimError` if this process may no longer write.
    """
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


def _check_claims() -> None:
    for check in tuple(_checks):
        check()


def _holds_claims() -> bool:
    try:
        _check_claims()
    except UserError:
        return False
    return True


class FileTransaction:
    """Several files that are written together: all of them get their names at the end or, on an error, none.

    Each file is first written under a temporary name in the same folder. A reader sees the old file or the complete
    new one. On an error the temporary files are removed, and so are the folders that were created for them.

    Examples:
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
            LostClaimError: This process no longer holds a claim (`check_before_writes`).
        """
        # The suffix stays last: np.save and safetensors choose or check by it.
        # The name is the same every time: what a kill leaves is overwritten and does not accumulate.
        part = path.with_name(f".{path.stem}.part{path.suffix}")
        _check_claims()
        self._parts[path] = part
        with _refused_by_disk(path):
            self._new_folders += [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            # A process that was taken for dead may have the file open, and would write into that of this process.
            part.unlink(missing_ok=True)
            write(part)
            _check_claims()
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
            # After the loss of a claim they may be those of another process, also if the error is another one.
            for part in self._parts.values() if _holds_claims() else ():
                with suppress(OSError):  # not there, or a file system that became read-only
                    part.unlink()
            if kind is not None:
                for folder in sorted(self._new_folders, reverse=True):
                    with suppress(OSError):
                        folder.rmdir()

    def _commit(self) -> None:
        _check_claims()
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

    Bytes of a file name that are not UTF-8 are written as an escape, since no table may fail for the name of a file.

    Args:
        columns: The header.
        rows: The cells of each row.
    """

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)

    return write


def inert_cell(value: Any) -> Any:
    """Return the cell of a table that no spreadsheet takes for a formula; numbers, also as text, are unchanged.

    A text that begins as a formula does gets an apostrophe before it, as OWASP advises against CSV injection. Python's
    writer does not quote a carriage return, after which some readers begin a new row: it becomes a space.
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r", " ")
    if not value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\n")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def open_regular_file(path: Path, advice: str = "") -> BufferedReader:
    """Open a file to read its bytes; a pipe, a device or a folder is refused, and never waited for.

    Args:
        path: The file.
        advice: What to do if it cannot be read; the last sentence of the message.

    Raises:
        UserError: The file is missing, unreadable, or not a regular file.
    """
    end = f" {advice}" if advice else ""
    try:
        stream = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115  Path.open takes no opener
    except IsADirectoryError as error:
        raise UserError(f"{path}: cannot be read: it is a folder, not a file.{end}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).{end}") from error
    except ValueError as error:
        raise UserError(f"{str(path)!r}: cannot be read ({error}).{end}") from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise UserError(f"{path}: cannot be read: it is a pipe or a device, not a file.{end}")
    return stream


def _open_without_waiting(path: str, flags: int) -> int:
    # Without O_NONBLOCK the opening of a pipe would wait for its writer.
    return os.open(path, flags | os.O_NONBLOCK)


def check_regular_file(path: Path, advice: str = "") -> None:
    """Refuse what a library could not open as a file, or would wait for.

    Args:
        path: The file.
        advice: As in `open_regular_file`.

    Raises:
        UserError: The file is missing, unreadable, or not a regular file.
    """
    open_regular_file(path, advice).close()


def read_regular_file(path: Path, max_bytes: int | None = None) -> bytes:
    """Return the bytes of a file; see `open_regular_file`.

    Args:
        path: The file.
        max_bytes: The largest size; None: no limit.

    Raises:
        UserError: The file is missing, unreadable, not a regular file, or too large.
    """
    with open_regular_file(path) as stream:
        if max_bytes is not None and os.fstat(stream.fileno()).st_size > max_bytes:
            raise UserError(f"{path}: has more than {max_bytes:,} bytes, which is too many for such a file.")
        try:
            return stream.read()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}).") from error


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; see `loads_json`.

    Raises:
        UserError: The file is missing, unreadable or not JSON.
    """
    try:
        return loads_json(read_regular_file(path))
    except ValueError as error:
        raise UserError(f"{path}: is not valid JSON ({error}). Remove it and run again.") from error


def read_json_object(path: Path, **kinds: type) -> dict[str, Any]:
    """Return the content of a JSON file that must be an object with certain keys.

    Args:
        path: The file.
        **kinds: The keys that it must have, and the type of the value of each.

    Raises:
        UserError: As `read_json`, or a key is missing or has a value of another type.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object. Remove it and run again.")
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            raise UserError(f"{path}: {key!r} is missing or has the wrong type. Remove it and run again.")
    return content


def loads_json(text: bytes | str) -> Any:
    """Return the content of a JSON text, strictly: no key twice, no NaN, no infinite number, nothing but UTF-8.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(
            decoded, object_pairs_hook=_unique_keys, parse_float=_finite_float, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\u" in decoded:
        # Half of a pair of surrogates is a text that no file can hold.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return content


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def next_free_path(path: Path) -> Path:
    """Return ``path`` with the first free number appended: ``path-1``, ``path-2``, ..."""
    number = 1
    while (candidate := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return candidate

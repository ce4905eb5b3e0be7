"""Read, append to and repair files with one record per line: trial logs and the ledger.

A line is written completely or not at all.
"""

import os
from collections.abc import Callable, Collection
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import next_free_path, read_regular_file, write_bytes


def read_lines(path: Path) -> list[str]:
    """Return the lines of a log without their line feeds.

    Only a line feed ends a line: a text inside a record may contain other line separators of Unicode.

    Raises:
        UserError: The file cannot be read, or a line is not UTF-8; the message names it.
    """
    content = read_regular_file(path)
    return _decode(path, content.removesuffix(b"\n").split(b"\n")) if content else []


def _decode(path: Path, lines: list[bytes]) -> list[str]:
    decoded = []
    for row, line in enumerate(lines, 1):
        try:
            decoded.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}, line {row}: is not UTF-8 text ({error.reason} at its byte {error.start + 1}). "
                "Restore the file from a backup."
            ) from error
    return decoded


def repair_last_line(path: Path, is_whole: Callable[[str], bool]) -> Path | None:
    """Repair what a kill, or an editor, left after the last line feed of ``path``.

    A complete record that only lacks its line feed gets one. Any other text is moved to a new file.

    Args:
        path: The log.
        is_whole: Returns whether a text is a complete record.

    Returns:
        The file that an unfinished line was moved to; None if there was none.
    """
    content = read_regular_file(path) if path.exists() else b""
    end = content.rfind(b"\n") + 1
    if end == len(content):
        return None
    if _is_text(content[end:]) and is_whole(content[end:].decode("utf-8")):
        append_line(path, b"\n", "the end of its last line")
        return None
    unfinished = next_free_path(path.with_name(f"{path.name}.torn"))
    unfinished.write_bytes(content[end:])
    os.truncate(path, end)
    return unfinished


def move_lines(path: Path, rows: Collection[int], suffix: str) -> Path:
    """Move lines of ``path`` to a new file; a kill in between loses none.

    Args:
        path: The log.
        rows: The numbers of the lines, from 1.
        suffix: Follows the name of the log in the name of the new file.

    Returns:
        The new file.
    """
    lines = read_regular_file(path).split(b"\n")
    target = next_free_path(path.with_name(f"{path.name}.{suffix}"))
    write_bytes(target, b"".join(line + b"\n" for row, line in enumerate(lines, 1) if row in rows))
    write_bytes(path, b"\n".join(line for row, line in enumerate(lines, 1) if row not in rows))
    return target


def append_line(path: Path, line: bytes, what: str, *, expected_size: int | None = None) -> None:
    """Append ``line`` to ``path`` and flush it to the disk, completely or not at all.

    Args:
        path: The log; it is created if it does not exist.
        line: The record with its line feed.
        what: Names the record in the error message.
        expected_size: What the log must be long, in bytes, for the record to belong to its end; None: anything.

    Raises:
        UserError: The disk is full or read-only, or the log has another size; the message names ``path`` and ``what``.
    """
    handle = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        size = os.fstat(handle).st_size
        if expected_size not in (None, size):
            raise UserError(
                f"{path}: {what} is not recorded: the file has {size} bytes where {expected_size} were read, so "
                "another program writes to it too. Nothing was written; run again."
            )
        try:
            written = 0
            while written < len(line):
                written += os.write(handle, line[written:])
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    except OSError as error:
        raise UserError(
            f"{path}: {what} cannot be recorded ({error.strerror}). Make room or allow writing there, "
            "then run again: everything recorded before is kept."
        ) from error
    finally:
        if handle >= 0:
            os.close(handle)


def _is_text(content: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True

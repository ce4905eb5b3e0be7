"""Append-only files of lines: trial logs and the ledger. A line is there whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import unused


def lines_of(path: Path) -> list[str]:
    """The lines of a log. Only a line feed ends one: a text in a record may hold other separators."""
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n") if path.stat().st_size else []


def mend_last_line(path: Path, is_whole: Callable[[str], bool]) -> Path | None:
    """Mend what a kill, or an editor, left behind the last line feed of ``path``.

    Args:
        path: the log.
        is_whole: whether a text is a whole line that lacks only its line feed. It gets it; any other text is moved to
            a file of its own.

    Returns:
        Where an unfinished line was put, or None where there was none.
    """
    content = path.read_bytes() if path.exists() else b""
    end = content.rfind(b"\n") + 1
    if end == len(content):
        return None
    if is_whole(content[end:].decode(errors="replace")):
        append_line(path, b"\n", "the end of its last line")
        return None
    aside = unused(path.with_name(f"{path.name}.torn"))
    aside.write_bytes(content[end:])
    os.truncate(path, end)
    return aside


def append_line(path: Path, line: bytes, what: str) -> None:
    """Append ``line`` to ``path`` and bring it to the disk, whole or not at all.

    Raises:
        UserError: the disk refuses; the message names ``path`` and ``what`` was not written.
    """
    handle = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        size = os.fstat(handle).st_size
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

"""Opens text files, compressed or not, with a bound on what they unpack to."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Protocol

from blindtune.core.errors import UserError
from blindtune.core.files import open_regular_file

#: A compressed table may unpack to so many bytes, or to `MAX_RATIO` times its size if that is more.
FREE_BYTES = 2**28
MAX_RATIO = 100
#: Memory that unpacking an xz file may take; its highest level takes 65 MiB.
MAX_XZ_MEMORY = 2**28

#: What the libraries raise if a compressed file is damaged or needs a password.
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


class Readable(Protocol):
    """What gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""

    def close(self) -> None:
        """Close what is below."""


class _XzFile:
    """An xz file that is unpacked with bounded memory, which `lzma.LZMAFile` cannot be told."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end; a file of several streams goes on with the next."""
        while True:
            data = b""
            if self._unpacker.eof:
                data = self._unpacker.unused_data or self._stream.read(2**16)
                if not data.strip(b"\0"):
                    return b""
                self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY)
            elif self._unpacker.needs_input:
                data = self._stream.read(2**16)
                if not data:
                    raise EOFError("it ends too early")
            part = self._unpacker.decompress(data, size)
            if part:
                return part

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class _Bounded(io.RawIOBase):
    """A binary stream that refuses to give more than a number of bytes."""

    def __init__(self, path: Path, stream: Readable, limit: int) -> None:
        super().__init__()
        self._path, self._stream, self._limit = path, stream, limit
        self._count = 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer and return their number.

        Raises:
            UserError: the file is damaged, or unpacks to too much.
        """
        try:
            part = self._stream.read(len(buffer))
        except _DAMAGED as error:
            raise UserError(
                f"{self._path}: cannot be unpacked ({error or type(error).__name__}). It is damaged, cut off or needs "
                "a password; give the unpacked file."
            ) from error
        self._count += len(part)
        if self._count > self._limit:
            raise UserError(
                f"{self._path}: unpacks to more than {self._limit:,} bytes, {MAX_RATIO} times its size, as no table "
                "does. If it is one, unpack it and give the unpacked file."
            )
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()
        super().close()


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a file to read its bytes, unpacked if it is gz, bz2, xz or a zip of one file.

    Args:
        path: of the file; what it is, its first bytes say.

    Raises:
        UserError: the file is missing, not a regular file, or a zip of several files.
    """
    stream = open_regular_file(path)
    head = stream.peek(6)[:6]
    size = path.stat().st_size
    limit = max(FREE_BYTES, MAX_RATIO * size)
    if head.startswith(b"\x1f\x8b"):
        return io.BufferedReader(_Bounded(path, gzip.GzipFile(fileobj=stream), limit), 2**18)
    if head.startswith(b"BZh"):
        return io.BufferedReader(_Bounded(path, bz2.BZ2File(stream), limit), 2**18)
    if head.startswith(b"\xfd7zXZ\x00"):
        return io.BufferedReader(_Bounded(path, _XzFile(stream), limit), 2**18)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return io.BufferedReader(_Bounded(path, _open_member(path, stream), limit), 2**18)
    return stream


def _open_member(path: Path, stream: IO[bytes]) -> IO[bytes]:
    """Open the only file of a zip; its name is not used as a path."""
    try:
        archive = zipfile.ZipFile(stream)
        members = [member for member in archive.infolist() if not member.is_dir()]
    except _DAMAGED as error:
        raise UserError(f"{path}: cannot be unpacked ({error}). It is damaged; give the unpacked file.") from error
    members = [member for member in members if not member.filename.startswith("__MACOSX/")]
    if any(member.filename == "xl/workbook.xml" for member in members):
        raise UserError(f"{path}: is an Excel file. Set format: excel, or call it .xlsx.")
    if len(members) != 1:
        names = ", ".join(repr(member.filename[:60]) for member in members[:5])
        raise UserError(
            f"{path}: holds {len(members)} files ({names}); a table is one. Unpack it and give the file of the table."
        )
    try:
        return archive.open(members[0])
    except _DAMAGED as error:
        raise UserError(f"{path}: cannot be unpacked ({error}). Give the unpacked file.") from error

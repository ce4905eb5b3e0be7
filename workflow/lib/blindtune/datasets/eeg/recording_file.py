"""The file of a recording: read in parts, and digested on the way, so that no byte is read twice.

A file of at most `WHOLE` bytes is kept in memory. A larger one is read in parts. A compressed one is unpacked first,
into memory or, if it is larger, into a temporary file without a name (in ``TMPDIR``).
"""

import gzip
import hashlib
import io
import os
import tempfile
import zlib
from pathlib import Path
from typing import IO

from blindtune.core.files import open_regular_file
from blindtune.datasets.eeg.edf_header import MAX_HEADER, Header, count_seconds, digest_line, parse_header
from blindtune.datasets.eeg.errors import UnusableRecording

#: Bytes of a file that is read at once and kept.
WHOLE = 64 * 2**20
#: Bytes that are read at once from a larger file.
BLOCK = 8 * 2**20
#: Bytes to which a compressed recording may grow, of any length in its header.
MAX_UNPACKED = 64 * 2**30
#: Bytes of a header without those of its channels, whose number is in the last four.
_FIXED = 256


class RecordingFile:
    """An open recording.

    Attributes:
        header: its header.
        head: the bytes of the header.
        size: bytes of the recording, without compression.
    """

    def __init__(self, path: Path, stream: io.BufferedReader | None = None) -> None:
        """Open a recording and parse its header.

        Args:
            path: the file.
            stream: the same, open; it is closed with the recording. None: it is opened here.

        Raises:
            UserError: the file is gone, or cannot be opened.
            UnusableRecording: it is no recording, or cannot be read.
        """
        source = open_regular_file(path) if stream is None else stream
        self._stream: IO[bytes] = source
        self._file_digest = hashlib.sha256()
        self._data_digest = hashlib.sha256()
        self._columns: list[tuple[slice, str, hashlib._Hash]] = []
        self._rest = b""
        self._packed = path.name.lower().endswith(".gz")
        self._content: bytes | None = None
        self._digested = 0
        try:
            if self._packed:
                with source:
                    self._stream = unpack(source)
                    source.seek(0)
                    self._file_digest = hashlib.file_digest(source, "sha256")
            self.size = self._stream.seek(0, os.SEEK_END)
            if self.size <= WHOLE:
                self._content = self._pread(0, self.size)
            self.head = self.peek(0, MAX_HEADER)
            self.header = parse_header(self.head, self.size)
            self.head = self.head[: self.header.head_bytes]
        except BaseException:
            self.close()
            raise

    @property
    def is_whole(self) -> bool:
        """Whether the file is in memory as a whole."""
        return self._content is not None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def watch(self, channels: list[int]) -> None:
        """Digest some channels of all that is read from now on; called before `read`.

        Args:
            channels: numbers of the channels, in the order in which they are digested.
        """
        signals = self.header.signals
        for number in channels:
            self._columns.append((self.header.column(number), digest_line(signals[number]), hashlib.sha256()))

    def peek(self, start: int, stop: int) -> bytes:
        """Return some bytes, which are not digested.

        Raises:
            UnusableRecording: the file cannot be read.
        """
        return self._pread(start, stop) if self._content is None else self._content[start:stop]

    def read_records(self, first: int, stop: int) -> bytes:
        """Return some data records; they, and all before them, are digested if they were not yet.

        Args:
            first: number of the first record.
            stop: number of the record after the last.

        Raises:
            UnusableRecording: the file cannot be read, or has become shorter.
        """
        header = self.header
        begin, end = (header.head_bytes + header.record_bytes * number for number in (first, stop))
        if self._content is not None:
            self._digest_to(self.size)
            return self._content[begin:end]
        self._digest_to(begin)
        content = self._pread(begin, end)
        if len(content) < end - begin:
            raise UnusableRecording("has become shorter while it was read")
        if self._digested < end:
            self._digest(content[self._digested - begin :])
        return content

    def finish(self) -> None:
        """Digest what was not read.

        Raises:
            UnusableRecording: the file cannot be read.
        """
        self._digest_to(self.size)

    @property
    def file_digest(self) -> str:
        """The SHA-256 of the file as it is; valid after `finish`."""
        return self._file_digest.hexdigest()

    @property
    def data_digest(self) -> str:
        """The SHA-256 of all after the header; valid after `finish`."""
        return self._data_digest.hexdigest()

    @property
    def channels_digest(self) -> str:
        """A digest of what the watched channels hold in microvolts; valid after `finish`.

        It depends on neither the rest of the header (patient, dates, labels) nor the length of a record or other
        channels.
        """
        total = hashlib.sha256()
        for _, line, digest in self._columns:
            total.update(f"{line}|{digest.hexdigest()}|".encode())
        return total.hexdigest()

    def _digest_to(self, stop: int) -> None:
        while self._digested < stop:
            content = self.peek(self._digested, min(stop, self._digested + BLOCK) if self._content is None else stop)
            if not content:
                raise UnusableRecording("has become shorter while it was read")
            self._digest(content)

    def _digest(self, content: bytes) -> None:
        import numpy as np

        header, start = self.header, self._digested
        self._digested += len(content)
        if not self._packed:
            self._file_digest.update(content)
        data = memoryview(content)[max(0, header.head_bytes - start) :]
        self._data_digest.update(data)
        if not self._columns:
            return
        if self._rest:
            data = memoryview(self._rest + bytes(data))
        whole = len(data) // header.record_bytes * header.record_bytes
        self._rest = bytes(data[whole:])
        records = np.frombuffer(data[:whole], np.uint8).reshape(-1, header.record_bytes)
        for column, _, digest in self._columns:
            digest.update(np.ascontiguousarray(records[:, column]).data)

    def _pread(self, start: int, stop: int) -> bytes:
        try:
            self._stream.seek(start)
            return self._stream.read(max(0, stop - start))
        except OSError as error:
            raise UnusableRecording(f"cannot be read ({error.strerror})") from error


#: What `read_header` raises for a file that is no recording.
HEADER_ERRORS = (OSError, EOFError, ValueError, zlib.error)


def peek_seconds(path: Path) -> float | None:
    """Return the length of a recording by its header and the size of its file; None if they do not tell.

    Args:
        path: the file, of which only the header is read.
    """
    try:
        head = read_header(path)
        return count_seconds(head, None if _is_packed(path) else path.stat().st_size)
    except (*HEADER_ERRORS, UnusableRecording):
        return None


def read_header(path: Path) -> bytes:
    """Return the header of a recording, compressed or not; less if the file ends before, or it is too long.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read; also EOFError, ValueError and zlib.error: `HEADER_ERRORS`.
    """
    with gzip.open(path) if _is_packed(path) else path.open("rb") as stream:
        head = stream.read(_FIXED)
        # A negative length would read all of the file.
        return head + stream.read(max(0, min(_FIXED * int(head[-4:]), MAX_HEADER)))


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def unpack(stream: IO[bytes]) -> IO[bytes]:
    """Return a compressed recording without its compression, as a file without a name.

    Args:
        stream: the gzip file.

    Raises:
        UnusableRecording: it cannot be unpacked, or holds more than a recording of its header.
    """
    unpacked = tempfile.SpooledTemporaryFile(max_size=WHOLE)  # noqa: SIM115  closed with the recording
    limit = MAX_UNPACKED
    try:
        with gzip.open(stream) as packed:
            while content := packed.read(BLOCK):
                if unpacked.tell() == 0:
                    limit = _expected_size(content)
                unpacked.write(content)
                if unpacked.tell() > MAX_UNPACKED:
                    raise UnusableRecording(f"holds more than the {MAX_UNPACKED:,} bytes that are unpacked at most")
                if unpacked.tell() > limit:
                    raise UnusableRecording("holds more than its header says")
    except (OSError, EOFError, zlib.error) as error:
        unpacked.close()
        raise UnusableRecording(f"cannot be unpacked ({error})") from error
    except UnusableRecording:
        unpacked.close()
        raise
    return unpacked


def _expected_size(content: bytes) -> int:
    """Return the size that a recording may have, by its beginning."""
    header: Header = parse_header(content, len(content))
    if header.records < 0:
        return MAX_UNPACKED
    return header.head_bytes + header.records * header.record_bytes + io.DEFAULT_BUFFER_SIZE

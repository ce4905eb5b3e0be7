"""The two identifiers in the header of a DICOM file that tell which files are one slide, and whose it is.

OpenSlide takes the files of one folder and one series for a slide, and finds them by reading all. While the workflow is
planned, this module reads no more of each file than its first elements, which are sorted by their tags.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from blindtune.core.bounds import MAX_LABEL
from blindtune.core.errors import UserError
from blindtune.core.files import open_regular_file

#: Bytes that are read of a file at first, and at most.
_FIRST_BYTES, _MAX_BYTES = 16 * 2**10, 4 * 2**20
_PREAMBLE, _MARK = 128, b"DICM"
_META_GROUP, _TRANSFER_SYNTAX, _PATIENT, _SERIES = 0x0002, 0x00020010, 0x00100020, 0x0020000E
_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_IMPLICIT = "1.2.840.10008.1.2"
#: Transfer syntaxes whose headers are big-endian or compressed; no slides have them.
_UNREAD = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
#: Kinds of values with a length of four bytes.
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
#: Depth of sequences within each other.
_MAX_DEPTH = 20


@dataclass(frozen=True)
class DicomIds:
    """To what a DICOM file belongs by its header.

    Attributes:
        series: the unique identifier of its series.
        patient: its patient; empty if the file does not give it.
    """

    series: str
    patient: str


class _EndOfBytesError(Exception):
    """The header goes on after the bytes that were read."""


def read_ids(path: Path) -> DicomIds | None:
    """Return to what a file belongs; None if it cannot be read as DICOM, or names no series.

    Args:
        path: of the file.
    """
    for size in (_FIRST_BYTES, _MAX_BYTES):
        try:
            with open_regular_file(path) as stream:
                found = _parse_header(stream.read(size))
        except (UserError, OSError):
            return None
        except _EndOfBytesError:
            continue
        series, patient = (_to_text(found.get(tag, b"")) for tag in (_SERIES, _PATIENT))
        return DicomIds(series, patient) if series else None
    return None


def _to_text(value: bytes) -> str:
    """Return a text without what fills it up, and without what cannot be shown."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in text.strip(" \0\t\r\n"))[:MAX_LABEL]


def _parse_header(data: bytes) -> dict[int, bytes]:
    """Return the values of a header by their tags, up to that of the series.

    Raises:
        _EndOfBytesError: the header is longer than what was read.
    """
    found: dict[int, bytes] = {}
    if data[_PREAMBLE : _PREAMBLE + len(_MARK)] != _MARK:
        return found
    at, is_explicit, is_meta = _PREAMBLE + len(_MARK), True, True
    while found.keys().isdisjoint([_SERIES]):
        tag = _read_tag(data, at)
        if is_meta and tag >> 16 != _META_GROUP:
            is_meta, syntax = False, _to_text(found.get(_TRANSFER_SYNTAX, b""))
            is_explicit = syntax != _IMPLICIT
            if syntax in _UNREAD:
                break
        if tag > _SERIES:
            break
        start, length, inner = _read_length(data, at, is_explicit)
        if length == _UNDEFINED:
            at = _skip_items(data, start, inner)
            continue
        at = start + length
        if at > len(data):
            raise _EndOfBytesError
        if tag in (_TRANSFER_SYNTAX, _PATIENT, _SERIES):
            found[tag] = data[start:at]
    return found


def _unpack(kind: str, data: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(kind, data, at)
    except struct.error as error:
        raise _EndOfBytesError from error


def _read_tag(data: bytes, at: int) -> int:
    group, element = _unpack("<HH", data, at)
    return group << 16 | element


def _read_length(data: bytes, at: int, is_explicit: bool) -> tuple[int, int, bool]:
    """Return where the value of an element begins, its length, and whether elements within it name their kinds."""
    if not is_explicit:
        return at + 8, _unpack("<I", data, at + 4)[0], False
    kind = data[at + 4 : at + 6]
    if kind in _LONG:
        # The elements within one of an unknown kind do not name theirs.
        return at + 12, _unpack("<I", data, at + 8)[0], kind != b"UN"
    return at + 8, _unpack("<H", data, at + 6)[0], True


def _skip_items(data: bytes, at: int, is_explicit: bool, depth: int = 0) -> int:
    """Return where a sequence of undefined length ends.

    Raises:
        _EndOfBytesError: it goes on after the bytes that were read, or is no sequence.
    """
    if depth > _MAX_DEPTH:
        raise _EndOfBytesError
    while True:
        tag, length = _read_tag(data, at), _unpack("<I", data, at + 4)[0]
        at += 8
        if tag == _END_OF_SEQUENCE:
            return at
        if tag != _ITEM:
            raise _EndOfBytesError
        if length != _UNDEFINED:
            at += length
            continue
        while _read_tag(data, at) != _END_OF_ITEM:
            start, length, inner = _read_length(data, at, is_explicit)
            at = _skip_items(data, start, inner, depth + 1) if length == _UNDEFINED else start + length
        at += 8

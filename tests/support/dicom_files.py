"""Headers of DICOM files for tests: the elements that say to which slide a file belongs, and some before them."""

import struct
from pathlib import Path

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_LONG = ("OB", "SQ", "UN")
_UNDEFINED = 0xFFFFFFFF


def element(tag: int, kind: str, value: bytes, *, implicit: bool = False, length: int | None = None) -> bytes:
    """Return one element; its length is that of the value unless it is given."""
    value += b"\0" * (len(value) % 2)
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<I", size) + value
    return head + kind.encode() + (struct.pack("<HI", 0, size) if kind in _LONG else struct.pack("<H", size)) + value


def sequence(tag: int, *, implicit: bool = False) -> bytes:
    """Return a sequence of undefined length, with items of known and of undefined length, and a sequence within."""
    name = element(0x00080100, "SH", b"a code", implicit=implicit)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(name)) + name
    end_of_item, end = (struct.pack("<HHI", 0xFFFE, number, 0) for number in (0xE00D, 0xE0DD))
    within = element(0x0008114A, "SQ", item + end, implicit=implicit, length=_UNDEFINED)
    other = struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED) + name + within + end_of_item
    return element(tag, "SQ", item + other + end, implicit=implicit, length=_UNDEFINED)


def write_dicom(
    path: Path, series: str, patient: str | None = None, *, syntax: str = EXPLICIT, filler: int = 0, pixels: int = 64
) -> Path:
    """Write a file that begins as one in DICOM.

    Args:
        path: of the file.
        series: unique identifier of its series.
        patient: its patient; None: the file does not have the element.
        syntax: the transfer syntax.
        filler: bytes of an element before these.
        pixels: bytes after the header.
    """
    implicit = syntax == IMPLICIT
    meta = element(0x00020001, "OB", b"\0\1") + element(0x00020010, "UI", syntax.encode())
    found = [element(0x00080008, "CS", b"ORIGINAL\\PRIMARY\\VOLUME\\NONE", implicit=implicit)]
    found += [sequence(0x00082112, implicit=implicit)]
    if patient is not None:
        found += [element(0x00100020, "LO", patient.encode(), implicit=implicit)]
    found += [element(0x00181030, "UN", bytes(filler), implicit=implicit)] if filler else []
    found += [element(0x0020000D, "UI", b"1.2.3", implicit=implicit)]
    found += [element(0x0020000E, "UI", series.encode(), implicit=implicit)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        bytes(128)
        + b"DICM"
        + element(0x00020000, "UL", struct.pack("<I", len(meta)))
        + meta
        + b"".join(found)
        + bytes(pixels)
    )
    return path

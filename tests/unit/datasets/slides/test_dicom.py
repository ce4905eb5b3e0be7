"""Which DICOM files are one slide, and whose it is."""

from pathlib import Path

import pytest

from blindtune.datasets.slides.dicom import DicomIds, read_ids
from support.dicom_files import EXPLICIT, IMPLICIT, write_dicom


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.50"])
@pytest.mark.parametrize("filler", [0, 50_000])
def test_read_ids(tmp_path: Path, syntax: str, filler: int):
    """Series and patient are read after sequences and long elements."""
    path = write_dicom(tmp_path / "a.dcm", "1.2.826.0.1", "Ä 7 ", syntax=syntax, filler=filler)
    assert read_ids(path) == DicomIds("1.2.826.0.1", "Ä 7")


def test_read_ids_without_a_patient(tmp_path: Path):
    """A file may have no patient, or an empty one."""
    assert read_ids(write_dicom(tmp_path / "a.dcm", "1.2")) == DicomIds("1.2", "")
    assert read_ids(write_dicom(tmp_path / "b.dcm", "1.2", "")) == DicomIds("1.2", "")


def test_read_ids_of_files_that_are_no_dicom(tmp_path: Path):
    """A file that is cut off anywhere in its header, or is something else, gives nothing."""
    path = write_dicom(tmp_path / "a.dcm", "1.2.826.0.1", "p", pixels=0)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert read_ids(path) is None
    path.write_bytes(b"II*\0" + bytes(500))
    assert read_ids(path) is None
    assert read_ids(tmp_path / "none.dcm") is None
    path.write_bytes(
        bytes(128) + b"DICM" + b"\x08\0\x08\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff" * 999
    )
    assert read_ids(path) is None


def test_read_ids_shows_no_control_characters(tmp_path: Path):
    """A patient is a text that can be shown."""
    assert read_ids(write_dicom(tmp_path / "a.dcm", "1.2", "a\x1b[31m\nb")) == DicomIds("1.2", "a?[31m?b")

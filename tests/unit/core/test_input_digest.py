"""Digests of input files: by content as far as that is cheap, never by name or time."""

import os
from pathlib import Path

import pytest

from blindtune.core import input_digest
from blindtune.core.input_digest import digest_inputs


def write(folder: Path, **contents: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]


def digest(files: list[Path]) -> str:
    """Return the digest of files of which the large ones have one time, reading 10 bytes of whole files."""
    for path in files:
        os.utime(path, (1, 1))
    return digest_inputs(files, 10)


def edited(text: str, place: int) -> str:
    return f"{text[:place]}-{text[place + 1 :]}"


def test_digest_inputs_counts_content_whatever_the_times(tmp_path: Path) -> None:
    """Another content of the same size and time is another digest; another time, name or folder is not."""
    files = write(tmp_path / "one", train="1,2", eval="3,4")
    before = digest_inputs(files)
    os.utime(files[0], (1, 1))
    assert digest_inputs(files) == before == digest_inputs(write(tmp_path / "two", a="1,2", b="3,4"))
    times = files[1].stat()
    files[1].write_text("3,5", encoding="utf-8")
    os.utime(files[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest_inputs(files) != before
    assert digest_inputs(files[::-1]) != digest_inputs(files)


def test_digest_inputs_reads_no_more_than_it_may(tmp_path: Path) -> None:
    """Of a file that is too large only pieces are read; smaller ones after it still count by content."""
    large = "x" * 100_000
    files = write(tmp_path, large=large, small="1")
    before = digest(files)
    write(tmp_path, large=edited(large, 30_000))
    assert digest(files) == before
    write(tmp_path, small="2")
    assert digest(files) != before
    write(tmp_path, small="1", large=large[:-1])
    assert digest(files) != before


@pytest.mark.parametrize("place", [0, 50_100, 99_999])
def test_digest_inputs_counts_pieces_of_a_large_file(tmp_path: Path, place: int) -> None:
    """A large file of the same size and time counts as another one if its begin, middle or end differs."""
    large = "x" * 100_000
    files = write(tmp_path, large=large)
    before = digest(files)
    write(tmp_path, large=edited(large, place))
    assert digest(files) != before
    assert digest(write(tmp_path, large=large)) == before


def test_digest_inputs_counts_the_time_of_a_large_file_in_seconds(tmp_path: Path) -> None:
    """A large file that an older one of the same size replaced counts as another; a time that a copy cut does not."""
    files = write(tmp_path, large="x" * 100_000)
    os.utime(files[0], ns=(0, 5_900_000_000))
    before = digest_inputs(files, 10)
    os.utime(files[0], ns=(0, 5_000_000_000))
    assert digest_inputs(files, 10) == before
    os.utime(files[0], ns=(0, 4_000_000_000))
    assert digest_inputs(files, 10) != before


def test_digest_inputs_reads_pieces_of_so_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning stays fast with many large files: after so many, one counts by size and time alone."""
    monkeypatch.setattr(input_digest, "MAX_SAMPLED_FILES", 1)
    large = "x" * 10_000
    files = write(tmp_path, first=large, second=large)
    before = digest(files)
    write(tmp_path, second=edited(large, 0))
    assert digest(files) == before
    write(tmp_path, first=edited(large, 0))
    assert digest(files) != before


def test_digest_inputs_counts_names_that_are_given(tmp_path: Path) -> None:
    """Names count where Snakemake cannot compare paths, each as a whole."""
    files = write(tmp_path, a="1")
    assert len({digest_inputs(files, names=names) for names in ([], ["a", "b"], ["b", "a"], ["a\nb"])}) == 4


def test_digest_inputs_leaves_a_missing_file_or_a_pipe_to_the_job(tmp_path: Path) -> None:
    """What cannot be read is not waited for and is no error while the workflow is planned."""
    os.mkfifo(tmp_path / "pipe")
    missing, pipe = digest_inputs([tmp_path / "none"]), digest_inputs([tmp_path / "pipe"])
    assert digest_inputs([]) not in (missing, pipe)

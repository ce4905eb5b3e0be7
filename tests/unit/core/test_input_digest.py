"""Digests of input files: by content as far as that is cheap, never by name or time."""

import os
from pathlib import Path

from blindtune.core.input_digest import digest_inputs


def write(folder: Path, **contents: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]


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
    """A file that is too large counts by its size; smaller ones after it still count by content."""
    files = write(tmp_path, large="x" * 100, small="1")
    before = digest_inputs(files, 10)
    write(tmp_path, large="y" * 100)
    assert digest_inputs(files, 10) == before
    write(tmp_path, small="2")
    assert digest_inputs(files, 10) != before
    write(tmp_path, small="1", large="y" * 99)
    assert digest_inputs(files, 10) != before


def test_digest_inputs_leaves_a_missing_file_or_a_pipe_to_the_job(tmp_path: Path) -> None:
    """What cannot be read is not waited for and is no error while the workflow is planned."""
    os.mkfifo(tmp_path / "pipe")
    missing, pipe = digest_inputs([tmp_path / "none"]), digest_inputs([tmp_path / "pipe"])
    assert digest_inputs([]) not in (missing, pipe)

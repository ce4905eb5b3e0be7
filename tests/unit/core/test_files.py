"""Atomic writing and reading of files, and digests."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.arrays import digest_arrays, write_array
from blindtune.core.errors import LostClaimError, UserError
from blindtune.core.files import (
    canonical_json,
    check_before_writes,
    digest_file,
    digest_json,
    next_free_path,
    read_json,
    tsv_writer,
    write_atomically,
    write_json,
    write_text,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(PLAIN)
def test_canonical_json_ignores_the_order_of_keys(value: Any) -> None:
    """The order of keys changes neither the canonical form nor the digest."""
    assert canonical_json(reversed_keys(value)) == canonical_json(value)
    assert digest_json(reversed_keys(value)) == digest_json(value)


def test_canonical_json_has_one_fixed_form() -> None:
    """The canonical form and its digest never change; NaN has none."""
    assert canonical_json({"b": [1, 2.0, None], "a": "ü"}) == '{"a":"\\u00fc","b":[1,2.0,null]}'
    assert digest_json({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest_json([1, 2]) != digest_json([2, 1])
    assert digest_json(1) != digest_json(1.0) != digest_json("1")
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_digest_arrays_differs_by_name_type_shape_and_value() -> None:
    """Arrays that differ in name, type, shape or value have different digests."""
    base = np.arange(6, dtype=np.float32)
    different = [
        {"x": base},
        {"y": base},
        {"x": base.astype(np.float64)},
        {"x": base.view(np.int32)},
        {"x": base.reshape(2, 3)},
        {"x": base.reshape(3, 2)},
        {"x": base[::-1]},
        {"x": base[:5], "y": base[5:]},
        {"x": np.zeros((0, 2), np.float32)},
        {"x": np.zeros((0, 3), np.float32)},
        {},
    ]
    digests = [digest_arrays(arrays) for arrays in different]
    assert len(set(digests)) == len(different)


def test_digest_arrays_ignores_memory_layout_and_order(tmp_path: Path) -> None:
    """The digest depends on the content, not on memory layout, memory mapping or order of names."""
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "table.npy", table)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    a, b = table[:, ::2], np.array([True, False])
    assert digest_arrays({"a": a, "b": b}) == digest_arrays({"b": b.copy(), "a": mapped[:, ::2].copy()})
    assert digest_arrays({"a": np.asfortranarray(table)}) == digest_arrays({"a": mapped})


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("kind", [OSError(28, "No space left on device"), ValueError("mine"), KeyboardInterrupt()])
def test_write_atomically_failure_keeps_the_old_file(tmp_path: Path, old: str | None, kind: BaseException) -> None:
    """A writer that fails leaves the old file, or none, and no temporary file."""
    path = tmp_path / "some" / "file.txt"
    if old:
        write_text(path, old)

    def fail(part: Path) -> None:
        part.write_text("half", encoding="utf-8")
        raise kind

    expected = UserError if isinstance(kind, OSError) else type(kind)
    with pytest.raises(expected) as caught:
        write_atomically(path, fail)
    assert [entry.name for entry in tmp_path.rglob("*") if entry.is_file()] == (["file.txt"] if old else [])
    assert not old or path.read_text(encoding="utf-8") == old
    if isinstance(kind, OSError):
        assert str(path) in str(caught.value) and "No space left" in str(caught.value)


def test_write_atomically_replaces_the_file_at_the_end(tmp_path: Path) -> None:
    """The old file stays until the new one is complete."""
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def write(part: Path) -> None:
        part.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        assert part.suffix == ".txt" and part.parent == path.parent

    write_atomically(path, write)
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["file.txt"]  # noqa: PTH208


def test_write_json_reports_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be created is an error that names the file."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"below\.json: cannot be written"):
        write_json(tmp_path / "file" / "below.json", {})
    with pytest.raises(UserError, match=r"deep\.json: cannot be written"):
        write_json(tmp_path / "file" / "below" / "deep.json", {})


def test_write_and_read_round_trip(tmp_path: Path) -> None:
    """What is written as JSON, array or text is read again unchanged."""
    value = {"b": [1, 0.1, None, True], "a": "ü\u2028"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    write_array(tmp_path / "a.npy", np.arange(3))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]
    write_text(tmp_path / "abc", "abc")
    assert digest_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(("content", "word"), [(None, "cannot be read"), (b"{", "JSON"), (b"\xff\xfe", "JSON")])
def test_read_json_names_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, word: str) -> None:
    """A missing or damaged JSON file is an error that names it."""
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.json: .*{word}"):
        read_json(path)


def test_digest_file_names_a_missing_file(tmp_path: Path) -> None:
    """A missing file is an error that names it."""
    with pytest.raises(UserError, match="gone: cannot be read"):
        digest_file(tmp_path / "gone")


def test_tables_take_names_of_files_in_any_encoding(tmp_path: Path) -> None:
    """Bytes of a name that are not UTF-8 are shown; no table fails for them."""
    write_atomically(tmp_path / "a.tsv", tsv_writer(("file",), [(os.fsdecode(b"M\xfcller.txt"),)]))
    assert (tmp_path / "a.tsv").read_text(encoding="utf-8") == "file\nM\\udcfcller.txt\n"


def test_next_free_path_takes_the_first_free_number(tmp_path: Path) -> None:
    """The first number that no file or folder has is appended."""
    path = tmp_path / "folder"
    assert next_free_path(path) == tmp_path / "folder-1"
    (tmp_path / "folder-1").mkdir()
    assert next_free_path(path) == tmp_path / "folder-2"


def lose() -> None:
    raise LostClaimError("taken over")


def test_no_file_gets_its_name_after_the_claim_was_lost(tmp_path: Path) -> None:
    """A process that was taken for dead leaves the files of its successor alone, whole ones and those in writing."""
    path, part = tmp_path / "x.json", tmp_path / ".x.part.json"
    path.write_text("of the successor")
    lost = False

    def write(part: Path) -> None:
        nonlocal lost
        part.write_text("old")
        lost = True

    with check_before_writes(lambda: lose() if lost else None), pytest.raises(LostClaimError):
        write_atomically(path, write)
    part.write_text("begun by the successor")
    with check_before_writes(lose), pytest.raises(LostClaimError):
        write_atomically(path, write)
    # Also if something else ends it then.
    lost = False

    def end(part: Path) -> None:
        write(part)
        part.write_text("begun by the successor")
        raise KeyboardInterrupt

    with check_before_writes(lambda: lose() if lost else None), pytest.raises(KeyboardInterrupt):
        write_atomically(path, end)
    assert path.read_text() == "of the successor" and part.read_text() == "begun by the successor"
    write_text(path, "new")
    assert path.read_text() == "new" and not part.exists()


def test_two_processes_never_write_into_the_same_file(tmp_path: Path) -> None:
    """A process that was stopped with its file open writes into none of its successor."""
    path = tmp_path / "x.json"

    def write_first(part: Path) -> None:
        with part.open("w") as stopped:
            stopped.write("old")
            stopped.flush()
            write_text(path, "the new content")
            stopped.write(" and more of the old")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, write_first)
    assert path.read_text() == "the new content"

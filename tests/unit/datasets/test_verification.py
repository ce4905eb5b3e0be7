"""Prepared data are verified before they are used: in full where anything changed, at no cost where nothing did."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.datasets import verification
from blindtune.datasets.base import Split
from blindtune.datasets.verification import MEMORY, OWN_DIGEST
from support.builders import Places, prepare_toy


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Return a prepared dataset whose files count as old enough to be remembered."""
    monkeypatch.setattr(verification, "_CLOCK_SECONDS", 0.0)
    return prepare_toy(tmp_path)


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the size of each split that is digested in full."""
    sizes: list[int] = []
    digest = verification.digest_of_split

    def counting(split: Split) -> str:
        sizes.append(len(split.y))
        return digest(split)

    monkeypatch.setattr(verification, "digest_of_split", counting)
    return sizes


def change_array(path: Path) -> None:
    """Change one value of an array in place, and put back the file's time."""
    status = path.stat()
    array = np.load(path)
    array[0] = 1 - array[0]
    np.save(path, array)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def edit_manifest(places: Places, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the content of a manifest."""
    content = json.loads(places.manifest.read_text(encoding="utf-8"))
    edit(content)
    places.manifest.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("array", ["train/x", "train/y", "dev/x", "dev/y"])
@pytest.mark.parametrize("opened_before", [False, True])
def test_open_prepared_refuses_a_changed_array(places: Places, array: str, opened_before: bool) -> None:
    """A changed array is named, also where it was verified before and has the size and the time of before."""
    if opened_before:
        places.open()
    path = places.manifest.parent / f"{array}.npy"
    change_array(path)
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            places.open()
        assert str(caught.value).startswith(f"{path}: not what the preparation wrote")
        assert f"remove {places.manifest} and run again" in str(caught.value)


def test_advice_for_a_changed_array_helps(places: Places, tmp_path: Path) -> None:
    """Putting the file back helps, and so does removing the manifest and preparing again."""
    path = places.manifest.parent / "train" / "x.npy"
    content = path.read_bytes()
    change_array(path)
    with pytest.raises(UserError):
        places.open()
    path.write_bytes(content)
    sha256 = places.open().sha256
    change_array(path)
    places.manifest.unlink()
    assert prepare_toy(tmp_path).open().sha256 == sha256
    assert path.read_bytes() == content


def test_open_prepared_digests_once(places: Places, digested: list[int]) -> None:
    """What was digested in full is not read again until a file is another one, even one with the same content."""
    places.open()
    assert digested == [60, 30]
    places.open()
    assert digested == [60, 30]
    path = places.manifest.parent / "dev" / "x.npy"
    path.with_suffix(".copy").write_bytes(path.read_bytes())
    path.with_suffix(".copy").replace(path)
    places.open()
    places.open()
    assert digested == [60, 30, 30]


def test_open_prepared_does_not_remember_what_changed_just_now(
    places: Places, digested: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the resolution of a file system's clock a second change could not be seen, so nothing is remembered."""
    monkeypatch.setattr(verification, "_CLOCK_SECONDS", 3600.0)
    places.open()
    places.open()
    assert digested == [60, 30] * 2 and not places.manifest.with_name(MEMORY).exists()


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b"{}", b'{"train": 1, "dev": []}', b"[" * 100_000])
def test_open_prepared_needs_no_memory(places: Places, digested: list[int], content: bytes) -> None:
    """A damaged memory costs a full digest and is replaced."""
    places.open()
    places.manifest.with_name(MEMORY).write_bytes(content)
    places.open()
    places.open()
    assert digested == [60, 30] * 2


def test_open_prepared_works_where_nothing_can_be_written(places: Places, digested: list[int]) -> None:
    """A folder that cannot be written costs a full digest each time."""
    places.manifest.with_name(MEMORY).mkdir()  # as good as a read-only folder, also for root
    places.open()
    places.open()
    assert digested == [60, 30] * 2
    change_array(places.manifest.parent / "dev" / "x.npy")
    with pytest.raises(UserError, match="not what the preparation wrote"):
        places.open()


def test_memory_holds_for_one_content_alone(places: Places) -> None:
    """Files that were verified against another manifest are verified against this one."""
    places.open()
    memory = json.loads(places.manifest.with_name(MEMORY).read_text(encoding="utf-8"))
    memory["train"]["sha256"] = "0" * 64
    places.manifest.with_name(MEMORY).write_text(json.dumps(memory), encoding="utf-8")
    change_array(places.manifest.parent / "train" / "y.npy")
    with pytest.raises(UserError, match=r"train/y\.npy: not what"):
        places.open()


def test_open_prepared_refuses_an_array_too_many(places: Places) -> None:
    """Groups that were not prepared are named."""
    np.save(places.manifest.parent / "dev" / "group.npy", np.arange(30))
    with pytest.raises(UserError, match=r"dev/group\.npy: not what the preparation wrote"):
        places.open()


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "classes": lambda content: content["classes"].reverse(),
    "statistics": lambda content: content.update(statistics={"mean": [0.0], "deviation": [1.0]}),
    "source": lambda content: content["source"].update(folder="elsewhere"),
    "stand_in": lambda content: content.update(stand_in=True),
    "nan": lambda content: content.update(statistics=float("nan")),
    "new": lambda content: content.update(added=1),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_open_prepared_refuses_an_edited_manifest(places: Places, edit: Callable[[dict[str, Any]], Any]) -> None:
    """A manifest has a digest of its own content."""
    edit_manifest(places, edit)
    with pytest.raises(
        UserError, match=r"manifest\.json: (was changed after the preparation wrote it|is not valid JSON)"
    ):
        places.open()


def test_open_prepared_takes_manifests_of_before(places: Places) -> None:
    """A manifest without its own digest and without those of single arrays is taken; its splits are verified."""

    def make_old(content: dict[str, Any]) -> None:
        del content[OWN_DIGEST], content["arrays"]

    edit_manifest(places, make_old)
    assert len(places.open().train.y) == 60
    change_array(places.manifest.parent / "dev" / "y.npy")
    with pytest.raises(UserError, match=r"dev/x\.npy, .*dev/y\.npy: not what the preparation wrote"):
        places.open()


def test_open_prepared_refuses_a_digest_of_other_splits(places: Places) -> None:
    """The digest by which studies know their data is that of the two splits."""

    def forge(content: dict[str, Any]) -> None:
        del content[OWN_DIGEST]
        content["sha256"] = "0" * 64

    edit_manifest(places, forge)
    with pytest.raises(UserError, match=r"manifest\.json: its sha256 is not that of its splits"):
        places.open()


@pytest.mark.parametrize("content", ["[]", "{}", '"text"', '{"dataset": 1, "classes": 1, "sha256": 1, "splits": 1}'])
def test_open_prepared_refuses_what_is_no_manifest(places: Places, content: str) -> None:
    """JSON that is no manifest is named."""
    places.manifest.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"manifest\.json: is not a manifest of a prepared dataset"):
        places.open()

"""The checks of a user's tree before any job runs."""

import os
from pathlib import Path

import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.corpus import filetree as trees
from blindtune.datasets.corpus.filetree import MAX_PATHS, check_annotated, files_below, find_unusable


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_files_below_skips_hidden_files(tmp_path: Path) -> None:
    """Every file is found once, and no hidden file."""
    touch(tmp_path, "b/c.edf", "a.edf", ".hidden.edf", ".git/a.edf", "b/.a/c.edf")
    assert files_below(tmp_path) == ["a.edf", "b/c.edf"]


def test_files_below_follows_links(tmp_path: Path) -> None:
    """Links are followed, and a loop of links ends."""
    touch(tmp_path, "real/x/a.edf", "tree/b.edf")
    (tmp_path / "tree" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "x" / "up").symlink_to(tmp_path / "tree")
    (tmp_path / "tree" / "c.edf").symlink_to(tmp_path / "real/x/a.edf")
    assert files_below(tmp_path / "tree") == ["b.edf", "c.edf", "linked/x/a.edf"]


def test_files_below_lists_a_folder_by_each_of_its_paths(tmp_path: Path) -> None:
    """Links that put patients into splits count, also if the folder that they lead to is in the tree."""
    touch(tmp_path, "all/P1/a.edf", "all/P2/a.edf", "eval/b.edf")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "P1").symlink_to(tmp_path / "all" / "P1")
    found = ["all/P1/a.edf", "all/P2/a.edf", "eval/b.edf", "train/P1/a.edf"]
    assert files_below(tmp_path) == found
    for number in range(MAX_PATHS - 2):
        (tmp_path / f"more{number}").symlink_to(tmp_path / "all" / "P1")
    assert len(files_below(tmp_path)) == len(found) + MAX_PATHS - 2
    (tmp_path / "most").symlink_to(tmp_path / "all" / "P1")
    with pytest.raises(UserError, match=r"/P1 is found by more than 8 paths, by links\. Remove some"):
        files_below(tmp_path)


@pytest.mark.parametrize("name", ["none", "file"])
def test_files_below_refuses_what_is_not_a_folder(tmp_path: Path, name: str) -> None:
    """A missing folder and a file are refused."""
    touch(tmp_path, "file")
    with pytest.raises(UserError, match=f"folder: .*{name} is not a folder"):
        files_below(tmp_path / name)


def test_files_below_refuses_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be forbidden to root, so the system's answer is made up."""
    touch(tmp_path, "a/a.edf", "b/b.edf")
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match=r"folder: .*/b cannot be read \(Permission denied\)"):
        files_below(tmp_path)


def test_find_unusable_refuses_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More files than may be bad stop the run, and the message says how many cannot be read, and why."""
    touch(tmp_path, "a.edf")
    for name in "bc":
        (tmp_path / f"{name}.edf").symlink_to(tmp_path / "gone")
    raws: dict[str, tuple[str, ...]] = {"a.edf": (), "b.edf": (), "c.edf": ()}
    with pytest.raises(UserError, match=r"b\.edf and 1 more cannot be read: broken link\. Fetch .*\(max_bad_fraction"):
        find_unusable(tmp_path, raws, 0.6)
    with pytest.raises(UserError, match=r"b\.edf cannot be read: broken link\. Fetch .* or remove them\.$"):
        find_unusable(tmp_path, {"a.edf": (), "b.edf": ()}, 0.0)
    monkeypatch.setattr(trees.os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"a\.edf cannot be read: permissions forbid it\. Allow it"):
        find_unusable(tmp_path, {"a.edf": ()}, 0.0)


def test_find_unusable_counts_a_file_by_its_companions(tmp_path: Path) -> None:
    """One file's fault is that file's: broken links and pipes are bad files, also as an annotation, in any number."""
    touch(tmp_path, "a.edf", "a.tse", "b.edf", "d.edf", "d.tse")
    for name in ("b.tse", "c.edf"):
        (tmp_path / name).symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "e.edf")
    (tmp_path / "f.edf").symlink_to(tmp_path / "f.edf")
    raws = {f"{name}.edf": (f"{name}.tse",) for name in "abd"} | {"c.edf": (), "e.edf": (), "f.edf": ()}
    assert find_unusable(tmp_path, raws, 0.7) == {
        "b.edf": "b.tse cannot be read: broken link",
        "c.edf": "cannot be read: broken link",
        "e.edf": "cannot be read: not a file but a pipe or a device",
        "f.edf": "cannot be read: a link to itself",
    }


def test_a_file_system_that_fails_is_no_fault_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away stops the run; no file is bad for it."""
    touch(tmp_path, "a.edf")

    def fail(path: Path) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Path, "stat", fail)
    with pytest.raises(UserError, match=r"a\.edf cannot be read \(Stale file handle\)"):
        find_unusable(tmp_path, {"a.edf": ()}, 1.0)


@pytest.mark.parametrize("name", ["a{b}.edf", "a\nb.edf", os.fsdecode(b"\xff.edf")])
def test_find_unusable_refuses_names(tmp_path: Path, name: str) -> None:
    """Names that Snakemake cannot handle are refused."""
    touch(tmp_path, name)
    with pytest.raises(UserError, match=r"has a (brace, < or >|control character)") as caught:
        find_unusable(tmp_path, {name: ()}, 1.0)
    assert str(caught.value).isprintable()


def test_find_unusable_accepts_odd_names(tmp_path: Path) -> None:
    """Unusual names that Snakemake can handle are accepted."""
    names = ["a b.edf", "ä,'\"%s;$(x)&*?#.edf", "患者　１/1.edf"]
    touch(tmp_path, *names)
    assert find_unusable(tmp_path, dict.fromkeys(files_below(tmp_path), ()), 0.0) == {}


def test_check_annotated_needs_one_annotation() -> None:
    """A corpus without any annotation is refused."""
    check_annotated([[], ["a.tse"]], [".tse"])
    with pytest.raises(UserError, match=r"no file has an annotation next to it.*\.csv, \.xml"):
        check_annotated([[], []], [".csv", ".xml"])

"""Lists of the files next to records, by which lost ones are found."""

from pathlib import Path

import pytest

from blindtune.core.paths import ResultPaths
from blindtune.core.side_files import (
    count_times_made_again,
    dataset_list,
    describe_lost_records,
    find_damage,
    list_side_files,
    name_files,
    study_list,
)

#: The list, below the results.
LIST = "data/toy/side_files/manifest.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder of results with a record and three files that belong to it."""
    for name in ("data/toy/manifest.json", "data/toy/train/x.npy", "data/toy/train/y.npy", "sealed/toy/eval/x.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("content", encoding="utf-8")
    places = [tmp_path / "data" / "toy" / "train", tmp_path / "sealed" / "toy" / "eval" / "x.npy", tmp_path / "none"]
    list_side_files(tmp_path / LIST, tmp_path, places)
    return tmp_path


def find(root: Path) -> list[str]:
    """Return what is lost, by its name below the results."""
    return [Path(name).relative_to(root).as_posix() for name in find_damage(root / LIST, root)]


def test_complete_files_have_no_damage(root: Path) -> None:
    """Nothing is lost where all files have their sizes, and a place that does not exist is in no list."""
    assert find(root) == []
    assert count_times_made_again(root / LIST, root) == (0, [])


@pytest.mark.parametrize("file", ["data/toy/train/y.npy", "sealed/toy/eval/x.npy"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_missing_and_cut_files_are_found(root: Path, file: str, is_cut: bool) -> None:
    """A file that is gone or shorter is named, in a folder and alone; one that grew is not."""
    if is_cut:
        (root / file).write_text("conten", encoding="utf-8")
    else:
        (root / file).unlink()
    (root / "data/toy/train/x.npy").write_text("content and more", encoding="utf-8")
    assert find(root) == [file]


def test_count_grows_with_a_loss_and_stays_after_it(root: Path) -> None:
    """The param of the job changes when a file is lost, and not again when it was made again with that number."""
    path, file = root / LIST, root / "data/toy/train/x.npy"
    for times in (1, 2):
        file.unlink()
        assert count_times_made_again(path, root) == (times, [str(file)])
        file.write_text("content", encoding="utf-8")
        list_side_files(path, root, [file], times)
        assert count_times_made_again(path, root) == (times, [])


@pytest.mark.parametrize("text", ["", "[]", '{"sizes": 3}', '{"sizes": {', '{"sizes": {"data/toy/train/x.npy": "7"}}'])
def test_unreadable_list_is_none(root: Path, text: str) -> None:
    """A list that cannot be read says nothing, since the next job writes it again."""
    (root / LIST).write_text(text, encoding="utf-8")
    (root / "data/toy/train/x.npy").unlink()
    assert find(root) == []


def test_results_without_lists_have_no_damage(tmp_path: Path) -> None:
    """Results of earlier versions have no lists."""
    assert find_damage(tmp_path / LIST, tmp_path) == []


def test_messages_name_some_files_and_what_to_do() -> None:
    """A message names the first files, and the folder that its advice is about."""
    assert name_files(["a", "b"]) == "a, b"
    assert name_files([*"abcde"]) == "a, b, c and 2 more"
    said = describe_lost_records("results/x/studies/d/s/1/card.json", "a")
    assert "missing or cut: a." in said
    assert "remove results/x/studies/d/s/1/card.json and run again" in said
    assert "the folder results/x/studies/d/s/1 and" in said


def test_lists_are_where_what_they_list_is_removed_with_them() -> None:
    """The lists of a dataset are next to its manifest, those of eval too; that of a study is next to its card."""
    assert dataset_list(ResultPaths("results/x"), "toy", "eval-0000") == "results/x/data/toy/side_files/eval-0000.json"
    assert study_list("studies/d/s/1/card.json") == Path("studies/d/s/1/side_files.json")

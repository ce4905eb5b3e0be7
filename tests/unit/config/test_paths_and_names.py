"""Names and paths of a config that something else would take for more than a name."""

import os
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.schema import Config, read
from blindtune.core.errors import UserError
from support.builders import config, write_csv_folder, write_images

PICTURES: dict[str, Any] = {"source": "images", "folder": "pictures", "rows": 6, "columns": 6}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with the data of a toy config."""
    monkeypatch.chdir(tmp_path)
    write_csv_folder(tmp_path / "csv")
    return tmp_path


def message(content: dict[str, Any]) -> str:
    """Return the message with which a config is refused."""
    with pytest.raises(UserError) as caught:
        read(content, "my.yaml")
    return str(caught.value)


@pytest.mark.parametrize("name", ["ledger", "sealed"])
def test_read_refuses_the_name_of_a_folder_of_all_configs(name: str) -> None:
    """No config may write its results into the folder of the ledger, or into one that only decode opens."""
    assert f"name: results/{name} is a folder of the workflow's own" in message(config(name=name))


def test_read_refuses_a_dataset_or_system_called_sealed() -> None:
    """A dataset called sealed would make its open data unreadable for every command."""
    content = config()
    content["datasets"] = {"sealed": content["datasets"]["toy"]}
    content["compare"][0]["dataset"] = "sealed"
    assert "datasets.sealed: " in message(content)
    content = config()
    content["systems"] = {"sealed": content["systems"]["knn"]}
    content["compare"][0]["systems"] = ["sealed"]
    assert "systems.sealed: " in message(content)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", os.fsdecode(b"\xff"), "{a}\tb"])
def test_read_refuses_class_folders_with_control_characters(folder: Path, name: str) -> None:
    """A class folder whose name would spoil logs and tables is named while planning."""
    write_images(folder / "pictures")
    (folder / "pictures" / "class_0").rename(folder / "pictures" / name)
    found = message(config(datasets={"toy": PICTURES}))
    assert "datasets.toy: " in found and "has a control character, or a letter that is not UTF-8" in found
    assert "\n" not in found


@pytest.mark.parametrize("name", ["a{b}", "{dataset}", "a<b>", "<results>"])
def test_read_takes_class_folders_that_snakemake_expands(folder: Path, name: str) -> None:
    """Pictures in a folder that Snakemake would read twice, or not at all, are watched by a digest and all read."""
    write_images(folder / "pictures")
    (folder / "pictures" / "class_0").rename(folder / "pictures" / name)
    source = read(config(datasets={"toy": PICTURES}), "my.yaml").sources["toy"]
    assert {path.parent.name for path in source.user_files().values()} == {"class_1"}
    loaded = source.load(source.user_files())
    assert loaded.classes == sorted([name, "class_1"])
    assert sum(len(split.y) for split in loaded.splits.values()) == 10
    assert set(source.unwatched_files()) == {f"{name}/{number}.png" for number in range(5)}


@pytest.mark.parametrize("name", ["a*b", "[x]", "-dash", " a b", "é", "q?x", "$HOME", "%20", "a&b", "'q'", "~t", "=1"])
def test_read_takes_other_class_folders(folder: Path, name: str) -> None:
    """Names that only a shell or a spreadsheet would take for more are names."""
    write_images(folder / "pictures")
    (folder / "pictures" / "class_0").rename(folder / "pictures" / name)
    source = read(config(datasets={"toy": PICTURES}), "my.yaml").sources["toy"]
    assert name in {path.parent.name for path in source.user_files().values()}
    assert name in source.load(source.user_files()).classes


@pytest.mark.parametrize("key", ["csv", "space.yaml", "model.yaml"])
@pytest.mark.parametrize("place", ["a{b}", "a<b>"])
def test_read_refuses_folders_that_snakemake_expands(folder: Path, key: str, place: str) -> None:
    """The folders above a file count too, for data, spaces and models alike."""
    (folder / place).mkdir()
    write_csv_folder(folder / place / "csv")
    changes: dict[str, Any] = {"datasets": {"toy": {"folder": f"{place}/csv"}}} if key == "csv" else {}
    if key == "space.yaml":
        tuner = {"library": "optuna", "algorithm": "tpe"}
        changes = {"systems": {"knn": {"kind": "tuner", "tuner": tuner, "space": f"{place}/{key}"}}}
        changes["systems"]["knn"]["n_neighbors"] = None
    if key == "model.yaml":
        changes = {"systems": {"other": {"kind": "manual", "model": f"{place}/{key}"}}}
    content = config(**changes)
    if key == "space.yaml":
        del content["systems"]["knn"]["n_neighbors"]
    if key == "model.yaml":
        content["compare"][0]["systems"] = ["other"]
    assert "which Snakemake cannot handle" in message(content)


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "folder"])
def test_read_refuses_what_is_no_file(folder: Path, kind: str) -> None:
    """A pipe, a device, a link to one or a folder in place of a file is refused while planning."""
    path = folder / "csv" / "dev.csv"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "/dev/stdin")
    found = message(config())
    assert "csv/dev.csv is not a file" in found or "csv/dev.csv does not exist" in found


def test_read_refuses_a_pipe_among_pictures(folder: Path) -> None:
    """A pipe with the name of a picture is refused, not waited for."""
    write_images(folder / "pictures")
    os.mkfifo(folder / "pictures" / "class_0" / "z.png")
    assert "z.png is not a file but a folder, a pipe or a device" in message(config(datasets={"toy": PICTURES}))


def test_read_expands_the_home_of_the_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that begins with ~ is below the user's home; other paths are as they are written."""
    home = folder / "home"
    write_csv_folder(home / "data")
    (home / "space.yaml").write_text(
        "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 2}\n", encoding="utf-8"
    )
    monkeypatch.setenv("HOME", str(home))
    content = config("~/data")
    content["systems"]["other"] = {
        "kind": "tuner",
        "tuner": {"library": "optuna", "algorithm": "tpe"},
        "space": "~/space.yaml",
    }
    content["compare"][0]["systems"] = ["knn", "other"]
    parsed = read(content, "my.yaml")
    assert parsed.sources["toy"].user_files()["train"] == home / "data" / "train.csv"
    assert parsed.systems["other"].files() == {"space": home / "space.yaml"}
    assert "~nobody_of_this_name/data" in message(config("~nobody_of_this_name/data"))
    assert Config.model_validate(config("a~b")).datasets["toy"].folder == "a~b"  # type: ignore[attr-defined]


DRAWING = {"source": "drawing", "drawing": "set_10", "sizes": {"train": 20, "dev": 10, "eval": 8}, "seed": 1}


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ({"kind": "knn", "n_neighbors": [5, 21]}, "n_neighbors: 21 is more than the 20 samples of train"),
        (
            {"kind": "bayes", "train": {"n_neighbors": 20}, "dev": {"n_neighbors": 10}, "eval": {"n_neighbors": 9}},
            "eval.n_neighbors: 9 is more than the 8 samples of eval",
        ),
    ],
)
def test_read_refuses_more_neighbors_than_samples(system: dict[str, Any], words: str) -> None:
    """Where the config says how many samples there are, more neighbours are refused while planning."""
    content = config()
    content |= {"datasets": {"toy": DRAWING}, "systems": {"knn": system}}
    assert words in message(content)
    largest = {"n_neighbors": [20]} if system["kind"] == "knn" else {"eval": {"n_neighbors": 8}}
    content["systems"] = {"knn": system | largest}
    read(content, "my.yaml")

"""``blindtune describe`` of pictures: what a folder holds, and a config that the workflow takes as it is."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from blindtune.cli import main
from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config, merge, read, read_dataset
from blindtune.core.errors import UserError
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.describe.inputs import describe


def write_picture(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (12, 10)) -> None:
    """Write a picture of random pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def write_classes(folder: Path, count: int, seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (12, 10)) -> Path:
    """Write pictures of two classes, cats and dogs, in folders; return the folder."""
    for label, name in enumerate(("cats", "dogs")):
        for number in range(count):
            write_picture(folder / name / f"{number}.png", seed + 1000 * label + number, mode, size)
    return folder


def config_of(text: str) -> Config:
    """Return a described config, merged over the default as Snakemake does."""
    return read(merge(DEFAULT, yaml.safe_load(text)), "the config")


def test_describe_shows_pictures_in_folders_of_splits(tmp_path: Path) -> None:
    """Sizes, formats, unused and unreadable files, and the classes in each split; the config prepares as it is."""
    folder = tmp_path / "Pets 2"
    write_classes(folder / "train", 10)
    write_classes(folder / "val", 4, seed=100, size=(90, 80))
    (folder / "notes.txt").write_text("seen")
    (folder / "train" / "cats" / "broken.png").write_bytes(b"no picture")
    found = describe([folder], {})
    text = "\n".join(found.lines)
    for words in (
        "29 pictures, in folders of their class, splits train, dev",
        "files that are not used: 1: notes.txt",
        "12 x 10 to 90 x 80 pixels, half of them to 12 x 10; PNG (28); kinds of pixels RGB (28)",
        "scaled to 12 x 10, in colours",
        "broken.png",
        "  cats: 14 pictures, 8 / 4 / 2 in train / dev / eval",
        "there is no eval; drawn from train",
    ):
        assert words in text
    config = config_of(found.config)
    assert config.name == "pets_2"
    source = read_dataset(yaml.safe_load(found.config)["datasets"]["pets_2"])
    prepare("toy", source, source.user_files(), tmp_path / "d" / "manifest.json", tmp_path / "s" / "seal.json")
    assert open_prepared(tmp_path / "d" / "manifest.json").manifest["classes"] == ["cats", "dogs"]


def test_describe_scales_large_pictures_down(tmp_path: Path) -> None:
    """Large pictures are proposed in a size at which a first study is quick; grey ones have one channel."""
    found = describe([write_classes(tmp_path / "pets", 6, mode="L", size=(200, 100))], {})
    keys = config_of(found.config).datasets["pets"].model_dump()
    assert (keys["rows"], keys["columns"], keys["channels"], keys["corrupt"]) == (32, 32, 1, "stop")


@pytest.mark.parametrize("place", ["images", "."])
def test_describe_takes_a_table_of_labels(tmp_path: Path, place: str) -> None:
    """Pictures in one folder with a table of files and labels are described by the table."""
    folder = tmp_path / "pets"
    rows = ["file,label"]
    for number in range(12):
        write_picture(folder / place / f"{number}.png", number)
        rows.append(f"{number}.png,{'cat' if number % 2 else 'dog'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    found = describe([folder], {})
    assert "12 pictures, labels in labels.csv" in found.lines[0]
    assert config_of(found.config).datasets["pets"].model_dump()["labels"].endswith("labels.csv")


def test_describe_removes_equal_pictures(tmp_path: Path) -> None:
    """Equal pictures in eval and train would be refused as leaks, so the config removes them."""
    for label in ("a", "b"):
        for number in range(20):
            write_picture(tmp_path / label / f"{number}.png", number // 4 + (50 if label == "b" else 0))
    found = describe([tmp_path], {})
    assert next(iter(yaml.safe_load(found.config)["datasets"].values()))["leaks"] == "remove"
    assert any("leaks: remove" in line for line in found.lines)


def test_describe_refuses_pictures_without_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pictures that lie loose, of one class alone, or given singly are refused with what to do."""
    write_picture(tmp_path / "loose" / "1.png", 1)
    with pytest.raises(UserError, match=r"loose: holds pictures, such as 1.png, but not in folders of their class"):
        describe([tmp_path / "loose"], {})
    for number in range(5):
        write_picture(tmp_path / "one" / "cats" / f"{number}.png", number)
    with pytest.raises(UserError, match=r"all pictures are of the class cats.*two classes or more"):
        describe([tmp_path / "one"], {})
    with pytest.raises(UserError, match=r"1.png: is a picture. Give the folder"):
        describe([tmp_path / "loose" / "1.png"], {})
    assert main(["describe", str(tmp_path / "loose"), "--label", "1"]) == 1
    assert "--label is for tables" in capsys.readouterr().err


def test_describe_names_recordings(tmp_path: Path) -> None:
    """A folder of recordings or slides is not described, and the message says where their config is."""
    (tmp_path / "a.edf").write_bytes(b"0")
    with pytest.raises(UserError, match=r"holds EEG recordings \(.edf\).*docs/data/recordings.md"):
        describe([tmp_path], {})


def test_describe_names_the_layout_of_recordings(tmp_path: Path) -> None:
    """The message on recordings has patients, annotations and a dataset of a config, with any tables there."""
    for name in ("chb01/chb01_01.edf", "chb21/chb21_01.edf", "chb02/chb02_01.edf", "chb01/chb01-summary.txt", "a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = (
        r"3 recordings of 2 patients, annotations: chbmit \(1 files\)\. A dataset of a config: \{source: eeg, folder"
    )
    with pytest.raises(UserError, match=found):
        describe([tmp_path], {})


def test_describe_counts_recordings_without_a_patient(tmp_path: Path) -> None:
    """A few are named; where there are many, the config needs an expression that finds the patient."""
    for name in [*(f"chb0{number}_01.edf" for number in range(1, 10)), "calibration.edf"]:
        (tmp_path / name).touch()
    found = (
        r"10 recordings of 9 patients \(1 without a patient, not used, such as calibration\.edf\), annotations: none"
    )
    with pytest.raises(UserError, match=found):
        describe([tmp_path], {})
    for number in range(10):
        (tmp_path / f"rec{number}.edf").touch()
    with pytest.raises(UserError, match=r"20 recordings, annotations: .* patient: 'A REGULAR EXPRESSION'"):
        describe([tmp_path], {})

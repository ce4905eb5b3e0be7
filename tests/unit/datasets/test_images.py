"""Pictures in folders: every common kind of file, whole groups, seeded splits, and files that cannot be read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, read_json
from blindtune.core.validation import parse
from blindtune.datasets.base import SPLITS, LoadedDataset
from blindtune.datasets.images import ImagesConfig, ImagesSource
from blindtune.datasets.prepared import check, digest_of_split, prepare
from support.builders import origins, write_images


def images(folder: Path, **changes: Any) -> ImagesSource:
    content = {"source": "images", "folder": str(folder), "rows": 6, "columns": 6}
    return ImagesSource(parse(ImagesConfig, content | changes, "config.yaml"))


def load(folder: Path, **changes: Any) -> LoadedDataset:
    source = images(folder, **changes)
    return source.load(source.user_files())


def save(path: Path, pixels: Any, mode: str | None = None, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)


def everything(loaded: LoadedDataset) -> Any:
    return np.concatenate([loaded.splits[name].x for name in SPLITS])


RAMP = np.linspace(0, 255, 36).round().astype(np.uint8).reshape(6, 6)
KINDS: dict[str, tuple[str, Any, str | None]] = {
    "grey 8 bit PNG": ("png", RAMP, None),
    "grey 16 bit PNG": ("png", RAMP.astype(np.uint16) * 257, None),
    "grey 12 bit in 16 bit TIFF": ("tif", RAMP.astype(np.uint16) * 16, None),
    "grey float TIFF": ("tiff", RAMP.astype(np.float32) / 255, None),
    "grey 32 bit TIFF": ("tif", RAMP.astype(np.int32) * 1000, None),
    "grey 8 bit TIFF": ("tif", RAMP, None),
    "RGB PNG": ("png", np.repeat(RAMP[..., None], 3, axis=2), None),
    "RGB TIFF": ("TIFF", np.repeat(RAMP[..., None], 3, axis=2), None),
    "palette PNG": ("png", RAMP, "P"),
    "RGBA PNG": ("png", np.repeat(RAMP[..., None], 3, axis=2), "RGBA"),
    "grey and alpha PNG": ("png", RAMP, "LA"),
    "grey JPEG": ("jpg", RAMP, None),
    "RGB JPEG": ("JPEG", np.repeat(RAMP[..., None], 3, axis=2), None),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_load_reads_every_kind_of_file(tmp_path: Path, kind: str, channels: int) -> None:
    """Every kind of file gives the same picture."""
    suffix, pixels, mode = KINDS[kind]
    write_images(tmp_path, classes=2)
    for number in range(3):
        save(tmp_path / "kind" / f"{number}.{suffix}", pixels, mode, **({"quality": 100} if suffix[0] in "jJ" else {}))
    loaded = load(tmp_path, channels=channels, brightest=4080 if "12 bit" in kind else None)
    check("pictures", loaded)
    assert loaded.classes == ["class_0", "class_1", "kind"]
    for split in loaded.splits.values():
        assert split.x.dtype == np.float32 and split.x.shape[1:] == (6, 6, channels)
        of_kind = split.x[split.y == 2]
        assert len(of_kind) == 1
        expected = np.repeat(RAMP[..., None] / 255.0, channels, axis=2)
        np.testing.assert_allclose(of_kind[0], expected, atol=0.03 if suffix[0] in "jJ" else 0.0041)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_load_scales_all_deep_pictures_alike(tmp_path: Path, kind: type) -> None:
    """Pictures that differ in brightness alone differ by as much in 16 bits, 32 bits and floats as in 8 bits."""
    factor = {np.uint8: 1, np.uint16: 257, np.int32: 1000, np.float32: 1 / 255}[kind]
    shades = {"dark": 50, "light": 200, "white": 255}
    for label, shade in shades.items():
        for number in range(3):
            save(tmp_path / label / f"{number}.tif", (np.full((6, 6), shade) * factor).astype(kind))
    loaded = load(tmp_path, channels=1)
    for split in loaded.splits.values():
        expected = np.array(list(shades.values()))[split.y] / 255
        np.testing.assert_allclose(split.x[:, 3, 3, 0], expected, atol=1e-5)


def test_load_says_how_deep_pictures_were_scaled(tmp_path: Path) -> None:
    """The log names the value of full brightness, and that pictures of 12 bits need another."""
    for label, shade in (("a", 1000), ("b", 4095)):
        for number in range(3):
            save(tmp_path / label / f"{number}.png", np.full((6, 6), shade, dtype=np.uint16))
    loaded = load(tmp_path)
    assert loaded.parameters["brightness"] == {"I;16": 65535}
    assert loaded.notes[0] == "6 pictures of kind I;16: 65535 is full brightness"
    assert "brighter than 4095" in loaded.notes[1] and "give brightest" in loaded.notes[1]
    given = load(tmp_path, brightest=4095)
    assert given.splits["train"].x.max() == 1
    assert not any("brighter" in note for note in given.notes)


def test_load_names_a_deep_picture_that_is_not_finite(tmp_path: Path) -> None:
    """A picture of floats that are not finite counts as one that cannot be read."""
    write_images(tmp_path)
    save(tmp_path / "class_0" / "nan.tif", np.full((6, 6), np.nan, dtype=np.float32))
    with pytest.raises(UserError, match=r"nan\.tif: cannot be read as a picture \(holds values that are not finite"):
        load(tmp_path)


@pytest.mark.parametrize("suffix", ["bmp", "webp", "gif", "ppm", "tga", "jp2", "ico", "dib", "pcx", "sgi"])
def test_load_reads_every_format_of_pillow(tmp_path: Path, suffix: str) -> None:
    """A class whose pictures have another format than PNG, JPEG or TIFF is a class."""
    write_images(tmp_path, classes=1)
    for number in range(3):
        save(tmp_path / "other" / f"{number}.{suffix}", np.full((16, 16), 90 + number, dtype=np.uint8), "RGB")
    loaded = load(tmp_path)
    assert loaded.classes == ["class_0", "other"]
    assert sum(int((split.y == 1).sum()) for split in loaded.splits.values()) == 3
    assert (
        abs(everything(loaded)[np.concatenate([split.y for split in loaded.splits.values()]) == 1] - 0.357).max() < 0.02
    )


def test_load_says_that_the_first_frame_was_read(tmp_path: Path) -> None:
    """An animation gives its first frame, and the log says so."""
    write_images(tmp_path)
    frames = [Image.fromarray(np.full((6, 6), shade, dtype=np.uint8)) for shade in (10, 200)]
    frames[0].save(tmp_path / "class_0" / "moving.gif", save_all=True, append_images=frames[1:])
    assert load(tmp_path).notes == ["pictures with several frames or pages, of which the first was read: 1"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_load_turns_pictures_as_exif_says(tmp_path: Path, orientation: int) -> None:
    """A picture that a camera stored turned is upright."""
    write_images(tmp_path, classes=1)
    upright = np.zeros((6, 6), dtype=np.uint8)
    upright[:3, :3] = 255
    # What a camera stores for each orientation, as the EXIF standard defines the place of row 0 and column 0.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number in range(3):
        save(tmp_path / "turned" / f"{number}.png", np.ascontiguousarray(stored), exif=exif)
    split = load(tmp_path, channels=1).splits["train"]
    np.testing.assert_allclose(split.x[split.y == 1][0, ..., 0] * 255, upright, atol=1)


def test_load_names_files_that_are_not_used(tmp_path: Path) -> None:
    """Files that are no pictures, or in no class, are listed with the reason; those of systems are not."""
    write_images(tmp_path)
    (tmp_path / "class_0" / "notes.txt").write_text("x")
    (tmp_path / "class_0" / "Thumbs.db").write_text("x")
    save(tmp_path / "alone.png", RAMP)
    loaded = load(tmp_path)
    assert loaded.parameters["bad_files"] == {
        str(tmp_path / "alone.png"): "is not in a folder of a class, so it has no label",
        str(tmp_path / "class_0" / "notes.txt"): "has not the suffix of a picture that is read",
    }
    assert loaded.bad_files is not None and len(loaded.bad_files.rows) == 2


def test_load_reads_folders_within_a_class(tmp_path: Path) -> None:
    """Pictures in folders within the folder of a class belong to the class."""
    write_images(tmp_path)
    save(tmp_path / "class_0" / "deep" / "er" / "it.png", RAMP)
    assert len(everything(load(tmp_path))) == 11


def test_load_writes_where_pictures_come_from(tmp_path: Path) -> None:
    """Each sample has its file in origins.tsv."""
    folder = write_images(tmp_path / "pictures")
    source = images(folder)
    prepare("pictures", source, source.user_files(), tmp_path / "data/manifest.json", tmp_path / "sealed/seal.json")
    rows = [row for place in ("data/train", "data/dev", "sealed/eval") for row in origins(tmp_path / place)]
    assert sorted(row["file"] for row in rows) == sorted(
        f"{path.parent.name}/{path.name}" for path in folder.glob("*/*")
    )
    assert all(row["file"].startswith(row["class"]) for row in rows)


@pytest.mark.parametrize("empty", ["folder", "text", "unreadable"])
def test_load_names_a_class_without_pictures(tmp_path: Path, empty: str) -> None:
    """A class does not vanish because none of its pictures is read."""
    write_images(tmp_path)
    (tmp_path / "lost").mkdir()
    if empty == "text":
        (tmp_path / "lost" / "a.txt").write_text("x")
    if empty == "unreadable":
        (tmp_path / "lost" / "a.png").write_text("x")
    with pytest.raises(UserError, match="class lost"):
        load(tmp_path, corrupt="leave_out")


def write_split_folders(folder: Path, names: dict[str, int]) -> Path:
    """Write a folder for each split, with some pictures of two classes."""
    for seed, (name, count) in enumerate(names.items()):
        write_images(folder / name, count=count, seed=seed + 1)
    return folder


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "validation", "Testing"), ("train", "dev", "eval")]
)
def test_load_keeps_the_splits_of_folders(tmp_path: Path, names: tuple[str, str, str]) -> None:
    """Folders of splits are the splits, under all of their common names."""
    write_split_folders(tmp_path, dict(zip(names, (6, 3, 2), strict=True)))
    loaded = load(tmp_path)
    check("pictures", loaded)
    assert loaded.classes == ["class_0", "class_1"]
    assert {name: len(split.y) for name, split in loaded.splits.items()} == {"train": 12, "dev": 6, "eval": 4}
    for name, split in zip(names, SPLITS, strict=True):
        table = loaded.splits[split].origins
        assert table is not None and {str(row[3]).split("/")[0] for row in table.rows} == {name}


@pytest.mark.parametrize(("present", "missing"), [("test", "dev"), ("val", "eval")])
def test_load_draws_the_split_that_is_missing_from_train(tmp_path: Path, present: str, missing: str) -> None:
    """With two folders of splits, the third split is drawn from train, and the log says so."""
    loaded = load(write_split_folders(tmp_path, {"train": 10, present: 3}))
    check("pictures", loaded)
    assert len(loaded.splits[missing].y) == 4 and len(loaded.splits["train"].y) == 16
    assert loaded.notes == [f"there is no {missing}; drawn from train"]


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("train", "val", "tset"), "have names of splits, and tset not"),
        (("val", "test"), "has no folder train"),
        (("train", "test", "testing"), "two folders are of one split"),
    ],
)
def test_load_refuses_folders_that_are_nearly_splits(tmp_path: Path, folders: tuple[str, ...], words: str) -> None:
    """A folder that is nearly that of a split is not silently a class; classes may be named like splits."""
    write_split_folders(tmp_path, dict.fromkeys(folders, 3))
    with pytest.raises(UserError, match=words):
        load(tmp_path)
    classes = write_split_folders(tmp_path / "classes", dict.fromkeys(folders, 3))
    for path in sorted(classes.glob("*/*/*.png")):
        path.rename(path.parents[1] / f"{path.parent.name}{path.name}")
    for path in classes.glob("*/*_*"):
        if path.is_dir():
            path.rmdir()
    assert load(classes, layout="classes").classes == sorted(folders)


def write_labels(folder: Path, rows: list[str]) -> str:
    """Write a table of labels and return its path."""
    path = folder / "labels.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def test_load_reads_labels_from_a_table(tmp_path: Path) -> None:
    """A table that says what folders say gives the same data; pictures that it does not name are listed."""
    folder = write_images(tmp_path / "all")
    paths = sorted(folder.glob("*/*.png"))
    rows = ["image;class", *(f"{path.relative_to(folder)};{path.parent.name}" for path in paths)]
    table = write_labels(tmp_path, rows)
    by_folders, by_table = load(folder), load(folder, labels=table)
    assert [digest_of_split(by_table.splits[name]) for name in SPLITS] == [
        digest_of_split(by_folders.splits[name]) for name in SPLITS
    ]
    fewer = load(folder, labels=write_labels(tmp_path, rows[:-1]))
    assert fewer.parameters["bad_files"] == {str(paths[-1]): "is not in labels.csv"}


def test_load_reads_splits_and_groups_from_a_table(tmp_path: Path) -> None:
    """Columns of splits and groups are used; they may have names of one's own."""
    folder = write_images(tmp_path / "all", classes=1, count=8)
    place = ["train"] * 4 + ["val"] * 2 + ["Test"] * 2
    rows = [f"class_0/{n}.png,{'ab'[n % 2]},{place[n]},p{n // 2}" for n in range(8)]
    loaded = load(
        folder,
        labels=write_labels(tmp_path, ["where,label,part,patient", *rows]),
        label_columns={"file": "where", "split": "part"},
    )
    check("pictures", loaded)
    assert loaded.classes == ["a", "b"] and loaded.parameters["groups"] == ["p0", "p1", "p2", "p3"]
    assert [len(loaded.splits[name].y) for name in SPLITS] == [4, 2, 2]
    assert loaded.splits["train"].group is not None and loaded.splits["train"].group.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["file,label", "class_0/9.png,a"], r"row 2: .*9\.png does not exist"),
        (["file,label", "../../x.png,a"], "row 2: .* is not the path of a file below"),
        (["file,label", "/etc/hosts,a"], "row 2: .* is not the path of a file below"),
        (["file,label", "class_0/0.png,"], "row 2: has no label"),
        (["file,label", "class_0/0.png,a,b"], "row 2: has 3 fields, but the header has 2"),
        (["file,label", "class_0/0.png,a", "class_0/0.png,b"], "row 3: names .* a second time"),
        (["file,label,split", "class_0/0.png,a,trian"], "row 2: 'trian' is not a split: did you mean 'train'"),
        (["file,kind", "class_0/0.png,a"], "no column is called label or class"),
        (["file,label,class", "class_0/0.png,a,a"], "several columns may be the label: label, class"),
        (["file,label"], "names no picture"),
        ([], "no column is called file"),
        (["file,label", '"class_0/0.png,a'], "row 2: cannot be read"),
    ],
)
def test_load_names_a_wrong_row_of_the_labels(tmp_path: Path, rows: list[str], words: str) -> None:
    """A wrong table of labels is refused while planning, by its row."""
    folder = write_images(tmp_path / "all")
    with pytest.raises(UserError, match=f"labels.csv.*{words}"):
        images(folder, labels=write_labels(tmp_path, rows)).user_files()


def test_load_refuses_a_column_that_is_not_there(tmp_path: Path) -> None:
    """A column that the config names and the table has not is refused with the nearest name."""
    table = write_labels(tmp_path, ["file,label,diagnosis", "class_0/0.png,a,b"])
    with pytest.raises(UserError, match="has no column 'diagnose', or has it twice: did you mean 'diagnosis'"):
        images(write_images(tmp_path / "all"), labels=table, label_columns={"label": "diagnose"}).user_files()


def test_load_scales_and_keeps_orientation(tmp_path: Path) -> None:
    """Pictures of any size are scaled and keep their orientation."""
    half = np.zeros((40, 20), dtype=np.uint8)
    half[:, 10:] = 255
    half[:8] = 128
    for label in "ab":
        for number, size in enumerate([(20, 40), (9, 5), (60, 11)]):
            save(tmp_path / label / f"{number}.png", np.asarray(Image.fromarray(half).resize(size)))
    loaded = load(tmp_path, rows=10, columns=4, channels=1)
    x = everything(loaded)[..., 0]
    assert x.shape == (6, 10, 4)
    assert (x[:, 4:, 0] < 0.1).all() and (x[:, 4:, -1] > 0.9).all()
    assert abs(x[:, 0] - 0.5).max() < 0.25


def test_load_sorts_classes(tmp_path: Path) -> None:
    """Classes are sorted, and labels follow them."""
    for shade, label in ((10, "b"), (200, "c"), (100, "a")):
        for number in range(4):
            save(tmp_path / label / f"{number}.png", np.full((6, 6), shade, dtype=np.uint8))
    loaded = load(tmp_path)
    assert loaded.classes == ["a", "b", "c"]
    for split in loaded.splits.values():
        shades = np.array([100, 10, 200])[split.y] / 255
        np.testing.assert_allclose(split.x[:, 0, 0, 0], shades, atol=1e-6)


def test_load_depends_on_seed_and_shares(tmp_path: Path) -> None:
    """Seed and shares decide the split."""
    write_images(tmp_path, classes=2, count=20)

    def hashes(**changes: Any) -> list[str]:
        return [digest_of_split(split) for split in load(tmp_path, **changes).splits.values()]

    assert hashes() == hashes(seed=1) != hashes(seed=2)
    counts = {name: np.bincount(part.y).tolist() for name, part in load(tmp_path, dev=0.1, eval=0.3).splits.items()}
    assert counts == {"train": [12, 12], "dev": [2, 2], "eval": [6, 6]}
    assert len(np.unique(everything(load(tmp_path)).reshape(40, -1), axis=0)) == 40


@pytest.mark.parametrize(("dev", "evaluation"), [(0.01, 0.01), (0.6, 0.3), (0.3, 0.69), (0.45, 0.45)])
@pytest.mark.parametrize("count", [3, 4, 5])
def test_load_leaves_no_split_empty(tmp_path: Path, dev: float, evaluation: float, count: int) -> None:
    """No split is empty, even if its share rounds to none."""
    write_images(tmp_path, count=count)
    check("pictures", load(tmp_path, dev=dev, eval=evaluation))


def write_groups(folder: Path, patients: int, label_of: Any) -> None:
    for patient in range(patients):
        for number in range(3):
            shade = np.full((6, 6), patient * 4 + number, dtype=np.uint8)
            save(folder / label_of(patient, number) / f"p{patient:02d}_{number}.png", shade)


@pytest.mark.parametrize(
    "label_of",
    [
        lambda patient, number: "ab"[patient % 2],
        lambda patient, number: "ab"[number % 2],
        lambda patient, number: "ab"[number % 2] if patient % 3 else "b",
    ],
    ids=["one class each", "every class each", "mixed"],
)
def test_load_keeps_groups_together(tmp_path: Path, label_of: Any) -> None:
    """A group is in one split, even with pictures of several classes."""
    write_groups(tmp_path, 12, label_of)
    loaded = load(tmp_path, group="^(p[0-9]+)_", channels=1)
    check("pictures", loaded)
    places: dict[int, set[str]] = {}
    for name, split in loaded.splits.items():
        patients = (split.x[:, 0, 0, 0] * 255).round().astype(int) // 4
        assert split.group is not None and len(set(zip(patients, split.group, strict=True))) == len(set(patients))
        for patient in patients:
            places.setdefault(int(patient), set()).add(name)
    assert len(places) == 12 and all(len(names) == 1 for names in places.values())
    assert sum(len(split.y) for split in loaded.splits.values()) == 36
    assert {next(iter(names)) for names in places.values()} == set(SPLITS)


def test_load_without_groups(tmp_path: Path) -> None:
    """Without a pattern there are no groups."""
    write_images(tmp_path)
    assert all(split.group is None for split in load(tmp_path).splits.values())


BROKEN = {
    "text": b"no picture at all",
    "empty": b"",
    "PNG header alone": b"\x89PNG\r\n\x1a\n",
    "TIFF header alone": b"II*\x00\x08\x00\x00\x00",
}


def write_broken(folder: Path, content: bytes) -> Path:
    write_images(folder)
    path = folder / "class_1" / "broken.png"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_load_stops_at_or_leaves_out_a_broken_picture(tmp_path: Path, content: bytes) -> None:
    """A broken picture stops the run by its name, or is left out and listed."""
    path = write_broken(tmp_path, content)
    with pytest.raises(UserError, match=rf"{path}: cannot be read.*leave_out"):
        load(tmp_path)
    loaded = load(tmp_path, corrupt="leave_out")
    assert list(loaded.parameters["bad_files"]) == [str(path)] and loaded.parameters["bad_files"][str(path)]
    assert len(everything(loaded)) == 10 and path not in loaded.files


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_load_of_a_truncated_picture_is_never_a_traceback(tmp_path: Path, suffix: str) -> None:
    """A picture that is truncated anywhere never gives a traceback."""
    write_images(tmp_path, size=12)
    path = tmp_path / "class_0" / f"cut.{suffix}"
    save(path, np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    whole = path.read_bytes()
    for size in range(0, len(whole) - 20, max(1, len(whole) // 40)):
        path.write_bytes(whole[:size])
        loaded = load(tmp_path, corrupt="leave_out")
        assert list(loaded.parameters["bad_files"]) == [str(path)], size


def test_load_refuses_a_picture_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is too large to open counts as broken."""
    write_images(tmp_path)
    save(tmp_path / "class_0" / "huge.png", np.zeros((100, 100), dtype=np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    with pytest.raises(UserError, match=r"huge\.png: cannot be read"):
        load(tmp_path)


def test_load_refuses_only_broken_pictures(tmp_path: Path) -> None:
    """If all pictures are broken, a message says so."""
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "it.png").write_bytes(b"no")
    with pytest.raises(UserError, match="none of its 2 pictures"):
        load(tmp_path, corrupt="leave_out")


def test_user_files_refuses_a_folder_without_pictures(tmp_path: Path) -> None:
    """A folder without pictures is refused while the workflow is planned."""
    with pytest.raises(UserError, match="is not a folder"):
        images(tmp_path / "absent").user_files()
    with pytest.raises(UserError, match="holds no pictures"):
        images(tmp_path).user_files()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "thumbnail.png").write_bytes(b"x")
    (tmp_path / "a" / "._it.png").write_bytes(b"x")
    with pytest.raises(UserError, match="holds no pictures"):
        images(tmp_path).user_files()


def test_load_names_a_class_with_too_few_pictures(tmp_path: Path) -> None:
    """A class with too few pictures is named."""
    write_images(tmp_path, classes=1)
    write_images(tmp_path / "more", classes=1, count=2)
    (tmp_path / "more" / "class_0").rename(tmp_path / "rare")
    (tmp_path / "more").rmdir()
    with pytest.raises(UserError, match="class rare has 2 groups"):
        load(tmp_path)


def test_load_names_a_class_with_too_few_groups(tmp_path: Path) -> None:
    """A class with too few groups is named."""
    write_groups(tmp_path, 5, lambda patient, number: "ab"[patient % 2])
    with pytest.raises(UserError, match="class b has 2 groups"):
        load(tmp_path, group="^(p[0-9]+)_")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"group": "(p"}, "not a regular expression"),
        ({"group": "p[0-9]+"}, "exactly one group"),
        ({"group": "(p)([0-9])"}, "exactly one group"),
        ({"dev": 0.5, "eval": 0.5}, "nothing for train"),
        ({"rows": 0}, "rows"),
        ({"channels": 2}, "channels"),
        ({"corrupt": "ignore"}, "corrupt"),
        ({"label_columns": {"file": "x"}}, "label_columns: are columns of labels"),
        ({"labels": "l.csv", "label_columns": {"group": "x"}, "group": "(x)"}, "give one of the two"),
        ({"brightest": 0}, "brightest"),
    ],
)
def test_config_refuses_wrong_keys(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    """Wrong values are refused while the workflow is planned."""
    with pytest.raises(UserError, match=word):
        images(tmp_path, **changes)


@pytest.mark.parametrize("group", ["^(q)", "^(q)?"])
@pytest.mark.parametrize("corrupt", ["stop", "leave_out"])
def test_load_names_a_picture_without_group(tmp_path: Path, group: str, corrupt: str) -> None:
    """A picture whose name has no group is named."""
    write_images(tmp_path)
    with pytest.raises(UserError, match=r"class_0/0\.png: its name gives no group"):
        load(tmp_path, group=group, corrupt=corrupt)


def test_manifest_has_the_digest_of_every_picture(tmp_path: Path) -> None:
    """The manifest has the sha256 of every picture."""
    folder = write_images(tmp_path / "pictures")
    source = images(folder)
    manifest = tmp_path / "data" / "manifest.json"
    prepare("pictures", source, source.user_files(), manifest, tmp_path / "sealed" / "seal.json")
    files = read_json(manifest)["files"]
    assert files == {f"{p.parent.name}/{p.name}": digest_file(p) for p in folder.glob("*/*")}
    assert len(files) == 10


def test_origins_are_the_pictures_before_they_are_scaled(tmp_path: Path) -> None:
    """A picture has one origin in whatever size and color it is taken, and none in common with another."""
    write_images(tmp_path, count=5)
    one, two = load(tmp_path), load(tmp_path, rows=3, columns=4, channels=1)
    assert one.origin_digests is not None and two.origin_digests is not None
    everywhere = [digest for split in SPLITS for digest in one.origin_digests[split]]
    assert len(set(everywhere)) == 10
    for split in SPLITS:
        assert one.origin_digests[split].tolist() == two.origin_digests[split].tolist()
        assert len(one.origin_digests[split]) == len(one.splits[split].y)

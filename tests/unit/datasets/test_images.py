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
from support.builders import write_images


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
    loaded = load(tmp_path, channels=channels)
    check("pictures", loaded)
    assert loaded.classes == ["class_0", "class_1", "kind"]
    for split in loaded.splits.values():
        assert split.x.dtype == np.float32 and split.x.shape[1:] == (6, 6, channels)
        of_kind = split.x[split.y == 2]
        assert len(of_kind) == 1
        expected = np.repeat(RAMP[..., None] / 255.0, channels, axis=2)
        np.testing.assert_allclose(of_kind[0], expected, atol=0.03 if suffix[0] in "jJ" else 0.0041)


def test_load_of_a_constant_deep_picture_is_black(tmp_path: Path) -> None:
    """A deep picture of one value is black."""
    write_images(tmp_path, classes=1)
    for number in range(3):
        save(tmp_path / "flat" / f"{number}.png", np.full((6, 6), 999, dtype=np.uint16))
    flat = load(tmp_path).splits["train"]
    assert (flat.x[flat.y == 1] == 0).all()


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

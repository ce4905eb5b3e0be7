"""Pictures that look alike are counted by perceptual hashes, in any number of pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from blindtune.datasets import look_alikes
from blindtune.datasets.base import SPLITS
from blindtune.datasets.images import ImagesConfig, ImagesSource
from blindtune.datasets.look_alikes import (
    MAX_BITS,
    describe_look_alikes,
    find_close,
    hash_picture,
    list_sentences,
)
from blindtune.datasets.prepared import prepare

#: Hashes of few bits, so that many are close.
HASHES = st.lists(st.lists(st.integers(0, 63), max_size=5).map(lambda bits: sum(1 << bit for bit in set(bits))))


def differ(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@given(HASHES)
def test_close_hashes_are_those_of_a_comparison_of_all(hashes: list[int]) -> None:
    """Every pair that differs in few bits is found, and no other."""
    contents = np.array(sorted(set(hashes)), dtype=np.uint64)
    expected = {
        (one, other)
        for one in range(len(contents))
        for other in range(one + 1, len(contents))
        if differ(int(contents[one]), int(contents[other])) <= MAX_BITS
    }
    assert {(one, other) for one, other in find_close(contents).tolist()} == expected


@given(HASHES, HASHES, HASHES)
def test_look_alikes_are_counted_as_by_a_comparison_of_all(train: Any, dev: Any, evaluation: Any) -> None:
    """The number of pictures that look like one of another split is that of a comparison of all with all."""
    hashes = dict(zip(SPLITS, (train, dev, evaluation), strict=True))
    names = {split: [f"{split}{number}" for number in range(len(found))] for split, found in hashes.items()}
    found = describe_look_alikes(hashes, names)
    for split, other in (("eval", "train"), ("eval", "dev"), ("dev", "train")):
        count = sum(any(differ(one, same) <= MAX_BITS for same in hashes[other]) for one in hashes[split])
        alike = found.get(f"{split} in {other}", {"pictures": 0, "examples": []})
        assert alike["pictures"] == count
        for one, same in alike["examples"]:
            values = hashes[split][names[split].index(one)], hashes[other][names[other].index(same)]
            assert differ(*values) <= MAX_BITS


def test_many_plain_pictures_are_compared_with_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where too many hashes share a part, only some are compared."""
    monkeypatch.setattr(look_alikes, "MAX_COMPARED", 10)
    contents = np.arange(3000, dtype=np.uint64)
    pairs = find_close(contents)
    assert 0 < len(pairs) <= 4 * 3000 * 10


def test_pictures_that_were_not_compared_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log and the report say how many pictures were not compared with all others."""
    monkeypatch.setattr(look_alikes, "MAX_COMPARED", 10)
    hashes = {"train": list(range(0, 60, 2)), "dev": [2**40], "eval": [2**41, 2**41]}
    names = {split: [str(number) for number in range(len(found))] for split, found in hashes.items()}
    found = describe_look_alikes(hashes, names)
    assert found["uncompared"]["pictures"] == 23
    assert "23 pictures are as plain as more than 10 others" in list_sentences(found)[-1]


def scene(seed: int, side: int = 96) -> Image.Image:
    """Return a picture with large shapes."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def test_hash_survives_scaling_and_compression(tmp_path: Path) -> None:
    """A picture that was scaled or saved as JPEG looks like itself; other pictures do not."""
    path = tmp_path / "a.jpg"
    scene(1).save(path, quality=60)
    with Image.open(path) as compressed:
        hashes = [hash_picture(scene(1)), hash_picture(compressed), hash_picture(scene(1, 64))]
    assert max(differ(hashes[0], other) for other in hashes) <= MAX_BITS
    assert min(differ(hashes[0], hash_picture(scene(seed))) for seed in range(2, 30)) > MAX_BITS


def write_scenes(folder: Path) -> None:
    """Write different pictures of two classes."""
    for label in range(2):
        (folder / f"class_{label}").mkdir(parents=True)
        for number in range(10):
            scene(100 * label + number).save(folder / f"class_{label}" / f"{number}.png")


def prepare_images(folder: Path, **keys: Any) -> tuple[Any, str]:
    """Return the manifest of the prepared pictures, and the line for the log."""
    import json

    source = ImagesSource(ImagesConfig(source="images", folder=str(folder / "raw"), rows=8, columns=8, **keys))
    manifest = folder / "data" / "manifest.json"
    line = prepare("pictures", source, source.user_files(), manifest, folder / "sealed" / "seal.json")
    return json.loads(manifest.read_text(encoding="utf-8")), line


def test_look_alikes_of_pictures_are_a_warning(tmp_path: Path) -> None:
    """A picture of eval that was saved again in train is named in manifest and log, and changes no split."""
    write_scenes(tmp_path / "raw")
    manifest, line = prepare_images(tmp_path)
    assert "look_alikes" not in manifest["parameters"] and "look like" not in line
    source = ImagesSource(ImagesConfig(source="images", folder=str(tmp_path / "raw")))
    loaded = source.load(source.user_files())
    assert loaded.locate is not None
    sealed, trained = Path(loaded.locate("eval", 0)), Path(loaded.locate("train", 0))
    with Image.open(sealed) as picture:
        picture.resize((70, 70)).save(trained)
    manifest, line = prepare_images(tmp_path)
    alike = manifest["parameters"]["look_alikes"]
    assert alike == {"eval in train": {"pictures": 1, "examples": [[str(sealed), str(trained)]]}}
    assert f"1 pictures of eval look like one of train, such as {sealed} and {trained}" in line
    assert manifest["leaks"]["shared"]["eval"] == {"train": 0, "dev": 0}
    assert list_sentences(alike) and not list_sentences({})


def test_picture_under_two_names_is_refused(tmp_path: Path) -> None:
    """The same pixels in eval and train are a leak, by the names of the pictures, however they are stored."""
    write_scenes(tmp_path / "raw")
    source = ImagesSource(ImagesConfig(source="images", folder=str(tmp_path / "raw")))
    loaded = source.load(source.user_files())
    assert loaded.locate is not None
    sealed, trained = Path(loaded.locate("eval", 0)), Path(loaded.locate("train", 0))
    with Image.open(sealed) as picture:
        picture.save(trained, compress_level=0, pnginfo=None)
    assert sealed.read_bytes() != trained.read_bytes()
    with pytest.raises(Exception, match="1 of 4 samples of eval are also in train") as caught:
        prepare_images(tmp_path)
    assert f"{sealed} equals {trained}" in str(caught.value)
    manifest, _ = prepare_images(tmp_path, leaks="remove")
    assert manifest["leaks"]["removed"] == {"train": 1, "dev": 0}

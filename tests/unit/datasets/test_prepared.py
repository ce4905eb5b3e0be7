"""Prepared datasets: refused where no blind study can be run, whole and hashed otherwise."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.bounds import MAX_CLASSES
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file
from blindtune.datasets import chunked, prepared
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, Source, Split
from blindtune.datasets.content import digest_content, digest_samples
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.prepared import (
    EVAL_DIGESTS,
    EVAL_ORIGINS,
    check,
    digest_of_split,
    open_prepared,
    open_split,
    prepare,
)
from support.builders import Places, points, prepare_toy, write_csv_folder


def split(count: int = 8, seed: int = 0, **changes: Any) -> Split:
    x, y = points(count, seed)
    return dataclasses.replace(Split(x, y), **changes)


def loaded(**changes: Any) -> LoadedDataset:
    splits = {name: changes.pop(name, split(seed=number)) for number, name in enumerate(SPLITS)}
    return LoadedDataset(splits=splits, classes=["a", "b"], axes=["sample", "feature"], units="none", **changes)


def grouped(values: list[int], seed: int = 0) -> Split:
    return split(len(values), seed, group=np.array(values))


class FixedSource(Source):
    """Returns fixed data."""

    def __init__(self, data: LoadedDataset) -> None:
        super().__init__(DatasetConfig(source="fixed"))
        self.data = data

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        return self.data


def written(folder: Path, data: LoadedDataset, **changes: Any) -> Places:
    """What `prepare` makes of ``data``."""
    places = Places(folder / "data/it/manifest.json", folder / "sealed/it/seal.json")
    source = FixedSource(dataclasses.replace(data, **changes))
    prepare("it", source, {}, places.manifest, places.seal)
    return places


def files_of(places: Places) -> list[Path]:
    return [path for half in (places.manifest, places.seal) for path in half.parent.rglob("*") if path.is_file()]


def with_value(value: float) -> Split:
    changed = split()
    changed.x[3, 1] = value
    return changed


def test_check_accepts_good_data() -> None:
    """Good data pass."""
    check("toy", loaded())
    check("toy", loaded(train=grouped([1, 1, 2, 2]), dev=grouped([3, 3]), eval=grouped([4, 5])))


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize(
    ("part", "words"),
    [
        (split(0), "is empty"),
        (split(y=np.zeros(8, np.int64)), "class b has no sample"),
        (split(y=np.ones(8, np.int64)), "class a has no sample"),
        (split(y=np.arange(8) % 3), "label 2 is not one of the 2 classes"),
        (split(y=np.arange(8) % 2 - 1), "label -1 is not one of the 2 classes"),
        (split(y=np.arange(6) % 2), "8 samples but 6 labels"),
    ],
)
def test_check_names_dataset_and_split(name: str, part: Split, words: str) -> None:
    """Bad data are refused, and the message names dataset and split."""
    with pytest.raises(UserError) as caught:
        check("toy", loaded(**{name: part}))
    assert str(caught.value).startswith(f"dataset toy, {name}: ") and words in str(caught.value)


def test_check_refuses_one_class() -> None:
    """Data of one class are refused."""
    alone = {name: split(seed=number, y=np.zeros(8, np.int64)) for number, name in enumerate(SPLITS)}
    data = LoadedDataset(splits=alone, classes=["a"], axes=["sample", "feature"], units="none")
    with pytest.raises(UserError, match="dataset toy: has one class"):
        check("toy", data)


def test_check_refuses_more_classes_than_a_decode_can_keep() -> None:
    """The classes are bounded, since the answers of a decode by class grow with their square."""
    names = [str(number) for number in range(MAX_CLASSES + 1)]
    parts = {
        name: Split(np.arange(len(names), dtype=np.float32)[:, None] + number / 4, np.arange(len(names)))
        for number, name in enumerate(SPLITS)
    }
    data = LoadedDataset(splits=parts, classes=names, axes=["sample", "feature"], units="none")
    with pytest.raises(UserError, match=r"dataset toy: has 1,001 classes; the most is 1,000, .* Merge classes"):
        check("toy", data)


@pytest.mark.parametrize(("first", "second"), [("train", "dev"), ("train", "eval"), ("dev", "eval")])
def test_check_refuses_a_group_in_two_splits(first: str, second: str) -> None:
    """A group in two splits is refused."""
    groups = {name: grouped([10 * number, 10 * number + 1]) for number, name in enumerate(SPLITS)}
    groups[second] = grouped([99, int(groups[first].group[0])])  # type: ignore[index]
    with pytest.raises(UserError, match=f"is in {first} and in {second}"):
        check("toy", loaded(**groups))


def test_check_names_a_group_and_its_samples() -> None:
    """The message has the group as the user knows it, and where its samples come from."""
    data = loaded(
        train=grouped([0, 0, 1]),
        dev=grouped([2, 2]),
        eval=grouped([3, 1]),
        parameters={"groups": ["ann", "bo", "cy", "di"]},
        locate=lambda split, row: f"{split}/{row}.png",
    )
    with pytest.raises(
        UserError, match=r"group 'bo' is in train \(train/2\.png\) and in eval \(eval/1\.png\)\. .* move"
    ):
        check("toy", data)


@pytest.mark.parametrize(("first", "second"), [("train", "dev"), ("train", "eval"), ("dev", "eval")])
def test_prepare_refuses_the_same_data_in_two_splits(tmp_path: Path, first: str, second: str) -> None:
    """Two splits with the same data are refused."""
    files = write_csv_folder(tmp_path / "csv", train=30)
    files[second].write_bytes(files[first].read_bytes())
    with pytest.raises(UserError, match=f"{first} and {second} hold the same samples"):
        prepare(
            "toy",
            CsvFolderSource(CsvFolderConfig(source="csv_folder", folder="x")),
            files,
            tmp_path / "data/m.json",
            tmp_path / "sealed/s.json",
        )
    assert not (tmp_path / "data").exists() and not (tmp_path / "sealed").exists()


def test_prepare_names_a_few_of_many_absent_classes(tmp_path: Path) -> None:
    """One label that is far too large, such as an id in the place of a label, gives a message of one line."""
    files = write_csv_folder(tmp_path / "csv")
    for path in files.values():
        path.write_text(path.read_text(encoding="utf-8") + "900,9.5,9.5\n", encoding="utf-8")
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(tmp_path / "csv")))
    with pytest.raises(UserError, match=r"class 2, 3, .* 11 and 888 more has no sample") as caught:
        prepare("toy", source, files, tmp_path / "data/m.json", tmp_path / "sealed/s.json")
    assert len(str(caught.value)) < 200


def test_prepare_refuses_a_label_gap(tmp_path: Path) -> None:
    """Labels with a gap are refused."""
    files = write_csv_folder(tmp_path / "csv")
    for path in files.values():
        path.write_text(path.read_text(encoding="utf-8").replace("1,", "2,"), encoding="utf-8")
    with pytest.raises(UserError, match="dataset toy, train: class 1 has no sample"):
        prepare(
            "toy",
            CsvFolderSource(CsvFolderConfig(source="csv_folder", folder="x")),
            files,
            tmp_path / "m.json",
            tmp_path / "s.json",
        )


def test_open_prepared_returns_what_was_prepared(tmp_path: Path) -> None:
    """Train and dev are opened as they were prepared."""
    places = prepare_toy(tmp_path, train=12, dev=8, eval=6)
    data = places.open()
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(tmp_path / "csv/toy")))
    original = source.load(source.user_files()).splits
    for name, part in (("train", data.train), ("dev", data.dev), ("eval", open_split(places.seal.parent / "eval"))):
        np.testing.assert_array_equal(part.x, original[name].x)
        np.testing.assert_array_equal(part.y, original[name].y)
        assert isinstance(part.x, np.memmap) and part.group is None
    assert (data.name, data.classes, data.sample_shape) == ("toy", ["0", "1"], (2,))


def test_manifest_describes_the_dataset(tmp_path: Path) -> None:
    """The manifest has source, files, counts and versions."""
    places = prepare_toy(tmp_path, train=12, dev=8, eval=6)
    manifest = json.loads(places.manifest.read_text(encoding="utf-8"))
    assert manifest["counts"]["eval"] == {"0": 3, "1": 3}
    assert (manifest["sample_shape"], manifest["dtype"], manifest["axes"]) == ([2], "float32", ["sample", "feature"])
    assert manifest["files"] == {f"{n}.csv": digest_file(tmp_path / f"csv/toy/{n}.csv") for n in SPLITS}
    assert manifest["splits"]["dev"] == digest_of_split(places.open().dev)
    assert manifest["versions"].keys() == {"python", "numpy"}
    seal = json.loads(places.seal.read_text(encoding="utf-8"))
    eval_part = open_split(places.seal.parent / "eval")
    content_sha256 = digest_content(digest_samples(eval_part.x))
    assert seal == {
        "dataset": "toy",
        "sha256": digest_of_split(eval_part),
        "content_sha256": content_sha256,
        "samples": 6,
    }
    assert manifest["eval_content_sha256"] == content_sha256


def test_eval_digests_are_those_of_its_samples(tmp_path: Path) -> None:
    """The digests next to the manifest are those of eval's samples, sorted."""
    places = prepare_toy(tmp_path, train=12, dev=8, eval=6)
    stored = np.load(places.manifest.parent / EVAL_DIGESTS, allow_pickle=False)
    assert stored.tolist() == sorted(digest_samples(open_split(places.seal.parent / "eval").x).tolist())


def test_eval_content_depends_on_no_order(tmp_path: Path) -> None:
    """The digest of eval's content is the same for other labels, names, folders and orders of rows."""
    part, turned = split(seed=2), split(seed=2)
    order = np.random.default_rng(3).permutation(8)
    turned = Split(turned.x[order], turned.y[order])
    one, other = written(tmp_path / "one", loaded(eval=part)), written(tmp_path / "other", loaded(eval=turned))
    first, second = (json.loads(places.seal.read_text(encoding="utf-8")) for places in (one, other))
    assert first["sha256"] != second["sha256"]
    assert first["content_sha256"] == second["content_sha256"]


def test_prepare_writes_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last file cannot be written, the seal, the digests and the data are those of before."""
    places = written(tmp_path, loaded())
    before = {path: path.read_bytes() for path in files_of(places)}

    def refuse(value: Any) -> Any:
        raise UserError("the disk is full")

    monkeypatch.setattr(prepared, "json_writer", refuse)
    with pytest.raises(UserError, match="the disk is full"):
        written(tmp_path, loaded(eval=split(seed=9)))
    assert {path: path.read_bytes() for path in files_of(places)} == before


def test_eval_is_in_the_sealed_folder_only(tmp_path: Path) -> None:
    """Eval is in the sealed folder only."""
    places = prepare_toy(tmp_path)
    below = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "data").rglob("*.npy")}
    arrays = {f"data/toy/{part}/{array}.npy" for part in ("train", "dev") for array in "xy"}
    assert below == arrays | {f"data/toy/{name}" for name in (EVAL_DIGESTS, EVAL_ORIGINS)}
    assert {path.name for path in places.seal.parent.iterdir()} == {"eval", "seal.json"}


def test_hashes_depend_on_content(tmp_path: Path) -> None:
    """Hashes depend on the content and on nothing else."""
    one, same = prepare_toy(tmp_path / "one").open(), prepare_toy(tmp_path / "same").open()
    other, only_eval = prepare_toy(tmp_path / "b", seed=1).open(), prepare_toy(tmp_path / "c", eval=32).open()
    assert one.sha256 == same.sha256 == only_eval.sha256 != other.sha256
    assert one.manifest["splits"]["eval"] != only_eval.manifest["splits"]["eval"]


def test_groups_are_written_and_digested(tmp_path: Path) -> None:
    """Groups are written and are part of the digest."""
    plain = loaded(train=split(4))
    with_group = loaded(train=grouped([1, 1, 2, 2]), dev=grouped([3, 3], 1), eval=grouped([4, 5], 2))
    assert digest_of_split(plain.splits["train"]) != digest_of_split(with_group.splits["train"])
    assert written(tmp_path, with_group).open().train.group.tolist() == [1, 1, 2, 2]  # type: ignore[union-attr]
    # Without groups now: none of before may be left.
    assert written(tmp_path, plain).open().train.group is None


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_prepare_refuses_values_that_are_not_finite(
    tmp_path: Path, name: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that is not finite is named, and nothing is written."""
    before = {path: path.read_bytes() for path in files_of(written(tmp_path, loaded()))}
    monkeypatch.setattr(chunked, "MAX_CHUNK_BYTES", 24)
    with pytest.raises(UserError, match=f"dataset it, {name}: sample 4 holds a value that is not finite"):
        written(tmp_path, loaded(**{name: with_value(value)}))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    with pytest.raises(UserError, match="not finite"):
        written(tmp_path / "new", loaded(**{name: with_value(value)}))
    assert not list(tmp_path.glob("new/**/*"))


@pytest.mark.parametrize("chunk", [1, 100, 2**24])
def test_prepare_does_not_depend_on_chunks(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of chunks does not change what is written."""
    monkeypatch.setattr(chunked, "MAX_CHUNK_BYTES", chunk)
    for dtype in (np.uint8, np.float32, ">f8"):
        pictures = {name: split(x=picture(dtype, seed)) for seed, name in enumerate(SPLITS)}
        places = written(tmp_path, loaded(**pictures))
        for name in ("train", "dev"):
            stored = io.BytesIO()
            np.save(stored, pictures[name].x)
            assert (places.manifest.parent / name / "x.npy").read_bytes() == stored.getvalue()
            assert places.open().manifest["splits"][name] == digest_of_split(pictures[name])


def test_digest_of_split_is_stable(tmp_path: Path) -> None:
    """The digest of some data is a fixed number."""
    assert (
        written(tmp_path, loaded()).open().sha256 == "6009de88fe78fcf553c39cbf5758af424b38aff811c4b69801fab257e234d66c"
    )


def test_statistics_need_a_channel_axis(tmp_path: Path) -> None:
    """Statistics are computed if there is an axis of channels."""
    x = picture(np.uint8, 1)
    places = written(tmp_path, loaded(train=split(x=x)), axes=["sample", "row", "channel", "column"])
    statistics = places.open().manifest["statistics"]
    np.testing.assert_allclose(statistics["mean"], x.mean(axis=(0, 1, 3)))
    np.testing.assert_allclose(statistics["deviation"], x.std(axis=(0, 1, 3)))
    assert written(tmp_path, loaded()).open().manifest["statistics"] is None


def picture(dtype: Any, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (8, 3, 2, 4)).astype(dtype)


def test_open_prepared_names_a_damaged_array(tmp_path: Path) -> None:
    """A missing or damaged array is named."""
    places = prepare_toy(tmp_path)
    array = places.manifest.parent / "dev" / "x.npy"
    for size in (40, 0):
        array.write_bytes(array.read_bytes()[:size])
        with pytest.raises(UserError, match=r"dev/x\.npy: cannot be read"):
            places.open()
    array.unlink()
    with pytest.raises(UserError, match=r"dev/x\.npy: cannot be read"):
        places.open()
    with pytest.raises(UserError, match=r"gone\.json: cannot be read"):
        open_prepared(tmp_path / "gone.json")


def test_open_split_runs_no_pickled_code(tmp_path: Path) -> None:
    """An array of objects is refused and runs no code."""
    places = prepare_toy(tmp_path)
    np.save(places.manifest.parent / "dev" / "y.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"dev/y\.npy: cannot be read"):
        places.open()

"""Leaks: equal samples across splits and within one are counted by content, and refused, removed or reported."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.arrays import write_array
from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, ChunkedSplit, DatasetConfig, LoadedDataset, Source, Split, TsvTable
from blindtune.datasets.chunked import ChunkedArray, FileRows
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.leaks import find_equal_samples
from blindtune.datasets.prepared import open_prepared, open_split, prepare
from support.builders import Places, origins, write_csv_folder

#: Samples of few values, each with a label, so that many are equal.
SAMPLES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2)), min_size=1, max_size=20)


def split_of(samples: list[tuple[int, int]]) -> Split:
    values, labels = zip(*samples, strict=True)
    return Split(np.array([[value, -value] for value in values], np.float32), np.array(labels, np.int64))


def loaded(splits: dict[str, Any]) -> LoadedDataset:
    return LoadedDataset(splits, ["a", "b", "c"], ["sample", "feature"], "none")


@given(SAMPLES, SAMPLES, SAMPLES)
def test_leaks_are_counted_as_by_sets(train: Any, dev: Any, evaluation: Any) -> None:
    """Every count is that of a comparison of all samples with all others."""
    given_samples = dict(zip(SPLITS, (train, dev, evaluation), strict=True))
    equal = find_equal_samples(loaded({name: split_of(samples) for name, samples in given_samples.items()}))
    leaks = equal.count()
    values = {name: [value for value, _ in samples] for name, samples in given_samples.items()}
    for one, samples in given_samples.items():
        assert leaks.repeated[one] == len(samples) - len(set(values[one]))
        assert leaks.repeated_in_class[one] == len(samples) - len(set(samples))
        assert leaks.other_label[one] == sum(
            any(value == other and label != its for other, its in samples) for value, label in samples
        )
        for other in given_samples.keys() - {one}:
            assert leaks.shared[one][other] == sum(value in values[other] for value in values[one])
    for row, same in equal.examples("eval", "train"):
        assert values["eval"][row] == values["train"][same]


class Leaky(Source):
    """Three splits of fixed samples, in memory or in files."""

    def __init__(self, splits: dict[str, Any], **keys: Any) -> None:
        super().__init__(DatasetConfig(source="leaky", **keys))
        self.splits = splits

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        return loaded(self.splits)


CLEAN = {
    "train": [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2)],
    "dev": [(10, 0), (11, 1), (12, 2), (13, 0)],
    "eval": [(20, 0), (21, 1), (22, 2), (23, 0)],
}


def leaky(**added: list[tuple[int, int]]) -> dict[str, Split]:
    """Return clean splits with more samples."""
    return {name: split_of(samples + added.get(name, [])) for name, samples in CLEAN.items()}


def prepare_leaky(folder: Path, splits: dict[str, Any], **keys: Any) -> tuple[Places, str]:
    """Return where the splits are prepared, and the line for the log."""
    places = Places(folder / "data/it/manifest.json", folder / "sealed/it/seal.json")
    return places, prepare("it", Leaky(splits, **keys), {}, places.manifest, places.seal)


@pytest.mark.parametrize("other", ["train", "dev"])
def test_prepare_refuses_samples_of_eval_in_other_splits(tmp_path: Path, other: str) -> None:
    """One row of eval in train or dev is refused by default: how many of how many, which, and what can be done."""
    with pytest.raises(UserError) as caught:
        prepare_leaky(tmp_path, leaky(**{other: [(21, 1)]}))
    message = str(caught.value)
    number = len(CLEAN[other]) + 1
    assert message.startswith("dataset it: eval shares samples")
    assert f"1 of 4 samples of eval are also in {other}: sample 2 of eval equals sample {number} of {other}" in message
    assert "datasets.it.leaks" in message and "'remove'" in message and "'report'" in message
    assert f"1 of {number} of {other}" in message
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_prepare_finds_leaks_whatever_the_label(tmp_path: Path) -> None:
    """A sample of eval with another label in train is the same sample."""
    with pytest.raises(UserError, match="1 of 4 samples of eval are also in train"):
        prepare_leaky(tmp_path, leaky(train=[(21, 2)]))


def test_prepare_reports_leaks(tmp_path: Path) -> None:
    """With ``report`` nothing is changed, and the counts are in the manifest and the log."""
    splits = leaky(train=[(20, 0), (20, 1), (10, 0), (0, 0)], eval=[(11, 1)], dev=[(10, 2)])
    places, line = prepare_leaky(tmp_path, splits, leaks="report")
    assert places.open().manifest["leaks"] == {
        "rule": "report",
        "removed": {"train": 0, "dev": 0},
        "shared": {
            "train": {"dev": 1, "eval": 2},
            "dev": {"train": 2, "eval": 1},
            "eval": {"train": 1, "dev": 1},
        },
        "repeated": {"train": 2, "dev": 1, "eval": 0},
        "repeated_in_class": {"train": 1, "dev": 0, "eval": 0},
        "other_label": {"train": 2, "dev": 2, "eval": 0},
    }
    for words in (
        "1 of 5 samples of eval are also in train",
        "1 of 5 samples of eval are also in dev",
        "2 of 5 samples of dev are also in train",
        "2 samples of train repeat an earlier one",
        "2 samples of dev equal one with another label",
    ):
        assert words in line
    assert places.open().train.x.tolist() == splits["train"].x.tolist()


def test_prepare_reports_what_does_not_touch_eval(tmp_path: Path) -> None:
    """Samples that train and dev share, and those that a split repeats, are reported and not refused."""
    places, line = prepare_leaky(tmp_path, leaky(train=[(10, 0), (0, 1)]))
    assert places.open().manifest["leaks"]["shared"]["dev"] == {"train": 1, "eval": 0}
    assert "1 of 4 samples of dev are also in train" in line


def test_leaks_of_clean_data_are_zero(tmp_path: Path) -> None:
    """Without equal samples all counts are zero, and the log has no word about them."""
    places, line = prepare_leaky(tmp_path, leaky())
    leaks = places.open().manifest["leaks"]
    assert line == "it: 6 / 4 / 4 samples of 3 classes in train / dev / eval"
    assert leaks.pop("rule") == "refuse" and set(flat(leaks)) == {0}


def flat(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else [number for part in value.values() for number in flat(part)]


def test_prepare_removes_leaks(tmp_path: Path) -> None:
    """With ``remove`` train and dev lose what eval has, train what dev has, and eval nothing."""
    splits = leaky(train=[(20, 0), (20, 1), (10, 0), (6, 0), (6, 0)], dev=[(21, 1), (14, 2)])
    places, line = prepare_leaky(tmp_path, splits, leaks="remove")
    data = places.open()
    assert data.train.x[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 6]
    assert data.dev.x[:, 0].tolist() == [10, 11, 12, 13, 14] and data.dev.y.tolist() == [0, 1, 2, 0, 2]
    assert open_split(places.seal.parent / "eval").x[:, 0].tolist() == [20, 21, 22, 23]
    leaks = data.manifest["leaks"]
    assert (leaks["rule"], leaks["removed"]) == ("remove", {"train": 3, "dev": 1})
    assert leaks["shared"]["eval"] == {"train": 1, "dev": 1}
    assert "3 removed from train, 1 removed from dev" in line
    assert data.manifest["counts"]["train"] == {"a": 4, "b": 2, "c": 2}


def test_remove_keeps_a_class_in_each_split(tmp_path: Path) -> None:
    """What would leave a class without samples is refused by the name of split and class."""
    splits = leaky(eval=[(11, 1)])
    with pytest.raises(UserError, match=r"dataset it, dev: leaks: remove would remove 1 of its 4 samples .* class b"):
        prepare_leaky(tmp_path, splits, leaks="remove")
    same = {**leaky(), "train": split_of(CLEAN["eval"])}
    with pytest.raises(UserError, match="train: leaks: remove would remove 4 of its 4 samples and leave class a, b, c"):
        prepare_leaky(tmp_path, same, leaks="remove")


@pytest.mark.parametrize("rule", ["remove", "report"])
def test_rule_changes_no_byte_of_clean_data(tmp_path: Path, rule: str) -> None:
    """Where nothing is removed the prepared data are the same, to the byte."""
    one, _ = prepare_leaky(tmp_path / "one", leaky(train=[(0, 0)]))
    other, _ = prepare_leaky(tmp_path / "other", leaky(train=[(0, 0)]), leaks=rule)
    for split in ("train", "dev"):
        for name in ("x.npy", "y.npy"):
            path = Path(split) / name
            assert (one.manifest.parent / path).read_bytes() == (other.manifest.parent / path).read_bytes()
    assert one.seal.read_bytes() == other.seal.read_bytes()


def test_prepare_removes_leaks_of_samples_in_files(tmp_path: Path) -> None:
    """Samples of many files lose the same rows, with their groups and origins; the message names files and places."""
    splits = {}
    for number, (name, samples) in enumerate((leaky(train=[(22, 1)], dev=[(23, 0)])).items()):
        write_array(tmp_path / f"{name}.npy", samples.x)
        count = len(samples.y)
        rows: list[tuple[str | int | float, ...]] = [
            (row, "a", f"p{number}", f"{name}.edf", 2.5 * row) for row in range(count)
        ]
        table = TsvTable(("sample", "class", "group", "file", "start"), rows)
        x = ChunkedArray([FileRows(tmp_path / f"{name}.npy", range(count))])
        splits[name] = ChunkedSplit(x, samples.y, np.full(count, number), table)
    with pytest.raises(UserError, match=r"eval\.edf at start 5\.0 equals train\.edf at start 15\.0"):
        prepare_leaky(tmp_path / "refused", splits)
    places, _ = prepare_leaky(tmp_path / "removed", splits, leaks="remove")
    data = places.open()
    assert data.train.x[:, 0].tolist() == [0, 1, 2, 3, 4, 5] and data.dev.x[:, 0].tolist() == [10, 11, 12, 13]
    assert data.train.group is not None and data.train.group.tolist() == [0] * 6
    assert [row["sample"] for row in origins(places.manifest.parent / "train")] == list("012345")


def test_prepare_writes_and_keeps_origins_of_samples_in_memory(tmp_path: Path) -> None:
    """Samples in memory may have origins too; the messages name them, and samples that are removed lose theirs."""
    splits = {
        name: replace(
            samples,
            origins=TsvTable(
                ("sample", "class", "group", "file", "row"),
                [(row, "a", "", f"{name}.csv", row + 2) for row in range(len(samples.y))],
            ),
        )
        for name, samples in leaky(train=[(22, 1), (7, 0)]).items()
    }
    with pytest.raises(UserError, match=r"eval\.csv at row 4 equals train\.csv at row 8"):
        prepare_leaky(tmp_path / "refused", splits)
    places, _ = prepare_leaky(tmp_path / "removed", splits, leaks="remove")
    kept = origins(places.manifest.parent / "train")
    assert [(row["sample"], row["row"]) for row in kept] == [(str(n), str(n + 2 + (n == 6))) for n in range(7)]
    assert len(origins(places.seal.parent / "eval")) == 4


def test_csv_files_with_leaks_are_refused_and_prepared_as_advised(tmp_path: Path) -> None:
    """Rows of eval.csv in train.csv: each choice that the message names works."""
    files = write_csv_folder(tmp_path / "csv", train=40, dev=20, eval=20)
    stolen = files["eval"].read_text(encoding="utf-8").splitlines()[:6]
    with files["train"].open("a", encoding="utf-8") as stream:
        stream.write("\n".join(stolen) + "\n")

    def made(rule: str) -> Path:
        source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder="csv", leaks=rule))
        manifest = tmp_path / rule / "data" / "manifest.json"
        prepare("toy", source, files, manifest, tmp_path / rule / "sealed" / "seal.json")
        return manifest

    with pytest.raises(
        UserError, match=r"6 of 20 samples of eval are also in train: sample 1 of eval equals sample 41"
    ):
        made("refuse")
    assert len(open_prepared(made("remove")).train.y) == 40
    reported = open_prepared(made("report"))
    assert len(reported.train.y) == 46
    assert json.loads(made("report").read_text(encoding="utf-8"))["leaks"]["shared"]["eval"]["train"] == 6

"""The column `weight` of a table: read, checked, kept with its rows, and part of the identity of train."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.datasets.prepared import open_prepared
from support.tables import load, prepare_table


def write(path: Path, weights: Sequence[object], rows: Sequence[int] | None = None) -> str:
    """Write a table whose weights are 1,000 more than the feature, unless others are given; return its path."""
    order = range(len(weights)) if rows is None else rows
    lines = [f"{number},{weights[number]},{'ab'[number % 2]}" for number in order]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["x,w,label", *lines]) + "\n", encoding="utf-8")
    return str(path)


def of_rows(count: int = 60) -> list[object]:
    return [1000 + number for number in range(count)]


def test_weights_are_those_of_the_rows_of_train(tmp_path: Path) -> None:
    """The column is no feature, and train alone has weights, each that of its row."""
    train, sealed = prepare_table(tmp_path, file=write(tmp_path / "t.csv", of_rows()), weight="w")
    assert train.train.weight is not None and train.train.weight.dtype == np.float64
    np.testing.assert_array_equal(train.train.weight, 1000 + train.train.x[:, 0])
    assert train.train.x.shape[1] == 1
    assert train.dev.weight is None and sealed.weight is None
    assert not list(tmp_path.glob("*/dev/weight.npy")) and not list(tmp_path.glob("sealed/eval/weight.npy"))
    assert "weights in training: column w, 1000 to 1059; errors have none" in str(train.manifest["parameters"])


def test_leaks_that_are_removed_take_their_weights_along(tmp_path: Path) -> None:
    """After rows of eval and dev were taken out of train, each weight is still that of its row."""
    files = {}
    for split, first in (("train", 0), ("dev", 30), ("eval", 50)):
        numbers = range(first, first + 40)
        lines = [f"{number},{1000 + number},{'ab'[number % 2]}" for number in numbers]
        (tmp_path / f"{split}.csv").write_text("\n".join(["x,w,label", *lines]) + "\n", encoding="utf-8")
        files[split] = str(tmp_path / f"{split}.csv")
    train = prepare_table(tmp_path, files=files, weight="w", leaks="remove")[0].train
    assert train.x[:, 0].tolist() == list(range(30)) and train.weight is not None
    np.testing.assert_array_equal(train.weight, 1000 + train.x[:, 0])


def test_train_as_dev_is_refused_with_weights_too(tmp_path: Path) -> None:
    """Train has weights and dev has none; their samples are compared."""
    files = {"train": write(tmp_path / "a.csv", of_rows()), "dev": write(tmp_path / "b.csv", of_rows())}
    (tmp_path / "eval.csv").write_text("x,w,label\n200,5,a\n201,5,b\n", encoding="utf-8")
    with pytest.raises(UserError, match="train and dev hold the same samples"):
        prepare_table(tmp_path, files={**files, "eval": str(tmp_path / "eval.csv")}, weight="w")


def test_files_may_have_their_columns_in_another_order(tmp_path: Path) -> None:
    """The weight is found by its name in each file, also where dev is a share of train."""
    write(tmp_path / "train.csv", of_rows())
    (tmp_path / "eval.csv").write_text("w,label,x\n5,a,200\n5,b,201\n", encoding="utf-8")
    files = {"train": str(tmp_path / "train.csv"), "eval": str(tmp_path / "eval.csv")}
    loaded = load(files=files, weight="w").splits
    np.testing.assert_array_equal(loaded["train"].weight, 1000 + loaded["train"].x[:, 0])
    assert sorted(loaded["eval"].x.ravel().tolist()) == [200, 201]


def test_order_of_the_rows_has_no_effect(tmp_path: Path) -> None:
    """Rows that differ in their weight alone have an order too, so any order of the file gives the same data."""
    weights = [1 + number % 7 for number in range(90)]
    lines = [f"{number // 6},{weights[number]},{'ab'[number % 2]}" for number in range(90)]
    digests = []
    for number, rows in enumerate((lines, lines[::-1])):
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join(["x,w,label", *rows]) + "\n", encoding="utf-8")
        digests.append(prepare_table(tmp_path / str(number), file=str(path), weight="w")[0].sha256)
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", r"t.csv, row 5, column 'w': the weight is missing"),
        ("NA", r"row 5, column 'w': the weight is missing"),
        ("-0.5", r"row 5, column 'w': the weight -0.5 is negative"),
        ("1e999", r"row 5, column 'w': the weight inf is not finite"),
        ("inf", r"row 5, column 'w': the weight inf is not finite"),
        ("much", r"row 5, column 'w': the weight 'much' is not a number"),
    ],
)
def test_values_that_are_no_weights_are_refused(tmp_path: Path, value: str, words: str) -> None:
    """The message names file, row, column and what to do, in any split; nothing is filled in."""
    weights: list[object] = [1.5] * 40
    weights[3] = value
    with pytest.raises(UserError, match=words + r".*Fix or remove the row, or leave weight out"):
        load(file=write(tmp_path / "t.csv", weights), weight="w", missing="median", separator=",")


def test_parquet_has_weights_too(tmp_path: Path) -> None:
    """Typed columns are read as those of text; an infinite value is refused."""
    import pandas as pd

    frame = pd.DataFrame({"x": range(60), "w": [1000.0 + row for row in range(60)], "label": list("ab") * 30})
    frame.to_parquet(tmp_path / "t.parquet")
    train = load(file=str(tmp_path / "t.parquet"), weight="w").splits["train"]
    np.testing.assert_array_equal(train.weight, 1000 + train.x[:, 0])
    for value in (np.inf, np.nan, -1.0):
        frame.loc[7, "w"] = value
        frame.to_parquet(tmp_path / "t.parquet")
        with pytest.raises(UserError, match=r"t.parquet, row 8, column 'w': the weight"):
            load(file=str(tmp_path / "t.parquet"), weight="w")


def test_a_class_without_weight_is_refused(tmp_path: Path) -> None:
    """Weights of 0 are allowed, but not for all rows of a class of train."""
    weights: list[object] = [number % 2 for number in range(60)]
    with pytest.raises(UserError, match=r"dataset toy, train: class a has no sample with a weight above 0"):
        prepare_table(tmp_path, file=write(tmp_path / "t.csv", weights), weight="w")
    with pytest.raises(UserError, match=r"class a, b has no sample with a weight above 0"):
        prepare_table(tmp_path, file=write(tmp_path / "t.csv", [0] * 60), weight="w")
    assert (
        prepare_table(tmp_path, file=write(tmp_path / "t.csv", [0, 0, 1, 1] * 15), weight="w")[0].train.weight
        is not None
    )


def test_weights_are_verified_and_identify_train(tmp_path: Path) -> None:
    """Another weight is other data; a weight that changed on disk, or came or went, is named."""
    weights = of_rows()
    one, _ = prepare_table(tmp_path / "one", file=write(tmp_path / "t.csv", weights), weight="w")
    row = int(one.train.x[0, 0])
    weights[row] = 5
    other, _ = prepare_table(tmp_path / "other", file=write(tmp_path / "t.csv", weights), weight="w")
    assert one.sha256 != other.sha256
    assert one.manifest["splits"]["eval"] == other.manifest["splits"]["eval"]
    manifest, path = tmp_path / "one/data/manifest.json", tmp_path / "one/data/train/weight.npy"
    changed = np.load(path)
    changed[3] += 1
    np.save(path, changed)
    with pytest.raises(UserError, match=r"train/weight.npy: not what the preparation wrote"):
        open_prepared(manifest)
    path.unlink()
    with pytest.raises(UserError, match=r"train/weight.npy: not what the preparation wrote"):
        open_prepared(manifest)


def test_tables_without_weights_are_as_before(tmp_path: Path) -> None:
    """Neither the manifest nor the files of a table without weights mention them."""
    plain, _ = prepare_table(tmp_path, file=write(tmp_path / "t.csv", of_rows()))
    assert plain.train.weight is None and plain.train.x.shape[1] == 2
    manifest = read_json(tmp_path / "data/manifest.json")
    assert "weight" not in manifest["source"] and "weights" not in str(manifest["parameters"]["written"])
    assert sorted(manifest["arrays"]) == ["dev/x.npy", "dev/y.npy", "train/x.npy", "train/y.npy"]
    prepare_table(tmp_path, file=str(tmp_path / "t.csv"), weight="w")
    prepare_table(tmp_path, file=str(tmp_path / "t.csv"))
    assert not (tmp_path / "data/train/weight.npy").exists()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"weight": "gone"}, r"weight: there is no column 'gone'"),
        ({"weight": "label"}, r"the column 'label' has two roles"),
        ({"weight": "w", "features": ["x", "w"]}, r"the column 'w' is among features and has another role"),
    ],
)
def test_weight_is_one_role_of_a_column(tmp_path: Path, keys: dict[str, Any], words: str) -> None:
    """A column that is not there, or has another role, is named."""
    with pytest.raises(UserError, match=words):
        load(file=write(tmp_path / "t.csv", of_rows()), **keys)

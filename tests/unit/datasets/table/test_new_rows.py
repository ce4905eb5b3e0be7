"""New rows of a table, read with what was fitted on train."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.schema import read_dataset
from blindtune.core.errors import UserError
from blindtune.datasets.base import NewSamples
from support.tables import prepare_table, write_table, write_table_folder


def read(folder: Path, path: Path, **keys: Any) -> tuple[NewSamples, dict[str, Any]]:
    """Prepare a table and read new rows of it; return them and the manifest as JSON gives it back."""
    prepared, _ = prepare_table(folder, **keys)
    manifest = json.loads(json.dumps(prepared.manifest))
    return read_dataset(manifest["source"]).read_new(path, manifest), manifest


MIXED: dict[str, Any] = {"group": "patient", "leave_out": ["part"], "missing": "median", "min_frequency": 1}


def test_read_new_gives_the_samples_of_train(tmp_path: Path) -> None:
    """The rows of the table itself become the samples that train has, with every role and kind of column."""
    table = write_table_folder(tmp_path / "in") / "rows.csv"
    prepared, _ = prepare_table(tmp_path, file=str(table), **MIXED)
    new = read_dataset(prepared.manifest["source"]).read_new(table, prepared.manifest)
    assert new.column == "row" and list(new.places) == list(range(2, 62))
    rows = [line.split("\t") for line in (tmp_path / "data" / "train" / "origins.tsv").read_text().splitlines()]
    at = [int(row[rows[0].index("row")]) - 2 for row in rows[1:]]
    assert np.array_equal(new.x[at], prepared.train.x)
    assert any("not used: the columns patient, part, class" in note for note in new.notes)


def test_read_new_finds_columns_by_name(tmp_path: Path) -> None:
    """Columns may be in another order, the label and others may be missing; values are filled in and counted."""
    table = write_table_folder(tmp_path / "in") / "rows.csv"
    path = tmp_path / "new.csv"
    path.write_text("colour,day,size\nred,3,0.5\ngreen,4,1.5\nblue,5,\n", encoding="utf-8")
    new, manifest = read(tmp_path, path, file=str(table), **MIXED)
    names = manifest["fitted"]["features"]
    found = dict(zip(names, new.x.T.tolist(), strict=True))
    assert found["size"][:2] == [0.5, 1.5] and found["day"] == [3, 4, 5]
    assert found["size"][2] == pytest.approx(manifest["fitted"]["encoding"]["fills"]["size"])
    assert found["colour = red"] == [1, 0, 0] and found["colour = blue"] == [0, 0, 1]
    assert any("1 missing values, filled in by train" in note for note in new.notes)
    assert any("1 values of colour with a category that train does not have" in note for note in new.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size,colour\n1,red\n", "has no column 'day', which the table of the dataset has"),
        (
            "size,day,colour\n1,2,red\n1,tall,red\n",
            r"row 3, column 'day': 'tall' is not a number, .* Fix the cell, or leave the row out; the model knows",
        ),
        ("1,2,red\n2,3,blue\n", "has no names of columns, but the table of the dataset has"),
        ("size,day,colour\n", "has a header and no row"),
    ],
)
def test_read_new_names_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    """A missing column, a wrong value and missing names are named."""
    table = write_table_folder(tmp_path / "in") / "rows.csv"
    path = tmp_path / "new.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read(tmp_path, path, file=str(table), **MIXED)


def test_read_new_refuses_missing_values_as_train(tmp_path: Path) -> None:
    """Where train has no missing value, new rows must have none."""
    table = write_table(tmp_path / "rows.csv")
    path = tmp_path / "new.csv"
    path.write_text("feature_1,feature_2,feature_3\n1,2,3\n1,,3\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"row 3, column 'feature_2': the value is missing\. Fill the cell"):
        read(tmp_path, path, file=str(table))


def test_read_new_knows_a_header_of_words_by_the_names(tmp_path: Path) -> None:
    """Where all values are texts, the first row is the header if it has the names of the features."""
    lines = [f"{('red', 'blue')[n % 3 % 2]},{('big', 'small')[n % 5 % 2]},{('no', 'yes')[n % 2]}" for n in range(60)]
    table, path = tmp_path / "rows.csv", tmp_path / "new.csv"
    table.write_text("\n".join(["colour,size,class", *lines]) + "\n", encoding="utf-8")
    path.write_text("colour,size\nred,big\n", encoding="utf-8")
    new, manifest = read(tmp_path, path, file=str(table), header=True)
    assert len(new.x) == 1 and list(new.places) == [2]
    unset = manifest | {"source": manifest["source"] | {"header": None}}
    assert np.array_equal(read_dataset(unset["source"]).read_new(path, unset).x, new.x)


@pytest.mark.parametrize("label", [1, 4])
def test_read_new_takes_rows_without_names(tmp_path: Path, label: int) -> None:
    """Where the table has no names, new rows have all its columns or its features alone, wherever the label is."""
    random = np.random.default_rng(1)
    lines = []
    for number in range(60):
        values = [f"{value:.3f}" for value in random.normal(size=3) + number % 2]
        values.insert(label - 1, str(number % 2))
        lines.append(",".join(values))
    table = tmp_path / "rows.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    prepared, _ = prepare_table(tmp_path, file=str(table), label=label, header=False)
    source = read_dataset(prepared.manifest["source"])
    every = source.read_new(table, prepared.manifest)
    alone = tmp_path / "alone.csv"
    cells = [line.split(",") for line in lines]
    alone.write_text("".join(",".join(c[: label - 1] + c[label:]) + "\n" for c in cells), encoding="utf-8")
    assert np.array_equal(source.read_new(alone, prepared.manifest).x, every.x) and every.x.shape == (60, 3)
    alone.write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(UserError, match="has 2 columns, but the table of the dataset has 4, of which 3 are features"):
        source.read_new(alone, prepared.manifest)


def test_read_new_of_a_bundled_table_takes_its_names(tmp_path: Path) -> None:
    """A table that ships has names too, by which a file of new rows is read."""
    from sklearn.datasets import load_wine

    names = load_wine().feature_names
    path = tmp_path / "new.csv"
    path.write_text(",".join(names) + "\n" + ",".join(map(str, load_wine().data[0])) + "\n", encoding="utf-8")
    new, manifest = read(tmp_path, path, bundled="wine")
    assert [one["name"] for one in manifest["fitted"]["columns"]] == list(names)
    np.testing.assert_allclose(new.x[0], load_wine().data[0], rtol=1e-6)

"""``blindtune describe``: what a table holds, and a config that the workflow takes as it is."""

from pathlib import Path

import pytest
import yaml

from blindtune.cli import main
from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config, merge, read
from blindtune.core.errors import UserError
from blindtune.describe.config import Description, write_config
from blindtune.describe.inputs import describe as describe_all
from support.tables import prepare_table, write_table


def describe(path: Path, keys: dict[str, object]) -> Description:
    """Return the description of one file or folder."""
    return describe_all([path], keys)


def config_of(text: str) -> Config:
    """Return a described config, merged over the default as Snakemake does."""
    return read(merge(DEFAULT, yaml.safe_load(text)), "the config")


def test_describe_shows_columns_and_classes(tmp_path: Path) -> None:
    """Rows, columns, kinds, missing values, classes and the sizes of the splits are shown."""
    found = describe(write_table(tmp_path / "tumours.csv", rows=90, features=4), {})
    text = "\n".join(found.lines)
    assert "90 rows, 5 columns" in text
    assert "class      text              2        0  no, yes  <- label" in text
    assert "  no: 45 rows, 27 / 9 / 9 in train / dev / eval" in text
    config = config_of(found.config)
    assert config.name == "tumours"
    assert config.datasets["tumours"].model_dump()["label"] == "class"
    assert config.settings("tumours", "knn").view.kind == "standardized"


def test_describe_leaves_out_what_is_no_feature(tmp_path: Path) -> None:
    """Row numbers, names, dates and empty columns are left out with a reason; mixed columns are categories."""
    header = "index,patient id,name,seen,empty,cabin,size,label"
    rows = [
        f"{number},{9000 - 3 * number},someone {number},2021-03-{1 + number % 28:02},,{['12', 'B5'][number % 2]},"
        f"{'' if number == 7 else number / 4},{number % 2}"
        for number in range(150)
    ]
    path = tmp_path / "ward 7.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    found = describe(path, {})
    text = "\n".join(found.lines)
    for words in (
        "counts the rows",
        "a number of the row, by its name",
        "a name or a free text",
        "dates; for a split by time",
        "has no value",
    ):
        assert f"<- left out: {words}" in text
    keys = config_of(found.config).datasets["ward_7"].model_dump()
    assert keys["leave_out"] == ["index", "patient id", "name", "seen", "empty"]
    assert (keys["categorical"], keys["missing"]) == (["cabin"], "median")
    prepared, _ = prepare_table(tmp_path, **yaml.safe_load(found.config)["datasets"]["ward_7"])
    assert prepared.manifest["fitted"]["features"] == ["size", "size is missing", "cabin = 12", "cabin = B5"]


def test_describe_names_columns_by_place_without_header(tmp_path: Path) -> None:
    """Without a header, the config names the label by its place."""
    path = tmp_path / "10 points.csv"
    path.write_text("".join(f"{number % 2},{number},{number / 3}\n" for number in range(40)))
    config = config_of(describe(path, {"label": 1}).config)
    assert config.datasets["table_10_points"].model_dump()["label"] == 1
    with pytest.raises(UserError, match=r"Give --label NAME, or its place.*'column_1' \(2 values\)"):
        describe(path, {})


def test_describe_avoids_leaks_of_rare_categories(tmp_path: Path) -> None:
    """Rows that differ in rare categories alone would be refused as leaks, so the config removes them."""
    path = tmp_path / "rare.csv"
    path.write_text("kind,x,label\n" + "".join(f"k{number},1,{number % 2}\n" for number in range(60)))
    keys = yaml.safe_load(describe(path, {}).config)["datasets"]["rare"]
    assert keys["leaks"] == "remove"


def test_write_config_replaces_nothing_silently(tmp_path: Path) -> None:
    """A file that is there is left as it is, unless the user asks for it."""
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    with pytest.raises(UserError, match=r"mine.yaml: exists and is left as it is.*--replace"):
        write_config(path, "new", replace=False)
    assert path.read_text() == "precious"
    write_config(path, "new", replace=True)
    assert path.read_text() == "new"


def test_command_describes_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command shows the table, writes the config where it is told to, and tells how to run it."""
    table, target = write_table(tmp_path / "t.csv"), tmp_path / "t.yaml"
    assert main(["describe", str(table)]) == 0
    assert "Add --to FILE.yaml" in capsys.readouterr().out
    assert main(["describe", str(table), "--label", "class", "--leave-out", "1", "--to", str(target)]) == 0
    assert f"Run it: blindtune run {target}\n" in capsys.readouterr().out
    assert config_of(target.read_text()).datasets["t"].model_dump()["leave_out"] == ["feature_1"]
    assert main(["describe", str(table), "--to", str(target)]) == 1
    assert "--replace" in capsys.readouterr().err
    assert main(["describe", str(tmp_path / "none.csv")]) == 1
    assert "none.csv: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["patient", "Patient_ID", "subject_no", "batch"])
def test_command_leaves_out_whose_rows_these_are(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column of patients is no feature, though it has numbers, and --group keeps their rows together."""
    path = tmp_path / "ward.csv"
    rows = [f"{10 + 7 * (number // 3)},{number % 11},{number % 2}" for number in range(90)]
    path.write_text("\n".join([f"{name},size,label", *rows]) + "\n")
    assert main(["describe", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "<- left out: tells which rows belong together: --group keeps those in one split" in shown
    assert f"leave_out: [{name}]" in shown
    assert main(["describe", str(path), "--group", name]) == 0
    assert f"group: {name}" in (shown := capsys.readouterr().out) and "left out" not in shown

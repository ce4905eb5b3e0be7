"""``blindtune describe``: what a table holds, and a config that the workflow takes as it is."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from blindtune.cli import main
from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config, merge, read
from blindtune.core.errors import UserError
from blindtune.describe.config import Description, write_config
from blindtune.describe.inputs import describe as describe_all
from support.builders import ROOT
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
    path.write_text("kind,x,label\n" + "".join(f"k{number // 3},1,{number // 3 % 2}\n" for number in range(60)))
    keys = yaml.safe_load(describe(path, {}).config)["datasets"]["rare"]
    assert keys["leaks"] == "remove"


def write_columns(path: Path, columns: Mapping[str, Callable[[int], object]], rows: int = 60) -> Path:
    """Write a CSV of columns whose values depend on the number of the row, with a feature and a label more."""
    names = [*columns, "size", "label"]
    lines = [
        ";".join([*(str(value(number)) for value in columns.values()), f"{number / 7:.3f}", str(number % 2)])
        for number in range(rows)
    ]
    path.write_text("\n".join([";".join(names), *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda n: f"{1000 + n:,}.50" if n % 3 else n, "numbers, but thousands are separated, as in '1,0"),
        (lambda n: f"\u2212{n}.5" if n % 3 else n, "numbers, but with another sign than - for minus"),
        (lambda n: f"{n}.5%", "numbers with other signs, as in '0.5%'"),
        (lambda n: f"$ {n}", "numbers with other signs, as in '$ 0'"),
        (lambda n: "<0.1" if n == 5 else n / 3, "numbers, but also '<0.1' in 1 row"),
        (lambda n: "inf" if n % 20 == 5 else n / 3, "numbers, but also 'inf' in 3 rows"),
        (lambda n: f"{1 + n % 12}/{1 + n % 28}/2021", "dates"),
        (lambda n: f"{1 + n % 28:02}.{1 + n % 12:02}.2021 12:30", "dates"),
        (lambda n: f"{n % 24:02}:30:00", "dates"),
        (lambda n: f"{n * 7919 % 10007:x}-{n}", "a name or a free text"),
    ],
)
def test_describe_leaves_out_what_would_be_read_wrongly(
    tmp_path: Path, value: Callable[[int], object], reason: str
) -> None:
    """Numbers that are written in another way, dates and names are no categories; the reason is shown."""
    found = describe(write_columns(tmp_path / "t.csv", {"odd": value}), {})
    text = "\n".join(found.lines)
    assert f"<- left out: {reason}" in text
    assert ("column 'odd' is left out" in text) == reason.startswith("numbers")
    keys = config_of(found.config).datasets["t"].model_dump()
    assert (keys["leave_out"], keys["categorical"]) == (["odd"], [])


@pytest.mark.parametrize("marker", ["-", ".", "None", "#N/A", "<NA>", "#DIV/0!", "Missing"])
def test_describe_takes_common_markers_for_missing_values(tmp_path: Path, marker: str) -> None:
    """Numbers with a common sign of a missing value are numbers; the config says what the sign means."""
    path = write_columns(tmp_path / "t.csv", {"odd": lambda n: marker if n % 9 == 4 else f"{n}.5"})
    found = describe(path, {})
    assert f"column 'odd': {marker!r} taken for missing values" in found.lines
    prepared, _ = prepare_table(tmp_path, **yaml.safe_load(found.config)["datasets"]["t"])
    assert prepared.manifest["fitted"]["features"] == ["odd", "size", "odd is missing"]


def test_describe_asks_about_numbers_that_may_mean_missing(tmp_path: Path) -> None:
    """A number such as -999, far from all others, is named; --missing-values takes it for missing."""
    path = write_columns(tmp_path / "t.csv", {"odd": lambda n: -999 if n % 9 == 4 else f"{n}.5"})
    assert "--missing-values -999" in "\n".join(describe(path, {}).lines)
    target = tmp_path / "t.yaml"
    assert main(["describe", str(path), "--missing-values", "-999", "--to", str(target)]) == 0
    keys = config_of(target.read_text()).datasets["t"].model_dump()
    assert keys["missing"] == "median" and keys["missing_values"][-1] == "-999" and "" in keys["missing_values"]


def test_describe_keeps_booleans_and_short_codes(tmp_path: Path) -> None:
    """True and false, and a few codes of digits and texts, are features as before."""
    columns = {"flag": lambda n: n % 3 == 0, "cabin": lambda n: ["12", "B5"][n % 2], "grade": lambda n: f"{n % 4}x"}
    keys = config_of(describe(write_columns(tmp_path / "t.csv", columns), {}).config).datasets["t"].model_dump()
    assert (keys["leave_out"], keys["categorical"]) == ([], ["cabin"])


def test_describe_finds_the_split_of_each_row(tmp_path: Path) -> None:
    """A column that names train, dev and eval is the split; one that names two of them is no feature."""
    three = {"set": lambda n: ["Train", "train", "val", "test"][n // 2 % 4]}
    found = describe(write_columns(tmp_path / "t.csv", three), {})
    assert config_of(found.config).datasets["t"].model_dump()["split"] == "set"
    two = {"split": lambda n: ["train", "test"][n // 2 % 2]}
    text = "\n".join(describe(write_columns(tmp_path / "t.csv", two), {}).lines)
    assert "<- left out: names splits, but not all of train, dev and eval" in text


def test_describe_names_the_options_of_the_command(tmp_path: Path) -> None:
    """A message that asks for a key of the config names the option of the command, which works."""
    path = tmp_path / "t.csv"
    path.write_bytes("größe,label\n".encode("latin-1") + b"".join(b"%d,%d\n" % (n * n, n % 2) for n in range(30)))
    with pytest.raises(UserError, match=r"Set encoding: .* With describe, give --encoding\.$"):
        describe(path, {})
    assert main(["describe", str(path), "--encoding", "latin-1"]) == 0
    path.write_text("1,2,3,4\n" + "".join(f"{n * n},{n / 7},{n / 3},{n % 2}\n" for n in range(30)))
    with pytest.raises(UserError, match=r"Set header: .* With describe, give --header\.$"):
        describe(path, {})
    assert main(["describe", str(path), "--label", "4", "--header", "true"]) == 0


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.csv", "dev.csv", "eval.csv"], ["train", "dev", "eval"]),
        (["my_training.csv", "my-test.csv"], ["train", "eval"]),
        (["TRAIN.CSV", "Valid.csv", "TEST_data.csv"], ["train", "dev", "eval"]),
    ],
)
def test_describe_takes_a_table_for_each_split(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    """Files, or a folder of them, are the splits that their names say; the config is prepared as it is."""
    folder = tmp_path / "lab"
    paths = [write_table(folder / name, seed=number) for number, name in enumerate(names)]
    found = describe_all([folder], {})
    assert yaml.safe_load(found.config) == yaml.safe_load(describe_all(paths[::-1], {}).config)
    keys = yaml.safe_load(found.config)["datasets"]["lab"]
    assert list(keys["files"]) == expected
    assert f"{60 * len(names)} rows, 4 columns" in found.lines
    _, sealed = prepare_table(tmp_path, **keys)
    assert len(sealed.y) == 60


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train.csv", "dev.csv"], "no table is eval by its name .*give one table alone"),
        (["train.csv", "test.csv", "submission.csv"], "submission.csv: its name names no split"),
        (["x_train.csv", "y_train.csv"], "both are train by their names"),
        (["dev.csv", "eval.csv"], "no table is train by its name"),
        (["train_test.csv", "b.csv"], "train_test.csv|b.csv"),
        ([], "holds neither a table .* nor pictures"),
    ],
)
def test_describe_refuses_folders_that_are_not_clear(tmp_path: Path, names: list[str], words: str) -> None:
    """A message names the file, and what is expected of names."""
    for name in names:
        write_table(tmp_path / name)
    with pytest.raises(UserError, match=words):
        describe_all([tmp_path], {})


def test_describe_refuses_tables_of_other_columns(tmp_path: Path) -> None:
    """A test file without labels, as competitions have, is named with what to do."""
    write_table(tmp_path / "train.csv")
    (tmp_path / "test.csv").write_text("feature_1,feature_2,feature_3\n1,2,3\n")
    with pytest.raises(UserError, match=r"test.csv: has no column 'class'.*If it has no labels.*train.csv alone"):
        describe_all([tmp_path], {})


def test_page_of_tables_shows_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of docs/data/tables.md write the config that the page shows."""
    page = (ROOT / "docs" / "data" / "tables.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    table = write_table(Path("tumours.csv"), rows=200, features=30)
    table.write_text(table.read_text().replace(",class\n", ",diagnosis\n", 1))
    blocks = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    commands = [line.split()[1:] for line in blocks.splitlines() if line.startswith("blindtune describe")]
    assert len(commands) == 2 and all(main(arguments) == 0 for arguments in commands)
    shown = yaml.safe_load(re.findall(r"```yaml\n(name: tumours\n.*?)```", page, re.DOTALL)[0])
    assert yaml.safe_load(Path("tumours.yaml").read_text(encoding="utf-8")) == shown


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


def test_describe_takes_a_column_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The column is no feature, and the config has no system that takes no weights, so it runs as it is."""
    path = write_table(tmp_path / "t.csv", rows=90)
    text = path.read_text().splitlines()
    path.write_text("\n".join([f"{text[0]},times", *(f"{row},{1 + at % 3}" for at, row in enumerate(text[1:]))]) + "\n")
    assert main(["describe", str(path), "--weight", "times", "--to", str(tmp_path / "mine.yaml")]) == 0
    assert re.search(r"times .*<- weight", capsys.readouterr().out)
    config = config_of((tmp_path / "mine.yaml").read_text())
    assert config.datasets["t"].model_dump()["weight"] == "times"
    assert config.compare[0].systems == ["rnf", "mlp_m1", "mlp_a1"]

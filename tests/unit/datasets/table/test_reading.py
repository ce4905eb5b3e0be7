"""Tables in every form that people have: each is read as what it holds, or refused with file, row, column and cure."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.config.schema import read_dataset
from blindtune.core.errors import UserError
from blindtune.datasets.table import compressed
from blindtune.datasets.table.config import TableConfig
from blindtune.datasets.table.content import TableContent, read_tables
from support.tables import load

VALUES = [[13.86, 16.93], [11.08, 18.83], [14.4, 26.99], [12.77, 29.43], [16.13, 20.68], [9.904, 18.06]]
LABELS = [0, 0, 1, 1, 0, 1]
ROWS = [f"{label},{a},{b}" for label, (a, b) in zip(LABELS, VALUES, strict=True)]
PLAIN = "\n".join(ROWS) + "\n"


def config(**keys: Any) -> TableConfig:
    """Return the config of a table whose file does not matter."""
    return TableConfig.model_validate({"source": "table", "file": "any", **keys})


def read_bytes(folder: Path, content: bytes, name: str = "table.csv", **keys: Any) -> TableContent:
    """Write a file and read it; the label is in the first column unless keys say otherwise."""
    path = folder / name
    path.write_bytes(content)
    return read_tables(config(**({"label": 1} | keys)), [path])


def refused(folder: Path, content: bytes | str, name: str = "table.csv", **keys: Any) -> str:
    """Return the message with which a file is refused; it names the file."""
    with pytest.raises(UserError) as caught:
        read_bytes(folder, content.encode() if isinstance(content, str) else content, name, **keys)
    assert str(folder / name) in str(caught.value)
    return str(caught.value)


FORMS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "plain": (PLAIN.encode(), {}),
    "windows lines": (PLAIN.replace("\n", "\r\n").encode(), {}),
    "old mac lines": (PLAIN.replace("\n", "\r").encode(), {}),
    "no last line end": (PLAIN.strip().encode(), {}),
    "empty lines": (PLAIN.replace("\n", "\n\n").encode(), {}),
    "byte-order mark": (b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(), {}),
    "utf-16": (PLAIN.encode("utf-16"), {}),
    "utf-16 big endian": (b"\xfe\xff" + PLAIN.encode("utf-16-be"), {}),
    "utf-16 without mark": (PLAIN.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "utf-32": (PLAIN.encode("utf-32"), {}),
    "latin-1": (b"# Gr\xf6\xdfe\n" + PLAIN.encode(), {"encoding": "latin-1"}),
    "semicolons": (PLAIN.replace(",", ";").encode(), {}),
    "tabs": (PLAIN.replace(",", "\t").encode(), {}),
    "bars": (PLAIN.replace(",", "|").encode(), {}),
    "blanks": (PLAIN.replace(",", " ").encode(), {}),
    "many blanks": (PLAIN.replace(",", "   ").encode(), {}),
    "blank after comma": (PLAIN.replace(",", ", ").encode(), {}),
    "blank before comma": (PLAIN.replace(",", " ,").encode(), {}),
    "decimal comma": (PLAIN.replace(",", ";").replace(".", ",").encode(), {}),
    "decimal comma and tabs": (PLAIN.replace(",", "\t").replace(".", ",").encode(), {}),
    "quoted": ("\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in ROWS).encode(), {}),
    "single quotes": (
        "\n".join(",".join(f"'{cell}'" for cell in row.split(",")) for row in ROWS).encode(),
        {"quote": "'"},
    ),
    "comment": (b"# exported from lab\n# twice\n" + PLAIN.encode(), {}),
    "comment between rows": (PLAIN.replace("\n", "\n% half\n", 2).encode(), {"comment": "%"}),
    "separator for Excel": (b"sep=;\n" + PLAIN.replace(",", ";").encode(), {}),
    "a first row that counts in part": (b"0,13.86,16.93\n" + PLAIN.partition("\n")[2].encode(), {}),
    "header": (b"label,x,z\n" + PLAIN.encode(), {"label": None}),
    "header with a coordinate": (b"label,x,y\n" + PLAIN.encode(), {"label": None}),
    "header in capitals": (b"LABEL,x,z\n" + PLAIN.encode(), {"label": None}),
    "header of numbers": (b"label,0,1\n" + PLAIN.encode(), {"label": "label"}),
    "quoted header": (b'"label","x, in mm","z"\n' + PLAIN.encode(), {"label": "label"}),
    "label from the end": (PLAIN.encode(), {"label": -3}),
    "gzip": (gzip.compress(PLAIN.encode()), {}),
    "bzip2": (bz2.compress(PLAIN.encode()), {}),
    "xz": (lzma.compress(PLAIN.encode()), {}),
    "xz of two streams": (lzma.compress(PLAIN[:30].encode()) + lzma.compress(PLAIN[30:].encode()), {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_read_tables_reads_every_form_of_text(tmp_path: Path, form: str) -> None:
    """The same rows are read from every way to write them."""
    content, keys = FORMS[form]
    found = read_bytes(tmp_path, content, **keys)
    np.testing.assert_array_equal(found.values, np.array(VALUES, np.float32))
    assert [found.label_texts[label] for label in found.labels] == [str(label) for label in LABELS]


def zipped(members: dict[str, bytes]) -> bytes:
    """Return a zip of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_read_tables_reads_the_only_file_of_a_zip(tmp_path: Path) -> None:
    """A zip of one file is that file, under any name; one of several files is refused with their names."""
    content = read_bytes(tmp_path, zipped({"../../evil.csv": PLAIN.encode(), "__MACOSX/x": b"1"}), "table.zip")
    assert content.values.shape == (6, 2)
    message = refused(tmp_path, zipped({"a.csv": b"1", "b.csv": b"2"}), "two.zip")
    assert "holds 2 files ('a.csv', 'b.csv')" in message
    assert not (tmp_path.parent / "evil.csv").exists()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda text: zipped({"a.csv": text})])
def test_read_tables_refuses_what_unpacks_to_too_much(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file that unpacks to gigabytes is refused before they fill the memory."""
    monkeypatch.setattr(compressed, "FREE_BYTES", 2**16)
    message = refused(tmp_path, pack(b"1,2.5,3.5\n" * 200_000), "bomb.csv.gz")
    assert "unpacks to more than" in message and "give the unpacked file" in message


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda text: zipped({"a.csv": text})])
def test_read_tables_refuses_what_is_cut_off(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A compressed file that was cut off is named as damaged."""
    content = pack(("1,2.5,3.5\n" * 20_000).encode())
    assert "cannot be unpacked" in refused(tmp_path, content[: len(content) // 2], "cut.csv.gz")


@pytest.mark.parametrize("form", ["parquet", "feather", "excel"])
@pytest.mark.parametrize("kind", ["int", "float", "text", "bool"])
def test_read_tables_reads_binary_formats(tmp_path: Path, form: str, kind: str) -> None:
    """Parquet, Feather and Excel give the same as text, with labels of any type."""
    labels = {"int": LABELS, "float": [float(one) for one in LABELS], "text": [str(one) for one in LABELS]}
    frame = pd.DataFrame(VALUES, columns=["x", "z"])
    frame["class"] = labels.get(kind, [bool(one) for one in LABELS])
    path = tmp_path / {"parquet": "t.parquet", "feather": "t.feather", "excel": "t.xlsx"}[form]
    write = {"parquet": frame.to_parquet, "feather": frame.to_feather, "excel": frame.to_excel}[form]
    write(path, **({"index": False} if form != "feather" else {}))
    content = read_tables(config(), [path])
    np.testing.assert_array_equal(content.values, np.array(VALUES, np.float32))
    texts = [content.label_texts[label] for label in content.labels]
    expected = {"int": [str(one) for one in LABELS], "float": None, "text": [str(one) for one in LABELS]}
    if kind == "bool":
        assert [text.casefold() for text in texts] == [str(bool(one)).casefold() for one in LABELS]
    elif expected[kind] is not None:
        assert texts == expected[kind]
    else:
        assert [float(text) for text in texts] == LABELS


def test_read_tables_reads_nulls_and_dictionaries_of_parquet(tmp_path: Path) -> None:
    """A null and a NaN are missing values; a dictionary column is a category."""
    frame = pd.DataFrame({"x": [1.5, None, 3.0, float("nan")], "c": pd.Categorical(["a", "b", None, "a"])})
    frame["n"] = pd.array([1, None, 3, 4], dtype="Int64")
    frame["label"] = ["u", "v", "u", "v"]
    frame.to_parquet(tmp_path / "t.parquet")
    content = read_tables(config(missing="median"), [tmp_path / "t.parquet"])
    assert [column.kind for column in content.columns] == ["number", "category", "number"]
    expected = np.array([[1.5, 0, 1], [np.nan, 1, np.nan], [3, np.nan, 3], [np.nan, 0, 4]], np.float32)
    np.testing.assert_array_equal(content.values, expected)


FAULTS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "empty": ("", {}, ["is empty"]),
    "comments only": ("# a\n# b\n", {}, ["is empty"]),
    "header with a name less": ("x,label\n" + PLAIN, {"label": 1}, ["row 1: has 2 fields, the other rows have 3"]),
    "row names of R": ("x,z\n" + PLAIN, {}, ["row 1: has 2 fields", "row names, as R writes", "Add the name"]),
    "title": ("My export\n" + PLAIN, {}, ["row 1: has 1 field,", "If it is a title, remove it"]),
    "comment of another sign": ("% made by x\n" + PLAIN, {}, ["row 1", "set comment: '%'"]),
    "names alone": ("label,x\n", {}, ["has a header and no row"]),
    "not counted names": ("0,2.5,1.5,3\n1,x,1.5,3\n", {}, ["row 2, column 'column_2': 'x' is not a number"]),
    "counted names": ("0,1,2,3\n1,5.5,6.5,7.5\n", {}, ["it counts them (0, 1, 2, ...)", "header: true"]),
    "apostrophes": ("'label','x'\n'1','2'\n", {}, ["in other quotes, such as 'label'", "Set quote:"]),
    "typographic quotes": ("\u201clabel\u201d,\u201cx\u201d\n1,2\n", {}, ["typographic quotes"]),
    "header only": ("label,x\n", {"header": True}, ["has a header and no row"]),
    "too few fields": (PLAIN + "1,2\n", {}, ["row 7: has 2 fields, the other rows have 3"]),
    "too many fields": (PLAIN + "1,2,3,4\n", {}, ["row 7: has 4 fields"]),
    "comment between rows": (PLAIN + "# 1\n", {}, ["row 7", "set comment: '#'"]),
    "missing": (PLAIN + "1,,3\n", {}, ["row 7, column 'column_2': the value is missing", "missing: median"]),
    "NaN": (PLAIN + "1,2,nan\n", {}, ["row 7, column 'column_3': the value is missing"]),
    "missing label": (PLAIN + ",2,3\n", {}, ["row 7, column 'column_1': the label is missing"]),
    "text": (PLAIN + "1,two,3\n", {}, ["row 7, column 'column_2': 'two' is not a number", "missing_values"]),
    "infinite": (PLAIN + "1,inf,3\n", {}, ["row 7, column 'column_2'", "not a number"]),
    "too large": (PLAIN + "1,1e39,3\n", {}, ["row 7, column 'column_2'", "too large for 32 bits"]),
    "underscore": (PLAIN + "1,1_0,3\n", {}, ["row 7, column 'column_2': '1_0' is not a number"]),
    "other digits": (PLAIN + "1,\u0661,3\n", {}, ["row 7, column 'column_2'", "not a number"]),
    "open quote": (PLAIN + '1,"2,3\n', {}, ['row 7: a quote " is opened and not closed']),
    "wrong quote": (PLAIN + '1,"2"5,3\n', {}, ["row 7: has a quote in a wrong place"]),
    "NUL": (PLAIN + "1,2\0,3\n", {}, ["row 7: holds NUL letters", "utf-16-le"]),
    "one column": ("1\n2\n3\n", {}, ["row 1: no separator is found"]),
    "no label name": ("a,b,c\n1,2,3\n1,4,5\n", {"label": None}, ["no column is called label", "'a', 'b', 'c'"]),
    "no header, no label": (PLAIN, {"label": None}, ["has 3 columns without names", "1: first, -1: last"]),
    "two labels": ("label,x,class\n" + PLAIN, {"label": None}, ["'label' and 'class' may both be the label"]),
    "unknown label": ("a,b,kind\n1,2,3\n4,5,6\n", {"label": "kid"}, ["no column 'kid': did you mean 'kind'?"]),
    "name without header": (PLAIN, {"label": "kind"}, ["'kind' is a name, but the file has no header"]),
    "place": (PLAIN, {"label": 4}, ["there is no column 4; columns are 1 to 3"]),
    "same names": ("label,x,x\n" + PLAIN, {"label": "label"}, ["columns 2 and 3 are both called 'x'"]),
    "unclear header": ("a,b,7\n" + PLAIN, {}, ["not clear whether the first row", "header: true"]),
    "points and commas": ("0;1,5;2\n1;1.5;2\n", {}, ["'1,5'", "'1.5'", "Set decimal"]),
    "thousands": ("0;1,500;2\n1;2,500;3\n", {}, ["'1,500'", "separates thousands"]),
    "two roles": ("a,b,c\n1,2,3\n", {"label": "a", "group": "a"}, ["'a' has two roles"]),
    "label as feature": ("a,b,c\n1,2,3\n", {"label": "a", "features": ["a", "b"]}, ["'a' is among features"]),
    "no features": ("a,b\n1,2\n", {"label": "a", "leave_out": ["b"]}, ["no column left that is a feature"]),
    "categorical label": ("a,b\n1,2\n", {"label": "a", "categorical": ["a"]}, ["'a', which is not a feature"]),
    "many texts": (
        "label,name\n" + "".join(f"{n % 2},n{n:03}\n" for n in range(9)),
        {"label": "label", "max_categories": 5, "header": True},
        ["'name' has 9 different texts, such as 'n000'", "leave_out", "max_categories"],
    ),
    "texts and numbers": (
        "a,b\n0,x\n1,2\n0,y\n",
        {"label": "a"},
        ["row 2, column 'b': 'x' is not a number", "categorical"],
    ),
    "long row": ("1," + "2" * 2**24 + "\n", {}, ["row 1: has more than 16,777,216 letters"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_read_tables_names_every_fault(tmp_path: Path, fault: str) -> None:
    """A message names file, row and column, and what to do."""
    text, keys, words = FAULTS[fault]
    message = refused(tmp_path, text, **keys)
    for word in words:
        assert word in message


def test_read_tables_names_a_byte_that_is_not_text(tmp_path: Path) -> None:
    """Latin-1 is not guessed: the byte, its row and the key are named."""
    message = refused(tmp_path, PLAIN.encode() + b"# Gr\xf6\xdfe\n")
    assert "row 7: holds the byte 0xF6, which is not UTF-8" in message and "encoding:" in message
    assert "cannot be decoded as utf-16" in refused(tmp_path, b"\xff\xfe1\x00\x00\xd8,\x00", "half.csv")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pkl", b"\x80\x04\x95", ["pickle", "never opened"]),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", ["old form (.xls)"]),
        ("a.csv", b"PAR1....", ["format: parquet"]),
        ("a.parquet", b"PAR1....", ["cannot be read as parquet"]),
        ("a.feather", b"ARROW1..", ["cannot be read as feather"]),
        ("a.xlsx", b"PK\x03\x04", ["cannot be read as an Excel file"]),
        ("a.npy", b"\x93NUMPY", ["NumPy array"]),
        ("a.json", b'[{"x": 1}]', ["is JSON"]),
        ("a.jsonl", b'\xef\xbb\xbf{"x": 1}\n{"x": 2}\n', ["is JSON"]),
        ("a.htm", b"\n<html>", ["is HTML"]),
        ("a.arff", b"@RELATION x\n", ["is an ARFF file"]),
        ("a.txt", b"1 1:0.5 7:-2e3\n0 2:1\n", ["format of LIBSVM"]),
        ("a.tar.gz", b"\x1f\x8b", ["is a tar archive"]),
        ("a.csv", zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), ["is an Excel file", "format: excel"]),
    ],
)
def test_read_tables_refuses_other_formats(tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    """Files of other formats are named as what they are, and no pickle is opened."""
    message = refused(tmp_path, content, name)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("name", "keys", "word"),
    [
        ("a.csv", {"sheet": "one"}, "sheet: is not used for a file of the format csv"),
        ("a.parquet", {"separator": ","}, "separator: is not used for a file of the format parquet"),
        ("a.feather", {"header": True}, "header: is not used for a file of the format feather"),
        ("a.xlsx", {"decimal": ","}, "decimal: is not used for a file of the format excel"),
    ],
)
def test_read_tables_refuses_keys_of_other_formats(tmp_path: Path, name: str, keys: dict[str, Any], word: str) -> None:
    """A key that would not be used is named."""
    assert word in refused(tmp_path, PLAIN, name, **keys)


def test_read_tables_asks_for_the_sheet(tmp_path: Path) -> None:
    """Of several sheets, the config names one; blank rows are no samples, and rows keep their numbers."""
    path = tmp_path / "t.xlsx"
    frame = pd.DataFrame({"x": [1.5, None, 2.5], "class": ["a", None, "b"]})
    with pd.ExcelWriter(path) as writer:
        frame.to_excel(writer, sheet_name="first", index=False)
        frame.to_excel(writer, sheet_name="second", index=False)
    with pytest.raises(UserError, match=r"several sheets: 'first', 'second'"):
        read_tables(config(), [path])
    with pytest.raises(UserError, match=r"no sheet 'third'"):
        read_tables(config(sheet="third"), [path])
    content = read_tables(config(sheet="second"), [path])
    assert (content.values.ravel().tolist(), content.row.tolist()) == ([1.5, 2.5], [2, 4])


def test_read_tables_takes_classes_of_a_comment(tmp_path: Path) -> None:
    """The exports of IMLD name the classes in a comment, and no column: the label is the one that holds them."""
    head = b"# filename:\n# classes: [Class1,Class0]\n# colors: [magenta,green]\n# limits: [-1.0,1.0,-1.0,1.0]\n"
    rows = b"".join(b"Class%d,%d.5,-0.25\n" % (number % 2, number) for number in range(12))
    path = tmp_path / "yinyang.csv"
    path.write_bytes(head + rows)
    loaded = load(file=str(path), leaks="report")
    assert loaded.classes == ["Class1", "Class0"]
    assert sum(len(part.y) for part in loaded.splits.values()) == 12
    path.write_bytes(head + rows + b"Class2,1,2\n" * 3)
    with pytest.raises(UserError, match=r"'Class2' is not one of the classes that a comment of the file names"):
        load(file=str(path), label=1)


def test_read_tables_matches_columns_of_files_by_name(tmp_path: Path) -> None:
    """The files of a dataset may have their columns in another order, but must have the same ones."""
    (tmp_path / "a.csv").write_text("x,z,label\n1,2,u\n3,4,v\n")
    (tmp_path / "b.csv").write_text("label,z,x\nv,6,5\n")
    content = read_tables(config(), [tmp_path / "a.csv", tmp_path / "b.csv"])
    assert content.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [content.label_texts[label] for label in content.labels] == ["u", "v", "v"]
    assert content.locate(2) == f"{tmp_path / 'b.csv'}, row 2"
    (tmp_path / "b.csv").write_text("label,y,x\nv,6,5\n")
    with pytest.raises(UserError, match=r"b.csv: has no column 'z', which .*a.csv has"):
        read_tables(config(label="label"), [tmp_path / "a.csv", tmp_path / "b.csv"])
    (tmp_path / "b.csv").write_text("label,z\nv,6\n")
    with pytest.raises(UserError, match=r"b.csv: has 2 columns, but .*a.csv has 3"):
        read_tables(config(), [tmp_path / "a.csv", tmp_path / "b.csv"])


def test_read_tables_says_where_32_bits_are_too_few(tmp_path: Path) -> None:
    """Different large numbers that become equal are named; large numbers that stay different are not."""
    rows = "".join(f"{n % 2},{1_700_000_000 + n},{2**24 * n}\n" for n in range(9))
    notes = read_bytes(tmp_path, rows.encode()).notes
    assert notes[1:] == ["column_2: some different numbers are equal in 32 bits; subtract an offset"]


def test_read_tables_reads_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many chunks loses no row, and a fault of a late chunk has its row."""
    from blindtune.datasets.table import text

    monkeypatch.setattr(text, "CELLS_PER_CHUNK", 300)
    rows = [f"{number % 3},{number},{number / 8},{'red' if number % 2 else 'blue'}" for number in range(1234)]
    content = read_bytes(tmp_path, "\n".join(rows).encode())
    np.testing.assert_array_equal(content.values[:, 0], np.arange(1234))
    np.testing.assert_array_equal(content.values[:, 2], np.arange(1234) % 2)
    assert content.columns[2].categories == ("blue", "red")
    assert content.row.tolist() == list(range(1, 1235))
    rows[1100] = "1,x,2,red"
    assert "row 1101, column 'column_2': 'x' is not a number" in refused(tmp_path, "\n".join(rows))
    rows = [f"{number % 3},{number},{number % 2 == 0}" for number in range(1234)]
    rows[1100] = "1,2,maybe"
    assert "row 1101, column 'column_3': 'maybe' is not true or false" in refused(tmp_path, "\n".join(rows))


CELL = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b, c", 'd "e"', "é"]), CELL, CELL), min_size=2, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_read_tables_reads_what_pandas_writes(
    tmp_path: Path, rows: list[tuple[str, float, float]], separator: str, encoding: str
) -> None:
    """Any values and labels that pandas writes are read as they were, for any separator and encoding."""
    path = tmp_path / "t.csv"
    frame = pd.DataFrame(rows, columns=["label", "first", "second"])
    frame.to_csv(path, index=False, sep=separator, encoding=encoding)
    content = read_tables(config(label="label", header=True, separator=separator), [path])
    np.testing.assert_array_equal(content.values, np.array([row[1:] for row in rows], np.float32))
    assert [content.label_texts[label] for label in content.labels] == [row[0] for row in rows]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "give one of file"),
        ({"file": "a", "bundled": "wine"}, "give one of file"),
        ({"files": {"train": "a", "dev": "b"}}, "files.eval: is missing"),
        ({"files": {"train": "a", "dev": "a", "eval": "b"}}, "names one file twice"),
        ({"file": "a", "features": ["x"], "leave_out": ["z"]}, "give one of the two"),
        ({"bundled": "wine", "separator": ";"}, "separator: is not used"),
        ({"files": {"train": "a", "dev": "b", "eval": "c"}, "splitting": {"dev": 0.3}}, "the splits are given"),
        ({"files": {"train": "a", "eval": "c"}, "splitting": {"by": "fold"}}, "fold needs all rows in one file"),
        ({"file": "a", "splitting": {"by": "time"}}, "needs both"),
        ({"file": "a", "time": "t"}, "needs both"),
        ({"file": "a", "time": "t", "group": "g", "splitting": {"by": "time"}}, "both sides of a time"),
        ({"file": "a", "splitting": {"dev": 0.6, "eval": 0.4}}, "leave nothing for train"),
        ({"file": "a", "splitting": {"by": "fold", "fold": 5}}, "there are folds 0 to 4"),
        ({"file": "a", "splitting": {"fold": 1}}, "are not used where by is share"),
        ({"file": "a", "splitting": {"by": "fold", "dev": 0.3}}, "are not used where by is fold"),
        ({"file": "a", "split_values": {"train": ["1"]}}, "no column split is given"),
        ({"file": "a", "split": "s", "split_values": {"train": ["TEST"]}}, "a value is there twice"),
        ({"file": "a", "encoding": "base64"}, "is not an encoding of text"),
        ({"file": "a", "encoding": "klingon"}, "is not an encoding of text"),
    ],
)
def test_config_refuses_what_does_not_go_together(keys: dict[str, Any], words: str) -> None:
    """Keys that exclude each other, or that would not be used, are refused by name."""
    with pytest.raises(ValueError, match=words):
        read_dataset({"source": "table", **keys})


def test_read_tables_survives_wrong_offsets(tmp_path: Path) -> None:
    """Texts that are outside of their buffer, which would end the process, are refused as damage."""
    import pyarrow as pa

    offsets = pa.py_buffer(np.array([0, 2**30, 3], np.int32).tobytes())
    wrong = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"abc"))
    table = pa.record_batch([wrong, pa.array([1.0, 2.0])], names=["label", "x"])
    with pa.OSFile(str(tmp_path / "t.feather"), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_batch(table)
    with pytest.raises(UserError, match=r"t.feather: cannot be read as feather"):
        read_tables(config(), [tmp_path / "t.feather"])

"""CSV sets: what is read, and that every fault is named by its file and row."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.baselines import estimators as baselines
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file
from blindtune.datasets.base import SPLITS
from blindtune.datasets.content import digest_rows
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.csv_rows import read_csv
from blindtune.datasets.downloads import get_download
from support.builders import ROOT, write_csv_folder

REAL = ROOT.parent / "shared" / "data" / "isip" / "set_10"
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(st.integers(0, 9), NUMBERS, NUMBERS), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", ", ", " ,"]), st.booleans())
def test_read_csv_reads_what_is_written(
    tmp_path: Path, rows: list[tuple[int, float, float]], end: str, comma: str, last: bool
) -> None:
    """Any values are read as they were written."""
    path = tmp_path / "a.csv"
    text = end.join(comma.join(map(repr, row)) for row in rows) + (end if last else "")
    path.write_bytes(text.encode())
    x, y = read_csv(path)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert y.tolist() == [row[0] for row in rows]
    np.testing.assert_array_equal(x, np.array([row[1:] for row in rows], dtype=np.float32))


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("0,,2", "x is missing"),
        (",1,2", "label is missing"),
        ("0,1, ", "y is missing"),
        ("0,nan,2", "x is not finite: 'nan'"),
        ("0,1,inf", "y is not finite: 'inf'"),
        ("0,1,1e400", "y is not finite: '1e400'"),
        ("nan,1,2", "label is not finite"),
        ("0,one,2", "x is not a number: 'one'"),
        ("cat,1,2", "label is not a number: 'cat'"),
        ("label,x,y", "label is not a number: 'label'"),
        ('"0",1,2', "label is not a number"),
        ("1_0,1,2", "label is not a number"),
        ("0,0x1,2", "x is not a number"),
        ("\u0661,1,2", "label is not a number"),
        ("0,1", "has 2 fields"),
        ("0,1,2,3", "has 4 fields"),
        ("0;1;2", "has 1 fields"),
        ("# 0,1,2", "label is not a number"),
        ("-1,1,2", "label is not a whole number from 0: '-1'"),
        ("0.5,1,2", "label is not a whole number from 0: '0.5'"),
        ("32768,1,2", "label is above 32767"),
        ("1e300,1,2", "label is too large for 32 bits"),
        ("0,-1e39,2", "x is too large for 32 bits: '-1e39'"),
    ],
)
def test_read_csv_names_the_wrong_row(tmp_path: Path, row: str, word: str) -> None:
    """A wrong row is named with the reason."""
    path = tmp_path / "train.csv"
    path.write_text(f"0,1,2\n\n   \n1,2,3\n{row}\n1,x,3\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_csv(path)
    assert str(caught.value).startswith(f"{path}, row 5: ") and word in str(caught.value)


def test_read_csv_names_the_first_row_of_a_wrong_width(tmp_path: Path) -> None:
    """If all rows have the wrong width, the first is named."""
    path = tmp_path / "train.csv"
    path.write_text("0,1\n1,2\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"train\.csv, row 1: has 2 fields"):
        read_csv(path)


def test_read_csv_ignores_blank_lines(tmp_path: Path) -> None:
    """Blank lines are ignored."""
    path = tmp_path / "train.csv"
    path.write_text("\n0,1,2\n  \n\n1,2,3\n\n", encoding="utf-8")
    assert read_csv(path)[1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "is empty"), (b"\n \n", "is empty"), (None, "cannot be read"), (b"\xff\xfe\x00\x01", "not a text file")],
)
def test_read_csv_refuses_a_file_without_rows(tmp_path: Path, content: bytes | None, word: str) -> None:
    """A file that is missing, empty or not text is named."""
    path = tmp_path / "dev.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"dev\.csv: .*{word}"):
        read_csv(path)


def test_load_reads_three_files(tmp_path: Path) -> None:
    """The source reads its three files."""
    files = write_csv_folder(tmp_path, train=9, dev=6, eval=3, classes=3)
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(tmp_path)))
    assert source.user_files() == files
    loaded = source.load(files)
    assert {split: len(loaded.splits[split].y) for split in SPLITS} == {"train": 9, "dev": 6, "eval": 3}
    assert loaded.classes == ["0", "1", "2"]
    assert loaded.files == [files[split] for split in SPLITS]


def test_get_download_names_the_nearest_set() -> None:
    """The message about an unknown set names the nearest."""
    with pytest.raises(ValueError, match=r"no set 'set_1O' .*did you mean 'set_1?0?"):
        get_download("set_1O")
    assert set(get_download("set_10").sha256) == {f"{split}.csv" for split in SPLITS}


@pytest.mark.skipif(not REAL.exists(), reason=f"the real set #10 is not at {REAL}")
def test_real_set_10_is_the_registered_one() -> None:
    """The real set #10 has the registered sha256, and the error of KNN is the measured one."""
    expected = get_download("set_10").sha256
    assert {name: digest_file(REAL / name) for name in expected} == expected
    splits = (
        CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(REAL)))
        .load({split: REAL / f"{split}.csv" for split in SPLITS})
        .splits
    )
    model = baselines.fit_knn(splits["train"].x, splits["train"].y, 100)
    errors = [100 * baselines.compute_error(model, splits[split].x, splits[split].y) for split in SPLITS]
    assert errors == pytest.approx([7.625, 38.83, 33.44], abs=0.005)


def test_origins_are_the_rows_of_the_files(tmp_path: Path) -> None:
    """Each row is one origin, known by all its cells; spaces, line feeds and empty lines do not count."""
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(tmp_path)))
    files = write_csv_folder(tmp_path, train=9, dev=6, eval=3)
    first = source.load(files).origin_digests
    text = files["eval"].read_text(encoding="utf-8")
    files["eval"].write_text(text.replace(",", " , ").replace("\n", "\r\n\r\n"), encoding="utf-8")
    again = source.load(files).origin_digests
    assert first is not None and again is not None and again["eval"].tolist() == first["eval"].tolist()
    assert [len(first[split]) for split in SPLITS] == [9, 6, 3]
    assert first["eval"].tolist() == digest_rows(line.split(",") for line in text.split()).tolist()

"""Annotations of slides: both formats, and what is wrong with a file."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations import read_annotation, registry
from support.slide_files import ASYMMETRIC, Regions, rectangle, write_csv, write_xml

HEAD = """\
# MicronsPerPixel = 0.5041
# bname = 00707578_s000_0hne_0000_a001_lvl000_t000
# width = 35856 pixels, height = 35064 pixels
# tissue = breast, lymph node"""

points = st.tuples(st.integers(-500, 90_000), st.integers(-500, 90_000))
regions_of_any_kind = st.lists(
    st.tuples(st.sampled_from(["dcis", "indc", "null", "norm"]), st.lists(points, min_size=1, max_size=9)), max_size=5
)


@given(regions=regions_of_any_kind)
def test_read_annotation_round_trip(tmp_path_factory: pytest.TempPathFactory, regions: Regions):
    """Both formats give the regions that were written."""
    folder = tmp_path_factory.mktemp("annotations")
    for path in (write_csv(folder / "a.csv", regions), write_xml(folder / "a.xml", regions)):
        read = read_annotation(path).regions
        assert [(one.label, one.polygon.tolist()) for one in read] == [
            (label, [list(map(float, point)) for point in polygon]) for label, polygon in regions
        ]


def test_read_annotation_row_is_y(tmp_path: Path):
    """In the CSV, the row is y and the column is x."""
    path = tmp_path / "a.csv"
    path.write_text("index,label,coord_index,row,column\n0,dcis,0,10331,20775\n")
    assert read_annotation(path).regions[0].polygon.tolist() == [[20775.0, 10331.0]]


def test_read_annotation_csv_header(tmp_path: Path):
    """The header of a CSV gives scale, size and slide."""
    annotation = read_annotation(write_csv(tmp_path / "a.csv", [("dcis", ASYMMETRIC)], HEAD))
    assert annotation.mpp == 0.5041
    assert annotation.size == (35856, 35064)
    assert annotation.slide == "00707578_s000_0hne_0000_a001_lvl000_t000"


def test_read_annotation_xml_attributes(tmp_path: Path):
    """The attributes of an XML give scale and size."""
    path = write_xml(tmp_path / "a.xml", [("dcis", ASYMMETRIC)], 'MicronsPerPixel="0.504100"', (35856, 35064))
    annotation = read_annotation(path)
    assert (annotation.mpp, annotation.size, annotation.slide) == (0.5041, (35856, 35064), None)


def test_read_annotation_orders_vertices(tmp_path: Path):
    """Vertices are grouped by index and ordered by coord_index."""
    path = tmp_path / "a.csv"
    rows = ["7,1,indc,1,20,10", "3,1,null,0,5,6", "7,1,indc,0,40,30", "7,1,indc,2,60,50"]
    path.write_text("\n".join(["index,region_id,label,coord_index,row,column", *rows]))
    first, second = read_annotation(path).regions
    assert (first.label, first.polygon.tolist()) == ("indc", [[30, 40], [10, 20], [50, 60]])
    assert (second.label, second.polygon.tolist()) == ("null", [[6, 5]])


def test_read_annotation_plain_csv(tmp_path: Path):
    """A CSV may have no comments and a byte order mark."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfindex,label,coord_index,row,column\r\n0, DCIS ,0,1.5,2\r\n\r\n")
    annotation = read_annotation(path)
    assert (annotation.mpp, annotation.size, annotation.slide) == (None, None, None)
    assert (annotation.regions[0].label, annotation.regions[0].polygon.tolist()) == ("dcis", [[2.0, 1.5]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# a\nindex,label,coord_index,row,column\n0,dcis,0,1,2\n0,indc,1,1,2\n", "row 4: region 0 is 'indc' here"),
        ("index,label,coord_index,row\n", "row 1: names no column column"),
        ("index,label,coord_index,row,column\n0,dcis,0,1\n", "row 2: has 4 values for 5 columns"),
        ("# only comments\n", "is empty"),
        ("# MicronsPerPixel = half\nindex,label,coord_index,row,column\n", "MicronsPerPixel: 'half' is not a number"),
    ],
)
def test_read_annotation_csv_errors_name_the_row(tmp_path: Path, text: str, message: str):
    """Errors in a CSV name the file and the row."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"a.csv.*{message}"):
        read_annotation(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<Annotations>", "is not valid XML"),
        ("<html/>", "its root is 'html'"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Annotations>&b;</Annotations>', "entities, which are refused"),
    ],
)
def test_read_annotation_xml_errors_name_the_file(tmp_path: Path, text: str, message: str):
    """Errors in an XML name the file."""
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"a.xml.*{message}"):
        read_annotation(path)


def test_read_annotation_unreadable_files(tmp_path: Path):
    """A missing and a binary file are refused."""
    with pytest.raises(UserError, match="cannot be read"):
        read_annotation(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"not text in UTF-16 .* Save it as UTF-8"):
        read_annotation(tmp_path / "a.csv")


def test_read_annotation_empty_region(tmp_path: Path):
    """A region may have no vertices."""
    (region,) = read_annotation(write_xml(tmp_path / "a.xml", [("dcis", [])])).regions
    assert region.polygon.shape == (0, 2)


def test_read_annotation_lower_case_labels(tmp_path: Path):
    """Labels are read in lower case."""
    read = read_annotation(write_xml(tmp_path / "a.xml", [("InDC", rectangle(0, 0, 4, 4))]))
    assert read.regions[0].label == "indc"
    assert read.regions[0].polygon.dtype == np.float64


@pytest.mark.parametrize(
    "content",
    [
        b"# " + b"x" * 200_000 + b"\nindex,label,coord_index,row,column\n",
        b"# a = " + b" " * 200_000 + b"\nindex,label,coord_index,row,column\n",
    ],
)
def test_read_csv_annotation_with_a_long_comment_takes_no_time(tmp_path: Path, content: bytes) -> None:
    """A comment of 200,000 letters is read at once; its square would take minutes."""
    (tmp_path / "a.csv").write_bytes(content)
    assert read_annotation(tmp_path / "a.csv").regions == []


@pytest.mark.parametrize("encoding", ["klingon", "utf-7", "utf-32", "base64"])
def test_read_xml_annotation_with_an_unknown_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    """An encoding that no parser knows is one bad file, not the end of the corpus."""
    path = tmp_path / "a.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><Annotations/>', encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.xml: is not valid XML"):
        read_annotation(path)


def test_read_csv_annotation_with_a_huge_field_is_refused(tmp_path: Path) -> None:
    """A field above the limit of Python's reader is one bad file."""
    path = tmp_path / "a.csv"
    path.write_text("index,label,coord_index,row,column\n0," + "x" * 140_000 + ",0,1,1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.csv, row 2: is not valid CSV"):
        read_annotation(path)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,x", "row 2, column: 'x' is not a number"),
        ("nan,1", "row 2, row: 'nan' is not a number"),
        ("1_0,1", "row 2, row: '1_0' is not a number"),
        ("1e12,1", "row 2 is farther away than 1e+09 pixels"),
    ],
)
def test_read_csv_annotation_names_a_bad_region(tmp_path: Path, row: str, reason: str) -> None:
    """A row whose coordinate is no number makes its region bad, and only that."""
    path = tmp_path / "a.csv"
    path.write_text(f"index,label,coord_index,row,column\n0,dcis,0,{row}\n0,dcis,1,1,1\n1,indc,0,5,6\n")
    found = read_annotation(path)
    assert [one.label for one in found.regions] == ["indc"]
    assert found.unused == (f"region 0 (dcis) cannot be used: {reason}",)


@pytest.mark.parametrize("name", ["/data/x/case.svs", "C:\\slides\\case.svs", "case.svs"])
def test_read_csv_annotation_strips_the_folder_of_the_slide(tmp_path: Path, name: str) -> None:
    """The name of the slide may be that of a file in a folder."""
    path = tmp_path / "a.csv"
    path.write_text(f"# bname = {name}\nindex,label,coord_index,row,column\n")
    assert read_annotation(path).slide == "case.svs"


def test_read_xml_annotation_takes_few_bytes_a_vertex(tmp_path: Path) -> None:
    """Vertices of XML are numbers while it is parsed: a tree of elements takes 600 bytes for each."""
    n_vertices = 20_000
    path = write_xml(tmp_path / "a.xml", [("dcis", [(at, at) for at in range(n_vertices)])])
    read_annotation(path)
    tracemalloc.start()
    try:
        read_annotation(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size + 150 * n_vertices


def test_read_annotation_refuses_a_huge_file_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that would not fit into the memory of a job is refused before it is read."""
    monkeypatch.setattr(registry, "MAX_MIB", 1)
    path = tmp_path / "a.geojson"
    with path.open("wb") as stream:
        stream.truncate(2**20 + 1)
    with pytest.raises(UserError, match=r"a.geojson: has more than 1 MiB, .* Export annotations alone"):
        read_annotation(path)

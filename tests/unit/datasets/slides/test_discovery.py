"""Which slides a folder holds, whose they are, and to which split they go."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS
from blindtune.datasets.slides.config import SplittingConfig
from blindtune.datasets.slides.discovery import (
    SlideFile,
    assign_splits,
    check_dicom_patients,
    find_slides,
    parse_paths,
    parse_patient,
)
from support.dicom_files import write_dicom

V2 = "v2.0.0/svs/train/00707578/s000_2015_04_01/breast/00707578_s000_0hne_0000_a001_lvl000_t000.svs"
V3 = "v3.0.0/svs/dev/00477780_aaaaaagg/s000_2017/breast/00477780_aaaaaagg_s000_0hne_0000_a005_lvl001_t000.svs"
DEEPER = V3.replace("0000_a005", "deep_a005")


def tree(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")
    return folder


def of(*patients: str) -> list[SlideFile]:
    return [SlideFile(f"{patient}_{number}.svs", None, patient) for number, patient in enumerate(patients)]


def test_parse_paths_of_tudp_v2_and_v3(tmp_path: Path):
    """Names of both versions of TUDP give patients and annotations."""
    csv, xml = V2.replace(".svs", ".csv"), V3.replace(".svs", ".xml")
    tree(tmp_path, V2, csv, csv.replace(".csv", ".xml"), V3, xml, DEEPER, ".hidden/a.svs", "readme.docx")
    found = parse_paths(find_slides(tmp_path).annotations, None)
    assert found == [
        SlideFile(V2, csv, "00707578"),
        SlideFile(V3, xml, "00477780"),
        SlideFile(DEEPER, None, "00477780"),
    ]
    assert assign_splits(found, SplittingConfig(), 1) == {V2: "train", V3: "dev", DEEPER: "dev"}


def test_parse_paths_by_expression(tmp_path: Path):
    """An expression finds the patient in any other tree."""
    tree(tmp_path, "case 7/left.TIFF", "case 7/right.ndpi", "case 8/left.svs", "case 8/left.csv")
    found = parse_paths(find_slides(tmp_path).annotations, "case (\\d+)/")
    assert [(one.patient, one.annotation) for one in found] == [("7", None), ("7", None), ("8", "case 8/left.csv")]


def test_find_slides_refuses_empty_folders(tmp_path: Path):
    """A missing folder and one without slides are refused."""
    with pytest.raises(UserError, match="is not a folder"):
        find_slides(tmp_path / "none")
    tree(tmp_path, "a.czi", "b.CZI", "notes")
    with pytest.raises(UserError, match=r"holds no slide .* Its files are: 2 .czi, 1 without a suffix"):
        find_slides(tmp_path)


def test_parse_patient_refuses_other_names():
    """A name without a patient is refused."""
    with pytest.raises(UserError, match=r"CMU-1.svs: its path gives no patient as names in TUDP do. Set `patient`"):
        parse_patient("slides/CMU-1.svs", None)
    with pytest.raises(UserError, match="by '\\^x"):
        parse_patient("slides/CMU-1.svs", "^x(.)")


@pytest.mark.parametrize("file", ["a/b.svs", "train/dev/b.svs", "train.svs"])
def test_assign_splits_by_folders_needs_one_split(file: str):
    """A path must name exactly one split."""
    with pytest.raises(UserError, match=r"Set `splitting.by` to seed or list"):
        assign_splits([SlideFile(file, None, "p")], SplittingConfig(), 1)


@given(
    patients=st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=3, max_size=60),
    seed=st.integers(0, 99),
    dev=st.floats(0.05, 0.45),
    evaluation=st.floats(0.05, 0.45),
)
def test_assign_splits_by_seed_keeps_patients_together(patients: list[str], seed: int, dev: float, evaluation: float):
    """Splits by seed keep patients together, in the shares of the config."""
    found, count = of(*patients), len(set(patients))
    splitting = SplittingConfig(by="seed", dev=dev, eval=evaluation)
    if count < 3:
        with pytest.raises(UserError, match="cannot be assigned to three splits"):
            assign_splits(found, splitting, seed)
        return
    parts = assign_splits(found, splitting, seed)
    by_split = {split: {slide.patient for slide in found if parts[slide.file] == split} for split in SPLITS}
    assert all(by_split.values())
    assert sum(map(len, by_split.values())) == count
    assert abs(len(by_split["dev"]) - dev * count) <= 1.5
    assert parts == assign_splits(found[::-1], splitting, seed)


def test_assign_splits_depends_on_the_seed():
    """Another seed gives other splits."""
    found = of(*(f"p{number}" for number in range(30)))
    assert assign_splits(found, SplittingConfig(by="seed"), 1) != assign_splits(found, SplittingConfig(by="seed"), 2)


def test_assign_splits_by_list(tmp_path: Path):
    """A list can name slides and patients."""
    path = tmp_path / "splits.csv"
    found = [
        SlideFile("x/a.svs", None, "1"),
        SlideFile("b.svs", None, "2"),
        SlideFile("c.svs", None, "3"),
        SlideFile("d.svs", None, "4"),
    ]
    path.write_text("slide,patient,split\nx/a.svs,,train\nb,,dev\n,3,eval\n")
    parts = assign_splits(found, SplittingConfig(by="list", file=str(path)), 1)
    assert parts == {"x/a.svs": "train", "b.svs": "dev", "c.svs": "eval"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slide,split\na,test\n", "row 2: needs a slide .* its split is 'test'"),
        ("slide,split\n,dev\n", "row 2: needs a slide"),
        ("slide,split\na,dev\na,eval\n", "row 3: a is in eval here and in dev above"),
        ("slide,patient,split\na,1,dev\na,2,dev\n", "row 3: a is of the patient '2' here and of '1' above"),
        ("slide;split\na;dev\n", "needs columns split and slide or patient.* has 'slide;split'"),
        ("name,split\na,dev\n", "needs columns split and slide or patient"),
        ("slide,split,split\na,dev,eval\n", "names the column split twice"),
        ("slide,split\na,b,dev\n", "row 2: has more values than there are columns"),
        ("slide,split\nother,dev\n", "names no slide or patient"),
    ],
)
def test_assign_splits_list_errors(tmp_path: Path, text: str, message: str):
    """Errors in a list name the file and the row."""
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"splits.csv.*{message}"):
        assign_splits([SlideFile("a.svs", None, "1")], SplittingConfig(by="list", file=str(path)), 1)


def test_assign_splits_missing_list(tmp_path: Path):
    """A missing list is refused."""
    with pytest.raises(UserError, match="cannot be read as CSV"):
        assign_splits([SlideFile("a.svs", None, "1")], SplittingConfig(by="list", file=str(tmp_path / "none.csv")), 1)


def test_find_slides_in_capitals(tmp_path: Path):
    """Suffixes may be in capitals, and an annotation may follow the whole name of the slide."""
    tree(tmp_path, "P1.SVS", "P1.XML", "p2.svs", "p2.svs.GeoJSON", "p3.NDPI", "p3.CSV", "p3.xml")
    assert find_slides(tmp_path).annotations == {
        "P1.SVS": ["P1.XML"],
        "p2.svs": ["p2.svs.GeoJSON"],
        "p3.NDPI": ["p3.CSV", "p3.xml"],
    }


def test_find_slides_ignores_masks_and_says_so(tmp_path: Path):
    """A mask next to a slide is no slide, unless it has its own annotation."""
    tree(tmp_path, "p1.svs", "p1.csv", "p1_mask.tif", "p1-tumor_mask.tiff", "p1_left.tif", "p2_mask.tif", "p2_mask.csv")
    tree(tmp_path, "p2.tif", "p9.xml", "P1.xml", "photo.png", "readme.docx")
    found = find_slides(tmp_path)
    assert sorted(found.annotations) == ["p1.svs", "p1_left.tif", "p2.tif", "p2_mask.tif"]
    assert found.ignored == {
        "p1_mask.tif": "its name is that of a mask of p1.svs",
        "p1-tumor_mask.tiff": "its name is that of a mask of p1.svs",
        "p9.xml": "no slide has this name",
        "P1.xml": "no slide has this name, but p1.svs has it in other letters; rename one",
        "photo.png": "OpenSlide does not open such files",
        "readme.docx": "is neither a slide nor an annotation of one",
    }


def test_find_slides_lists_every_file_that_is_not_used(tmp_path: Path):
    """A second annotation, slides of other formats and packed files are listed, each with the reason."""
    tree(tmp_path, "case.svs", "case.xml", "case.geojson", "case.svs.csv", "p2.svs", "p2.svs.json", "p2.svs.xml")
    others = ["a.sdpc", "b.KFB", "c.bmp", "d.ets", "e.afi"]
    tree(tmp_path, *others, "case.geojson.gz", "p2.tiff.gz", "notes")
    found = find_slides(tmp_path)
    assert found.ignored == dict.fromkeys(others, "OpenSlide does not open such files") | {
        "case.geojson": "case.xml is read instead",
        "case.svs.csv": "case.xml is read instead",
        "p2.svs.json": "p2.svs.xml is read instead",
        "case.geojson.gz": "is packed; unpack it",
        "p2.tiff.gz": "is packed; unpack it",
        "notes": "is neither a slide nor an annotation of one",
    }
    assert {one.annotation for one in parse_paths(found.annotations, "(.)")} == {"case.xml", "p2.svs.xml"}


def test_find_slides_of_hamamatsu(tmp_path: Path):
    """The files of a VMS slide are those that it lists, or that begin with its name if it lists none."""
    tree(tmp_path, "a.vms", "a.xml", "a(0,1).jpg", "a_map2.jpg", "a.opt", "ab.jpg", "x/b.vmu", "x/b-0.ngr", "x/b_2.jpg")
    (tmp_path / "x/b.vmu").write_text("[Uncompressed Virtual Microscope Specimen]\nImageFile=b-0.ngr\nMapFile = none\n")
    found = find_slides(tmp_path)
    assert found.parts == {"a.vms": ["a(0,1).jpg", "a.opt", "a_map2.jpg"], "x/b.vmu": ["x/b-0.ngr"]}
    assert sorted(found.ignored) == ["ab.jpg", "x/b_2.jpg"]


def test_find_slides_takes_one_of_two_files_with_one_annotation(tmp_path: Path):
    """A conversion next to a slide is not used, since both would give the same tissue."""
    tree(tmp_path, "p1.tif", "p1.svs", "p1.csv", "a/p1.tif", "a/p1.tif.csv")
    found = find_slides(tmp_path)
    assert found.annotations == {"p1.svs": ["p1.csv"], "a/p1.tif": ["a/p1.tif.csv"]}
    assert found.ignored == {"p1.tif": "p1.csv is taken for the annotation of p1.svs, which has the same name"}


def test_find_slides_of_many_files(tmp_path: Path):
    """DICOM files of one folder are one slide, and the data of a MIRAX slide are watched with it."""
    tree(tmp_path, "case1/1.dcm", "case1/2.dcm", "case1.xml", "flat/a.dcm", "flat/a.csv", "flat/b.dcm", "flat/b.csv")
    tree(tmp_path, "m.mrxs", "m.xml", "m/Slidedat.ini", "m/Data0000.dat")
    found = find_slides(tmp_path)
    assert found.annotations == {
        "case1/1.dcm": ["case1.xml"],
        "flat/a.dcm": ["flat/a.csv"],
        "flat/b.dcm": ["flat/b.csv"],
        "m.mrxs": ["m.xml"],
    }
    assert found.parts == {"case1/1.dcm": ["case1/2.dcm"], "m.mrxs": ["m/Data0000.dat", "m/Slidedat.ini"]}
    assert found.ignored == {}
    slides = {one.file: one.parts for one in parse_paths(found.annotations, "(.)", found.parts)}
    assert slides["m.mrxs"] == ("m/Data0000.dat", "m/Slidedat.ini")


@pytest.mark.parametrize(
    ("files", "annotations", "parts"),
    [
        (("1.dcm", "2.dcm", "1.csv"), {"1.dcm": ["1.csv"]}, ["2.dcm"]),
        (("1.dcm", "2.dcm", "3.dcm", "2.csv"), {"2.dcm": ["2.csv"]}, ["1.dcm", "3.dcm"]),
        (("1.dcm", "2.dcm"), {"1.dcm": []}, ["2.dcm"]),
    ],
)
def test_a_dicom_folder_with_one_annotation_is_one_slide(
    tmp_path: Path, files: tuple[str, ...], annotations: dict[str, list[str]], parts: list[str]
):
    """The annotation has the name of one of the files, and the others are no slides without an annotation."""
    tree(tmp_path, *(f"case/{name}" for name in files))
    found = find_slides(tmp_path)
    assert found.annotations == {f"case/{one}": [f"case/{a}" for a in some] for one, some in annotations.items()}
    assert found.parts == {f"case/{next(iter(annotations))}": [f"case/{name}" for name in parts]}
    assert found.ignored == {}


def test_a_flat_folder_of_dicom_files_has_a_slide_for_each_series(tmp_path: Path):
    """Names say nothing: the headers tell which files are one slide, and whose it is."""
    of_series = {"1.2": "A", "1.3": "A", "1.4": "B"}
    files = [("f", "1.2"), ("e", "1.3"), ("d", "1.2"), ("c", "1.4"), ("b", "1.4"), ("a", "1.2")]
    for name, series in files:
        write_dicom(tmp_path / f"{name}.dcm", series, of_series[series])
    tree(tmp_path, "d.xml", "f.csv", "1.3.geojson", "1.4.txt", "z.dcm")
    found = find_slides(tmp_path)
    assert found.annotations == {"d.dcm": ["d.xml", "f.csv"], "e.dcm": ["1.3.geojson"], "b.dcm": [], "z.dcm": []}
    assert found.parts == {"d.dcm": ["a.dcm", "f.dcm"], "e.dcm": [], "b.dcm": ["c.dcm"], "z.dcm": []}
    assert found.ignored == {"f.csv": "d.xml is read instead", "1.4.txt": "is neither a slide nor an annotation of one"}
    del found.annotations["z.dcm"]
    slides = parse_paths(found.annotations, None, found.parts, found.ids)
    assert {one.file: one.patient for one in slides} == {"b.dcm": "B", "d.dcm": "A", "e.dcm": "A"}
    # A list may name any file of a slide, or its series.
    path = tmp_path / "splits.csv"
    path.write_text("slide,split\na,train\n1.3,train\nc.dcm,dev\n")
    parts = assign_splits(slides, SplittingConfig(by="list", file=str(path)), 1)
    assert parts == {"b.dcm": "dev", "d.dcm": "train", "e.dcm": "train"}


def test_a_folder_of_one_series_has_its_name(tmp_path: Path):
    """Files of one series in a folder are one slide, whose annotation may have the name of the folder."""
    for name in ("1", "2", "3"):
        write_dicom(tmp_path / f"case/{name}.dcm", "1.2", "")
    tree(tmp_path, "case.json")
    found = find_slides(tmp_path)
    assert (found.annotations, found.parts) == (
        {"case/1.dcm": ["case.json"]},
        {"case/1.dcm": ["case/2.dcm", "case/3.dcm"]},
    )
    with pytest.raises(UserError, match=r"case/1.dcm: its path gives no patient"):
        parse_paths(found.annotations, None, found.parts, found.ids)


def test_a_patient_in_dicom_is_in_one_split():
    """The header is compared with what the paths say, unless all slides have the same patient."""
    splits = {"a.dcm": "train", "b.dcm": "eval", "c.svs": "dev"}
    check_dicom_patients(splits, {"a.dcm": "anonymous", "b.dcm": "anonymous"})
    # A slide in no split does not tell that patients have names.
    check_dicom_patients(splits, {"a.dcm": "anonymous", "b.dcm": "anonymous", "x.dcm": "1"})
    check_dicom_patients(splits, {"a.dcm": "1", "b.dcm": "2"})
    message = r"a.dcm in train and b.dcm in eval are of one patient in DICOM, '1' \(Patient ID\)"
    with pytest.raises(UserError, match=message):
        check_dicom_patients(splits | {"d.dcm": "eval"}, {"a.dcm": "1", "b.dcm": "1", "d.dcm": "2"})


def test_names_of_slides_that_differ_in_case_only(tmp_path: Path):
    """Two such slides may be one, and some systems take their results for one."""
    tree(tmp_path, "train/p1.svs", "train/P1.SVS", "train/p2.svs")
    with pytest.raises(UserError, match=r"slides train/P1.SVS and train/p1.svs differ only in the case"):
        find_slides(tmp_path)


def test_a_patient_in_a_list_is_no_slide(tmp_path: Path):
    """Where slides have numbers as patients do, each column counts for its own; two rows about a slide must agree."""
    path, splitting = tmp_path / "splits.csv", SplittingConfig(by="list", file=str(tmp_path / "splits.csv"))
    found = [SlideFile("1/2.svs", None, "1"), SlideFile("2/3.svs", None, "2"), SlideFile("3/1.svs", None, "3")]
    path.write_text("Patient,Split\n1,train\n2,dev\n3,eval\n")
    assert assign_splits(found, splitting, 1) == {"1/2.svs": "train", "2/3.svs": "dev", "3/1.svs": "eval"}
    path.write_text("slide,split\n1,train\n2,dev\n3,eval\n")
    assert assign_splits(found, splitting, 1) == {"1/2.svs": "dev", "2/3.svs": "eval", "3/1.svs": "train"}
    path.write_text("slide,patient,split\n2,,train\n1/2.svs,,dev\n")
    with pytest.raises(UserError, match=r"1/2.svs is in dev as slide 1/2.svs and in train as slide 2. Correct"):
        assign_splits(found, splitting, 1)
    path.write_text("slide,patient,split\n2.svs,,train\n,1,dev\n")
    with pytest.raises(UserError, match=r"1/2.svs is in train as slide 2.svs and in dev as patient 1. Correct"):
        assign_splits(found, splitting, 1)


def test_a_list_with_a_name_of_two_slides(tmp_path: Path):
    """A name that slides of several folders have is refused, since one of them may be meant."""
    path = tmp_path / "splits.csv"
    found = [SlideFile("1/he.svs", None, "1"), SlideFile("2/he.svs", None, "2"), SlideFile("3/he.svs", None, "3")]
    path.write_text("slide,split\nhe,train\n2/he.svs,dev\n3/he.svs,eval\n")
    with pytest.raises(UserError, match=r"he may be 1/he.svs or 2/he.svs. Write the path"):
        assign_splits(found, SplittingConfig(by="list", file=str(path)), 1)


def test_a_list_of_splits_can_name_patients_of_slides(tmp_path: Path):
    """Where names of slides tell nothing, a list tells whose they are."""
    path = tmp_path / "splits.csv"
    path.write_text("slide, patient, split\na.svs,X,train\nb,Y,dev\nc.svs,,eval\n")
    files = {"a.svs": [], "b.svs": [], "c.svs": []}
    listed = {"a.svs": "X", "b": "Y"}
    slides = parse_paths(files, "(c)", listed=listed)
    assert [one.patient for one in slides] == ["X", "Y", "c"]
    parts = assign_splits(slides, SplittingConfig(by="list", file=str(path)), 1)
    assert parts == {"a.svs": "train", "b.svs": "dev", "c.svs": "eval"}
    # One that it does not name is left out and needs no patient, unlike one that it names without.
    assert [one.patient for one in parse_paths(files, "(z)", listed=listed)] == ["X", "Y", ""]
    with pytest.raises(UserError, match=r"c.svs: its path gives no patient .* column patient next to slide"):
        parse_paths(files, "(z)", listed=listed | {"c": ""})


def test_names_of_ome_tiffs_and_names_without_a_dot(tmp_path: Path):
    """QuPath names the export of a.ome.tif without .ome; a file that is called svs is no slide."""
    tree(tmp_path, "a.ome.tif", "a.geojson", "b.ome.tiff", "b.ome.geojson", "b.geojson", "svs", "csv")
    found = find_slides(tmp_path)
    assert found.annotations == {"a.ome.tif": ["a.geojson"], "b.ome.tiff": ["b.ome.geojson"]}
    assert set(found.ignored) == {"b.geojson", "svs", "csv"}


def test_assign_splits_refuses_names_that_match_nothing(tmp_path: Path):
    """A misspelt name is refused with the nearest one."""
    path = tmp_path / "splits.csv"
    path.write_text("slide,split\np1,train\np04,train\nP5.SVS,dev\np6.svs,eval\n")
    found = [SlideFile(f"{name}.svs", None, name) for name in ("p1", "p4", "p5", "p6")]
    message = r"2 of its 4 names are neither .* corpus: p04 \(is it p4\?\), P5.SVS \(is it p5.svs\?\). Correct"
    with pytest.raises(UserError, match=message):
        assign_splits(found, SplittingConfig(by="list", file=str(path)), 1)

"""Patients and splits of recordings, in trees of every layout."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS
from blindtune.datasets.eeg.discovery import (
    Recording,
    assign_patients,
    assign_splits,
    find_files,
    find_recordings,
    list_same_patients,
    parse_paths,
    sort_files,
)
from support.eeg_files import eeg_config

V15 = [
    "edf/dev_test/01_tcp_ar/002/00000258/s002_2003_07_21/00000258_s002_t000.edf",
    "edf/dev_test/01_tcp_ar/002/00000258/s002_2003_07_21/00000258_s002_t001.edf",
    "edf/dev_test/03_tcp_ar_a/002/00000258/s003_2003_07_22/00000258_s003_t000.edf",
    "edf/dev_test/02_tcp_le/006/00000630/s001_2005_01_01/00000630_s001_t000.edf",
    "edf/dev_test/02_tcp_le/008/00000883/s001_2005_01_01/00000883_s001_t000.edf",
    "edf/train/01_tcp_ar/029/00002991/s001_2006_04_01/00002991_s001_t000.edf",
    "edf/train/02_tcp_le/029/00002991/s002_2006_04_01/00002991_s002_t000.edf",
]
V2 = [
    "edf/train/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t000.edf",
    "edf/train/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t001.edf",
    "edf/dev/aaaaaool/s004_2013/01_tcp_ar/aaaaaool_s004_t002.edf",
    "edf/eval/aaaaaaaq/s007_2014/01_tcp_ar/aaaaaaaq_s007_t000.edf",
    "edf/eval/aaaaaaaq/s007_2014/03_tcp_ar_a/aaaaaaaq_s007_t000.edf",
]


def splits(files: list[str], **changes: Any) -> dict[str, str]:
    settings = eeg_config(**changes)
    return assign_splits(parse_paths(files, settings), settings)


def test_parse_paths_reads_version_2() -> None:
    """Patient, split and montage are read from the paths of TUSZ v2."""
    found = parse_paths(V2, eeg_config())
    assert found[-1] == Recording(V2[0 + 1], "aaaaaaac", "train", "02_tcp_le")
    assert {one.file: (one.patient, one.folder, one.montage) for one in found}[V2[2]] == (
        "aaaaaool",
        "dev",
        "01_tcp_ar",
    )
    assert splits(V2) == dict(zip(V2, ["train", "train", "dev", "eval", "eval"], strict=True))


def test_parse_paths_marks_twins() -> None:
    """The same recording under two montages is used once."""
    assert {one.file: one.twin for one in parse_paths(V2, eeg_config()) if one.twin} == {V2[4]: V2[3]}


def test_assign_splits_takes_eval_from_dev_test() -> None:
    """TUSZ v1 has no eval, so some patients of dev_test are assigned to it."""
    found = parse_paths(V15, eeg_config())
    assert {(one.patient, one.montage) for one in found if one.folder == "train"} == {
        ("00002991", "01_tcp_ar"),
        ("00002991", "02_tcp_le"),
    }
    for seed in range(20):
        place = splits(V15, seed=seed)
        assert {place[file] for file in V15[5:]} == {"train"}
        assert {place[file] for file in V15[:5]} == {"dev", "eval"}
        assert len({place[file] for file in V15[:3]}) == 1


def test_assign_splits_takes_eval_from_dev() -> None:
    """TUSZ 1.5.2 has dev instead of dev_test."""
    place = splits([file.replace("dev_test", "dev") for file in V15])
    assert set(place.values()) == set(SPLITS)


def test_assign_splits_by_patients_ignores_folders() -> None:
    """With split: patients, the folders are ignored."""
    files = [f"edf/train/{name}/s001_2002/02_tcp_le/{name}_s001_t00{n}.edf" for name in NAMES for n in range(2)]
    with pytest.raises(UserError, match="the corpus has no folder dev and no folder eval"):
        splits(files)
    place = splits(files, split="patients")
    assert set(place.values()) == set(SPLITS)
    assert all(len({place[file] for file in files if name in file}) == 1 for name in NAMES)


NAMES = [f"aaaaaaa{letter}" for letter in "abcdefghij"]


@given(
    st.lists(st.integers(0, 40), min_size=3, max_size=60),
    st.integers(0, 99),
    st.floats(0.05, 0.45),
    st.floats(0.05, 0.45),
)
def test_assign_splits_separates_patients(patients: list[int], seed: int, dev: float, evaluation: float) -> None:
    """No patient is in two splits, no split is empty, and the order of files does not matter."""
    files = [f"p{patient}/r{number}.edf" for number, patient in enumerate(patients)]
    changes = {"patient": "^p(\\d+)/", "seed": seed, "dev": dev, "eval": evaluation}
    if len(set(patients)) < 3:
        with pytest.raises(UserError, match="patients cannot be assigned to 3 splits"):
            splits(files, **changes)
        return
    place = splits(files, **changes)
    assert set(place.values()) == set(SPLITS)
    groups = [{file.split("/")[0] for file in files if place[file] == split} for split in SPLITS]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert splits(files[::-1], **changes) == place


def test_assign_patients_depends_on_seed() -> None:
    """Another seed gives another assignment; one more patient moves few others."""
    names = [str(number) for number in range(100)]
    shares = {"dev": 0.2, "eval": 0.2}
    first = assign_patients(names, shares, 1)
    assert sorted(first.values()) == ["dev"] * 20 + ["eval"] * 20
    assert assign_patients(names, shares, 2) != first
    more = assign_patients([*names, "new"], shares, 1)
    assert sum(first.get(name) != more.get(name) for name in names) <= 2


def test_find_recordings_needs_a_patient_pattern(tmp_path: Path) -> None:
    """A folder of other files needs a pattern for patients, and hidden files are skipped."""
    for name in (
        "S001R01.edf",
        "S001R02.EDF",
        "S002R01.edf",
        "S003R01.edf",
        ".S004R01.edf",
        "notes.txt",
        "S001R01.tse",
    ):
        (tmp_path / name).touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "S005R01.edf").touch()
    with pytest.raises(UserError, match=r"S001R01\.edf: is not a name of TUSZ .* Set patient"):
        find_recordings(tmp_path, eeg_config())
    found = find_recordings(tmp_path, eeg_config(patient="(S\\d+)R"))
    assert [(one.file, one.patient, one.folder) for one in found] == [
        ("S001R01.edf", "S001", None),
        ("S001R02.EDF", "S001", None),
        ("S002R01.edf", "S002", None),
        ("S003R01.edf", "S003", None),
    ]
    shutil.move(tmp_path / "S003R01.edf", tmp_path / "other.edf")
    tree = find_files(tmp_path, eeg_config(patient="(S\\d+)R"))
    reason = "has no patient by '(S\\\\d+)R'. Rename it or change patient"
    assert (len(tree.recordings), tree.nameless, tree.ignored["other.edf"]) == (3, {"other.edf": reason}, reason)
    with pytest.raises(UserError, match=r"other\.edf: has no patient"):
        parse_paths(["other.edf"], eeg_config(patient="(S\\d+)R"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([*V15, *V2], "named as in TUSZ v1, .* as in v2"),
        (
            [*V2, "edf/aaaaaaaz_s001_t000.edf"],
            r"aaaaaaaz_s001_t000\.edf: is in none of the folders train, dev and eval",
        ),
        ([*V2, "dev/train/aaaaaaaz_s001_t000.edf"], "is in dev and in train"),
        (["edf/train/aaaaaaaz_s01_t000.edf"], "is not a name of TUSZ"),
        (["edf/train/AAAAAAAZ_s001_t000.edf"], "is not a name of TUSZ"),
    ],
)
def test_assign_splits_refuses_trees(files: list[str], reason: str) -> None:
    """A tree that cannot be split is refused with the reason."""
    with pytest.raises(UserError, match=reason):
        splits(files)


def test_find_recordings_refuses_a_missing_folder(tmp_path: Path) -> None:
    """A missing or empty folder is refused."""
    with pytest.raises(UserError, match="holds no EDF or BDF files"):
        find_recordings(tmp_path, eeg_config())
    with pytest.raises(UserError, match="is not a folder"):
        find_recordings(tmp_path / "none", eeg_config())


@pytest.mark.parametrize(
    ("files", "patients"),
    [
        (
            ["sub-01/eeg/sub-01_task-x_run-00_eeg.edf", "sub-a2/ses-01/eeg/sub-a2_ses-01_eeg.edf"],
            ["sub-01", "sub-a2"],
        ),
        (
            ["chb01/chb01_03.edf", "chb02/chb02_16+.edf", "chb17/chb17a_03.edf", "chb21/chb21_01.edf"],
            ["chb01", "chb02", "chb17", "chb01"],
        ),
        (["PN00/PN00-1.edf", "PN01/PN01.edf", "PN10/PN10-4.5.6.edf"], ["PN00", "PN01", "PN10"]),
    ],
)
def test_parse_paths_of_open_corpora(files: list[str], patients: list[str]) -> None:
    """Names of BIDS, CHB-MIT and Siena tell the patient; chb21 is the child of chb01."""
    found = parse_paths(files, eeg_config())
    assert [one.patient for one in found] == patients
    assert list_same_patients(found, eeg_config()) == ({"chb21": "chb01"} if "chb02" in patients else {})


def test_parse_paths_refuses_two_layouts() -> None:
    """Names of two layouts are refused, since the same patient may have another name in each."""
    with pytest.raises(UserError, match=r"PN00-1\.edf is named as in Siena, V2|chb01_03\.edf is named as in CHB-MIT"):
        parse_paths(["chb01_03.edf", "PN00-1.edf"], eeg_config())


def test_parse_paths_joins_names_of_a_patient() -> None:
    """Two names of a patient are joined; one that no recording has is refused with the nearest."""
    files = [f"sub-{number}/sub-{number}_eeg.edf" for number in ("01", "02", "21")]
    settings = eeg_config(same_patient={"sub-21": "sub-01"})
    assert [one.patient for one in parse_paths(files, settings)] == ["sub-01", "sub-02", "sub-01"]
    with pytest.raises(
        UserError, match="same_patient: 'sub-12' is not a patient of any recording; the nearest is 'sub-"
    ):
        parse_paths(files, eeg_config(same_patient={"sub-12": "sub-01"}))


@pytest.mark.parametrize("folder", ["Train", "test", "val", "DEV", "evall", "training"])
def test_assign_splits_refuses_folders_that_look_like_a_split(folder: str) -> None:
    """A folder that is nearly named as a split is refused, unless patients are assigned."""
    files = [f"{folder}/{name}_s001_t000.edf" for name in NAMES]
    with pytest.raises(UserError, match=rf"{folder}/aaaaaaaj.*: its folder '{folder}' looks like .* split: patients"):
        splits(files)
    assert set(splits(files, split="patients").values()) == set(SPLITS)


TREE = [
    "sub-01/ecg/sub-01_ecg.edf",
    "sub-01/eeg/sub-01_eeg.bdf",
    "sub-01/eeg/sub-01_eeg.edf",
    "sub-01/eeg/sub-01_eeg.edf.gz",
    "sub-01/eeg/sub-01_eeg.json",
    "sub-01/eeg/sub-01_run-2_eeg.edf.gz",
    "sub-01/eeg/sub-01_run-3_eeg.set",
    "derivatives/clean/sub-01/sub-01_eeg.edf",
]


def test_sort_files_counts_every_file(tmp_path: Path) -> None:
    """Recordings of all formats count; others of BIDS and copies are ignored with a reason."""
    tree = sort_files(tmp_path, TREE, eeg_config())
    assert tree.recordings == [TREE[2], TREE[5]]
    assert tree.ignored == {
        TREE[0]: "is not EEG by its name (_ecg)",
        TREE[1]: "is a copy of sub-01_eeg.edf by its name",
        TREE[3]: "is a copy of sub-01_eeg.edf by its name",
        TREE[6]: "is of a format that is not read (EEGLAB)",
        TREE[7]: "is in derivatives, which holds no raw data in BIDS",
    }
    below = sort_files(tmp_path, [f"ds/{file}" for file in TREE], eeg_config())
    assert below.recordings == [f"ds/{file}" for file in tree.recordings]
    assert below.ignored == {f"ds/{file}": reason for file, reason in tree.ignored.items()}
    assert sort_files(tmp_path, ["sub-01/code/sub-01_eeg.edf"], eeg_config()).ignored == {}
    some = sort_files(tmp_path, TREE, eeg_config(files="**/*_EEG.edf"))
    assert some.recordings == [TREE[7], TREE[2]]
    assert some.ignored[TREE[0]] == "does not match files: '**/*_EEG.edf'"
    with pytest.raises(UserError, match=r"files that match files: 'x/\*'\. derivatives/.* does not match"):
        sort_files(tmp_path, TREE, eeg_config(files="x/*"))


def test_sort_files_counts_one_recording_of_a_name(tmp_path: Path) -> None:
    """A recording in two formats, or with two spellings of the suffix, counts once, whatever `files` says."""
    tree = sort_files(tmp_path, ["a.EDF", "a.bdf", "a.edf", "b.BDF", "b.edf.gz"], eeg_config(files="*"))
    assert tree.recordings == ["a.edf", "b.BDF"]
    assert tree.copies == {"a.EDF": "a.edf", "a.bdf": "a.edf", "b.edf.gz": "b.BDF"}
    assert tree.ignored["a.EDF"] == "is a copy of a.edf by its name"
    assert sort_files(tmp_path, ["a.bdf", "a.edf"], eeg_config(files="*.bdf")).recordings == ["a.bdf"]

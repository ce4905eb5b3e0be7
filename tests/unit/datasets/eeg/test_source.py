"""The source of EEG: what is not used of a folder, and what is said of it."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths
from blindtune.datasets.corpus.extraction import extract_batch
from blindtune.datasets.corpus.filetree import note_nameless
from blindtune.datasets.corpus.splits import read_extract
from blindtune.datasets.corpus.survey import Candidate, Survey
from blindtune.datasets.eeg.discovery import find_files
from blindtune.datasets.prepared import open_prepared, prepare
from support.eeg_files import eeg_config, eeg_corpus, noise, write_edf

SUMMARY = "File Name: {name}.edf\nNumber of Seizures in File: 1\nSeizure Start Time: 20 s\nSeizure End Time: 45 s\n"


def test_tree_of_chbmit_becomes_a_dataset(tmp_path: Path) -> None:
    """A tree as CHB-MIT is prepared without a word in the config; what is not used is listed, and the log says how."""
    for number in range(1, 5):
        folder = tmp_path / "own" / f"chb0{number}"
        write_edf(folder / f"chb0{number}_01.edf", noise(90, 100, number), 100)
        (folder / f"chb0{number}-summary.txt").write_text(SUMMARY.format(name=f"chb0{number}_01"))
        (folder / f"chb0{number}_01.edf.seizures").write_bytes(b"\x00")
    write_edf(folder / "chb04_02.edf", noise(30, 100, 9), 100)
    source = eeg_corpus(folder=str(tmp_path / "own"), unannotated="skip")
    layout = ResultPaths(str(tmp_path / "results"))
    files = source.inputs(layout, "own")
    for batch, path in files.items():
        extract_batch(source, batch, tmp_path / "own", path)
    manifest = Path(layout.manifest("own"))
    summary = prepare("own", source, files, manifest, Path(layout.seal("own")))
    parameters = open_prepared(manifest).manifest["parameters"]
    assert parameters["annotations"] == "chbmit" and parameters["events"] == {"seizure": 4}
    assert parameters["groups"] == ["chb01", "chb02", "chb03", "chb04"] and parameters["bad_files"] == {}
    ignored = (manifest.parent / "unused.tsv").read_text().splitlines()
    reason = "is neither a recording nor an annotation of one (chbmit)"
    assert ignored == [
        "kind\tname\treason",
        *(f"file\tchb0{number}/chb0{number}_01.edf.seizures\t{reason}" for number in (1, 2, 3, 4)),
        "file\tchb04/chb04_02.edf\tis not listed in chb04-summary.txt (unannotated: skip)",
    ]
    assert "not or not wholly used: 5 files, listed in" in summary
    assert "annotations: chbmit (auto), labels seizure (4)" in summary


def test_list_files_refuses_a_tree_without_annotations(tmp_path: Path) -> None:
    """A folder without any annotation is refused while the run is planned, with what it holds."""
    for number in (1, 2, 3):
        write_edf(tmp_path / f"chb0{number}_01.edf", noise(2, 100), 100)
    with pytest.raises(UserError, match=r"no file has an annotation next to it\. Looked for: .* holds 3 \.edf"):
        eeg_corpus(folder=str(tmp_path)).list_files()


@pytest.mark.parametrize("other", ["wARD_m\u00fcller", "Ward_mu\u0308ller"])
def test_list_files_refuses_patients_that_differ_in_case_only(tmp_path: Path, other: str) -> None:
    """Two spellings of a patient would be two patients, in two splits; `same_patient` makes them one."""
    names = ["Ward_m\u00fcller", other, "Ward_b", "Ward_c", "Ward_d"]
    for number, name in enumerate(names):
        write_edf(tmp_path / f"{name}-{number}.edf", noise(2, 100, number), 100)
        (tmp_path / f"{name}-{number}.tse_bi").write_text("version = tse_v1.0.0\n\n0 2 bckg 1\n")
    changes = {"folder": str(tmp_path), "patient": r"(.+)-\d"}
    with pytest.raises(UserError, match="only in the case of letters") as refused:
        eeg_corpus(**changes).list_files()
    assert repr(other) in str(refused.value) and "same_patient" in str(refused.value)
    found = eeg_corpus(**changes, same_patient={other: names[0]}).list_files()
    assert len({one.split for one in found if "ller" in one.file}) == 1


def test_recordings_without_a_segment_are_named(tmp_path: Path) -> None:
    """The notes name each recording that offers nothing, and which rule left out what."""
    source = eeg_corpus(folder=str(tmp_path), patient="(.)_")
    left_out = {"flat segments": {"background": 3, "seizure": 1}, "loud segments": {"seizure": 2}}
    plain: dict[str, Any] = {"sha256": {}, "group": "a", "split": "train"}
    found = [
        Survey(file="a_1.edf", left_out=left_out, **plain),
        Survey(file="a_2.edf", candidates=[Candidate(label="seizure", place={"start": 0.0})], **plain),
        Survey(file="a_3.edf", **plain),
    ]
    write_edf(tmp_path / "a_1.edf", noise(2, 100), 100).with_suffix(".tse").touch()
    assert source.take_notes(found)[1:] == [
        "2 recordings offer no segment: a_1.edf (4 flat segments, 2 loud segments), a_3.edf (nothing was left out)"
    ]


@pytest.mark.parametrize("patient", [None, r"(chb\d\d)_"])
def test_one_recording_without_a_patient_is_not_used(tmp_path: Path, patient: str | None) -> None:
    """A stray name is that file's fault: it is in no split, and lists and log name it. Many of them stop the plan."""
    for number in range(1, 10):
        name = tmp_path / f"chb0{number}_01.edf"
        write_edf(name, noise(2, 100, number), 100).with_suffix(".tse").write_text("version")
    write_edf(tmp_path / "calibration.edf", noise(2, 100, 99), 100).with_suffix(".tse").write_text("version")
    changes = {"folder": str(tmp_path), "annotations": "tusz", "patient": patient}
    source = eeg_corpus(**changes)
    used = [raw.file for raws in source.batches().values() for raw in raws]
    assert len(used) == 9 and "calibration.edf" not in used
    why = "is not a name of TUSZ" if patient is None else "has no patient by"
    (reason,) = [why for file, why in source.list_ignored() or [] if file == "calibration.edf"]
    assert reason.startswith(why) and "change patient" in reason.replace("Set patient", "change patient")
    assert ("calibration.tse", "is an annotation of calibration.edf, which has no patient") in source.list_ignored()
    (note,) = note_nameless(source.list_nameless())
    assert note == f"1 of 10 files are not used, since they have no patient, such as calibration.edf: {reason}"
    for few in ({"max_bad_fraction": 0.09}, {"strict": True}):
        one = r"at most a fraction of 0\.09 may \(max_bad_fraction\)"
        limit = r"none may \(max_bad_fraction, strict\)" if "strict" in few else one
        with pytest.raises(UserError, match=rf"^calibration\.edf: {why}.* 1 of 10 files have no patient; {limit}\.$"):
            eeg_corpus(**changes, **few).batches()
        assert len(eeg_corpus(**changes, **few).list_files()) == 9, "a job does not know the limit"


def test_a_table_may_have_rows_of_a_recording_without_a_patient(tmp_path: Path) -> None:
    """Its rows are not used either, so they do not stop the others."""
    names = [f"chb0{number}_01.edf" for number in range(1, 10)] + ["calibration.edf"]
    for number, name in enumerate(names):
        write_edf(tmp_path / name, noise(2, 100, number), 100)
    rows = "".join(f"{name},0,1\n" for name in names)
    (tmp_path / "annotations.csv").write_text(f"file,start,stop\n{rows}")
    assert len(eeg_corpus(folder=str(tmp_path)).list_files()) == 9
    (tmp_path / "annotations.csv").write_text(f"file,start,stop\n{rows}callibration,0,1\n")
    with pytest.raises(UserError, match=r"line 12: 'callibration' is not a recording .* the nearest is 'calibration"):
        eeg_corpus(folder=str(tmp_path)).list_files()


def test_a_row_of_a_table_is_of_one_recording_alone(tmp_path: Path) -> None:
    """A name that a recording without a patient has too is refused: the row may be of either."""
    for number in range(1, 11):
        write_edf(tmp_path / f"p{number}" / f"rec{number}.edf", noise(2, 100, number), 100)
    write_edf(tmp_path / "misc" / "rec3.edf", noise(2, 100, 99), 100)
    table = tmp_path / "annotations.csv"
    table.write_text("file,start,stop\nrec3,0,1\n")
    with pytest.raises(UserError, match=r"line 2: 'rec3' is the name of 2 recordings, .* Give the path"):
        eeg_corpus(folder=str(tmp_path), patient=r"p(\d+)/").list_files()
    table.write_text("file,start,stop\np3/rec3,0,1\nmisc/rec3.edf,0,1\n")
    assert len(eeg_corpus(folder=str(tmp_path), patient=r"p(\d+)/").list_files()) == 10


def test_a_copy_without_a_patient_displaces_none_with_one(tmp_path: Path) -> None:
    """Of a recording in two formats, the one whose path gives the patient counts."""
    for number in range(1, 11):
        (tmp_path / f"S{number}R1.bdf").touch()
    (tmp_path / "S3R1.edf").touch()
    tree = find_files(tmp_path, eeg_config(patient=r"(S\d+)R1\.bdf"))
    assert len(tree.recordings) == 10 and not tree.nameless and tree.copies == {"S3R1.edf": "S3R1.bdf"}


def test_a_broken_link_is_no_background(tmp_path: Path) -> None:
    """A recording whose annotation leads nowhere is bad, also where recordings without one are background."""
    for name in "abcd":
        write_edf(tmp_path / f"{name}_1.edf", noise(2, 100, ord(name)), 100).with_suffix(".tse").write_text("version")
    (tmp_path / "b_1.tse").unlink()
    (tmp_path / "b_1.tse").symlink_to("gone.tse")
    (tmp_path / "e").symlink_to("gone")
    changes = {"folder": str(tmp_path), "patient": "(.)_", "unannotated": "background", "max_bad_fraction": 0.25}
    source = eeg_corpus(**changes)
    bad = {file: why for batch in source.batches() for file, why in source.list_unusable(batch).items()}
    assert bad == {"b_1.edf": "b_1.tse cannot be read: broken link"}
    surveys = []
    for batch in source.batches():
        path = tmp_path / "out" / f"{batch}.json"
        extract_batch(source, batch, tmp_path, path, unusable=source.list_unusable(batch))
        surveys += read_extract(path)
    assert [(one.file, one.group, one.bad) for one in surveys if one.bad] == [("b_1.edf", "b", *bad.values())]
    assert ("e", "is a broken link, which may lead to a folder") in (source.list_ignored() or [])
    (note,) = [one for one in source.take_notes([]) if "broken links" in one]
    assert note.startswith("1 broken links that are neither recordings nor annotations, such as e;")


def test_event_labels_that_are_never_met_are_named(tmp_path: Path) -> None:
    """A label of the config that no event has may be misspelt, and its seizures background; the notes say so."""
    labels = {"seizure": ["abscence", "TCS*", "spasm"], "other": ["note"]}
    source = eeg_corpus(folder=str(tmp_path), patient="(.)_", annotations="edf_plus", event_labels=labels)
    write_edf(tmp_path / "a_1.edf", noise(2, 100), 100)
    found = Survey(
        file="a_1.edf",
        sha256={},
        group="a",
        split="train",
        candidates=[Candidate(label="seizure", place={"start": 0.0})],
        facts={"events": {"Absence ": 3, "tcs left": 1, "Note": 2}},
    )
    where = "was met in no recording that is used"
    assert source.take_notes([found])[1:] == [
        f"event_labels: 'abscence' {where}; the nearest of those that were met is 'Absence '",
        f"event_labels: 'spasm' {where}",
    ]


def test_log_of_a_batch_names_recordings_without_a_segment(tmp_path: Path) -> None:
    """Each good recording that offers nothing has a line in the log of its job, however many there are."""
    for name in "abc":
        write_edf(tmp_path / f"{name}_1.edf", noise(12, 100, ord(name)), 100).with_suffix(".tse").write_text("version")
    source = eeg_corpus(folder=str(tmp_path), patient="(.)_")
    lines: list[str] = []
    for batch in source.batches():
        extract_batch(source, batch, tmp_path, tmp_path / "out" / f"{batch}.json", lines.append)
    assert sorted(lines) == [f"{name}_1.edf: offers no sample (1 intervals that are too short)" for name in "abc"]

"""Annotations of BIDS, CHB-MIT and Siena, inside of EDF+, and in one table."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from edfio import Bdf, BdfSignal, Edf, EdfAnnotation, EdfSignal

from blindtune.core.errors import UserError
from blindtune.datasets.eeg.annotations import edf_plus
from blindtune.datasets.eeg.annotations.base import Annotations, RecordingTimes, Unannotated
from blindtune.datasets.eeg.annotations.edf_plus import read_texts
from blindtune.datasets.eeg.annotations.registry import READERS, create_reader
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.recording_file import RecordingFile
from support.eeg_files import eeg_config, noise

#: Seconds of the recordings.
LENGTH = 3600.0


def read(
    folder: Path,
    files: Mapping[str, str | None],
    file: str,
    start: float | None = None,
    seconds: float = LENGTH,
    **changes: Any,
) -> Annotations:
    """Write a tree (None: an empty recording) and return the annotations of one recording."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text or "", encoding="utf-8")
    recordings = [name for name, text in files.items() if text is None]
    reader = create_reader(folder, list(files), recordings, eeg_config(folder=str(folder), **changes))
    found = reader.read(RecordingTimes(file, seconds, start)).within(seconds)
    assert set(found.files) <= set(reader.companions(file)) | set(found.files)
    return found


def test_config_names_every_reader() -> None:
    """The key annotations takes the names of all readers, and auto."""
    assert list(get_args(EegConfig.model_fields["annotations"].annotation)) == ["auto", *READERS]


def clock(text: str) -> float:
    """Return a time of the day in seconds."""
    hours, minutes, seconds = map(int, text.split("."))
    return hours * 3600.0 + minutes * 60 + seconds


BIDS = "sub-01/eeg/sub-01_task-szMonitoring_run-01"
HEAD = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"


def bids(rows: str) -> dict[str, str | None]:
    return {f"{BIDS}_eeg.edf": None, f"{BIDS}_events.tsv": rows}


@pytest.mark.parametrize(
    ("rows", "seizures"),
    [
        (HEAD + "10\t20.5\tsz_foc_ia\tn/a\tn/a\t2016-11-06 13:43:04\t3600.00\n", [(10.0, 30.5)]),
        (HEAD + "0\t3600\tbckg\tn/a\tall\tx\t3600\n", []),
        (HEAD + "5\t5\tsz\t\t\t\t\n8\t4\tsz_gen\t\t\t\t\n20\tn/a\timpd\t\t\t\t\n", [(5.0, 12.0)]),
        ("onset\tduration\ttrial_type\n7\t1\tSeizure\n9\t1\tbackground\n", [(7.0, 8.0)]),
        ("onset\tduration\teventType\n", []),
        (
            "onset\tduration\ttrial_type\teventType\n10\t5\tseizure\tn/a\n20\t5\trest\tsz\n30\t5\tn/a\tn/a\n",
            [(10, 15), (20, 25)],
        ),
        ("onset\tduration\teventType\ttrial_type\n10\t5\tsz_foc\tseizure\n20\t5\tbckg\tinterictal\n", [(10.0, 15.0)]),
    ],
)
def test_bids_events(tmp_path: Path, rows: str, seizures: list[tuple[float, float]]) -> None:
    """Events of BIDS are read by eventType or trial_type."""
    assert read(tmp_path, bids(rows), f"{BIDS}_eeg.edf").seizures == seizures


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (HEAD + "10\t20\tsz\t\t\t\t60\n", r"line 2: is of a recording of 60\.0000 s, but this one has 3600"),
        (HEAD + "10\tn/a\tsz\t\t\t\t\n", "line 2: duration 'n/a' is not a number"),
        (HEAD + "n/a\t1\tsz\t\t\t\t\n", "line 2: onset 'n/a' is not a number"),
        (HEAD + "10\t-1\tsz\t\t\t\t\n", "line 2: 10 to 9 s is not an interval"),
        (HEAD + "nan\t1\tsz\t\t\t\t\n", "line 2: nan to nan s is not an interval"),
        (
            "onset\tduration\teventType\ttrial_type\n1\t1\tsz\tsz\n2\t1\tbckg\tsz\n",
            "line 3: eventType is 'bckg', trial_type 'sz'; correct one of them",
        ),
        ("onset\tonset\tduration\teventType\n", "line 1: names the column onset twice"),
        (HEAD + "1,5\t1\tsz\t\t\t\t\n", "line 2: onset '1,5' is not a number .decimals have a point, not a comma"),
        (HEAD + "1_0\t1\tsz\t\t\t\t\n", "line 2: onset '1_0' is not a number"),
        (HEAD + "-5\t1\tsz\t\t\t\t\n", "line 2: -5 to -4 s is not an interval"),
        (HEAD + "1\t1\tstim/left\t\t\t\t\n", r"label 'stim/left' is unknown.* Met: stim/left \(1\)"),
        (HEAD + "1\t1\n", "line 2: has 2 fields; the head has 7"),
        (HEAD + "1\t1\tsz_start\t\t\t\t\n9\t1\tsz_end\t\t\t\t\n", "line 2: label 'sz_start' is unknown"),
        (HEAD + "1\t99\tsz_free\t\t\t\t\n", "line 2: label 'sz_free' is unknown"),
        ("onset\tduration\tvalue\n1\t1\t7\n", "line 2: there is no column eventType or trial_type"),
        ("onset,duration,eventType\n", "line 1: names no column onset, duration"),
        (HEAD + "2000000\t40000\tsz\t\t\t\t\n", "is annotated up to .*line 2.* are its times milliseconds"),
    ],
)
def test_bids_events_refuse_rows(tmp_path: Path, rows: str, reason: str) -> None:
    """A wrong row makes the recording unusable, and the reason names it."""
    with pytest.raises(UnusableRecording, match=reason):
        read(tmp_path, bids(rows), f"{BIDS}_eeg.edf")


def test_bids_names_in_capitals(tmp_path: Path) -> None:
    """Capitals in the ending of a name do not matter; a name without them counts first."""
    files: dict[str, str | None] = {
        "sub-01/sub-01_EEG.EDF": None,
        "sub-01/sub-01_events.TSV": HEAD + "1\t2\tsz\t\t\t\t\n",
    }
    assert read(tmp_path, files, "sub-01/sub-01_EEG.EDF").seizures == [(1.0, 3.0)]
    assert read(tmp_path, files | {"sub-01/sub-01_events.tsv": HEAD}, "sub-01/sub-01_EEG.EDF").seizures == []


def test_bids_inheritance(tmp_path: Path) -> None:
    """A recording without events next to it takes the nearest ones above that its name fits."""
    row = "%d\t2\tsz\t\t\t\t\n"
    files: dict[str, str | None] = {
        "ds/sub-01/eeg/sub-01_task-sz_run-01_eeg.edf": None,
        "ds/sub-01/eeg/sub-01_task-sz_run-02_eeg.edf": None,
        "ds/sub-01/eeg/sub-01_task-rest_eeg.edf": None,
        "ds/sub-01/eeg/sub-01_task-sz_run-02_events.tsv": HEAD + row % 2,
        "ds/task-sz_events.tsv": HEAD + row % 1,
        "ds/task-other_events.tsv": HEAD + row % 9,
    }
    other, first, second = sorted(name for name, text in files.items() if text is None)
    found = read(tmp_path, files, first)
    assert (found.seizures, found.files) == ([(1.0, 3.0)], ("ds/task-sz_events.tsv",))
    assert found.notes == ("its events are those of ds/task-sz_events.tsv, by the inheritance of BIDS",)
    own = read(tmp_path, files, second)
    assert (own.seizures, own.notes) == ([(2.0, 4.0)], ())
    with pytest.raises(Unannotated, match=r"has no sub-01_task-rest_events\.tsv next to it"):
        read(tmp_path, files, other)
    nearer = {f"ds/sub-01/sub-01{part}_events.tsv": HEAD + row % 5 for part in ("_task-sz", "_run-01")}
    with pytest.raises(UnusableRecording, match=r"may have the events of .*_run-01_events\.tsv or of .*task-sz_events"):
        read(tmp_path, files | nearer, first)


def test_bids_events_are_not_those_of_a_later_part(tmp_path: Path) -> None:
    """Onsets count from the first part of a recording that was divided, so the others need events of their own."""
    files: dict[str, str | None] = {f"sub-01_split-0{number}_eeg.edf": None for number in (1, 2)}
    files["sub-01_events.tsv"] = HEAD + "1\t2\tsz\t\t\t\t\n"
    assert read(tmp_path, files, "sub-01_split-01_eeg.edf").seizures == [(1.0, 3.0)]
    with pytest.raises(UnusableRecording, match=r"onsets of sub-01_events\.tsv count from the first part"):
        read(tmp_path, files, "sub-01_split-02_eeg.edf")
    own: dict[str, str | None] = {"sub-01_split-02_events.tsv": HEAD + "5\t2\tsz\t\t\t\t\n"}
    assert read(tmp_path, files | own, "sub-01_split-02_eeg.edf").seizures == [(5.0, 7.0)]


def test_bids_without_events_is_unannotated(tmp_path: Path) -> None:
    """A recording without events among others is not annotated."""
    files = bids(HEAD) | {"sub-02/eeg/sub-02_eeg.edf": None}
    with pytest.raises(Unannotated, match=r"has no sub-02_events\.tsv next to it"):
        read(tmp_path, files, "sub-02/eeg/sub-02_eeg.edf")


SUMMARY = """Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7

File Name: chb01_02.edf
File Start Time: 12:42:57
File End Time: 13:42:57
Number of Seizures in File: 0

File Name: chb01_03.edf
File Start Time: 23:43:04
File End Time: 24:43:04
Number of Seizures in File: 1
Seizure Start Time: 2996 seconds
Seizure End Time: 3036 seconds

File Name: chb02_16+.edf
Number of Seizures in File: 2
Seizure 1 Start Time:  130 seconds
Seizure 1 End Time:  212 seconds
Seizure 2 Start Time: 300 seconds
Seizure 2 End Time: 310 seconds
"""


@pytest.mark.parametrize(
    ("name", "seizures"),
    [
        ("chb01_02.edf", []),
        ("chb01_03.edf", [(2996.0, 3036.0)]),
        ("chb02_16+.edf", [(130.0, 212.0), (300.0, 310.0)]),
    ],
)
def test_chbmit_summary(tmp_path: Path, name: str, seizures: list[tuple[float, float]]) -> None:
    """Both ways of writing times are read, and a file with no seizure is annotated."""
    files = {"chb01/chb01-summary.txt": SUMMARY, f"chb01/{name}": None}
    found = read(tmp_path, files, f"chb01/{name}")
    assert (found.seizures, found.files, found.notes) == (seizures, ("chb01/chb01-summary.txt",), ())


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("File: 1\n", "File: 2\n", "line 13: says 2 seizures and has the times of 1"),
        ("File: 1\n", "File: many\n", "line 13: does not say how many seizures"),
        ("Seizure End Time: 3036 seconds\n", "", "line 13: has 1 starts and 0 ends"),
        ("2996 seconds\nSeizure End Time: 3036", "2996000 s\nSeizure End Time: 3036000", "up to 3036000.*milliseconds"),
        ("3036", "3000000", r"is annotated up to 3000000.*line 17\) but ends at 3600\.0000 s$"),
        ("2996", "2_996", "line 17: '2_996' to '3036' are not times"),
        ("Seizure End Time", "Seizure Ende Time", "line 18: 'Seizure Ende Time: 3036 seconds' is not understood"),
        ("3036", "2000", "line 17: 2996 to 2000 s is not an interval"),
        ("2996 seconds", "soon", "line 17: 'soon' to '3036' are not times"),
    ],
)
def test_chbmit_summary_refuses_blocks(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """A wrong block makes its recording unusable, and no other."""
    files = {
        "chb01/chb01-summary.txt": SUMMARY.replace(old, new),
        "chb01/chb01_03.edf": None,
        "chb01/chb02_16+.edf": None,
    }
    with pytest.raises(UnusableRecording, match=reason):
        read(tmp_path, files, "chb01/chb01_03.edf")
    assert len(read(tmp_path, files, "chb01/chb02_16+.edf").seizures) == 2


@pytest.mark.parametrize(
    ("file", "listed"),
    [
        ("chb01/chb01_03.edf.gz", "chb01_03.edf"),
        ("chb01/chb01_03.edf", "chb01/chb01_03.edf"),
        ("chb01/chb01_03.EDF", "chb01\\\\CHB01_03"),
        ("chb01/chb01.x_03.edf", "chb01.x_03"),
    ],
)
def test_chbmit_names(tmp_path: Path, file: str, listed: str) -> None:
    """A recording is found under its name with a folder, and with or without a suffix; times may have decimals."""
    times = "Number of Seizures in File: 1\nSeizure Start Time: 2996.5 sec.\nSeizure End Time: 3036 secs\n"
    files = {"chb01/chb01-summary.txt": f"File Name: {listed}\n{times}", file: None}
    assert read(tmp_path, files, file).seizures == [(2996.5, 3036.0)]


def test_chbmit_block_of_no_file(tmp_path: Path) -> None:
    """A recording without a block is bad if a block with seizures names no file, which may be the recording."""
    files = {"chb01/chb01-summary.txt": SUMMARY, "chb01/chb01_3.edf": None, "chb01/chb02_16+.edf": None}
    with pytest.raises(
        UnusableRecording, match=r"lists seizures of chb01_03\.edf without such a file \(.*line 13\)"
    ) as one:
        read(tmp_path, files, "chb01/chb01_3.edf")
    assert not isinstance(one.value, Unannotated)
    # The block of chb01_02 names no file too, but it has no seizure.
    with pytest.raises(Unannotated, match=r"is not listed in chb01-summary\.txt"):
        read(tmp_path, files | {"chb01/chb01_03.edf": None}, "chb01/chb01_3.edf")
    assert len(read(tmp_path, files, "chb01/chb02_16+.edf").seizures) == 2


def test_chbmit_in_one_folder(tmp_path: Path) -> None:
    """Of several summaries in one folder, that of the child is read; an unlisted recording is not annotated."""
    files: dict[str, str | None] = {
        "chb01-summary.txt": SUMMARY,
        "chb17-summary.txt": "File Name: chb17a_03.edf\nNumber of Seizures in File: 0",
    }
    names: dict[str, str | None] = {"chb01_03.edf": None, "chb17a_03.edf": None, "chb17a_04.edf": None}
    assert read(tmp_path, files | names, "chb17a_03.edf").files == ("chb17-summary.txt",)
    with pytest.raises(Unannotated, match=r"is not listed in chb17-summary\.txt"):
        read(tmp_path, files | names, "chb17a_04.edf")
    note = read(tmp_path, files | names, "chb01_03.edf", seconds=3200).notes
    assert note == ("chb01-summary.txt, line 13: lasts 3600 s by its start and end, 3200 s by the recording",)


SIENA = """Data Sampling Rate: 512 Hz

Seizure n 1
File name: PN00-1.edf
Registration start time: 19.39.33
Registration end time:  20.22.58
Seizure start time: 19.58.36
Seizure end time: 19.59.46

Seizure n 2
File name: PN00-2.edf
Registration start time: 23.30.00
Registration end time: 01.00.00
Start time: 23.59.50
End time: 00.00.20
Start time:00:10:00
End time: 00:10:30

Seizure n 4
File name: PNO0-3.edf
Registration start time:1 6.49.25
Registration end time: 17.30.00
Seizure start time: 16.59.25
Seizure end time: 17.00.25

Seizure n 5
File name: PN00-.edf
Registration start time: 08.00.00
Seizure start time: 08.10.00
Seizure end time: 08.11.00
"""
SIENA_FILES: dict[str, str | None] = {
    "PN00/Seizures-list-PN00.txt": SIENA,
    **{f"PN00/PN00-{number}.edf": None for number in (1, 2, 3, 4, 5)},
}


@pytest.mark.parametrize(
    ("number", "start", "seizures", "n_notes"),
    [
        (1, "19.39.33", [(1143.0, 1213.0)], 0),
        (2, "23.30.00", [(1790.0, 1820.0), (2400.0, 2430.0)], 0),
        (3, "16.49.25", [(600.0, 660.0)], 0),
        (3, "16.50.25", [(540.0, 600.0)], 1),
        (3, "00.00.00", [(600.0, 660.0)], 1),
        (4, "08.00.01", [(600.0, 660.0)], 1),
    ],
)
def test_siena_list(tmp_path: Path, number: int, start: str, seizures: list[tuple[float, float]], n_notes: int) -> None:
    """Times of the day are read past midnight, with the spellings of the real lists."""
    found = read(tmp_path, SIENA_FILES, f"PN00/PN00-{number}.edf", clock(start))
    assert found.seizures == seizures and len(found.notes) == n_notes


def test_siena_time_with_a_remark(tmp_path: Path) -> None:
    """One time and a remark in brackets is that time; of two times it is not known which is meant."""
    for remark, seizures in ((" (CLINICAL ONSET)", [(1143.0, 1213.0)]), (" (ONSET); 19.58.40 (OTHER)", None)):
        files = SIENA_FILES | {"PN00/Seizures-list-PN00.txt": SIENA.replace("19.58.36", f"19.58.36{remark}")}
        if seizures is None:
            with pytest.raises(UnusableRecording, match="is not a time of the day"):
                read(tmp_path, files, "PN00/PN00-1.edf", clock("19.39.33"))
        else:
            assert read(tmp_path, files, "PN00/PN00-1.edf", clock("19.39.33")).seizures == seizures


def test_siena_list_with_a_lost_name(tmp_path: Path) -> None:
    """A recording that is not listed may be a misspelt one; if none is misspelt, it is not annotated."""
    with pytest.raises(UnusableRecording, match=r"lists PN00- without such a file \(.*line 27\); correct the name"):
        read(tmp_path, SIENA_FILES, "PN00/PN00-5.edf", clock("12.00.00"))
    files = SIENA_FILES | {"PN00/Seizures-list-PN00.txt": SIENA.partition("Seizure n 5")[0]}
    with pytest.raises(Unannotated, match=r"is not listed in Seizures-list-PN00\.txt"):
        read(tmp_path, files, "PN00/PN00-5.edf", clock("12.00.00"))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("19.59.46", "19.58.00", r"starts at 19\.58\.36 and ends at 19\.58\.00, 24\.0 h later; at most 12 h are read"),
        ("Seizure start time: 19.58.36\nSeizure end time", "Seizure end time: 19.58.36\nSeizure start time", "in turn"),
        ("Seizure start time", "Seizure strat time", "line 7: 'Seizure strat time: 19.58.36' is not understood"),
        ("19.59.46", "25.59.46", r"line 8: '25\.59\.46' is not a time of the day"),
        ("Seizure end time: 19.59.46\n", "", "line 4: has 1 starts and 0 ends"),
        ("19.58.36", "19.38.36", "is annotated up to"),
    ],
)
def test_siena_list_refuses_blocks(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """A wrong block makes its recording unusable, and no other."""
    files = SIENA_FILES | {"PN00/Seizures-list-PN00.txt": SIENA.replace(old, new)}
    with pytest.raises(UnusableRecording, match=reason):
        read(tmp_path, files, "PN00/PN00-1.edf", clock("19.39.33"))
    assert len(read(tmp_path, files, "PN00/PN00-2.edf", clock("23.30.00")).seizures) == 2


def siena(folder: Path, text: str, start: str | None, seconds: float = LENGTH, number: int = 1) -> Annotations:
    """Return the annotations of a recording by a list; it starts at a time of the day."""
    files = {"PN00/Seizures-list-PN00.txt": text, "PN00/PN00-1.edf": None, "PN00/PN00-2.edf": None}
    return read(folder, files, f"PN00/PN00-{number}.edf", None if start is None else clock(start), seconds)


def siena_block(*times: str, name: str = "PN00-1.edf", registration: str | None = "10.00.00", end: str = "") -> str:
    """Return a block with the times of seizures, start and end in turn."""
    edges = ["Seizure start time", "Seizure end time"] * (len(times) // 2)
    head = f"Seizure n 1\nFile name: {name}\n"
    if registration:
        head += f"Registration start time: {registration}\n"
    return head + "".join(f"{edge}: {time}\n" for edge, time in zip(edges, times, strict=True)) + end + "\n"


FIRST = siena_block("10.10.00", "10.11.00")


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (
            siena_block("10.20.00", "10.21.00").replace("start time: 10.2", "strat time: 10.2"),
            r"line 10: 'Seizure strat time: 10\.20\.00' is not understood",
        ),
        (
            siena_block(end="Seizure onset: 10.20.00\nSeizure offset: 10.21.00\n"),
            "line 10: 'Seizure onset: 10.20.00' is",
        ),
        (siena_block(end="Seizure onset: in the night\n"), r"line 2: has 2 headings of seizures .* and the times of 1"),
        ("Seizure n 2\n", r"line 2: has 2 headings of seizures .* and the times of 1"),
    ],
)
def test_siena_seizure_that_cannot_be_read(tmp_path: Path, second: str, reason: str) -> None:
    """A second seizure whose lines cannot be read makes the recording unusable, and is not background."""
    with pytest.raises(UnusableRecording, match=reason):
        siena(tmp_path, FIRST + second, "10.00.00")


def test_siena_name_that_cannot_be_read(tmp_path: Path) -> None:
    """A block whose name cannot be read is not one of the recording before it."""
    other = siena_block("14.20.00", "14.21.00", name="PN00-2.edf", registration="14.00.00")
    text = FIRST + other.replace("File", "Fiel")
    assert siena(tmp_path, text, "10.00.00").seizures == [(600.0, 660.0)]
    with pytest.raises(UnusableRecording, match=r"line 8: 'Fiel name: PN00-2\.edf' is not understood"):
        siena(tmp_path, text, "14.00.00", number=2)
    text = FIRST + other.replace("File name: PN00-2.edf\n", "")
    assert siena(tmp_path, text, "10.00.00").seizures == [(600.0, 660.0)]
    assert siena(tmp_path, text, "14.00.00", number=2).seizures == [(1200.0, 1260.0)]
    with pytest.raises(UnusableRecording, match=r"lists \(no name, .*line 8\) without such a file"):
        siena(tmp_path, text, "15.00.00", number=2)


def test_siena_two_seizures_of_one_file(tmp_path: Path) -> None:
    """Each seizure counts from the registration of its block, or the one before; two different ones are refused."""
    both = [(600.0, 660.0), (1200.0, 1260.0)]
    for registration in ("10.00.00", None):
        text = FIRST + siena_block("10.20.00", "10.21.00", registration=registration)
        assert siena(tmp_path, text, None).seizures == both
    preamble = "File name: PN00-1.edf\nRegistration start time: 10.00.00\n"
    times = "Seizure n 1 (in sleep):\nStart time: 10.10.00\nEnd time: 10.11.00\n"
    text = preamble + times + times.replace(".1", ".2").replace("n 1", "n 2")
    assert siena(tmp_path, text, "10.00.00").seizures == both
    text = FIRST + siena_block("10.20.00", "10.21.00", registration="10.15.00")
    with pytest.raises(UnusableRecording, match=r"has two starts of the registration, 10\.00\.00 and 10\.15\.00"):
        siena(tmp_path, text, None)
    # The header is not in doubt if the seizures fit it alone.
    assert siena(tmp_path, text.replace("10.15.00", "11.15.00"), "10.00.00").seizures == both


@pytest.mark.parametrize(
    ("start", "seconds", "expected"),
    [
        ("10.00.00", 3600.0, [(600.0, 660.0)]),
        ("09.59.50", 3600.0, [(610.0, 670.0)]),
        ("09.00.00", 7200.0, "10.00.00, the recording at 09.00.00 by its header; the seizures are within .* both"),
        ("09.30.00", 3600.0, "within the recording by both, so correct the list"),
        ("10.05.00", 600.0, [(300.0, 360.0)]),
        ("22.00.00", 3600.0, [(600.0, 660.0)]),
        ("22.00.00", 600.0, r"is annotated up to 660\.0000 s \(.*\) but ends at 600\.0000 s$"),
    ],
)
def test_siena_registration_against_the_header(
    tmp_path: Path, start: str, seconds: float, expected: list[tuple[float, float]] | str
) -> None:
    """The header decides if the seizures fit it alone, or nearly agrees; the recording is unusable in doubt."""
    if isinstance(expected, str):
        with pytest.raises(UnusableRecording, match=expected):
            siena(tmp_path, FIRST, start, seconds)
        return
    found = siena(tmp_path, FIRST, start, seconds)
    assert found.seizures == expected and len(found.notes) == (start != "10.00.00")


@pytest.mark.parametrize(
    ("text", "seconds", "reason"),
    [
        ("Start time: 10.00.00\nEnd time: 11.00.00\n", 3600.0, "line 2: the seizure is the whole recording"),
        (
            "Start time: 10.00.00\nEnd time: 11.00.00\nSeizure start time: 10.10.00\nSeizure end time: 10.11.00\n",
            4000.0,
            "line 4: is of a seizure, so the times before it .* may be of the registration",
        ),
        (
            "Registration start time: 10.00.00\nSeizure start time: 10.20.00\nSeizure end time: 10.19.50\n",
            86_400.0,
            r"line 3: the seizure starts at 10\.20\.00 and ends at 10\.19\.50, 24\.0 h later",
        ),
        (
            "Registration start time: 10.00.00\nSeizure start time: 10.20.00\nSeizure end time: 10.21.00\n",
            93_600.0,
            "lasts 93600 s, more than a day",
        ),
    ],
)
def test_siena_times_that_cannot_be_true(tmp_path: Path, text: str, seconds: float, reason: str) -> None:
    """Times of a registration, an end before its start, and a recording of more than a day are refused."""
    with pytest.raises(UnusableRecording, match=reason):
        siena(tmp_path, f"File name: PN00-1.edf\n{text}", "10.00.00", seconds)


def inside(folder: Path, texts: list[tuple[float, float | None, str]], **labels: list[str]) -> Annotations:
    """Write an EDF+ file of a minute with annotations and return them."""
    signal = EdfSignal(noise(60, 10, rows=1)[0], 10, physical_range=(-1000, 1000))
    Edf([signal], annotations=[EdfAnnotation(*one) for one in texts]).write(folder / "a.edf")
    config = eeg_config(folder=str(folder), annotations="edf_plus", event_labels=labels)
    reader = create_reader(folder, ["a.edf"], ["a.edf"], config)
    return reader.read(RecordingTimes("a.edf", 60.0)).within(60.0)


def test_edf_plus_annotations(tmp_path: Path) -> None:
    """Texts are mapped by event_labels, with durations or as starts and stops; others are counted."""
    texts = [(0.0, None, "Recording starts"), (10.0, 5.0, "SZ left"), (20.0, None, "On"), (31.5, None, "Off")]
    found = inside(tmp_path, [*texts, (40.0, 5.0, "PNES")], seizure=["sz*"], seizure_start=["on"], seizure_stop=["off"])
    assert found.seizures == [(10.0, 15.0), (20.0, 31.5)]
    assert found.labels == {"On": 1, "PNES": 1, "Recording starts": 1, "SZ left": 1}
    assert found.notes == ("texts that event_labels does not name: PNES (1), Recording starts (1)",)
    assert inside(tmp_path, texts, seizure=["x"], non_epileptic=["SZ *"]).non_epileptic == [(10.0, 15.0)]


def test_edf_plus_texts_that_are_no_seizures_may_be_anywhere(tmp_path: Path) -> None:
    """Times before the start and after the end do not matter of a text that event_labels calls other."""
    texts = [(-5.0, None, "note"), (10.0, 5.0, "sz"), (500.0, 3.0, "note")]
    assert inside(tmp_path, texts, seizure=["sz"], other=["*"]).seizures == [(10.0, 15.0)]


@pytest.mark.parametrize(("start", "stop"), [("on", "off"), ("begin", "cease"), ("start", "stop")])
def test_edf_plus_seizures_that_touch(tmp_path: Path, start: str, stop: str) -> None:
    """A seizure may end when the next begins, with any texts; one of no length at that time is left out."""
    texts = [(10.0, None, start), (20.0, None, stop), (20.0, None, start), (30.0, None, stop)]
    empty = [(30.0, None, start), (30.0, None, stop)]
    found = inside(tmp_path, [*texts, *empty], seizure_start=[start], seizure_stop=[stop])
    assert found.seizures == [(10.0, 30.0)] and found.notes == ("1 seizures of no length within others, left out",)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([(10.0, None, "SZ")], r"annotation 1 \('SZ'\): has no duration; map the texts"),
        ([(50.0, 20.0, "SZ")], r"is annotated up to 70\.0000 s \(annotation 1"),
        ([(10.0, None, "on")], "starts a seizure that does not end"),
        ([(10.0, None, "off")], "ends a seizure that did not start"),
        ([(10.0, None, "on"), (10.0, None, "off")], "'on' at 10 s has no length"),
        ([(10.0, None, "on"), (11.0, None, "on")], "starts a seizure before the one of .* has ended"),
    ],
)
def test_edf_plus_refuses_annotations(
    tmp_path: Path, texts: list[tuple[float, float | None, str]], reason: str
) -> None:
    """A seizure without both its times makes the recording unusable."""
    with pytest.raises(UnusableRecording, match=reason):
        inside(tmp_path, texts, seizure=["sz"], seizure_start=["on"], seizure_stop=["off"])


def test_edf_plus_needs_a_signal_of_annotations(tmp_path: Path) -> None:
    """A plain EDF file is not annotated, and bytes that are none neither."""
    signal = EdfSignal(noise(60, 10, rows=1)[0], 10, physical_range=(-1000, 1000))
    Edf([signal]).write(tmp_path / "a.edf")
    (tmp_path / "b.edf").write_bytes(b"0" * 100)
    config = eeg_config(annotations="edf_plus", event_labels={"seizure": ["x"]})
    reader = create_reader(tmp_path, ["a.edf"], ["a.edf"], config)
    for name in ("a.edf", "b.edf"):
        with pytest.raises(Unannotated, match="has no annotations inside"):
            reader.read(RecordingTimes(name, 60.0))


@pytest.mark.parametrize("name", ["a.edf", "a.bdf", "a.bdf.gz"])
def test_annotations_inside_are_read_alone(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of EDF+ and BDF+ alike, the signals of annotations are read, and no other."""
    texts = [(0.0, None, "Start"), (10.25, 5.0, "fit"), (59.5, None, "\u00fcber")]
    path, x, written = tmp_path / name, noise(60, 100, rows=1)[0], [EdfAnnotation(*one) for one in texts]
    if ".bdf" in name:
        Bdf([BdfSignal(x, 100, physical_range=(-1000, 1000))], annotations=written).write(path)
    else:
        Edf([EdfSignal(x, 100, physical_range=(-1000, 1000))], annotations=written).write(path)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    file = RecordingFile(path)
    peek, peeked = file.peek, list[int]()

    def count(start: int, stop: int) -> bytes:
        peeked.append(stop - start)
        return peek(start, stop)

    monkeypatch.setattr(file, "peek", count)
    assert read_texts(file) == (texts, []) and file.size > 10_000 and sum(peeked) < 3_000
    monkeypatch.setattr(edf_plus, "MAX_BYTES", 50)
    with pytest.raises(UnusableRecording, match="has more than 50 bytes of annotations inside"):
        read_texts(file)
    file.close()


def write_raw(path: Path, *records: bytes) -> None:
    """Write an EDF+ file of records of a second that hold these bytes as their annotations."""
    width = 2 * ((max(map(len, records)) + 1) // 2)
    fields = ("EDF Annotations", "", "", "-1", "1", "-32768", "32767", "", f"{width // 2}", "")
    head = "0".ljust(168) + "01.01.0100.00.00" + "512".ljust(8) + "EDF+C".ljust(44)
    head += f"{len(records)}".ljust(8) + "1".ljust(8) + "1".ljust(4)
    head += "".join(one.ljust(to) for one, to in zip(fields, (16, 80, 8, 8, 8, 8, 8, 80, 8, 32), strict=True))
    path.write_bytes(head.encode() + b"".join(one.ljust(width, b"\0") for one in records))


STAMPED = b"+0\x14\x14\0"


@pytest.mark.parametrize(
    ("record", "texts"),
    [
        (STAMPED + b"+10\x155\x14fit\r\n\x14\0", [(10.0, 5.0, "fit\r\n")]),
        (STAMPED + b"+10\x155\x14fit\x14", [(10.0, 5.0, "fit")]),
        # As libraries write a third of a second.
        (STAMPED + b"+3.3333333333333335\x150.3333333333333333\x14fit\x14\0", [(3.333333333333, 1 / 3, "fit")]),
        (
            STAMPED + b"+10\x14a\x14b\x14\0-1\x15.5\x14c\x14\0 ",
            [(-1.0, 0.5, "c"), (10.0, None, "a"), (10.0, None, "b")],
        ),
        (b"+0.5\x14\x14fit\x14\0+10\x15\x14fit\x14\0", [(0.0, None, "fit"), (9.5, None, "fit")]),
    ],
)
def test_annotations_inside_are_all_read(tmp_path: Path, record: bytes, texts: list[Any]) -> None:
    """Every annotation of a record is read, with new lines and several texts, from the first time stamp on."""
    write_raw(tmp_path / "a.edf", record, b"+1\x14\x14")
    assert read_texts(RecordingFile(tmp_path / "a.edf")) == (texts, [])


@pytest.mark.parametrize(
    "text",
    [
        b"+10\x155,5\x14fit\x14\0",
        b"10\x155\x14fit\x14\0",
        b"+10\x155\x14fit",
        b"+10\x155\x14fit\0",
        b"+10\x155\x14good\x14\0+20\x155\x14fit\0",
        b"+10\x15.\x14fit\x14\0",
        b"+1\x14\x14f\0i\0t\0\x14\0",
    ],
)
@pytest.mark.parametrize("record", [0, 2])
def test_annotations_inside_that_cannot_be_read(tmp_path: Path, text: bytes, record: int) -> None:
    """What is no annotation makes the recording unusable, next to a good one too, and the reason names the record."""
    records = [b"+%d\x14\x14\0" % number + (text if number == record else b"") for number in range(3)]
    write_raw(tmp_path / "a.edf", *records)
    with pytest.raises(UnusableRecording, match=rf"annotations inside that cannot be read: record {record + 1} holds"):
        read_texts(RecordingFile(tmp_path / "a.edf"))


def test_annotations_inside_count_from_the_first_time_stamp(tmp_path: Path) -> None:
    """An annotation where the first time stamp should be is not taken for it; a later one is an annotation."""
    write_raw(tmp_path / "a.edf", b"+10\x155\x14fit\x14\0")
    with pytest.raises(UnusableRecording, match="has no time stamp in record 1"):
        read_texts(RecordingFile(tmp_path / "a.edf"))
    write_raw(tmp_path / "a.edf", STAMPED, b"+10\x155\x14fit\x14\0")
    assert read_texts(RecordingFile(tmp_path / "a.edf")) == ([(10.0, 5.0, "fit")], [])


def test_annotations_inside_in_latin_1(tmp_path: Path) -> None:
    """Texts that are not UTF-8 are read as Latin-1, with a note."""
    write_raw(tmp_path / "a.edf", STAMPED + b"+10\x155\x14Krampf \xfc\x14\0", "+1\x14\x14\0+20\x14ü\x14\0".encode())
    config = eeg_config(annotations="edf_plus", event_labels={"seizure": ["krampf ü"]})
    found = create_reader(tmp_path, ["a.edf"], ["a.edf"], config).read(RecordingTimes("a.edf", 60.0))
    assert found.seizures == [(10.0, 15.0)]
    assert found.notes == (
        "1 texts inside are not UTF-8 but read as Latin-1",
        "texts that event_labels does not name: ü (1)",
    )


RECORDINGS: dict[str, str | None] = {"x/a.edf": None, "x/b.edf": None, "y/b.edf": None}


@pytest.mark.parametrize(
    ("table", "seizures"),
    [
        ("file,start,stop,label\nx/a.edf,1,2,seizure\na.edf,5,6,sz_foc\na,8,9,bckg\nx/b,1,2,seiz\n", [(1, 2), (5, 6)]),
        ("Filename;Onset;End\na;1.5;2\n", [(1.5, 2)]),
        ("file\tstart\tstop\tlabel\n# nobody\na\t1\t2\tbackground\n", []),
    ],
)
def test_table(tmp_path: Path, table: str, seizures: list[tuple[float, float]]) -> None:
    """One table has the annotations of all recordings, by path or name."""
    assert read(tmp_path, RECORDINGS | {"annotations.csv": table}, "x/a.edf").seizures == seizures


@pytest.mark.parametrize("label", ["seizure", "nesz"])
def test_table_with_a_seizure_of_no_length(tmp_path: Path, label: str) -> None:
    """An onset alone makes the recording unusable, since its time would be background; within another it is nothing."""
    rows = f"file,start,stop,label\na,10,20,{label}\na,15,15,{label}\na,20,20,{label}\na,30,30,bckg\n"
    found = read(tmp_path, RECORDINGS | {"annotations.csv": rows}, "x/a.edf")
    assert [*found.seizures, *found.non_epileptic] == [(10.0, 20.0)]
    assert len(found.notes) == 1 and found.notes[0].startswith("2 ") and "of no length within others" in found.notes[0]
    for time in (5, 25):
        with pytest.raises(UnusableRecording, match=rf"line 6: '{label}' at {time} s has no length.*give its end"):
            read(tmp_path, RECORDINGS | {"annotations.csv": f"{rows}a,{time},{time},{label}\n"}, "x/a.edf")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("aa.edf,1,2,seizure", r"line 2: 'aa\.edf' is not a recording below .*; the nearest is 'a\.edf'"),
        ("b.edf,1,2,seizure", r"line 2: 'b\.edf' is the name of 2 recordings, such as x/b\.edf"),
        ("a,1,2", "line 2: has 3 fields; the head has 4"),
    ],
)
def test_table_refuses_rows_of_no_recording(tmp_path: Path, row: str, reason: str) -> None:
    """A row that names no recording stops the run while it is planned."""
    with pytest.raises(UserError, match=reason):
        read(tmp_path, RECORDINGS | {"annotations.csv": f"file,start,stop,label\n{row}\n"}, "x/a.edf")


@pytest.mark.parametrize(
    "name", ["eventType", "event_type", "Trial_Type", "type", "description", "annotation", "class"]
)
def test_table_knows_names_of_labels(tmp_path: Path, name: str) -> None:
    """Labels are read under their usual names, so that background is none."""
    table = f"file,start,stop,{name},confidence\na,0,100,bckg,1\na,200,300,sz,1\n"
    assert read(tmp_path, RECORDINGS | {"annotations.csv": table}, "x/a.edf").seizures == [(200.0, 300.0)]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("file,start,stop,kind", "line 1: names no column label, and kind are not known.*name it label"),
        ("file,start,stop,", "line 1: names no column label, and column 4 without a name are not known"),
        ("file,start,stop,Start", "line 1: names the column 'start' twice"),
        ("file,start,stop,end", "line 1: has the columns stop and end, of which only one can be the stop"),
        ("file,start,stop,class,type", "line 1: has the columns class and type, of which only one can be the label"),
        ("file,start,duration,label", "line 1: names no column stop, but file, start, duration, label"),
    ],
)
def test_table_refuses_columns(tmp_path: Path, head: str, reason: str) -> None:
    """Columns that are not known or could both be meant stop the run while it is planned."""
    row = ",".join(["a", "1", "2", "x", "y"][: head.count(",") + 1])
    with pytest.raises(UserError, match=reason):
        read(tmp_path, RECORDINGS | {"annotations.csv": f"{head}\n{row}\n"}, "x/a.edf")


def test_table_with_columns_next_to_the_label(tmp_path: Path) -> None:
    """A column label is meant, whichever others there are; a column without a name and content does not matter."""
    for table in ("file,start,stop,type,label\na,1,2,EEG,sz\n", "file,start,stop,\na,1,2,\n"):
        assert read(tmp_path, RECORDINGS | {"annotations.csv": table}, "x/a.edf").seizures == [(1.0, 2.0)]


@pytest.mark.parametrize("pattern", [None, "a.*"])
def test_table_rows_of_a_copy(tmp_path: Path, pattern: str | None) -> None:
    """A row of a file that is not used is refused, since its seizure would be lost; a bare name is of the one used."""
    tree = ["a.bdf", "a.edf", "annotations.csv"]
    config = eeg_config(files=pattern)
    (tmp_path / "annotations.csv").write_text("file,start,stop\na.bdf,1,2\n")
    reason = r"line 2: a\.bdf is not used, since it is a copy of a\.edf by its name\. Name that one, or remove the row"
    with pytest.raises(UserError, match=reason):
        create_reader(tmp_path, tree, tree[:2], config)
    own = create_reader(tmp_path, tree, tree[:1], eeg_config(files="*.bdf"))
    assert own.read(RecordingTimes("a.bdf", 60.0)).seizures == [(1.0, 2.0)]
    (tmp_path / "annotations.csv").write_text("file,start,stop\na,1,2\n")
    found = create_reader(tmp_path, tree, tree[:2], config).read(RecordingTimes("a.edf", 60.0))
    assert found.seizures == [(1.0, 2.0)]


def test_table_that_is_missing_or_no_text(tmp_path: Path) -> None:
    """A table that is not there or not text is refused with its path once and what to do."""
    config = eeg_config(annotations="table")
    with pytest.raises(UserError, match=r"annotations: table: .* holds no annotations\.csv\. Write it there, or set"):
        create_reader(tmp_path, ["a.edf"], ["a.edf"], config)
    with pytest.raises(UserError, match=r"annotation_table: there is no file .*/gone\.csv\. Correct the path"):
        create_reader(tmp_path, ["a.edf"], ["a.edf"], eeg_config(annotation_table=str(tmp_path / "gone.csv")))
    (tmp_path / "annotations.csv").write_bytes("file,start,stop\n".encode("utf-16"))
    with pytest.raises(
        UserError, match=r"/annotations\.csv: cannot be read \(it is not text, or text in UTF-16\)\. Fix"
    ):
        create_reader(tmp_path, ["a.edf", "annotations.csv"], ["a.edf"], config)


def test_table_of_names_that_begin_with_a_hash(tmp_path: Path) -> None:
    """A line that begins with # is a row if it is of a recording, and else a comment of any content."""
    table = '# by me\nfile,start,stop\n# "so, or so\n#1.edf,1,2\n# 1,3,4\n#2.edf,5,6\n'
    assert read(tmp_path, {"#1.edf": None, "annotations.csv": table}, "#1.edf").seizures == [(1.0, 2.0)]


def test_event_labels_have_no_pattern_but_the_asterisk(tmp_path: Path) -> None:
    """Brackets and question marks are letters: sz? is not sz1, and [sz] is not s."""
    labels = {"seizure": ["[sz]*"], "other": ["sz?"]}
    for label, seizures in (("sz?", []), ("[SZ] left", [(1.0, 2.0)])):
        files = {"a.edf": None, "annotations.csv": f"file,start,stop,label\na,1,2,{label}\n"}
        assert read(tmp_path, files, "a.edf", event_labels=labels).seizures == seizures
    for label in ("sz1", "spike"):
        files = {"a.edf": None, "annotations.csv": f"file,start,stop,label\na,1,2,{label}\n"}
        with pytest.raises(UnusableRecording, match=f"label '{label}' is unknown"):
            read(tmp_path, files, "a.edf", event_labels=labels)


@pytest.mark.parametrize(("listed", "written"), [(" Sz ", "sz"), ("Crise \u00e9", "crise e\u0301"), (" sz*", "sz 2 ")])
def test_event_labels_are_compared_as_people_read_them(tmp_path: Path, listed: str, written: str) -> None:
    """Spaces at the ends do not matter, nor do two encodings of one letter."""
    texts = [(10.0, 5.0, written)]
    assert inside(tmp_path, texts, seizure=[listed]).seizures == [(10.0, 15.0)]


def test_table_elsewhere(tmp_path: Path) -> None:
    """A table may be anywhere; a wrong row makes its recording unusable, a recording without rows is not annotated."""
    (tmp_path / "marks.csv").write_text("file,start,stop,label\na,3,2,seizure\nx/b,1,2,fit\n")
    for file, reason in (("x/a.edf", "line 2: 3 to 2 s is not"), ("x/b.edf", "line 3: label 'fit' is unknown")):
        with pytest.raises(UnusableRecording, match=reason):
            read(tmp_path / "eeg", RECORDINGS, file, annotation_table=str(tmp_path / "marks.csv"))
    with pytest.raises(Unannotated, match=r"has no row in marks\.csv"):
        read(tmp_path / "eeg", RECORDINGS, "y/b.edf", annotation_table=str(tmp_path / "marks.csv"))
    labels = {"seizure": ["fit"]}
    found = read(
        tmp_path / "eeg", RECORDINGS, "x/b.edf", annotation_table=str(tmp_path / "marks.csv"), event_labels=labels
    )
    assert found.seizures == [(1.0, 2.0)]


def test_auto_refuses_two_layouts_and_none(tmp_path: Path) -> None:
    """If files of two layouts are there, auto names both; if there are none, it says what there is."""
    files = {"a/PN00-1.edf": None, "a/PN00-1.csv_bi": "x", "a/Seizures-list-PN00.txt": SIENA}
    with pytest.raises(
        UserError, match=r"2 layouts \(tusz: 1 files, such as a/PN00-1.csv_bi; siena: .* to tusz or siena"
    ):
        read(tmp_path, files, "a/PN00-1.edf")
    assert read(tmp_path, files, "a/PN00-1.edf", annotations="siena").seizures
    with pytest.raises(UserError, match=r"no file has an annotation next to it.* holds 2 \.edf, 1 \.txt"):
        read(tmp_path, {"a.edf": None, "b.edf": None, "notes.txt": "x"}, "a.edf")
    with pytest.raises(UserError, match=r"annotations: bids: .* holds no files \*_events\.tsv .* It holds 1 \.edf"):
        read(tmp_path, {"a.edf": None}, "a.edf", annotations="bids")
    inside(tmp_path, [(1.0, 1.0, "x")], seizure=["x"])
    with pytest.raises(UserError, match=r"1 of 1 recordings that were opened hold annotations inside \(EDF\+\)"):
        create_reader(tmp_path, ["a.edf"], ["a.edf"], eeg_config())
    (tmp_path / "b.edf.gz").write_bytes(gzip.compress((tmp_path / "a.edf").read_bytes()))
    (tmp_path / "c.edf.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"1 of 2 recordings that were opened hold annotations inside \(EDF\+\)"):
        create_reader(tmp_path, ["b.edf.gz", "c.edf.gz"], ["b.edf.gz", "c.edf.gz"], eeg_config())

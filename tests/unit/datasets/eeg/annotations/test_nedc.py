"""Annotations of every kind, as the corpora and their tools write them."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.datasets.eeg.annotations.base import (
    Annotations,
    RecordingTimes,
    Unannotated,
    clip_intervals,
    merge_intervals,
)
from blindtune.datasets.eeg.annotations.labels import OTHERS, SEIZURES
from blindtune.datasets.eeg.annotations.nedc import SUFFIXES, NedcReader, read_file
from blindtune.datasets.eeg.errors import UnusableRecording
from support.eeg_files import csv, eeg_config, tse

TIMES = st.integers(0, 3_000_000).map(lambda ticks: ticks / 10_000)
SPANS = st.tuples(TIMES, TIMES).map(lambda span: (min(span), max(span)))
LABELS = st.sampled_from(sorted(SEIZURES | OTHERS - {"(null)"} | {"nesz"}))
ROWS = st.lists(st.tuples(SPANS, LABELS).map(lambda row: (*row[0], row[1])), max_size=12)


def write(folder: Path, suffix: str, text: str) -> Path:
    path = folder / f"a{suffix}"
    path.write_bytes(text.encode())
    return path


def inside(intervals: list[tuple[float, float]], time: float) -> bool:
    return any(start <= time < stop for start, stop in intervals)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS, st.sampled_from(SUFFIXES), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_read_file_reads_what_is_written(
    tmp_path: Path, rows: list[tuple[float, float, str]], suffix: str, end: str, bom: bool
) -> None:
    """Any rows are read as they were written, in all kinds of files."""
    rows = [(start, stop, label if start < stop else "bckg") for start, stop, label in rows]
    text = csv(rows) if suffix.startswith(".csv") else tse(rows)
    found = read_file(write(tmp_path, suffix, ("\ufeff" if bom else "") + text.replace("\n", end)))
    assert found.seizures == merge_intervals((start, stop) for start, stop, label in rows if label in SEIZURES)
    assert found.non_epileptic == merge_intervals((start, stop) for start, stop, label in rows if label == "nesz")
    assert found.end == max((stop for _, stop, _ in rows), default=0.0)


@given(st.lists(SPANS, max_size=12), TIMES)
def test_merge_intervals_keeps_all_times(intervals: list[tuple[float, float]], time: float) -> None:
    """Merged intervals have the same times, in order and without overlap."""
    merged = merge_intervals(intervals)
    assert inside(merged, time) == inside(intervals, time)
    assert all(first[1] < second[0] for first, second in pairwise(merged))
    assert all(start < stop for start, stop in merged)


@given(st.lists(SPANS, max_size=12), TIMES, TIMES)
def test_clip_intervals_keeps_nothing_beyond_the_end(
    intervals: list[tuple[float, float]], seconds: float, time: float
) -> None:
    """Clipped intervals have no time beyond the end of the recording."""
    assert inside(clip_intervals(intervals, seconds), time) == (inside(intervals, time) and time < seconds)


@pytest.mark.parametrize(
    ("suffix", "text", "seizures"),
    [
        (
            ".tse_bi",
            "version = tse_v1.0.0\n\n0.0000 46.2734 bckg 1.0000\n46.2734 52.0742 seiz 1.0000\n",
            [(46.2734, 52.0742)],
        ),
        (".tse", "# a tool wrote this\nversion = tse_v1.0.0\n\n8.8275\t173.3791\ttcsz\t1.0000\n", [(8.8275, 173.3791)]),
        (".tse", "version = tse_v1.0.0\n", []),
        (".tse_bi", "1.0 2.0 seiz\n", [(1.0, 2.0)]),
        (
            ".csv_bi",
            "channel,start_time,stop_time,label,confidence\nTERM,224.0071,258.9804,seiz,1.0000\n",
            [(224.0071, 258.9804)],
        ),
        (".csv_bi", "# version = csv_v1.0.0\n#\nchannel,start_time,stop_time,label,confidence\n", []),
        (
            ".csv",
            "channel,start_time,stop_time,label,confidence\nFP1-F7,10,20,cpsz,1\nF7-T3,15,30,fnsz,1\nF7-T3,50,60,mysz,1\n",
            [(10.0, 30.0), (50.0, 60.0)],
        ),
        (".csv", "label,stop_time,start_time\nGNSZ,9,3\n", [(3.0, 9.0)]),
    ],
)
def test_read_file_reads_files_of_the_corpora(
    tmp_path: Path, suffix: str, text: str, seizures: list[tuple[float, float]]
) -> None:
    """Files with the texts of the corpora and of their tools are read."""
    assert read_file(write(tmp_path, suffix, text)).seizures == seizures


@pytest.mark.parametrize(
    ("suffix", "text", "reason"),
    [
        (".tse", "", "a.tse is empty"),
        (".csv", "\n \n", "a.csv is empty"),
        (".csv", "# version = csv_v1.0.0\n", "a.csv names no columns"),
        (".csv", "TERM,1,2,seiz,1\n", "line 1: names no column start_time, stop_time, label"),
        (".csv", csv([]) + "TERM,1\n", "line 5: has 2 fields; the head has 5"),
        (".csv_bi", csv([]) + "TERM,one,2,seiz,1\n", "line 5: 'one' to '2' are not times"),
        (".csv_bi", csv([]) + "TERM,nan,2,seiz,1\n", "line 5: nan to 2 s is not an interval"),
        (".csv_bi", csv([]) + "TERM,3,inf,seiz,1\n", "line 5: 3 to inf s is not an interval"),
        (".csv_bi", csv([]) + "TERM,3,2,seiz,1\n", "line 5: 3 to 2 s is not an interval"),
        (".tse", tse([]) + "-1 2 seiz 1\n", "line 3: -1 to 2 s is not an interval"),
        (".tse", tse([]) + "12.0000\n", "line 3: has 1 fields"),
        (".tse", tse([]) + "TERM 1 2 seiz 1\n", "line 3: has 5 fields"),
    ],
)
def test_read_file_refuses_malformed_lines(tmp_path: Path, suffix: str, text: str, reason: str) -> None:
    """A malformed file makes the recording unusable, and the reason names the line."""
    with pytest.raises(UnusableRecording, match=reason):
        read_file(write(tmp_path, suffix, text))


def test_read_file_refuses_bytes(tmp_path: Path) -> None:
    """Bytes that are not text make the recording unusable."""
    (tmp_path / "a.tse").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnusableRecording, match=r"a\.tse cannot be read"):
        read_file(tmp_path / "a.tse")


@pytest.mark.parametrize("label", ["spkz", "xxsz", "seizure", "", "0.5"])
def test_read_file_refuses_an_unknown_label(tmp_path: Path, label: str) -> None:
    """An unknown label makes the recording unusable; the reason names the line and the labels that were met."""
    path = write(tmp_path, ".csv", csv([(1, 2, "bckg"), (3, 4, label)]))
    with pytest.raises(UnusableRecording, match=rf"a\.csv, line 6: label '{label}' is unknown.* bckg \(1\)"):
        read_file(path)


def test_read_file_checks_times_before_labels(tmp_path: Path) -> None:
    """A row without times is malformed, with any label."""
    with pytest.raises(UnusableRecording, match="line 5: 'TEST' to '3' are not times"):
        read_file(write(tmp_path, ".csv", csv([]) + "TERM,TEST,3,what,1\n"))


def test_read_file_reads_the_table_of_nedc(tmp_path: Path) -> None:
    """All labels of NEDC's own table are known."""
    text = "eyem chew shiv musc elpp elst calb intr slow eyem_musc (null) hphs trip elec"
    found = read_file(write(tmp_path, ".csv", csv([(1, 2, label) for label in text.split()] + [(3, 4, "fnsz")])))
    assert found.seizures == [(3.0, 4.0)] and len(found.labels) == 15


def test_read_file_passes_over_head_lines(tmp_path: Path) -> None:
    """Lines such as ``annotator = TEST`` before the first row are no rows; after it they are."""
    head = "version = tse_v1.0.0\nannotator = TEST\ndate = 2022-01-01\n\n"
    assert read_file(write(tmp_path, ".tse", head + "1 2 seiz 1\n")).seizures == [(1.0, 2.0)]
    with pytest.raises(UnusableRecording, match="line 3: 'annotator' to '=' are not times"):
        read_file(write(tmp_path, ".tse", "version = 1\n1 2 seiz 1\nannotator = TEST\n"))


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("# bname = b", r"line 1: is of the recording b \(bname\), not of a"),
        ("# bname = /tusz/a.edf", None),
        ("# bname = A", None),
        ("# duration = 60.00 secs", None),
        ("# duration = 61.0 secs", None),
        ("# duration = 62.0 secs", r"line 1: is of a recording of 62\.0000 s, but this one has 60\.0000 s"),
        ("# duration = 30.0000 secs", r"line 1: is of a recording of 30\.0000 s"),
    ],
)
def test_reader_compares_what_a_file_says_of_itself(tmp_path: Path, head: str, reason: str | None) -> None:
    """The name and the length of the recording in a head must fit the recording."""
    write(tmp_path, ".csv_bi", f"{head}\n" + csv([(1, 2, "seiz")]))
    reader = NedcReader(tmp_path, ["a.edf", "a.csv_bi"], eeg_config())
    if reason is None:
        assert reader.read(RecordingTimes("a.edf", 60.0)).seizures == [(1.0, 2.0)]
        return
    with pytest.raises(UnusableRecording, match=reason):
        reader.read(RecordingTimes("a.edf", 60.0))


def test_reader_prefers_two_classes(tmp_path: Path) -> None:
    """Times are those of two classes; a file of all types is read for what is not epileptic, others are noted."""
    reader = NedcReader(tmp_path, [], eeg_config())
    times = RecordingTimes("a.edf", 60.0)
    with pytest.raises(Unannotated, match="has no annotations next to it"):
        reader.read(times)
    found = {}
    for number, suffix in enumerate((".tse", ".csv", ".tse_bi", ".csv_bi")):
        write(tmp_path, suffix, (csv if "csv" in suffix else tse)([(10, 20 + number, "seiz")]))
        found[suffix] = reader.read(times)
    assert [one.files for one in found.values()] == [
        ("a.tse",),
        ("a.csv",),
        ("a.tse_bi", "a.csv"),
        ("a.csv_bi", "a.csv"),
    ]
    assert [one.seizures[0][1] for one in found.values()] == [20, 21, 22, 23]
    assert found[".csv"].notes == ("a.tse is not read, since others are",)


def test_reader_takes_suffixes_in_capitals(tmp_path: Path) -> None:
    """Capitals in the suffix of an annotation do not matter; the name itself does."""
    tree = ["A.EDF", "A.CSV_BI", "A.CSV", "a.edf"]
    for name in tree[1:3]:
        (tmp_path / name).write_text(csv([(1, 2, "seiz")]), encoding="utf-8")
    reader = NedcReader(tmp_path, tree, eeg_config())
    assert NedcReader.find(tree, ["A.EDF", "a.edf"]) == ["A.CSV", "A.CSV_BI"]
    assert reader.companions("A.EDF") == ["A.CSV_BI", "A.CSV"]
    assert reader.read(RecordingTimes("A.EDF", 60.0)).files == ("A.CSV_BI", "A.CSV")
    with pytest.raises(Unannotated):
        reader.read(RecordingTimes("a.edf", 60.0))


def test_reader_passes_over_a_foreign_table(tmp_path: Path) -> None:
    """A table of something else with the name of the recording is noted; alone it makes the recording unusable."""
    write(tmp_path, ".csv", "time,heart rate\n0,60\n")
    reader = NedcReader(tmp_path, [], eeg_config())
    with pytest.raises(UnusableRecording, match=r"a\.csv, line 1: names no column start_time"):
        reader.read(RecordingTimes("a.edf", 60.0))
    write(tmp_path, ".tse", tse([(10, 20, "seiz")]))
    found = reader.read(RecordingTimes("a.edf", 60.0))
    assert (found.files, found.notes) == (("a.tse",), ("a.csv is not an annotation; not used",))


def test_within_clips_up_to_a_second() -> None:
    """An annotation that ends up to a second late is clipped; a later one makes the recording unusable."""
    annotations = Annotations([(10.0, 20.0), (50.0, 60.9)], [], 60.9)
    assert annotations.within(60.0).seizures == [(10.0, 20.0), (50.0, 60.0)]
    assert annotations.within(100.0) == annotations
    with pytest.raises(UnusableRecording, match=r"ends at 59\.0000 s; are its times milliseconds\?"):
        Annotations([(10_000.0, 20_000.0)], [], 20_000.0, last_start=10_000.0).within(59.0)
    # A time that begins within the recording is one of seconds.
    with pytest.raises(UnusableRecording, match=r"ends at 59\.0000 s$"):
        Annotations([(50.0, 20_000.0)], [], 20_000.0, last_start=50.0).within(59.0)
    with pytest.raises(UnusableRecording, match=r"is annotated up to 60\.9000 s but ends at 59\.0000 s"):
        annotations.within(59.0)


@pytest.mark.parametrize("text", ["x" * 140_000 + ",0,1,seiz,1", '"' + "x" * 140_000])
def test_read_file_with_a_huge_field_is_a_bad_file(tmp_path: Path, text: str) -> None:
    """A field above the limit of Python's reader makes one bad file, not the end of the corpus."""
    path = tmp_path / "a.csv_bi"
    path.write_text(csv([]) + text + "\n", encoding="utf-8")
    with pytest.raises(UnusableRecording, match=r"a\.csv_bi, line 5: is not valid CSV") as caught:
        read_file(path)
    assert len(str(caught.value)) < 300


def test_read_file_reads_latin_1(tmp_path: Path) -> None:
    """Text that is not UTF-8 is read as Latin-1, with a note."""
    (tmp_path / "a.tse").write_bytes("# rated by Müller\n0.0 1.0 seiz 1.0\n".encode("latin-1"))
    found = read_file(tmp_path / "a.tse")
    assert (found.seizures, found.notes) == ([(0.0, 1.0)], ("a.tse is not UTF-8 but read as Latin-1",))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_read_file_in_another_encoding_is_a_bad_file(tmp_path: Path, encoding: str) -> None:
    """Text in an encoding of several bytes a letter makes one bad file."""
    path = tmp_path / "a.tse"
    path.write_bytes("0.0 1.0 seiz 1.0 é\n".encode(encoding))
    with pytest.raises(UnusableRecording, match=r"a\.tse cannot be read"):
        read_file(path)

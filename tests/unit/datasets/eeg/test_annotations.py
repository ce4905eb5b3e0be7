"""Annotations of every kind, as the corpora and their tools write them."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.datasets.eeg.annotations import (
    OTHERS,
    SEIZURES,
    SUFFIXES,
    Annotations,
    clip_intervals,
    find_annotation,
    merge_intervals,
    read_annotations,
)
from blindtune.datasets.eeg.errors import UnusableRecording
from support.eeg_files import csv, tse

TIMES = st.integers(0, 3_000_000).map(lambda ticks: ticks / 10_000)
SPANS = st.tuples(TIMES, TIMES).map(lambda span: (min(span), max(span)))
LABELS = st.sampled_from(sorted(SEIZURES | OTHERS | {"nesz"}))
ROWS = st.lists(st.tuples(SPANS, LABELS).map(lambda row: (*row[0], row[1])), max_size=12)


def write(folder: Path, suffix: str, text: str) -> Path:
    path = folder / f"a{suffix}"
    path.write_bytes(text.encode())
    return path


def inside(intervals: list[tuple[float, float]], time: float) -> bool:
    return any(start <= time < stop for start, stop in intervals)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS, st.sampled_from(SUFFIXES), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_read_annotations_reads_what_is_written(
    tmp_path: Path, rows: list[tuple[float, float, str]], suffix: str, end: str, bom: bool
) -> None:
    """Any rows are read as they were written, in all kinds of files."""
    text = csv(rows) if suffix.startswith(".csv") else tse(rows)
    found = read_annotations(write(tmp_path, suffix, ("\ufeff" if bom else "") + text.replace("\n", end)))
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
def test_read_annotations_reads_files_of_the_corpora(
    tmp_path: Path, suffix: str, text: str, seizures: list[tuple[float, float]]
) -> None:
    """Files with the texts of the corpora and of their tools are read."""
    assert read_annotations(write(tmp_path, suffix, text)).seizures == seizures


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
def test_read_annotations_refuses_malformed_lines(tmp_path: Path, suffix: str, text: str, reason: str) -> None:
    """A malformed file makes the recording unusable, and the reason names the line."""
    with pytest.raises(UnusableRecording, match=reason):
        read_annotations(write(tmp_path, suffix, text))


def test_read_annotations_refuses_bytes(tmp_path: Path) -> None:
    """Bytes that are not text make the recording unusable."""
    (tmp_path / "a.tse").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnusableRecording, match=r"a\.tse cannot be read"):
        read_annotations(tmp_path / "a.tse")


@pytest.mark.parametrize("label", ["spkz", "xxsz", "seizure", "", "0.5"])
def test_read_annotations_stops_at_an_unknown_label(tmp_path: Path, label: str) -> None:
    """An unknown label stops the run, and the message names file and line."""
    path = write(tmp_path, ".csv", csv([(1, 2, "bckg"), (3, 4, label)]))
    with pytest.raises(UserError, match=rf"a\.csv, line 6: label '{label}' is unknown"):
        read_annotations(path)


def test_find_annotation_prefers_two_classes(tmp_path: Path) -> None:
    """Annotations of two classes are preferred to those of all types."""
    recording = tmp_path / "a.edf"
    with pytest.raises(UnusableRecording, match="has no annotations next to it"):
        find_annotation(recording)
    for suffix in (".tse", ".csv", ".tse_bi", ".csv_bi"):
        write(tmp_path, suffix, "x")
        assert find_annotation(recording).suffix == suffix


def test_within_clips_up_to_a_second() -> None:
    """An annotation that ends up to a second late is clipped; a later one makes the recording unusable."""
    annotations = Annotations([(10.0, 20.0), (50.0, 60.9)], [], 60.9)
    assert annotations.within(60.0).seizures == [(10.0, 20.0), (50.0, 60.0)]
    assert annotations.within(100.0) == annotations
    with pytest.raises(UnusableRecording, match=r"is annotated up to 60\.9000 s but ends at 59\.0000 s"):
        annotations.within(59.0)


@pytest.mark.parametrize("text", ["x" * 140_000 + ",0,1,seiz,1", '"' + "x" * 140_000])
def test_read_annotations_with_a_huge_field_is_a_bad_file(tmp_path: Path, text: str) -> None:
    """A field above the limit of Python's reader makes one bad file, not the end of the corpus."""
    path = tmp_path / "a.csv_bi"
    path.write_text(csv([]) + text + "\n", encoding="utf-8")
    with pytest.raises(UnusableRecording, match=r"a\.csv_bi, line 5: is not valid CSV") as caught:
        read_annotations(path)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_read_annotations_in_another_encoding_is_a_bad_file(tmp_path: Path, encoding: str) -> None:
    """Text that is not UTF-8 makes one bad file."""
    path = tmp_path / "a.tse"
    path.write_bytes("0.0 1.0 seiz 1.0 é\n".encode(encoding))
    with pytest.raises(UnusableRecording, match=r"a\.tse cannot be read"):
        read_annotations(path)

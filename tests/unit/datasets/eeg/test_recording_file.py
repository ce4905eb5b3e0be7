"""Recordings of any kind and size: compressed, of 24 bits, with gaps, in parts; the samples are the same."""

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edfio import Bdf, BdfSignal, EdfSignal
from numpy.typing import NDArray

from blindtune.core.files import digest_file
from blindtune.datasets.corpus.survey import Survey
from blindtune.datasets.eeg import discovery, preprocessing, recording_file, survey
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.formats import RECORDINGS, name_of, split_suffix
from blindtune.datasets.eeg.survey import OpenRecording
from support.eeg_files import eeg_config, noise, patch, tse, write_edf


def read(folder: Path, **changes: Any) -> tuple[Survey, NDArray[np.float32]]:
    """Return the survey of the only recording of a folder, and all of its segments."""
    config = eeg_config(patient="(a)", **changes)
    (one,) = discovery.find_recordings(folder, config)
    with OpenRecording(folder, one, "train", config) as opened:
        found = opened.survey()
        return found, opened.cut(found.candidates) if found.candidates else np.empty(0, np.float32)


def write(folder: Path, seconds: int = 120, rate: int = 100, seed: int = 0) -> Path:
    path = write_edf(folder / "a.edf", noise(seconds, rate, seed), rate)
    path.with_suffix(".tse").write_text(tse([(40, 75, "seiz")]))
    return path


def stamp(path: Path, stamps: Sequence[float | None], kind: str) -> None:
    """Add a channel of annotations that hold the time stamp of each record; None: none."""
    content = path.read_bytes()
    count = int(content[252:256])
    head, fields, at = content[:256], content[256 : 256 * (1 + count)], 0
    new = b""
    added_fields = ("EDF Annotations", "", "", "-1", "1", "-32768", "32767", "", "8", "")
    for width, text in zip((16, 80, 8, 8, 8, 8, 8, 80, 8, 32), added_fields, strict=True):
        new += fields[at : at + width * count] + text.encode().ljust(width)
        at += width * count
    records = np.frombuffer(content[256 * (1 + count) :], np.uint8).reshape(len(stamps), -1)
    texts = [b"" if one is None else f"+{one:g}\x14\x14".encode() for one in stamps]
    added = np.frombuffer(b"".join(text.ljust(16, b"\0") for text in texts), np.uint8).reshape(-1, 16)
    head = (
        head[:184]
        + f"{256 * (2 + count)}".ljust(8).encode()
        + kind.ljust(44).encode()
        + head[236:252]
        + f"{count + 1}".ljust(4).encode()
    )
    path.write_bytes(head + new + np.hstack([records, added]).tobytes())


def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every recording be too large for memory."""
    monkeypatch.setattr(recording_file, "WHOLE", 0)
    for module in (recording_file, survey.preprocessing):
        monkeypatch.setattr(module, "BLOCK", 60_000)


def test_names_of_recordings() -> None:
    """Recordings are known by their suffixes; annotations have their names without .gz."""
    names = ("a.EDF", "a.bdf", "a.edf.gz", "a.BDF.GZ", "a.csv.gz", "a.gz", "a.txt")
    assert [split_suffix(name)[1] in RECORDINGS for name in names] == [*[True] * 4, *[False] * 3]
    assert (name_of("b/a.edf.gz"), name_of("b/a.x.bdf"), split_suffix("b/a.edf.gz")[0]) == ("a", "a.x", "b/a")


def test_a_compressed_recording_gives_the_same(tmp_path: Path) -> None:
    """A compressed recording gives the same samples; its digest is that of the file, its content that of the signal."""
    path = write(tmp_path)
    plain, x = read(tmp_path)
    packed = path.with_name("a.edf.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert plain.origin == hashlib.sha256(path.read_bytes()[256 * 22 :]).hexdigest()
    path.unlink()
    found, y = read(tmp_path)
    np.testing.assert_array_equal(x, y)
    assert (found.content, found.origin) == (plain.content, plain.origin)
    assert found.sha256 == {"a.edf.gz": digest_file(packed), "a.tse": digest_file(tmp_path / "a.tse")}
    packed.write_bytes(packed.read_bytes()[:-5000])
    assert (read(tmp_path)[0].bad or "").startswith("cannot be unpacked (Compressed file ended")
    packed.write_bytes(gzip.compress(path.name.encode()))
    assert read(tmp_path)[0].bad == "is not an EDF or BDF file"


def test_a_compressed_recording_is_unpacked_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header cannot ask for more than is unpacked of a recording of unknown length."""
    path = write(tmp_path)
    patch(path, 236, "99999999", 8)
    (tmp_path / "a.edf.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert (read(tmp_path)[0].bad or "").startswith("is truncated: the header says 99999999 records")
    monkeypatch.setattr(recording_file, "MAX_UNPACKED", 10_000)
    assert read(tmp_path)[0].bad == "holds more than the 10,000 bytes that are unpacked at most"


def test_a_bdf_of_24_bits_gives_the_same(tmp_path: Path) -> None:
    """A BDF file gives the samples of the EDF with the same values."""
    path = write(tmp_path)
    _, x = read(tmp_path)
    signals = [
        BdfSignal(
            one.data, one.sampling_frequency, label=one.label, physical_dimension="uV", physical_range=(-1000, 1000)
        )
        for one in _signals(path)
    ]
    path.unlink()
    Bdf(signals, data_record_duration=1).write(tmp_path / "a.bdf")
    found, y = read(tmp_path)
    assert found.bad is None
    np.testing.assert_allclose(x, y, atol=1e-3)


def _signals(path: Path) -> Sequence[EdfSignal]:
    from edfio import read_edf

    return read_edf(path).signals


@pytest.mark.parametrize("rate", [100, 64, 50])
def test_a_recording_in_parts_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    """A recording that is read in parts gives the survey and the samples of one that is read at once."""
    path = write(tmp_path, 200, rate)
    plain, x = read(tmp_path)
    in_parts(monkeypatch)
    found, y = read(tmp_path)
    assert found == plain
    np.testing.assert_allclose(x, y, atol=1e-4, rtol=1e-6)
    path.write_bytes(path.read_bytes()[:-100])
    assert (read(tmp_path)[0].bad or "").startswith("is truncated")


@pytest.mark.parametrize("kind", ["EDF+D", "EDF+C"])
def test_gaps_end_stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """No segment spans a gap; times are those of the stamps, and each side is filtered alone."""
    path = write(tmp_path)
    content = path.read_bytes()
    stamp(path, [*range(60), *np.arange(60, 120) + 33.5], kind)
    path.with_suffix(".tse").write_text(tse([(103.5, 130, "seiz")]))
    found, x = read(tmp_path)
    assert found.bad is None and found.facts["seconds"] == 153.5
    assert "has 1 gaps of 33.5 s in all by its time stamps; no segment spans one" in found.facts["notes"]
    starts = {one.place["start"]: one.label for one in found.candidates}
    assert list(starts) == [0, 10, 20, 30, 40, 50, 103.5, 113.5]
    assert starts[103.5] == "seizure" and starts[50] == "background"
    in_parts(monkeypatch)
    again, y = read(tmp_path)
    assert again == found
    np.testing.assert_allclose(x, y, atol=1e-4, rtol=1e-6)
    # The same half alone.
    path.write_bytes(content[: 256 * 22 + 60 * 21 * 200])
    patch(path, 236, "60", 8)
    path.with_suffix(".tse").write_text(tse([]))
    np.testing.assert_allclose(read(tmp_path)[1], x[:6], atol=1e-4, rtol=1e-6)


def test_whole_recordings_are_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a recording is filtered as its segments are, in memory or in parts, and gaps are left out."""
    path = write(tmp_path)
    stamp(path, [*range(60), *range(90, 150)], "EDF+D")
    path.with_suffix(".tse").write_text(tse([(40, 55, "seiz"), (58, 100, "cpsz"), (120, 125, "nesz")]))
    config = eeg_config(patient="(a)", event_step=2.5)
    (one,) = discovery.find_recordings(tmp_path, config)
    signals = []
    for name in ("whole.npy", "parts.npy"):
        with OpenRecording(tmp_path, one, "eval", config) as opened:
            assert opened.survey().bad is None
            found = opened.write_whole(tmp_path / name)
        assert found is not None and found.sha256 == digest_file(tmp_path / name)
        assert (found.seconds, found.end, found.step, found.window) == (120, 150, 125, 500)
        assert [(part.first, part.samples, part.start) for part in found.stretches] == [(0, 3000, 0), (3000, 3000, 90)]
        assert found.events == [(40, 55), (58, 100)]
        signals.append(np.load(tmp_path / name))
        in_parts(monkeypatch)
        monkeypatch.setattr(survey, "MAX_FILTERED", 700)
    np.testing.assert_allclose(signals[0], signals[1], atol=1e-4, rtol=1e-6)
    plain = read(tmp_path)[0]
    with OpenRecording(tmp_path, one, "eval", eeg_config(patient="(a)")) as opened:
        opened.survey()
        assert opened.write_whole(tmp_path / "none.npy") is None and plain.whole is None
    assert not (tmp_path / "none.npy").exists()


def test_events_that_no_window_reaches_are_not_counted(tmp_path: Path) -> None:
    """A seizure in a gap, or in a stretch shorter than a window, is left out with a note: no model can find it."""
    path = write(tmp_path)
    stamp(path, [*range(60), *range(90, 97), *range(120, 173)], "EDF+D")
    path.with_suffix(".tse").write_text(
        tse([(55, 62, "seiz"), (70, 80, "seiz"), (91, 95, "cpsz"), (115, 121, "seiz"), (130, 140, "seiz")])
    )
    config = eeg_config(patient="(a)", event_step=5.0)
    (one,) = discovery.find_recordings(tmp_path, config)
    with OpenRecording(tmp_path, one, "eval", config) as opened:
        surveyed = opened.survey()
        found = opened.write_whole(tmp_path / "whole.npy")
    assert found is not None and found.events == [(55, 62), (115, 121), (130, 140)]
    assert any(note.startswith("2 seizures are in gaps or in stretches shorter") for note in surveyed.facts["notes"])


@pytest.mark.parametrize("fault", ["unreadable", "scale", "none"])
def test_a_recording_without_segments_is_checked_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """An eval recording that offers nothing is a bad file if it cannot be read, and does not stop the run later."""
    write_edf(tmp_path / "a.edf", noise(60, 100) * (0.001 if fault == "scale" else 1), 100)
    (tmp_path / "a.tse").write_text(tse([]))
    if fault == "unreadable":
        monkeypatch.setattr(preprocessing.Signals, "_decode", _fail)
    config = eeg_config(patient="(a)", event_step=5.0, longer_than=100.0)
    (one,) = discovery.find_recordings(tmp_path, config)
    expected = {"unreadable": "cannot be read by MNE", "scale": "has a median amplitude of", "none": ""}[fault]
    for is_whole in (True, False):
        if not is_whole:
            in_parts(monkeypatch)
        for split in ("eval", "dev"):
            with OpenRecording(tmp_path, one, split, config) as opened:
                found = opened.survey()
                assert (found.bad or "").startswith(expected if split == "eval" else "") and not found.candidates
                assert (found.bad is None) == (split == "dev" or fault == "none")


def _fail(*_: object) -> None:
    raise UnusableRecording("cannot be read by MNE (broken)")


def test_time_stamps_without_a_gap_change_nothing(tmp_path: Path) -> None:
    """EDF+D without a gap gives the samples of plain EDF, also if its stamps begin later."""
    path = write(tmp_path)
    _, x = read(tmp_path)
    content = path.read_bytes()
    stamp(path, [*range(7, 127)], "EDF+D")
    found, y = read(tmp_path)
    np.testing.assert_array_equal(x, y)
    assert found.facts["notes"] == ["begins at 7 s by its time stamps, which count from there"]
    path.write_bytes(content)
    stamp(path, [round(0.9924 * number, 3) for number in range(120)], "EDF+C")
    found, _ = read(tmp_path)
    assert found.facts["notes"][0].startswith("its time stamps are behind its sampling rate, by 0.5 s at 1 records")
    path.write_bytes(content)
    stamp(path, [*range(60), *range(50, 110)], "EDF+C")
    assert (read(tmp_path)[0].bad or "").startswith("has time stamps that go backwards: record 61 begins at 50 s")
    for kind, bad in (("EDF+C", False), ("EDF+D", True)):
        path.write_bytes(content)
        stamp(path, [*range(60), None, *range(61, 120)], kind)
        found, _ = read(tmp_path)
        assert "without a time stamp in record 61" in (found.bad or found.facts["notes"][0])
        assert (found.bad is not None) == bad


def test_gaps_count_whatever_the_header_is_named(tmp_path: Path) -> None:
    """Time stamps are read where there are annotations, though the header does not name EDF+."""
    path = write(tmp_path)
    stamp(path, [*range(60), *range(70, 130)], "")
    found, _ = read(tmp_path)
    assert found.facts["notes"] == ["has 1 gaps of 10 s in all by its time stamps; no segment spans one"]
    assert found.facts["seconds"] == 130
    path = write(tmp_path)
    stamp(path, [None] * 120, "")
    found, _ = read(tmp_path)
    assert found.facts["notes"] == ["EDF without a time stamp in record 1; taken as without gaps"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_rate_a_hair_off_is_resampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    """A sine of 5 Hz stays one of 5 Hz in the time of the recording."""
    seconds, true = 400, 64 / 0.9993
    x = 50 * np.sin(2 * np.pi * 5 * np.arange(seconds * 64) / true) * np.arange(1, 22)[:, None]
    path = write_edf(tmp_path / "a.edf", np.clip(x, -1000, 1000), 64)
    patch(path, 244, "0.9993", 8)
    path.with_suffix(".tse").write_text(tse([]))
    if not whole:
        in_parts(monkeypatch)
    found, y = read(tmp_path, montage=["FP2-FP1"], reject=1e4)
    assert found.facts["notes"] == ["sampled at 64.0448314 Hz, from which it is resampled"]
    for segment, one in zip(y[1:-1], found.candidates[1:-1], strict=True):
        at = one.place["start"] + np.arange(500) / 50
        assert np.abs(segment[0] - 50 * np.sin(2 * np.pi * 5 * at)).max() < 0.2


def test_channels_of_different_rates_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel of a lower rate is resampled from its own rate."""
    x = noise(120, 200)
    for row in x:
        row[:] = np.convolve(row, np.hanning(21) / 10, "same")
    path = write_edf(tmp_path / "a.edf", x, 200)
    path.with_suffix(".tse").write_text(tse([]))
    _, plain = read(tmp_path)
    x[8, :12_000] = x[8, ::2]
    write_edf(path, x, 200, rates={"EEG O1-REF": 100})
    found, y = read(tmp_path)
    assert found.facts["notes"] == ["needed channels at different rates: 100 Hz, 200 Hz"]
    assert np.abs(y - plain).max() < 0.05 * np.abs(plain).max()
    in_parts(monkeypatch)
    again, z = read(tmp_path)
    assert again == found
    np.testing.assert_allclose(y, z, atol=1e-4, rtol=1e-6)


def test_units_are_known_by_their_spellings(tmp_path: Path) -> None:
    """Either micro sign in Latin-1 or UTF-8, and the microvolt in any case, give the same samples."""
    path = write(tmp_path)
    _, x = read(tmp_path)
    for unit in (b"uv", b"UV", "\u00b5V".encode(), "\u03bcV".encode(), b"\xb5V", "\u00b5v".encode()):
        content = path.read_bytes()
        path.write_bytes(content[: 256 + 96 * 21] + unit.ljust(8) * 21 + content[256 + 104 * 21 :])
        np.testing.assert_array_equal(read(tmp_path)[1], x)


def test_a_read_error_is_a_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that becomes shorter while it is read is bad, and nothing else happens."""
    path = write(tmp_path)
    in_parts(monkeypatch)
    config = eeg_config(patient="(a)")
    (one,) = discovery.find_recordings(tmp_path, config)
    opened = OpenRecording(tmp_path, one, "train", config)
    assert opened._file.size == path.stat().st_size
    path.write_bytes(path.read_bytes()[:9000])
    assert opened.survey().bad == "has become shorter while it was read"

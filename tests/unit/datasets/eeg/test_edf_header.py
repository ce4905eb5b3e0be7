"""The header of an EDF file: faults are found before a signal is read, or do not matter."""

from fractions import Fraction
from pathlib import Path

import pytest

from blindtune.datasets.eeg.edf_header import check_header, parse_header
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import ELECTRODES, create_montage, find_derivation
from blindtune.datasets.eeg.simulated.corruptions import CHANGES
from support.eeg_files import ABSENT, REAL, noise, patch, write_edf

CHANNELS = len(ELECTRODES)
#: The reason of each fault; None if it is accepted.
REASONS = {
    "truncated": "is truncated: the header says 20 records, the file holds 13.",
    "too_many_records": "is truncated: the header says 80 records, the file holds 20.00",
    "cut_header": "is cut in its header",
    "empty": "is empty",
    "web_page": "is not an EDF or BDF file",
    "no_data": "holds no data",
    "unknown_unit": "has channel EEG F3-REF in 'microV', which is not a known voltage",
    "no_unit": "has channel EEG F3-REF in '', which is not a known voltage",
    "wrong_unit": None,  # Found by the signal.
    "no_physical_range": None,  # Tested below: the ranges of this file are others.
    "no_digital_range": None,
    "double_channel": r"has 2 channels O2 \(EEG O2-REF and EEG O2-REF\)",
    "missing_channel": "has no channel C4, which tcp20 needs",
    "interrupted": None,  # Found by the time stamps.
    "colon_date": None,
    "wrong_time": None,
    "open_records": None,
    "new_names": None,
}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_edf(tmp_path / "a.edf", noise(20, 250), 250)


def parse_and_check(path: Path, name: str = "tcp20") -> list[str]:
    header = parse_header(path.read_bytes())
    return check_header(header, list(find_derivation(header.signal_labels, create_montage(name)).sources), 50)


def field(path: Path, offset: int, electrode: str, text: str, width: int = 8) -> None:
    patch(path, 256 + offset * CHANNELS + width * ELECTRODES.index(electrode), text, width)


def test_parse_header_reads_what_was_written(good: Path) -> None:
    """The header of a good file is read as it was written."""
    assert parse_and_check(good) == []
    header = parse_header(good.read_bytes())
    assert header.labels == [f"EEG {name}-REF" for name in ELECTRODES]
    assert (header.seconds, header.records, header.date, header.time) == (20, 20, "03.02.01", "04.05.06")
    first = header.signals[0]
    assert (first.unit, first.physical, first.digital, header.rate(first)) == (
        "uV",
        (-1000, 1000),
        (-32768, 32767),
        250,
    )


@pytest.mark.parametrize("fault", CHANGES)
def test_simulated_faults_are_found_or_accepted(good: Path, fault: str) -> None:
    """Each fault of the simulated corpus is found or accepted."""
    good.write_bytes(CHANGES[fault](good.read_bytes()))
    reason = REASONS[fault]
    if reason is None:
        parse_and_check(good)
    else:
        with pytest.raises(UnusableRecording, match=reason):
            parse_and_check(good)


@pytest.mark.parametrize(
    ("offset", "electrode", "text", "reason"),
    [
        (104, "C3", "1000", "channel EEG C3-REF with a physical range of zero"),
        (112, "C3", "-1000", "channel EEG C3-REF with a physical range of zero"),
        (128, "C3", "-32768", "channel EEG C3-REF with a digital range of zero"),
        (120, "C3", "40000", "channel EEG C3-REF with a digital range of zero or less"),
        (128, "C3", "65535", "C3-REF with a digital range of -32768 to 65535, but 16 bits hold -32768 to 32767"),
        (120, "C3", "-32769", "C3-REF with a digital range of -32769 to 32767, but 16 bits hold"),
        (104, "C3", "low", "malformed header: physical range is 'low'"),
        (104, "C3", "1/3", "malformed header: physical range is '1/3'"),
        (104, "C3", "1e999", "malformed header: physical range is '1e999'"),
        (96, "T3", "%", "channel EEG T3-REF in '%'"),
        (216, "T3", "-250", "malformed header: EEG T3-REF has -250 samples"),
        (216, "T3", "2.5", "malformed header: samples per record is '2.5'"),
        (216, "T3", "", "malformed header: samples per record is ''"),
    ],
)
def test_wrong_fields_of_a_channel_are_refused(good: Path, offset: int, electrode: str, text: str, reason: str) -> None:
    """A wrong field of a needed channel is refused with the reason."""
    field(good, offset, electrode, text)
    with pytest.raises(UnusableRecording, match=reason):
        parse_and_check(good)


@pytest.mark.parametrize(
    ("at", "text", "width", "reason"),
    [
        (0, "\xffBIOSEM", 8, "is not an EDF or BDF file"),
        (184, "256", 8, "size does not fit its number of channels"),
        (236, "19", 8, "does not end where it should: the header says 19 records, the file holds 20.00"),
        (236, "many", 8, "malformed header: number of records is 'many'"),
        (236, "0", 8, "holds no data"),
        (236, "-2", 8, "does not end where it should"),
        (256 + 216 * CHANNELS, "99999999", 8, "has records of 200,009,998 bytes"),
        (244, "0", 8, "has records of 0 s"),
        (244, "-1", 8, "has records of -1 s"),
        (244, "nan", 8, "malformed header: length of a record is 'nan'"),
        (244, "10", 8, "is sampled at 25 Hz; 50 Hz are needed"),
        (252, "0", 4, "has 0 channels"),
        (252, "-5", 4, "has -5 channels"),
        (252, "9999", 4, "size does not fit|is cut in its header"),
    ],
)
def test_wrong_fields_of_the_file_are_refused(good: Path, at: int, text: str, width: int, reason: str) -> None:
    """A wrong field of the file is refused with the reason."""
    patch(good, at, text, width)
    with pytest.raises(UnusableRecording, match=reason):
        parse_and_check(good)


def test_a_digital_maximum_that_is_one_too_high_is_accepted(good: Path) -> None:
    """Some writers name the number of values in place of the highest."""
    field(good, 128, "C3", "32768")
    parse_and_check(good)


def test_unknown_number_of_records_needs_whole_records(good: Path) -> None:
    """A number of records of -1 is accepted only if the size gives a whole number."""
    patch(good, 236, "-1", 8)
    assert parse_and_check(good) == ["number of records left open; the size gives 20"]
    good.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(UnusableRecording, match=r"ends within a record \(19\..* leaves their number open"):
        parse_and_check(good)


def test_bytes_after_the_last_record_are_refused(good: Path) -> None:
    """Bytes after the last record are refused."""
    good.write_bytes(good.read_bytes() + b"\0" * 10)
    with pytest.raises(UnusableRecording, match=r"does not end where it should.* the file holds 20 and 10 bytes more"):
        parse_and_check(good)
    good.write_bytes(good.read_bytes()[:-11])
    with pytest.raises(UnusableRecording, match=r"is truncated.*20 records, the file holds 19 and \d+ bytes more"):
        parse_and_check(good)


def test_a_physical_range_from_high_to_low_is_noted(good: Path) -> None:
    """Minimum and maximum in the wrong order turn a channel over, by the rules of EDF; nobody may miss it."""
    for offset, text in ((104, "1000"), (112, "-1000")):
        field(good, offset, "C3", text)
    note = "1 channels with a physical range from high to low, which turns them over, such as EEG C3-REF"
    assert parse_and_check(good) == [note]


@pytest.mark.parametrize(
    ("at", "text", "note"),
    [(168, "01:01:85", "date"), (168, "32.01.85", "date"), (176, "24.61.00", "time"), (176, "", "time")],
)
def test_invalid_start_is_noted(good: Path, at: int, text: str, note: str) -> None:
    """An invalid date or time is only noted."""
    patch(good, at, text, 8)
    assert parse_and_check(good) == [f"{note} of the start {text!r} is not valid; not used"]


def test_all_names_of_the_microvolt_are_known(good: Path) -> None:
    """The microvolt and the millivolt are known by their names."""
    field(good, 96, "F3", "\u00b5V")
    field(good, 96, "F4", "mV")
    assert parse_and_check(good) == []


def test_different_rates_of_needed_channels_are_noted(tmp_path: Path) -> None:
    """Different rates are noted, and too low ones refused, only among the needed channels."""
    path = write_edf(tmp_path / "a.edf", noise(20, 250), 250, rates={"EEG A1-REF": 1, "EEG PZ-REF": 125})
    assert parse_and_check(path) == []
    with pytest.raises(UnusableRecording, match="is sampled at 1 Hz; 50 Hz are needed"):
        parse_and_check(path, "tcp22")
    assert parse_and_check(path, "mono19") == ["needed channels at different rates: 125 Hz, 250 Hz"]


def test_faults_of_other_channels_are_accepted(good: Path) -> None:
    """Faults of channels that are not needed do not matter."""
    for offset, text in ((96, "%"), (104, "1000"), (128, "-32768")):
        field(good, offset, "A1", text)
    assert parse_and_check(good) == []


def test_records_may_have_any_length(good: Path) -> None:
    """Records may have any length."""
    patch(good, 244, "0,98", 8)
    header = parse_header(good.read_bytes())
    assert header.rate(header.signals[0]) == Fraction(25000, 98)
    assert parse_and_check(good) == ["sampled at 255.102041 Hz, from which it is resampled"]
    patch(good, 244, ".9999999", 8)
    assert parse_and_check(good) == ["sampled at 250.000025 Hz, from which it is resampled"]


@pytest.mark.skipif(not REAL.is_file(), reason=ABSENT)
def test_parse_header_reads_a_real_recording() -> None:
    """The header of a real recording is read and accepted."""
    header = parse_header(REAL.read_bytes())
    assert (header.kind, header.seconds, len(header.signals)) == ("EDF+C", 61, 65)
    wanted = list(find_derivation(header.signal_labels, create_montage("tcp20")).sources)
    assert check_header(header, wanted, 50) == []
    assert {header.rate(header.signals[number]) for number in wanted} == {160}
    with pytest.raises(UnusableRecording, match="has no channel A1, A2"):
        find_derivation(header.signal_labels, create_montage("tcp22"))

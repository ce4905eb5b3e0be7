"""The header of an EDF or BDF file, parsed and checked before MNE reads the signal.

MNE reads most broken files without a warning: half a file becomes a shorter recording, an interrupted recording is
concatenated, an unknown unit counts as volts. So the header is parsed here first (256 bytes and 256 per channel) and
compared with the size of the file.

Refused, with the reason:

- files that are empty, not EDF or BDF, cut in the header, without data, or shorter or longer than the header says;
- interrupted recordings (EDF+D, BDF+D) whose records have no time stamps, or whose time stamps go backwards;
- among the needed channels: a unit that is not a voltage, an empty physical or digital range, a digital one that the
  bits of a sample do not hold (numbers without a sign), a sampling rate that is too low. Other channels do not matter.

Accepted:

- a wrong date or time and any other text of the identification, which is not used and never reaches MNE;
- -1 as the number of records (not filled in), if the size gives a whole number;
- any order and names of channels that `blindtune.datasets.eeg.montages` knows;
- records of any length, and so any sampling rate; channels may have different ones;
- gaps: the time stamps of the records of EDF+ and BDF+ are read, and what follows a gap is another stretch. They are
  read where there is a channel of annotations, whether the header names EDF+ or not;
- a physical range from the higher to the lower value, with which a writer turns a channel over, with a note.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from blindtune.datasets.eeg.errors import UnusableRecording

#: Units of voltage in microvolts, by how they are spelled: with either micro sign, the microvolt in any case.
UNITS = {"uV": 1.0, "uv": 1.0, "UV": 1.0, "Uv": 1.0, "mV": 1e3, "mv": 1e3, "V": 1e6, "v": 1e6}
UNITS |= {sign + volt: 1.0 for sign in ("\u00b5", "\u03bc") for volt in "Vv"}
#: Share of the needed sampling rate that a recording must have: 255.99 Hz are as good as 256.
NEAR_RATE = 0.99
#: Bytes of the largest data record: a part of a recording is a record at least. EDF allows 61,440.
MAX_RECORD = 64 * 2**20
#: Bytes of the longest header: the number of channels has four digits.
MAX_HEADER = 256 * 10_000
#: Seconds by which the time stamps of two records may differ from the length of the first, and those of a stretch from
#: its length, without a gap; a sample is always allowed.
STAMP_SLACK, DRIFT_SLACK = 1e-3, 0.5
#: Labels of the signals that hold annotations, in EDF+ and BDF+.
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_HEAD = 256
_VERSIONS = {b"0": 2, b"\xffBIOSEMI": 3}
_STAMP = re.compile(rb"([+-]\d{1,12}(?:\.\d{0,12})?)[\x14\x15]")
#: Replacement for bytes 8 to 183 of a header, patient and start: MNE fails on a wrong time of day.
_ANONYMOUS = b"X X X X".ljust(80) + b"Startdate X X X X".ljust(80) + b"01.01.8500.00.00"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
#: Bytes per channel of each field of the header's second part.
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


@dataclass(frozen=True)
class Signal:
    """One channel of the header.

    Attributes:
        label: name of the channel.
        unit: unit of the physical range.
        physical: minimum and maximum in this unit.
        digital: minimum and maximum of the stored numbers.
        samples: number of samples per record.
    """

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int


@dataclass(frozen=True)
class Header:
    """The header of an EDF file.

    Attributes:
        kind: the reserved field: empty, ``EDF``, ``24BIT``, ``EDF+C`` or ``BDF+C`` (continuous), ``EDF+D`` or ``BDF+D``
            (interrupted).
        records: number of data records; -1 if the header does not say.
        record_seconds: length of a record in seconds.
        signals: the channels, in the order of the file.
        size: size of the file in bytes.
        date: date of the start as written.
        time: time of the start as written.
        patient: code of the patient, the first word of the identification.
        name: name of the patient, the fourth word of it in EDF+; empty if there is none.
        sample_bytes: bytes of a sample: 2, or 3 in BDF.
    """

    kind: str
    records: int
    record_seconds: Fraction
    signals: tuple[Signal, ...]
    size: int
    date: str
    time: str
    patient: str = ""
    name: str = ""
    sample_bytes: int = 2

    @cached_property
    def labels(self) -> list[str]:
        """The label of each channel."""
        return [signal.label for signal in self.signals]

    @cached_property
    def signal_labels(self) -> list[str]:
        """The label of each channel; empty for those that hold annotations."""
        return ["" if label in ANNOTATIONS else label for label in self.labels]

    @property
    def is_interrupted(self) -> bool:
        """Whether the header says that there may be gaps."""
        return self.kind in ("EDF+D", "BDF+D")

    @cached_property
    def record_bytes(self) -> int:
        """Size of a data record in bytes."""
        return self.sample_bytes * sum(signal.samples for signal in self.signals)

    @property
    def head_bytes(self) -> int:
        """Size of the header in bytes."""
        return _HEAD * (1 + len(self.signals))

    @property
    def n_complete_records(self) -> int:
        """Number of complete data records in the file, by its size."""
        return (self.size - self.head_bytes) // self.record_bytes

    @property
    def seconds(self) -> Fraction:
        """Length of the recording in seconds."""
        return self.n_complete_records * self.record_seconds

    def column(self, number: int) -> slice:
        """Return where a channel is in the bytes of a record."""
        start = self.sample_bytes * sum(signal.samples for signal in self.signals[:number])
        return slice(start, start + self.sample_bytes * self.signals[number].samples)

    def rate(self, signal: Signal) -> Fraction:
        """Return the sampling rate of a channel in Hz."""
        return signal.samples / self.record_seconds


@dataclass(frozen=True)
class Stretch:
    """A part of a recording without a gap.

    Attributes:
        first: number of its first data record.
        stop: number of the record after its last.
        start: its start in seconds from the start of the recording.
        seconds: its length in seconds.
    """

    first: int
    stop: int
    start: float
    seconds: float

    @property
    def end(self) -> float:
        """Its end in seconds from the start of the recording."""
        return self.start + self.seconds


def parse_header(content: bytes, size: int | None = None) -> Header:
    """Return the header of an EDF or BDF file.

    Args:
        content: the file, or at least its header.
        size: size of the file in bytes; None: that of ``content``.

    Raises:
        UnusableRecording: the file is empty or not EDF or BDF, or its header is cut or malformed.
    """
    if not content:
        raise UnusableRecording("is empty")
    head = content[:_HEAD]
    version = head[:8].strip()
    if len(head) < _HEAD or version not in _VERSIONS:
        raise UnusableRecording("is not an EDF or BDF file")
    channels = _parse_integer(head[252:256], "number of channels")
    if channels < 1:
        raise UnusableRecording(f"has {channels} channels")
    rest = content[_HEAD : _HEAD * (1 + channels)]
    if len(rest) < _HEAD * channels:
        raise UnusableRecording("is cut in its header")
    if _parse_integer(head[184:192], "size of the header") != _HEAD * (1 + channels):
        raise UnusableRecording("has a header whose size does not fit its number of channels")
    identification = [*_text(head[8:88]).split(), "", "", "", ""]
    return Header(
        kind=_text(head[192:236])[:5].strip(),
        records=_parse_integer(head[236:244], "number of records"),
        record_seconds=_parse_number(head[244:252], "length of a record"),
        signals=_parse_signals(rest, channels),
        size=len(content) if size is None else size,
        date=_text(head[168:176]),
        time=_text(head[176:184]),
        patient=identification[0],
        name=identification[3],
        sample_bytes=_VERSIONS[version],
    )


def count_seconds(content: bytes, size: int | None) -> float:
    """Return the length of a recording by its header, of which no more is parsed than that takes.

    Args:
        content: the header, or its first `MAX_HEADER` bytes.
        size: size of the file in bytes; None: not known, and the number of records in the header counts.

    Raises:
        UnusableRecording: the header does not say.
    """
    head = content[:_HEAD]
    if len(head) < _HEAD or (version := head[:8].strip()) not in _VERSIONS:
        raise UnusableRecording("is not an EDF or BDF file")
    channels = _parse_integer(head[252:256], "number of channels")
    records = _parse_integer(head[236:244], "number of records")
    column = content[_HEAD + sum(_FIELDS[:8]) * channels :][: _FIELDS[8] * channels]
    samples = [
        _parse_integer(column[at : at + _FIELDS[8]], "samples per record") for at in range(0, len(column), _FIELDS[8])
    ]
    if len(samples) != channels or sum(samples) < 1 or (size is None and records < 0):
        raise UnusableRecording("has a header that does not say how long it is")
    if size is not None:
        records = max(0, size - _HEAD * (1 + channels)) // (_VERSIONS[version] * sum(samples))
    return float(records * _parse_number(head[244:252], "length of a record"))


def check_header(header: Header, channels: list[int], min_rate: float) -> list[str]:
    """Refuse a recording that cannot be trusted.

    Args:
        header: header of the recording.
        channels: numbers of the channels that will be read.
        min_rate: minimum sampling rate in Hz.

    Returns:
        Notes about faults that do not matter.

    Raises:
        UnusableRecording: the recording cannot be trusted; see the module.
    """
    notes = _check_size(header)
    signals = [header.signals[number] for number in channels]
    for signal in signals:
        _check_signal(signal, header.sample_bytes)
    for signal in signals:
        rate = header.rate(signal)
        if rate < NEAR_RATE * Fraction(min_rate):
            raise UnusableRecording(f"is sampled at {float(rate):g} Hz; {min_rate:g} Hz are needed")
    rates = sorted({header.rate(signal) for signal in signals})
    if len(rates) > 1:
        notes.append(f"needed channels at different rates: {', '.join(f'{float(rate):g} Hz' for rate in rates)}")
    notes += [f"sampled at {float(rate):.9g} Hz, from which it is resampled" for rate in rates if rate.denominator != 1]
    if turned := [signal.label for signal in signals if signal.physical[0] > signal.physical[1]]:
        notes.append(
            f"{len(turned)} channels with a physical range from high to low, which turns them over, such as {turned[0]}"
        )
    return notes + _check_start(header)


def find_stretches(
    header: Header, peek: Callable[[int, int], bytes], rate: Fraction
) -> tuple[list[Stretch], list[str]]:
    """Return the parts of a recording without a gap, by the time stamps of its records if it has any.

    Args:
        header: header of the recording, which `check_header` has accepted.
        peek: returns the bytes of the file from one place to another.
        rate: sampling rate of the needed channels in Hz, the lowest.

    Returns:
        The stretches in order, and notes.

    Raises:
        UnusableRecording: the recording is interrupted and a record has no time stamp, or time goes backwards.
    """
    whole = [Stretch(0, header.n_complete_records, 0.0, float(header.seconds))]
    if "+" not in header.kind and not any(label in ANNOTATIONS for label in header.labels):
        return whole, []
    stamps, missing = _read_stamps(header, peek)
    if missing is not None:
        if header.is_interrupted:
            raise UnusableRecording(f"is an interrupted recording ({header.kind}) without a time stamp {missing}")
        return whole, [f"{header.kind or 'EDF'} without a time stamp {missing}; taken as without gaps"]
    notes = []
    if stamps[0] >= 1:
        notes.append(f"begins at {stamps[0]:g} s by its time stamps, which count from there")
    found: list[Stretch] = []
    first, length = 0, float(header.record_seconds)
    slack = max(STAMP_SLACK, float(1 / rate))
    for number in range(1, len(stamps) + 1):
        if number < len(stamps):
            step = stamps[number] - stamps[number - 1] - length
            drift = stamps[number] - stamps[first] - (number - first) * length
            if step < -slack:
                raise UnusableRecording(
                    f"has time stamps that go backwards: record {number + 1} begins at {stamps[number]:g} s, within "
                    "the one before it"
                )
            if step <= slack and abs(drift) <= DRIFT_SLACK:
                continue
        start = round(stamps[first] - stamps[0], 6)
        found.append(Stretch(first, number, start, float((number - first) * header.record_seconds)))
        first = number
    between = [later.start - earlier.end for earlier, later in pairwise(found)]
    gaps = [gap for gap in between if gap > slack]
    if gaps:
        notes.append(f"has {len(gaps)} gaps of {sum(gaps):g} s in all by its time stamps; no segment spans one")
    if len(gaps) < len(between):
        notes.append(
            f"its time stamps are behind its sampling rate, by {DRIFT_SLACK:g} s at {len(between) - len(gaps)} "
            "records; no segment spans one"
        )
    return found, notes


def _read_stamps(header: Header, peek: Callable[[int, int], bytes]) -> tuple[list[float], str | None]:
    """Return the time stamp of each record in seconds, or what has none."""
    numbers = [number for number, label in enumerate(header.labels) if label in ANNOTATIONS]
    if not numbers:
        return [], "in any record, since it has no channel of annotations"
    column, stamps = header.column(numbers[0]), []
    for record in range(header.n_complete_records):
        at = header.head_bytes + record * header.record_bytes
        found = _STAMP.match(peek(at + column.start, at + column.stop))
        if found is None:
            return [], f"in record {record + 1}"
        stamps.append(float(found.group(1)))
    return stamps, None


def digest_line(signal: Signal) -> str:
    """Return the line that maps the stored numbers of a channel to microvolts, as text.

    The stored numbers and this line say the same as the microvolts, in a quarter of the bytes.
    """
    (low, high), (lowest, highest) = signal.physical, signal.digital
    if lowest == highest or signal.unit not in UNITS:
        return "none"
    step = (high - low) / (highest - lowest) * UNITS[signal.unit]
    return f"{step:.6g}|{low * UNITS[signal.unit] - lowest * step:.3f}"


def plain_header(head: bytes, header: Header, records: int) -> bytes:
    """Return the header of a file that holds some records of this one, as MNE reads it without surprises.

    It has no identification, no text that MNE would interpret, a number instead of each label, and units as MNE spells
    them.

    Args:
        head: the bytes of the header.
        header: the same, parsed.
        records: number of data records.
    """
    count = len(header.signals)
    seconds = head[244:252].replace(b",", b".")
    start = head[:8] + _ANONYMOUS + head[184:192] + (b"24BIT" if header.sample_bytes == 3 else b"").ljust(44)
    columns = [b"".join(f"{number}".encode().ljust(16) for number in range(count)), b" " * (80 * count)]
    columns.append(b"".join(_plain_unit(signal.unit).ljust(8) for signal in header.signals))
    numbers = _HEAD + sum(_FIELDS[:3]) * count
    columns.append(head[numbers : numbers + sum(_FIELDS[3:7]) * count].replace(b",", b"."))
    columns.append(b" " * (80 * count))
    samples = numbers + sum(_FIELDS[3:8]) * count
    columns.append(head[samples:])
    return start + f"{records}".encode().ljust(8) + seconds + head[252:256] + b"".join(columns)


def _plain_unit(unit: str) -> bytes:
    return {1.0: b"uV", 1e3: b"mV", 1e6: b"V"}.get(UNITS.get(unit, 0.0), b"")


def _check_size(header: Header) -> list[str]:
    if header.record_seconds <= 0:
        raise UnusableRecording(f"has records of {float(header.record_seconds):g} s")
    if header.record_bytes == 0 or header.size <= header.head_bytes or header.records == 0:
        raise UnusableRecording("holds no data")
    if header.record_bytes > MAX_RECORD:
        raise UnusableRecording(
            f"has records of {header.record_bytes:,} bytes, of which at most {MAX_RECORD:,} are read"
        )
    held = (header.size - header.head_bytes) / header.record_bytes
    if header.records == -1 and held == header.n_complete_records:
        return [f"number of records left open; the size gives {header.n_complete_records}"]
    if header.records == -1:
        raise UnusableRecording(
            f"ends within a record ({held:.2f} records), and its header leaves their number open (-1): it "
            "may be cut; if it was not closed properly, remove the last record"
        )
    if held < header.records:
        raise UnusableRecording(f"is truncated: {_compare_records(header, held)}")
    if held != header.records:
        raise UnusableRecording(f"does not end where it should: {_compare_records(header, held)}")
    return []


def _compare_records(header: Header, held: float) -> str:
    text = f"{held:.2f}"
    if text == f"{header.records:.2f}":
        rest = (header.size - header.head_bytes) % header.record_bytes
        text = f"{header.n_complete_records} and {rest} bytes more"
    return f"the header says {header.records} records, the file holds {text}"


def _check_signal(signal: Signal, sample_bytes: int) -> None:
    if signal.unit not in UNITS:
        raise UnusableRecording(
            f"has channel {signal.label} in {signal.unit!r}, which is not a known voltage (uV, mV, V)"
        )
    if signal.physical[0] == signal.physical[1]:
        raise UnusableRecording(f"has channel {signal.label} with a physical range of zero")
    if signal.digital[0] >= signal.digital[1]:
        raise UnusableRecording(f"has channel {signal.label} with a digital range of zero or less")
    # A maximum that is one too high is a common slip; numbers without a sign would be read as others.
    limit = 2 ** (8 * sample_bytes - 1)
    if signal.digital[0] < -limit or signal.digital[1] > limit:
        low, high = signal.digital
        raise UnusableRecording(
            f"has channel {signal.label} with a digital range of {low:.12g} to {high:.12g}, but {8 * sample_bytes} "
            f"bits hold {-limit} to {limit - 1}"
        )
    if signal.samples < 1:
        raise UnusableRecording(f"has channel {signal.label} without samples")


def _check_start(header: Header) -> list[str]:
    """Return notes about an invalid start of the recording, which is not used."""
    notes = []
    for name, text, limits in (("date", header.date, (31, 12, 99)), ("time", header.time, (23, 59, 59))):
        parts = text.split(".")
        good = len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts)
        if not good or any(int(part) > limit for part, limit in zip(parts, limits, strict=True)):
            notes.append(f"{name} of the start {text!r} is not valid; not used")
    return notes


def _parse_signals(rest: bytes, channels: int) -> tuple[Signal, ...]:
    columns: list[list[bytes]] = []
    at = 0
    for width in _FIELDS:
        columns.append([rest[at + width * number : at + width * (number + 1)] for number in range(channels)])
        at += width * channels
    labels, _, units, low, high, lowest, highest, _, samples, _ = columns
    signals = tuple(
        Signal(
            label=_text(labels[number]),
            unit=_text(units[number]),
            physical=_parse_range(low[number], high[number], "physical range"),
            digital=_parse_range(lowest[number], highest[number], "digital range"),
            samples=_parse_integer(samples[number], "samples per record"),
        )
        for number in range(channels)
    )
    for signal in signals:
        if signal.samples < 0:
            raise UnusableRecording(f"has a malformed header: {signal.label} has {signal.samples} samples per record")
    return signals


def _text(field: bytes) -> str:
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    return text.split("\x00")[0].strip()


def _parse_range(low: bytes, high: bytes, name: str) -> tuple[float, float]:
    return float(_parse_number(low, name)), float(_parse_number(high, name))


def _parse_number(field: bytes, name: str) -> Fraction:
    # Some writers use a decimal comma.
    text = _text(field).replace(",", ".")
    if _NUMBER.fullmatch(text) is None:
        raise UnusableRecording(f"has a malformed header: {name} is {text!r}")
    return Fraction(text)


def _parse_integer(field: bytes, name: str) -> int:
    value = _parse_number(field, name)
    if value.denominator != 1:
        raise UnusableRecording(f"has a malformed header: {name} is {_text(field)!r}")
    return int(value)

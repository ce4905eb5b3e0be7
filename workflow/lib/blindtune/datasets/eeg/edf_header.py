"""What an EDF header says, read and checked before any library reads the signal.

MNE reads most broken files without a word: half a file is shorter, an interrupted recording is put together, a unit
that it does not know counts as volts. So the header is read here first (256 bytes and 256 per channel) and held
against the file's size.

Left out, with the reason: files that are empty, no EDF, cut in the header, without data, shorter or longer than the
header says (what is missing is not known); interrupted recordings (EDF+D), whose gaps MNE does not show; and, among
the electrodes that are wanted, a missing or double one, unlike sampling rates, a unit that is no voltage, a physical or
digital range without extent, a rate too low for the band. What other channels hold does not matter.

Handled: a wrong date or time and any other text of the identification, which is not used and never reaches MNE
(`recordings.read`); a number of records of -1 (not filled in) where the size gives a whole number; other order and
names of channels (`montages`); records of any length.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from blindtune.datasets.eeg.errors import UnusableRecording

#: Names of a voltage, and what they are in microvolts; MNE knows the same and takes everything else for volts.
UNITS = {"uV": 1.0, "\u00b5V": 1.0, "\u03bcV": 1.0, "mV": 1e3, "V": 1e6}
#: The greatest number in a ratio of sampling rates, which the length of the anti-alias filter grows with.
LARGEST_RATIO = 20_000
_HEAD = 256
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
#: Bytes per channel of each field of the header's second part.
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


@dataclass(frozen=True)
class Signal:
    """One channel: its label, unit, range in this unit, range of the stored numbers, samples per record."""

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int


@dataclass(frozen=True)
class Header:
    """What was read.

    Attributes:
        kind: the reserved field: empty, ``EDF``, ``EDF+C`` (continuous) or ``EDF+D`` (interrupted).
        records: data records, -1 where the header leaves them open.
        record_seconds: length of a record.
        signals: the channels, in the file's order.
        size: of the file, in bytes.
        date, time: start of the recording as written.
    """

    kind: str
    records: int
    record_seconds: Fraction
    signals: tuple[Signal, ...]
    size: int
    date: str
    time: str

    @cached_property
    def labels(self) -> list[str]:
        """A label per channel."""
        return [signal.label for signal in self.signals]

    @property
    def record_bytes(self) -> int:
        """Size of a data record."""
        return 2 * sum(signal.samples for signal in self.signals)

    @property
    def head_bytes(self) -> int:
        """Size of the header."""
        return _HEAD * (1 + len(self.signals))

    @property
    def records_held(self) -> int:
        """Whole data records in the file, whatever the header says."""
        return (self.size - self.head_bytes) // self.record_bytes

    @property
    def seconds(self) -> Fraction:
        """Length of the recording."""
        return self.records_held * self.record_seconds

    def rate(self, signal: Signal) -> Fraction:
        """Samples per second of one channel."""
        return signal.samples / self.record_seconds


def parse_header(content: bytes) -> Header:
    """Return the header of an EDF file.

    Args:
        content: the whole file.

    Raises:
        UnusableRecording: the file is empty or not EDF, or its header is cut or malformed.
    """
    if not content:
        raise UnusableRecording("is empty")
    head = content[:_HEAD]
    if len(head) < _HEAD or head[:8].strip() != b"0":
        raise UnusableRecording("is not an EDF file")
    channels = _whole(head[252:256], "number of channels")
    if channels < 1:
        raise UnusableRecording(f"has {channels} channels")
    rest = content[_HEAD : _HEAD * (1 + channels)]
    if len(rest) < _HEAD * channels:
        raise UnusableRecording("is cut in its header")
    if _whole(head[184:192], "size of the header") != _HEAD * (1 + channels):
        raise UnusableRecording("has a header whose size does not fit its number of channels")
    return Header(
        kind=_text(head[192:236])[:5].strip(),
        records=_whole(head[236:244], "number of records"),
        record_seconds=_number(head[244:252], "length of a record"),
        signals=_signals(rest, channels),
        size=len(content),
        date=_text(head[168:176]),
        time=_text(head[176:184]),
    )


def check_header(header: Header, wanted: list[int], lowest_rate: float) -> list[str]:
    """What was put right or does not matter, in words.

    Args:
        header: of the recording.
        wanted: the channels that will be read.
        lowest_rate: the lowest sampling rate that will do, in Hz.

    Raises:
        Fault: the recording cannot be trusted; see the module.
    """
    notes = _check_size(header)
    signals = [header.signals[number] for number in wanted]
    for signal in signals:
        _check_signal(signal)
    rates = {header.rate(signal) for signal in signals}
    if len(rates) > 1:
        raise UnusableRecording(
            f"has wanted channels at unlike rates ({', '.join(f'{float(rate):g} Hz' for rate in sorted(rates))})"
        )
    rate = rates.pop()
    if rate < lowest_rate:
        raise UnusableRecording(f"is sampled at {float(rate):g} Hz; {lowest_rate:g} Hz are needed")
    if max(rate.numerator, rate.denominator) > LARGEST_RATIO:
        raise UnusableRecording(
            f"is sampled at {rate.numerator}/{rate.denominator} Hz, which no short filter can resample"
        )
    return notes + _identification(header)


def _check_size(header: Header) -> list[str]:
    if header.kind == "EDF+D":
        raise UnusableRecording("is an interrupted recording (EDF+D), whose gaps are not read")
    if header.record_seconds <= 0:
        raise UnusableRecording(f"has records of {float(header.record_seconds):g} s")
    if header.record_bytes == 0 or header.size <= header.head_bytes or header.records == 0:
        raise UnusableRecording("holds no data")
    held = (header.size - header.head_bytes) / header.record_bytes
    if header.records == -1 and held == header.records_held:
        return [f"number of records left open; the size gives {header.records_held}"]
    if held < header.records:
        raise UnusableRecording(f"is truncated: the header says {header.records} records, the file holds {held:.2f}")
    if held != header.records:
        raise UnusableRecording(
            f"does not end where it should: the header says {header.records} records, the file holds {held:.2f}"
        )
    return []


def _check_signal(signal: Signal) -> None:
    if signal.unit not in UNITS:
        raise UnusableRecording(f"has channel {signal.label} in {signal.unit!r}, which is no known voltage (uV, mV, V)")
    if signal.physical[0] == signal.physical[1]:
        raise UnusableRecording(f"has channel {signal.label} with a physical range of zero")
    if signal.digital[0] >= signal.digital[1]:
        raise UnusableRecording(f"has channel {signal.label} with a digital range of zero or less")
    if signal.samples < 1:
        raise UnusableRecording(f"has channel {signal.label} without samples")


def _identification(header: Header) -> list[str]:
    """A start of the recording that is none; nothing depends on it."""
    notes = []
    for name, text, limits in (("date", header.date, (31, 12, 99)), ("time", header.time, (23, 59, 59))):
        parts = text.split(".")
        good = len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts)
        if not good or any(int(part) > limit for part, limit in zip(parts, limits, strict=True)):
            notes.append(f"{name} of the start {text!r} is none; not used")
    return notes


def _signals(rest: bytes, channels: int) -> tuple[Signal, ...]:
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
            physical=_range(low[number], high[number], "physical range"),
            digital=_range(lowest[number], highest[number], "digital range"),
            samples=_whole(samples[number], "samples per record"),
        )
        for number in range(channels)
    )
    for signal in signals:
        if signal.samples < 0:
            raise UnusableRecording(f"has a malformed header: {signal.label} has {signal.samples} samples per record")
    return signals


def _text(field: bytes) -> str:
    return field.decode("latin-1").split("\x00")[0].strip()


def _range(low: bytes, high: bytes, name: str) -> tuple[float, float]:
    return float(_number(low, name)), float(_number(high, name))


def _number(field: bytes, name: str) -> Fraction:
    # Some writers put a comma where the point should be.
    text = _text(field).replace(",", ".")
    if _NUMBER.fullmatch(text) is None:
        raise UnusableRecording(f"has a malformed header: {name} is {text!r}")
    return Fraction(text)


def _whole(field: bytes, name: str) -> int:
    value = _number(field, name)
    if value.denominator != 1:
        raise UnusableRecording(f"has a malformed header: {name} is {_text(field)!r}")
    return int(value)

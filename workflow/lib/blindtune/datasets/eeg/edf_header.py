"""The header of an EDF file, parsed and checked before MNE reads the signal.

MNE reads most broken files without a warning: half a file becomes a shorter recording, an interrupted recording is
concatenated, an unknown unit counts as volts. So the header is parsed here first (256 bytes and 256 per channel) and
compared with the size of the file.

Refused, with the reason:

- files that are empty, not EDF, cut in the header, without data, or shorter or longer than the header says;
- interrupted recordings (EDF+D), because MNE does not show their gaps;
- among the needed electrodes: a missing or duplicate one, different sampling rates, a unit that is not a voltage, an
  empty physical or digital range, a sampling rate that is too low. Other channels do not matter.

Accepted:

- a wrong date or time and any other text of the identification, which is not used and never reaches MNE;
- -1 as the number of records (not filled in), if the size gives a whole number;
- any order and names of channels that `blindtune.datasets.eeg.montages` knows;
- records of any length.
"""

import hashlib
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from blindtune.datasets.eeg.errors import UnusableRecording

#: Units of voltage in microvolts; MNE knows the same and reads all others as volts.
UNITS = {"uV": 1.0, "\u00b5V": 1.0, "\u03bcV": 1.0, "mV": 1e3, "V": 1e6}
#: Maximum numerator and denominator of a sampling rate: the anti-alias filter grows with them.
MAX_RATIO = 20_000
_HEAD = 256
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
        kind: the reserved field: empty, ``EDF``, ``EDF+C`` (continuous) or ``EDF+D`` (interrupted).
        records: number of data records; -1 if the header does not say.
        record_seconds: length of a record in seconds.
        signals: the channels, in the order of the file.
        size: size of the file in bytes.
        date: date of the start as written.
        time: time of the start as written.
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
        """The label of each channel."""
        return [signal.label for signal in self.signals]

    @property
    def record_bytes(self) -> int:
        """Size of a data record in bytes."""
        return 2 * sum(signal.samples for signal in self.signals)

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

    def rate(self, signal: Signal) -> Fraction:
        """Return the sampling rate of a channel in Hz."""
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
    channels = _parse_integer(head[252:256], "number of channels")
    if channels < 1:
        raise UnusableRecording(f"has {channels} channels")
    rest = content[_HEAD : _HEAD * (1 + channels)]
    if len(rest) < _HEAD * channels:
        raise UnusableRecording("is cut in its header")
    if _parse_integer(head[184:192], "size of the header") != _HEAD * (1 + channels):
        raise UnusableRecording("has a header whose size does not fit its number of channels")
    return Header(
        kind=_text(head[192:236])[:5].strip(),
        records=_parse_integer(head[236:244], "number of records"),
        record_seconds=_parse_number(head[244:252], "length of a record"),
        signals=_parse_signals(rest, channels),
        size=len(content),
        date=_text(head[168:176]),
        time=_text(head[176:184]),
    )


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
        _check_signal(signal)
    rates = {header.rate(signal) for signal in signals}
    if len(rates) > 1:
        raise UnusableRecording(
            f"has needed channels at different rates ({', '.join(f'{float(rate):g} Hz' for rate in sorted(rates))})"
        )
    rate = rates.pop()
    if rate < min_rate:
        raise UnusableRecording(f"is sampled at {float(rate):g} Hz; {min_rate:g} Hz are needed")
    if max(rate.numerator, rate.denominator) > MAX_RATIO:
        raise UnusableRecording(
            f"is sampled at {rate.numerator}/{rate.denominator} Hz, which no short filter can resample"
        )
    return notes + _check_start(header)


def digest_channels(content: bytes, header: Header, channels: list[int]) -> str:
    """Return a digest of what some channels hold in microvolts, in the order in which they are given.

    It depends on neither the rest of the header (patient, dates, labels) nor the length of a record or other channels.

    Args:
        content: the whole file.
        header: its header, which `check_header` has accepted.
        channels: numbers of the channels.
    """
    import numpy as np

    count = header.n_complete_records * header.record_bytes // 2
    records = np.frombuffer(content, "<i2", count, header.head_bytes).reshape(header.n_complete_records, -1)
    total = hashlib.sha256()
    for number in channels:
        signal, start = header.signals[number], sum(one.samples for one in header.signals[:number])
        values = np.ascontiguousarray(records[:, start : start + signal.samples])
        # The stored numbers and the line that maps them to microvolts say the same as the microvolts, in a quarter of
        # the bytes.
        (low, high), (lowest, highest) = signal.physical, signal.digital
        step = (high - low) / (highest - lowest) * UNITS[signal.unit]
        offset = low * UNITS[signal.unit] - lowest * step
        total.update(f"{values.size}|{step:.6g}|{offset:.3f}|".encode())
        total.update(values.data)
    return total.hexdigest()


def _check_size(header: Header) -> list[str]:
    if header.kind == "EDF+D":
        raise UnusableRecording("is an interrupted recording (EDF+D), whose gaps are not read")
    if header.record_seconds <= 0:
        raise UnusableRecording(f"has records of {float(header.record_seconds):g} s")
    if header.record_bytes == 0 or header.size <= header.head_bytes or header.records == 0:
        raise UnusableRecording("holds no data")
    held = (header.size - header.head_bytes) / header.record_bytes
    if header.records == -1 and held == header.n_complete_records:
        return [f"number of records left open; the size gives {header.n_complete_records}"]
    if held < header.records:
        raise UnusableRecording(f"is truncated: the header says {header.records} records, the file holds {held:.2f}")
    if held != header.records:
        raise UnusableRecording(
            f"does not end where it should: the header says {header.records} records, the file holds {held:.2f}"
        )
    return []


def _check_signal(signal: Signal) -> None:
    if signal.unit not in UNITS:
        raise UnusableRecording(
            f"has channel {signal.label} in {signal.unit!r}, which is not a known voltage (uV, mV, V)"
        )
    if signal.physical[0] == signal.physical[1]:
        raise UnusableRecording(f"has channel {signal.label} with a physical range of zero")
    if signal.digital[0] >= signal.digital[1]:
        raise UnusableRecording(f"has channel {signal.label} with a digital range of zero or less")
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
    return field.decode("latin-1").split("\x00")[0].strip()


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

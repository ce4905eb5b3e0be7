"""Deliberate faults of the simulated corpus, as changes to the bytes of a good EDF file.

They occur in real corpora. Each is either found before a signal is read, or handled.
"""

from collections.abc import Callable

#: From the bytes of a good file to those of a faulty one.
Change = Callable[[bytes], bytes]

WEB_PAGE = b"<!DOCTYPE html>\n<html><head><title>401 Unauthorized</title></head><body>Log in.</body></html>\n" * 4


def _overwrite(at: int, text: str, width: int) -> Change:
    """Return a change that overwrites a field of the first part of the header."""
    return lambda content: content[:at] + text.encode("ascii").ljust(width) + content[at + width :]


def _overwrite_signal(offset: int, electrode: str, text: str, width: int) -> Change:
    """Return a change that overwrites a field of an electrode; ``offset`` is the bytes per channel before the field."""

    def change(content: bytes) -> bytes:
        at = 256 + offset * count_channels(content) + width * _channel_of(content, electrode)
        return _overwrite(at, text, width)(content)

    return change


def count_channels(content: bytes) -> int:
    """Return the number of channels of a good EDF file."""
    return int(content[252:256])


def _add_records(by: int) -> Change:
    return lambda content: _overwrite(236, str(int(content[236:244]) + by), 8)(content)


def _channel_of(content: bytes, electrode: str) -> int:
    labels = [content[256 + 16 * number : 272 + 16 * number] for number in range(count_channels(content))]
    return next(at for at, label in enumerate(labels) if label.startswith(f"EEG {electrode}-".encode("ascii")))


def _relabel(old: str, new: str) -> Change:
    """Return a change that gives an electrode the label of another; the reference is kept."""

    def change(content: bytes) -> bytes:
        at = 256 + 16 * _channel_of(content, old)
        label = content[at : at + 16].decode("ascii").strip()
        return _overwrite(at, label.replace(old, new), 16)(content)

    return change


def _new_names(content: bytes) -> bytes:
    for old, new in (("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8"), ("FZ", "Fz")):
        content = _relabel(old, new)(content)
    return content


def _use_millivolts(content: bytes) -> bytes:
    for number in range(count_channels(content)):
        at = 256 + 96 * count_channels(content) + 8 * number
        if content[at : at + 8].strip() == b"uV":
            content = _overwrite(at, "mV", 8)(content)
    return content


CHANGES: dict[str, Change] = {
    "truncated": lambda content: content[: len(content) * 2 // 3],
    "too_many_records": _add_records(60),
    "cut_header": lambda content: content[:1000],
    "empty": lambda content: b"",
    "web_page": lambda content: WEB_PAGE,
    "no_data": lambda content: content[: 256 * (1 + count_channels(content))],
    "unknown_unit": _overwrite_signal(96, "F3", "microV", 8),
    "no_unit": _overwrite_signal(96, "F3", "", 8),
    "wrong_unit": _use_millivolts,
    "no_physical_range": _overwrite_signal(104, "C3", "3276.7", 8),
    "no_digital_range": _overwrite_signal(128, "C3", "-32767", 8),
    "double_channel": _relabel("PZ", "O2"),
    "missing_channel": _relabel("C4", "26"),
    "interrupted": _overwrite(192, "EDF+D", 44),
    "colon_date": _overwrite(168, "01:01:85", 8),
    "wrong_time": _overwrite(176, "24.61.00", 8),
    "open_records": _overwrite(236, "-1", 8),
    "new_names": _new_names,
}

"""Faults that the stand-in corpus has on purpose, as changes to a good EDF file or to what is written beside it.

What is met in real corpora; each is either found before a signal is read, or handled.
"""

from collections.abc import Callable

#: Faults that are one change to the bytes of a file.
Change = Callable[[bytes], bytes]

WEB_PAGE = b"<!DOCTYPE html>\n<html><head><title>401 Unauthorized</title></head><body>Log in.</body></html>\n" * 4


def _put(at: int, text: str, width: int) -> Change:
    """Overwrite a field of the header's first part."""
    return lambda content: content[:at] + text.encode("ascii").ljust(width) + content[at + width :]


def _put_signal(offset: int, electrode: str, text: str, width: int) -> Change:
    """Overwrite a field of an electrode's channel; ``offset`` counts the bytes per channel before the field."""

    def change(content: bytes) -> bytes:
        at = 256 + offset * channels(content) + width * _number(content, electrode)
        return _put(at, text, width)(content)

    return change


def channels(content: bytes) -> int:
    """How many channels a good EDF file has."""
    return int(content[252:256])


def _records(by: int) -> Change:
    return lambda content: _put(236, str(int(content[236:244]) + by), 8)(content)


def _number(content: bytes, electrode: str) -> int:
    labels = [content[256 + 16 * number : 272 + 16 * number] for number in range(channels(content))]
    return next(at for at, label in enumerate(labels) if label.startswith(f"EEG {electrode}-".encode("ascii")))


def _relabel(old: str, new: str) -> Change:
    """Give an electrode's channel the label of another; the reference is kept."""

    def change(content: bytes) -> bytes:
        at = 256 + 16 * _number(content, old)
        label = content[at : at + 16].decode("ascii").strip()
        return _put(at, label.replace(old, new), 16)(content)

    return change


def _new_names(content: bytes) -> bytes:
    for old, new in (("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8"), ("FZ", "Fz")):
        content = _relabel(old, new)(content)
    return content


def _all_millivolts(content: bytes) -> bytes:
    for number in range(channels(content)):
        at = 256 + 96 * channels(content) + 8 * number
        if content[at : at + 8].strip() == b"uV":
            content = _put(at, "mV", 8)(content)
    return content


CHANGES: dict[str, Change] = {
    "truncated": lambda content: content[: len(content) * 2 // 3],
    "too_many_records": _records(60),
    "cut_header": lambda content: content[:1000],
    "empty": lambda content: b"",
    "web_page": lambda content: WEB_PAGE,
    "no_data": lambda content: content[: 256 * (1 + channels(content))],
    "unknown_unit": _put_signal(96, "F3", "microV", 8),
    "no_unit": _put_signal(96, "F3", "", 8),
    "wrong_unit": _all_millivolts,
    "no_physical_range": _put_signal(104, "C3", "3276.7", 8),
    "no_digital_range": _put_signal(128, "C3", "-32767", 8),
    "double_channel": _relabel("PZ", "O2"),
    "missing_channel": _relabel("C4", "26"),
    "interrupted": _put(192, "EDF+D", 44),
    "colon_date": _put(168, "01:01:85", 8),
    "wrong_time": _put(176, "24.61.00", 8),
    "open_records": _put(236, "-1", 8),
    "new_names": _new_names,
}

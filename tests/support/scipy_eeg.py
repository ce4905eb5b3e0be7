"""EEG prepared from the bytes of an EDF file with NumPy and scipy, without blindtune and MNE."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, firwin, resample_poly, sosfiltfilt

#: The 20 channels, from the list of the corpus.
TCP20 = [
    "FP1-F7", "F7-T3", "T3-T5", "T5-O1", "FP2-F8", "F8-T4", "T4-T6", "T6-O2", "T3-C3", "C3-CZ", "CZ-C4", "C4-T4",
    "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2",
]  # fmt: skip
NEWER = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}


def stored(path: Path) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Return the channels of an EDF file in the units of the file, and the sampling rate of the first."""
    content = path.read_bytes()
    count = int(content[252:256])
    part = content[256 : 256 * (1 + count)]

    def column(offset: int, width: int) -> list[str]:
        at = offset * count
        return [part[at + width * one : at + width * (one + 1)].decode("latin-1").strip() for one in range(count)]

    labels, sizes = column(0, 16), [int(text) for text in column(216, 8)]
    low, high, least, most = ([float(text) for text in column(offset, 8)] for offset in (104, 112, 120, 128))
    records = np.frombuffer(content, dtype="<i2", offset=256 * (1 + count)).reshape(-1, sum(sizes))
    at = np.cumsum([0, *sizes])
    channels = {}
    for one, label in enumerate(labels):
        gain = (high[one] - low[one]) / (most[one] - least[one])
        channels[label] = (records[:, at[one] : at[one + 1]].reshape(-1) - least[one]) * gain + low[one]
    return channels, round(sizes[0] / float(content[244:252]))


def bipolar(channels: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the 20 channels, (20, n_samples), from those of a file by name."""
    named = {}
    for label, series in channels.items():
        name = label.removeprefix("EEG ").split("-")[0].rstrip(".").upper()
        named[NEWER.get(name, name)] = series
    return np.stack([named[first] - named[second] for first, second in (one.split("-") for one in TCP20)])


def prepared(path: Path) -> NDArray[np.float64]:
    """Return a whole recording with the filter of the manifest: 20 channels at 50 Hz, high-passed, (20, n_times).

    Channels are derived before they are filtered, in the opposite order of blindtune.
    """
    channels, rate = stored(path)
    ratio = Fraction(50, rate)
    taps = firwin(40 * ratio.denominator + 1, 23.0, window=("kaiser", 5.0), fs=rate * ratio.numerator)
    x = resample_poly(bipolar(channels), ratio.numerator, ratio.denominator, axis=1, window=taps, padtype="line")
    return np.asarray(sosfiltfilt(butter(4, 0.5, "highpass", output="sos", fs=50), x, padlen=250))

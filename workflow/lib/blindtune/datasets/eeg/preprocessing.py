"""The signal of one recording: read by MNE, filtered whole, sampled at one rate.

The published numbers clash: a band of 0.5 to 35 Hz, and a sampling rate of 50 Hz, which holds nothing above 25. So a
recording is first resampled behind an anti-alias filter, then filtered to the band, as far as it lies below that. In
this order the band-pass sees a fifth of the samples. Electrodes are filtered before channels are derived from them:
there are fewer of them, and all steps are linear. `describe` says what exactly was done.
"""

import io
import warnings
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.edf_header import Header
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import Montage
from blindtune.datasets.eeg.resampling import CUTOFF, KAISER_BETA, REACH, resample

if TYPE_CHECKING:
    from mne.io import BaseRaw

#: Seconds by which a recording is continued at either end for the band-pass to settle.
MARGIN = 5.0

#: Bytes 8 to 183 of an EDF header: whose recording, and when. MNE gives up on a wrong time of day, so it gets these.
_ANONYMOUS = b"X X X X".ljust(80) + b"Startdate X X X X".ljust(80) + b"01.01.8500.00.00"


@dataclass(frozen=True)
class Signals:
    """The wanted electrodes of an open recording.

    Attributes:
        rate: samples per second.
        samples: samples per electrode.
        names: the file's labels, in the order in which they are wanted.
        warnings: what MNE said while it read.
    """

    rate: Fraction
    samples: int
    names: list[str]
    warnings: list[str]
    _raw: "BaseRaw" = field(repr=False)

    def between(self, start: int, stop: int) -> NDArray[np.float64]:
        """Samples ``start`` to ``stop`` of all electrodes in microvolts, (electrodes, samples)."""
        picks = [self._raw.ch_names.index(name) for name in self.names]
        return self._microvolts(picks, start, stop)

    def electrode(self, number: int) -> NDArray[np.float64]:
        """One electrode, whole, in microvolts, (samples,)."""
        return self._microvolts([self._raw.ch_names.index(self.names[number])], 0, self.samples).reshape(-1)

    def _microvolts(self, picks: list[int], start: int, stop: int) -> NDArray[np.float64]:
        # As get_data(units="uV") gives it, which takes ten times as long for a segment.
        volts, _ = self._raw[picks, start:stop]
        return np.asarray(volts, dtype=np.float64) * 1e6


def read_signals(content: bytes, header: Header, wanted: list[int]) -> Signals:
    """The channels ``wanted`` of a recording whose header has passed `blindtune.datasets.eeg.edf_header.check_header`.

    Raises:
        Fault: the file cannot be read, or MNE gives other channels, another rate or another length than the header.
    """
    # pooch, which MNE would download with, is not used: nothing is fetched.
    import mne

    labels = [header.labels[number] for number in wanted]
    rate = header.rate(header.signals[wanted[0]])
    samples = int(header.seconds * rate)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            stream = io.BytesIO(content)
            stream.seek(8)
            stream.write(_ANONYMOUS)
            stream.seek(0)
            raw = mne.io.read_raw_edf(stream, include=labels, preload=True, encoding="latin-1", verbose="warning")
        except Exception as error:  # MNE raises whatever the bytes bring about.
            raise UnusableRecording(f"cannot be read by MNE ({error})") from error
    if sorted(raw.ch_names) != sorted(labels):
        raise UnusableRecording("has channels that MNE reads by other names")
    if raw.n_times != samples or abs(raw.info["sfreq"] - float(rate)) > 1e-6 * rate:
        raise UnusableRecording(
            f"has {samples} samples at {float(rate):g} Hz; MNE reads {raw.n_times} at {raw.info['sfreq']:g} Hz"
        )
    return Signals(rate, samples, labels, [str(one.message) for one in said], raw)


def filter_recording(signals: Signals, montage: Montage, config: EegConfig) -> NDArray[np.float64]:
    """The channels of a whole recording, filtered and resampled, in microvolts, (channels, samples at the new rate)."""
    return montage.derive(
        np.stack(
            [filter_electrode(signals.electrode(number), signals.rate, config) for number in range(len(signals.names))]
        )
    )


def filter_electrode(x: NDArray[np.float64], rate: Fraction, config: EegConfig) -> NDArray[np.float64]:
    """``x`` (samples,) at ``rate``, resampled to ``config.sfreq`` and filtered to its band."""
    from scipy.signal import sosfiltfilt

    ratio = Fraction(config.sfreq) / rate
    if ratio != 1:
        x = resample(x, ratio)
    y: NDArray[np.float64] = sosfiltfilt(design_filter(config), x, padlen=min(round(MARGIN * config.sfreq), len(x) - 1))
    return y


def design_filter(config: EegConfig) -> NDArray[np.float64]:
    """The Butterworth filter as second-order sections, at ``config.sfreq``.

    A high-pass where the upper edge lies above what the anti-alias filter lets through.
    """
    top = config.h_freq if config.h_freq < CUTOFF * config.sfreq / 2 else None
    return _butterworth(config.order, config.l_freq, top, config.sfreq)


@lru_cache(maxsize=8)
def _butterworth(order: int, low: float, high: float | None, rate: int) -> NDArray[np.float64]:
    """Made once for all electrodes; scipy wants it writeable but does not write to it."""
    from scipy.signal import butter

    sections: NDArray[np.float64]
    if high is None:
        sections = butter(order, low, "highpass", output="sos", fs=rate)
    else:
        sections = butter(order, (low, high), "bandpass", output="sos", fs=rate)
    return sections


def describe(config: EegConfig) -> dict[str, Any]:
    """The filters exactly, as plain data for the manifest; frequencies in Hz."""
    edge = CUTOFF * config.sfreq / 2
    return {
        "requested": {"l_freq": config.l_freq, "h_freq": config.h_freq, "sfreq": config.sfreq},
        "steps": [
            f"resampled to {config.sfreq} Hz as by scipy.signal.resample_poly(padtype='line') with a Kaiser window "
            f"(beta {KAISER_BETA:g}) of {REACH} output samples to each side, -6 dB at {edge:g} Hz, "
            f"-53 dB from {config.sfreq / 2:g} Hz on; not where the recording has this rate already",
            f"Butterworth {'band' if config.h_freq < edge else 'high'}-pass of order {config.order}, run both ways "
            f"by scipy.signal.sosfiltfilt, continued by {MARGIN:g} s at either end",
        ],
        "effective_band": {"l_freq": config.l_freq, "h_freq": min(config.h_freq, edge), "at": "-6 dB"},
    }

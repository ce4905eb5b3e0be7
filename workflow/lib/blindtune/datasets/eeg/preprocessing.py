"""Preprocessing of a recording: read by MNE, resampled to one rate, band-passed as a whole.

The published numbers contradict each other: a band of 0.5 to 35 Hz, and a sampling rate of 50 Hz, which has nothing
above 25 Hz. So a recording is first resampled with an anti-alias filter, then band-passed as far as the band is below
its cutoff. In this order the band-pass runs on a fifth of the samples. Electrodes are filtered before channels are
derived from them: there are fewer electrodes, and all steps are linear. `describe` returns exactly what was done.
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

#: Seconds by which a recording is extended at both ends, so that the band-pass settles.
MARGIN = 5.0

#: Replacement for bytes 8 to 183 of an EDF header, patient and start: MNE fails on a wrong time of day.
_ANONYMOUS = b"X X X X".ljust(80) + b"Startdate X X X X".ljust(80) + b"01.01.8500.00.00"


@dataclass(frozen=True)
class Signals:
    """The electrodes of a recording, as MNE read them.

    Attributes:
        rate: sampling rate in Hz.
        samples: number of samples of each electrode.
        names: labels of the electrodes in the file, in the order of the montage.
        warnings: warnings of MNE.
    """

    rate: Fraction
    samples: int
    names: list[str]
    warnings: list[str]
    _raw: "BaseRaw" = field(repr=False)

    def between(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return a part of all electrodes.

        Args:
            start: first sample.
            stop: sample after the last.

        Returns:
            (n_electrodes, stop - start) float64 in microvolts.
        """
        picks = [self._raw.ch_names.index(name) for name in self.names]
        return self._microvolts(picks, start, stop)

    def electrode(self, number: int) -> NDArray[np.float64]:
        """Return one whole electrode in microvolts, (n_samples,) float64."""
        return self._microvolts([self._raw.ch_names.index(self.names[number])], 0, self.samples).reshape(-1)

    def _microvolts(self, picks: list[int], start: int, stop: int) -> NDArray[np.float64]:
        # The same as get_data(units="uV"), which takes ten times as long for a segment.
        volts, _ = self._raw[picks, start:stop]
        return np.asarray(volts, dtype=np.float64) * 1e6


def read_signals(content: bytes, header: Header, channels: list[int]) -> Signals:
    """Read some channels of a recording.

    Args:
        content: the whole EDF file.
        header: its header, which `blindtune.datasets.eeg.edf_header.check_header` has accepted.
        channels: numbers of the channels.

    Raises:
        UnusableRecording: MNE cannot read the file, or reads other channels, another rate or another length than the
            header says.
    """
    # MNE would download with pooch, which is not installed: nothing is downloaded.
    import mne

    labels = [header.labels[number] for number in channels]
    rate = header.rate(header.signals[channels[0]])
    samples = int(header.seconds * rate)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            stream = io.BytesIO(content)
            stream.seek(8)
            stream.write(_ANONYMOUS)
            stream.seek(0)
            raw = mne.io.read_raw_edf(stream, include=labels, preload=True, encoding="latin-1", verbose="warning")
        except Exception as error:  # Broken bytes can make MNE raise anything.
            raise UnusableRecording(f"cannot be read by MNE ({error})") from error
    if sorted(raw.ch_names) != sorted(labels):
        raise UnusableRecording("has channels that MNE reads by other names")
    if raw.n_times != samples or abs(raw.info["sfreq"] - float(rate)) > 1e-6 * rate:
        raise UnusableRecording(
            f"has {samples} samples at {float(rate):g} Hz; MNE reads {raw.n_times} at {raw.info['sfreq']:g} Hz"
        )
    return Signals(rate, samples, labels, [str(one.message) for one in caught], raw)


def filter_recording(signals: Signals, montage: Montage, config: EegConfig) -> NDArray[np.float64]:
    """Return the channels of a whole recording, resampled and filtered.

    Args:
        signals: the electrodes.
        montage: derives the channels.
        config: gives the filter and the new sampling rate.

    Returns:
        (n_channels, n_times) float64 in microvolts, at ``config.sfreq``.
    """
    return montage.derive(
        np.stack(
            [filter_electrode(signals.electrode(number), signals.rate, config) for number in range(len(signals.names))]
        )
    )


def filter_electrode(x: NDArray[np.float64], rate: Fraction, config: EegConfig) -> NDArray[np.float64]:
    """Return one electrode, resampled and filtered.

    Args:
        x: the electrode, (n_samples,).
        rate: its sampling rate in Hz.
        config: gives the filter and the new sampling rate.

    Returns:
        (n_times,) float64, at ``config.sfreq``.
    """
    from scipy.signal import sosfiltfilt

    ratio = Fraction(config.sfreq) / rate
    if ratio != 1:
        x = resample(x, ratio)
    y: NDArray[np.float64] = sosfiltfilt(design_filter(config), x, padlen=min(round(MARGIN * config.sfreq), len(x) - 1))
    return y


def design_filter(config: EegConfig) -> NDArray[np.float64]:
    """Return the Butterworth filter at ``config.sfreq`` as second-order sections, (n_sections, 6).

    It is a high-pass if the upper edge of the band is above the cutoff of the anti-alias filter.
    """
    top = config.h_freq if config.h_freq < CUTOFF * config.sfreq / 2 else None
    return _butterworth(config.order, config.l_freq, top, config.sfreq)


@lru_cache(maxsize=8)
def _butterworth(order: int, low: float, high: float | None, rate: int) -> NDArray[np.float64]:
    """Design the filter once for all electrodes; scipy needs a writeable array but does not write to it."""
    from scipy.signal import butter

    sections: NDArray[np.float64]
    if high is None:
        sections = butter(order, low, "highpass", output="sos", fs=rate)
    else:
        sections = butter(order, (low, high), "bandpass", output="sos", fs=rate)
    return sections


def describe(config: EegConfig) -> dict[str, Any]:
    """Return exactly which filters are applied, as plain data for the manifest; frequencies in Hz."""
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

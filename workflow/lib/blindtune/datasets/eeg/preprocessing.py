"""Preprocessing of a recording: read by MNE, resampled to one rate, band-passed.

The published numbers contradict each other: a band of 0.5 to 35 Hz, and a sampling rate of 50 Hz, which has nothing
above 25 Hz. So a recording is first resampled with an anti-alias filter, then band-passed as far as the band is below
its cutoff. In this order the band-pass runs on a fifth of the samples. Electrodes are filtered before channels are
derived from them: there are fewer electrodes, and all steps are linear. `describe` returns exactly what was done.

A recording that fits into memory (`blindtune.datasets.eeg.recording_file.WHOLE`) is filtered as a whole. Of a larger
one, only what is needed is read and filtered, with so much before and after it that the filters settle: the result is
the same up to rounding.
"""

import io
import math
import warnings
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.edf_header import Stretch, plain_header
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import Derivation
from blindtune.datasets.eeg.recording_file import BLOCK, RecordingFile
from blindtune.datasets.eeg.resampling import CUTOFF, KAISER_BETA, REACH, PartResampler, resample, resampled_length

if TYPE_CHECKING:
    from mne.io import BaseRaw

#: Seconds by which a recording is extended at both ends, so that the band-pass settles.
MARGIN = 5.0
#: Seconds that are read at once to look at segments.
WINDOW = 60.0
#: What is left of a transient of the band-pass where it counts as settled.
SETTLED = 1e-15


class Signals:
    """Some channels of a recording, read by MNE in parts.

    MNE gets each part as a separate file in memory: it reads gaps, wrong dates and unknown units without a word, and
    no part of a file alone.

    Attributes:
        rates: sampling rate of each channel in Hz.
        rate: the highest.
        record_bytes: bytes of a data record.
        warnings: warnings of MNE, each once.
    """

    def __init__(self, file: RecordingFile, channels: Sequence[int]) -> None:
        """Keep what is needed to read; nothing is read yet.

        Args:
            file: the recording, whose header `blindtune.datasets.eeg.edf_header.check_header` has accepted.
            channels: numbers of the channels.
        """
        header = file.header
        self._file, self._channels = file, channels
        self.rates = [header.rate(header.signals[number]) for number in channels]
        self.rate = max(self.rates)
        self.record_bytes = header.record_bytes
        self.warnings: list[str] = []
        #: Rows by the number of samples in a record: MNE reads channels of one rate at once.
        self._rows: dict[int, list[int]] = {}
        for row, number in enumerate(channels):
            self._rows.setdefault(header.signals[number].samples, []).append(row)
        #: What was read last to look at: the stretch, the first sample, the samples.
        self._windows: dict[int, tuple[Stretch, int, NDArray[np.float64]]] = {}
        self._held = (0, 0)
        self._data: dict[int, tuple[BaseRaw, list[int]]] = {}

    @property
    def groups(self) -> list[tuple[int, list[int]]]:
        """The channels of each rate: their number of samples in a record, and their rows."""
        return list(self._rows.items())

    def between(self, stretch: Stretch, start: float, seconds: float) -> NDArray[np.float64]:
        """Return a part of all channels, at the highest rate; those of lower rates are interpolated.

        Args:
            stretch: the stretch that it is in.
            start: seconds from the start of the recording.
            seconds: length in seconds.

        Returns:
            (n_channels, n_samples) float64 in microvolts, not to be written to.
        """
        parts = []
        for samples, rows in self._rows.items():
            rate = self.rates[rows[0]]
            first = int((start - stretch.start) * rate)
            last = min(first + int(seconds * rate), samples * (stretch.stop - stretch.first))
            parts.append((rows, self._look_at(samples, stretch, first, last)))
        if len(parts) == 1:
            return parts[0][1]
        length = max(part.shape[1] for _, part in parts)
        out = np.empty((len(self._channels), length))
        for rows, part in parts:
            at = np.linspace(0, part.shape[1] - 1, length)
            for row, x in zip(rows, part, strict=True):
                out[row] = np.interp(at, np.arange(len(x)), x)
        return out

    def _look_at(self, samples: int, stretch: Stretch, start: int, stop: int) -> NDArray[np.float64]:
        """Return the same as `read`, of a longer part that is read at once: each call of MNE takes time."""
        held = self._windows.get(samples)
        if held is None or held[0] != stretch or start < held[1] or stop > held[1] + held[2].shape[1]:
            longer = min(max(stop, start + int(WINDOW * self.rate)), samples * (stretch.stop - stretch.first))
            held = (stretch, start, self.read(samples, stretch, start, longer))
            self._windows[samples] = held
        return held[2][:, start - held[1] : stop - held[1]]

    def read(
        self, samples: int, stretch: Stretch, start: int, stop: int, row: int | None = None
    ) -> NDArray[np.float64]:
        """Return a part of the channels of one rate.

        Args:
            samples: their number of samples in a record, one of `groups`.
            stretch: the stretch that the part is in.
            start: first sample from the start of the stretch.
            stop: sample after the last.
            row: the only channel that is wanted; None: all of this rate.

        Returns:
            (n_channels, stop - start) float64 in microvolts.

        Raises:
            UnusableRecording: the file cannot be read, or MNE cannot read it or reads something else than the header
                says.
        """
        first, last = stretch.first + start // samples, stretch.first - (-stop // samples)
        if first < self._held[0] or last > self._held[1]:
            self._hold(first, last)
        raw, picks = self._data[samples]
        offset = (stretch.first - self._held[0]) * samples
        picks = picks if row is None else [picks[self._rows[samples].index(row)]]
        # The same as get_data(units="uV"), which takes ten times as long for a segment.
        x: NDArray[np.float64] = raw[picks, offset + start : offset + stop][0]
        return x * 1e6

    def _hold(self, first: int, last: int) -> None:
        header = self._file.header
        if self._file.is_whole:
            first, last = 0, header.n_complete_records
        else:
            last = min(max(last, first + BLOCK // header.record_bytes), header.n_complete_records)
        # What was held goes first: the two would be in memory together.
        self._data, self._held = {}, (0, 0)
        self._data = self._decode(first, last)
        self._held = (first, last)

    def _decode(self, first: int, last: int) -> "dict[int, tuple[BaseRaw, list[int]]]":
        """Return some records as MNE reads them, and its numbers of the channels, for each number of samples."""
        # MNE would download with pooch, which is not installed: nothing is downloaded.
        import mne

        header = self._file.header
        content = self._file.read_records(first, last)
        content = b"".join([plain_header(self._file.head, header, last - first), content])
        read = mne.io.read_raw_bdf if header.sample_bytes == 3 else mne.io.read_raw_edf
        decoded = {}
        for samples, rows in self._rows.items():
            names = [str(self._channels[row]) for row in rows]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    raw = read(io.BytesIO(content), include=names, preload=True, verbose="warning")
                except Exception as error:  # Broken bytes can make MNE raise anything.
                    raise UnusableRecording(f"cannot be read by MNE ({error})") from error
            self.warnings += [str(one.message) for one in caught if str(one.message) not in self.warnings]
            rate, count = self.rates[rows[0]], samples * (last - first)
            if raw.n_times != count or abs(raw.info["sfreq"] - float(rate)) > 1e-6 * rate:
                raise UnusableRecording(
                    f"has {count} samples at {float(rate):g} Hz; MNE reads {raw.n_times} at {raw.info['sfreq']:g} Hz"
                )
            decoded[samples] = (raw, [raw.ch_names.index(name) for name in names])
        return decoded

    def ends(self, samples: int, stretch: Stretch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the first and the last sample of a stretch, (n_channels,) each.

        Args:
            samples: as in `read`.
            stretch: the stretch.
        """
        stop = samples * (stretch.stop - stretch.first)
        return self.read(samples, stretch, 0, 1)[:, 0], self.read(samples, stretch, stop - 1, stop)[:, 0]


def filter_recording(
    signals: Signals, derivation: Derivation, stretch: Stretch, config: EegConfig
) -> NDArray[np.float64]:
    """Return the channels of a whole recording, or of a stretch of it, resampled and filtered.

    Args:
        signals: the channels of the file.
        derivation: derives those of the montage.
        stretch: the stretch.
        config: gives the filter and the new sampling rate.

    Returns:
        (n_channels, n_times) float64 in microvolts, at ``config.sfreq``.
    """
    filtered: dict[int, NDArray[np.float64]] = {}
    for samples, rows in signals.groups:
        stop = samples * (stretch.stop - stretch.first)
        filtered |= {
            row: filter_electrode(signals.read(samples, stretch, 0, stop, row)[0], signals.rates[row], config)
            for row in rows
        }
    return derivation.derive(np.stack([filtered[row] for row in range(len(filtered))]))


class StretchFilter:
    """Filters parts of a stretch that is too long to be in memory, as the whole stretch would be filtered."""

    def __init__(self, signals: Signals, derivation: Derivation, stretch: Stretch, config: EegConfig) -> None:
        """Keep what is needed to filter; only the ends of the stretch are read.

        Args:
            signals: the channels of the file.
            derivation: derives those of the montage.
            stretch: the stretch.
            config: gives the filter and the new sampling rate.
        """
        self._signals, self._derivation, self._stretch, self._config = signals, derivation, stretch, config
        self._resamplers = {
            samples: PartResampler(
                partial(signals.read, samples, stretch),
                samples * (stretch.stop - stretch.first),
                signals.ends(samples, stretch),
                Fraction(config.sfreq) / signals.rates[rows[0]],
            )
            for samples, rows in signals.groups
        }
        samples, rows = signals.groups[0]
        self._length = resampled_length(
            samples * (stretch.stop - stretch.first), Fraction(config.sfreq) / signals.rates[rows[0]]
        )

    @property
    def margin(self) -> int:
        """Number of samples after which the band-pass has settled."""
        return _settling_samples(self._config)

    def part(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return a part of the filtered channels, (n_channels, stop - start) float64 in microvolts.

        Args:
            start: first sample from the start of the stretch, at ``config.sfreq``.
            stop: sample after the last.
        """
        from scipy.signal import sosfiltfilt

        config = self._config
        first, last = max(0, start - self.margin), min(self._length, stop + self.margin)
        filtered = np.empty((len(self._signals.rates), stop - start))
        sections, padding = design_filter(config), min(round(MARGIN * config.sfreq), last - first - 1)
        for samples, rows in self._signals.groups:
            at_once = max(1, BLOCK // self._signals.record_bytes) * samples
            x = self._resamplers[samples].part(first, last, at_once)
            for row, one in zip(rows, x, strict=True):
                filtered[row] = sosfiltfilt(sections, one, padlen=padding)[start - first : stop - first]
        return self._derivation.derive(filtered)


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


def _settling_samples(config: EegConfig) -> int:
    """Return the number of samples after which a transient of the band-pass has no effect."""
    from scipy.signal import sos2zpk

    slowest = max(abs(sos2zpk(design_filter(config))[1]))
    return math.ceil(math.log(SETTLED) / math.log(slowest)) if 0 < slowest < 1 else 0


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

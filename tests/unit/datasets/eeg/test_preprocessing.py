"""From EDF to filtered signals: equal to an independent computation with scipy, without aliasing."""

from fractions import Fraction
from pathlib import Path
from unittest import mock

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import butter, filtfilt, firwin, freqz, resample_poly, sosfreqz, welch

from blindtune.datasets.eeg import preprocessing, resampling
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import ELECTRODES
from blindtune.datasets.eeg.simulated.corruptions import CHANGES
from support.eeg_files import eeg_config, noise, open_signals, patch, write_edf
from support.scipy_eeg import stored


def filtered(path: Path, settings: EegConfig) -> NDArray[np.float64]:
    return preprocessing.filter_recording(*open_signals(path, settings.montage), settings)


def resampled_by_convolution(x: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Return one channel at 50 Hz: zeros between the samples, a plain convolution, and every n-th sample.

    At either end the channel is first continued along the line from its first to its last sample.
    """
    ratio = Fraction(50, rate)
    up, down = ratio.numerator, ratio.denominator
    taps = up * firwin(40 * down + 1, 23.0, window=("kaiser", 5.0), fs=rate * up)
    more = (20 // up + 2) * down
    at = np.arange(-more, len(x) + more)
    longer = x[0] + (x[-1] - x[0]) * at / (len(x) - 1)
    longer[more:-more] = x
    stuffed = np.zeros(len(longer) * up)
    stuffed[::up] = longer
    return np.convolve(stuffed, taps)[20 * down + more * up :][: len(x) * up : down]


def high_passed(y: NDArray[np.float64]) -> NDArray[np.float64]:
    b, a = butter(4, 0.5, "highpass", fs=50)
    return np.asarray(filtfilt(b, a, y, padlen=250))


@pytest.mark.parametrize("rate", [50, 160, 200, 250, 256, 400, 500, 512, 1000])
def test_filter_recording_equals_scipy_at_any_rate(tmp_path: Path, rate: int) -> None:
    """Recordings of any sampling rate give what an independent computation with scipy gives."""
    path = write_edf(tmp_path / "a.edf", noise(12, rate), rate)
    channels, _ = stored(path)
    ours = filtered(path, eeg_config())
    assert ours.shape == (20, 600)
    series = channels["EEG FP2-REF"] - channels["EEG F4-REF"]
    theirs = high_passed(series if rate == 50 else resampled_by_convolution(series, rate))
    assert np.abs(ours[16] - theirs).max() < 1e-6 * np.abs(theirs).max()


@settings(deadline=None)
@given(st.integers(2, 400), st.integers(50, 1024), st.integers(1, 9))
def test_resample_equals_scipy(samples: int, rate: int, parts: int) -> None:
    """Resampling gives what scipy gives."""
    ratio = Fraction(50 * parts, rate * parts + 1)
    x = np.random.default_rng(samples).normal(100, 30, samples)
    taps = resampling.anti_alias(ratio)
    theirs = resample_poly(x, ratio.numerator, ratio.denominator, window=taps, padtype="line")
    np.testing.assert_allclose(resampling.resample(x, ratio), theirs, atol=1e-9)


def test_filter_recording_has_no_aliasing(tmp_path: Path) -> None:
    """White noise up to 25 Hz keeps its power, whereas one that has only more than 25 Hz leaves nothing."""
    rate = 250
    white = np.random.default_rng(0).normal(0, 30, (21, 120 * rate))
    spectrum = np.fft.rfft(white)
    frequency = np.fft.rfftfreq(white.shape[1], 1 / rate)
    high = np.fft.irfft(spectrum * (frequency >= 25), white.shape[1])
    density = {}
    for name, x in (("white", white), ("high", high)):
        path = write_edf(tmp_path / f"{name}.edf", x, rate)
        at, power = welch(filtered(path, eeg_config()), 50, nperseg=200)
        density[name] = power.mean(axis=0)
    expected = 2 * 30**2 * 2 / rate
    flat = (at >= 2) & (at <= 20)
    np.testing.assert_allclose(density["white"][flat], expected, rtol=0.15)
    assert density["high"][at >= 1].max() < 1e-4 * expected
    # Every fifth sample, as it must not be done, folds all of it down.
    naive = welch(high[0, ::5], 50, nperseg=200)[1]
    assert naive[flat].min() > expected / 2


def test_describe_gives_the_effective_band() -> None:
    """The filters have the band that the manifest describes."""
    for changes in ({}, {"h_freq": 20.0}, {"l_freq": 1.0, "sfreq": 100}, {"h_freq": 12.0, "sfreq": 60}):
        config = eeg_config(**changes)
        described = preprocessing.describe(config)["effective_band"]
        edges = np.array([described["l_freq"], described["h_freq"]])
        _, both_ways = sosfreqz(preprocessing.design_filter(config), edges, fs=config.sfreq)
        ratio = Fraction(config.sfreq, 256)
        taps = resampling.anti_alias(ratio)
        _, once = freqz(taps, worN=edges, fs=256 * ratio.numerator)
        np.testing.assert_allclose(np.abs(both_ways) ** 2 * np.abs(once), 0.5, atol=0.02)
        stop = np.linspace(config.sfreq / 2, 128, 500)
        assert np.abs(freqz(taps, worN=stop, fs=256 * ratio.numerator)[1]).max() < 10 ** (-50 / 20)


def test_filter_recording_has_no_edge_effects(tmp_path: Path) -> None:
    """An offset of a millivolt and a slow drift leave nothing at the ends of a recording."""
    x = np.full((21, 30 * 250), 900.0) + np.linspace(0, 90, 30 * 250) * np.arange(21)[:, None] / 21
    assert np.abs(filtered(write_edf(tmp_path / "a.edf", x, 250), eeg_config())).max() < 0.1


def test_read_signals_applies_units_and_ranges(tmp_path: Path) -> None:
    """Units and inverted ranges of a channel are applied."""
    x = noise(20, 250)
    plain = filtered(write_edf(tmp_path / "a.edf", x, 250), eeg_config())
    label = "EEG O1-REF"
    x[ELECTRODES.index("O1")] /= 1000
    other = write_edf(tmp_path / "b.edf", x, 250, units={label: "mV"})
    # A range of 1 mV instead of 1000, so that the steps are as fine.
    for offset, text in ((104, "-1"), (112, "1")):
        patch(other, 256 + offset * 21 + 8 * ELECTRODES.index("O1"), text, 8)
    content = bytearray(other.read_bytes())
    records = np.frombuffer(content, dtype="<i2", offset=256 * 22).reshape(20, 21, 250).copy()
    records[:, ELECTRODES.index("O1")] = np.round(x[ELECTRODES.index("O1")].reshape(20, 250) * 32767.5 - 0.5)
    # And the other way round: the lowest number is the highest value.
    other.write_bytes(bytes(content[: 256 * 22]) + records.tobytes())
    np.testing.assert_allclose(filtered(other, eeg_config()), plain, atol=0.1)
    for offset, text in ((104, "1"), (112, "-1")):
        patch(other, 256 + offset * 21 + 8 * ELECTRODES.index("O1"), text, 8)
    turned = filtered(other, eeg_config(montage="mono19"))[8]
    np.testing.assert_allclose(turned, -filtered(tmp_path / "a.edf", eeg_config(montage="mono19"))[8], atol=0.1)


@pytest.mark.parametrize("fault", ["colon_date", "wrong_time", "open_records", "new_names"])
def test_accepted_faults_give_the_same_signal(tmp_path: Path, fault: str) -> None:
    """Faults that are accepted do not change the signal."""
    path = write_edf(tmp_path / "a.edf", noise(20, 250), 250)
    plain = filtered(path, eeg_config())
    before = path.read_bytes()
    path.write_bytes(CHANGES[fault](before))
    assert path.read_bytes() != before
    np.testing.assert_array_equal(filtered(path, eeg_config()), plain)


def test_order_and_other_channels_do_not_matter(tmp_path: Path) -> None:
    """The order of channels and other channels do not change the signal."""
    x = noise(20, 256)
    labels = [f"EEG {name}-REF" for name in ELECTRODES]
    plain = filtered(write_edf(tmp_path / "a.edf", x, 256), eeg_config())
    path = write_edf(
        tmp_path / "b.edf", np.vstack([x[::-1], x[:2]]), 256, [*labels[::-1], "IBI", "EEG EKG1-REF"], rates={"IBI": 1}
    )
    np.testing.assert_array_equal(filtered(path, eeg_config()), plain)


def test_read_signals_refuses_what_mne_cannot_read(tmp_path: Path) -> None:
    """What MNE cannot read, or reads with another length, makes the recording unusable."""
    signals, _, whole = open_signals(write_edf(tmp_path / "a.edf", noise(20, 250), 250))
    with (
        mock.patch.object(mne.io, "read_raw_edf", side_effect=RuntimeError("a fault of its own")),
        pytest.raises(UnusableRecording, match=r"cannot be read by MNE \(a fault of its own\)"),
    ):
        signals.read(250, whole, 0, 250)
    read = mne.io.read_raw_edf
    with (
        mock.patch.object(mne.io, "read_raw_edf", lambda *given, **more: read(*given, **more).crop(0, 17.996)),
        pytest.raises(UnusableRecording, match="has 5000 samples at 250 Hz; MNE reads 4500 at 250 Hz"),
    ):
        signals.read(250, whole, 0, 250)

"""EEG-like signals with and without seizures, for the simulated corpus.

Each person has effects that are the same in seizures and in background: level and slope of the spectrum, gain of each
electrode, alpha rhythm, slowing, muscles, mains, rate of blinks. Because of them a split that leaks looks far better
than an honest one, and amplitude does not reveal the class. A seizure is a rhythm that evolves: focal theta that slows,
grows and spreads, or generalised spikes and waves (the criteria of the American Clinical Neurophysiology Society).
Background has rhythmic runs of the same frequencies that do not evolve. Nothing was taken from a recording.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from blindtune.datasets.eeg.montages import ELECTRODES

#: Places of the electrodes on a flat head: x to the right, y to the front, 1 at the rim.
_PLACES = {
    "FP1": (-0.3, 0.95), "FP2": (0.3, 0.95), "F3": (-0.4, 0.5), "F4": (0.4, 0.5), "C3": (-0.5, 0.0), "C4": (0.5, 0.0),
    "P3": (-0.4, -0.5), "P4": (0.4, -0.5), "O1": (-0.3, -0.95), "O2": (0.3, -0.95), "F7": (-0.8, 0.55),
    "F8": (0.8, 0.55), "T3": (-1.0, 0.0), "T4": (1.0, 0.0), "T5": (-0.8, -0.55), "T6": (0.8, -0.55), "FZ": (0.0, 0.5),
    "CZ": (0.0, 0.0), "PZ": (0.0, -0.5), "A1": (-1.2, -0.1), "A2": (1.2, -0.1),
}  # fmt: skip
PLACES = np.array([_PLACES[name] for name in ELECTRODES])

#: Typical size of the background, in microvolts.
LEVEL = 25.0
#: How hard the corpus is: the median size of seizures, in units of the background, and the mean time in seconds between
#: two rhythmic runs that do not evolve.
STRENGTH = 1.1
RUN_GAP = 110.0
#: Mains, in Hz.
MAINS = 60.0
#: Sampling rate of slow changes, in Hz.
_SLOW = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Person:
    """The effects of one person. Sizes are in units of `LEVEL` times ``gain``, frequencies in Hz."""

    slope: float
    gain: float
    electrodes: Floats
    alpha: float
    alpha_rate: float
    slowing: float
    slowing_rate: float
    slowing_place: tuple[float, float]
    muscle: float
    mains: float
    blinks: float
    focus: tuple[float, float]
    generalised: bool
    strength: float
    onset_rate: float
    end_rate: float


def draw_person(random: Generator) -> Person:
    """Draw a person at random."""
    focus = PLACES[random.integers(len(ELECTRODES) - 2)]
    return Person(
        slope=random.uniform(1.0, 2.0),
        gain=float(np.exp(random.normal(0, 0.3))),
        electrodes=np.exp(random.normal(0, 0.15, len(ELECTRODES))).astype(np.float32),
        alpha=random.uniform(0.1, 1.1),
        alpha_rate=random.uniform(8, 11.5),
        slowing=random.uniform(0, 0.6),
        slowing_rate=random.uniform(1.5, 5),
        slowing_place=_draw_place(random),
        muscle=random.uniform(0.05, 0.5),
        mains=random.uniform(0, 0.25),
        blinks=random.uniform(0, 20) / 60,
        focus=(float(focus[0]), float(focus[1])),
        generalised=bool(random.random() < 0.35),
        strength=float(np.exp(random.normal(np.log(STRENGTH), 0.55))),
        onset_rate=random.uniform(4.5, 8),
        end_rate=random.uniform(2, 3.5),
    )


def record(person: Person, random: Generator, seconds: int, rate: int) -> tuple[Floats, list[tuple[float, float]]]:
    """Return a recording of a person and its annotated seizures.

    Args:
        person: the person.
        random: source of random numbers for everything but the person.
        seconds: length of the recording.
        rate: sampling rate in Hz.

    Returns:
        The electrodes against a distant reference in microvolts, (n_electrodes, n_samples) in the order of
        `ELECTRODES`; and start and end of each seizure in seconds, as an annotator would set them: about a second off.
    """
    x = _background(person, random, seconds, rate)
    _add_artefacts(person, random, x, rate)
    annotated = []
    for start, stop in _draw_seizures(random, seconds):
        wave = _generalised if person.generalised else _focal
        signal = wave(person, random, stop - start, rate)
        at = round(start * rate)
        x[:, at : at + signal.shape[1]] += signal * person.electrodes[:, None]
        first = max(0.0, start + random.normal(0, 0.8))
        annotated.append((first, min(float(seconds), max(first + 1.0, stop + random.normal(0, 1.2)))))
    return x, annotated


def _draw_seizures(random: Generator, seconds: int) -> list[tuple[float, float]]:
    """Draw starts and ends of seizures in seconds."""
    times: list[tuple[float, float]] = []
    at = random.uniform(15, 40)
    for _ in range(random.poisson(2.0)):
        length = float(np.clip(np.exp(random.normal(np.log(45), 0.7)), 8, 120))
        if at + length > seconds - 5:
            break
        times.append((at, at + length))
        at += length + random.uniform(20, 60)
    return times


def _background(person: Person, random: Generator, seconds: int, rate: int) -> Floats:
    samples = seconds * rate
    frequency = np.fft.rfftfreq(samples, 1 / rate).astype(np.float32)
    # Noise of ten sources and of each electrode, summed as spectra: one transform for each electrode.
    places = np.stack([_field(_draw_place(random), random.uniform(0.3, 0.8)) for _ in range(10)], axis=1)
    sources = _spectra(random, 10, frequency.size) * _slope(frequency, person.slope)
    own = np.sqrt(
        (0.35 * _slope(frequency, 0.7 * person.slope)) ** 2
        # Muscle: white noise, differentiated.
        + (person.muscle * 4 / LEVEL) ** 2 * (2 * np.sin(np.pi * frequency / rate)) ** 2 / (frequency.size)
    )
    # einsum sums in one order on any number of threads, which a matrix product does not promise.
    mixed = np.einsum("es,sf->ef", places / np.sqrt((places**2).sum(axis=1).mean()), sources)
    mixed += _spectra(random, len(ELECTRODES), frequency.size) * own
    x = _to_series(mixed, samples)
    for side in (-1, 1):
        waxing = np.clip(1 + 0.6 * _slow_noise(random, seconds, rate, 0.2), 0, None)
        alpha = person.alpha * waxing * _narrow_noise(random, person.alpha_rate, 0.6, seconds, rate)
        x += _field((0.35 * side, -0.9), 0.45)[:, None] * alpha
    slow = person.slowing * _narrow_noise(random, person.slowing_rate, 0.7, seconds, rate)
    x += _field(person.slowing_place, 0.6)[:, None] * slow
    x *= LEVEL * person.gain * person.electrodes[:, None]
    mains = np.sin(2 * np.pi * MAINS * np.arange(samples) / rate + random.uniform(0, 6)).astype(np.float32)
    x += random.uniform(0.3, 1, (len(ELECTRODES), 1)).astype(np.float32) * (person.mains * LEVEL * mains)
    return x


def _add_artefacts(person: Person, random: Generator, x: Floats, rate: int) -> None:
    """Add transient events: blinks, muscle bursts, electrode pops, spikes, and rhythms that do not evolve."""
    seconds = x.shape[1] / rate
    front, focus = _field((0, 1.2), 0.45), _field(person.focus, 0.45)
    sides = [_field((side, 0.2), 0.5) for side in (-1, 1)]

    def times(mean_gap: float) -> list[float]:
        return sorted(random.uniform(0, seconds, random.poisson(seconds / mean_gap)))

    for at in times(1 / max(person.blinks, 1e-3)):
        _add(x, rate, at - 0.3, front, random.uniform(60, 180) * _bump(_clock(0.6, rate) - 0.3, 0.08))
    for at in times(40):
        white = random.standard_normal(round(random.uniform(0.5, 6) * rate) + 1, dtype=np.float32)
        _add(x, rate, at, sides[random.integers(2)], LEVEL * person.muscle * 4 * np.diff(white))
    for at in times(RUN_GAP):
        field = _field(_draw_place(random), random.uniform(0.25, 0.7))
        _add(x, rate, at, field, _steady_rhythm(person, random, rate))
    for at in times(120):
        one = np.zeros(len(ELECTRODES), dtype=np.float32)
        one[random.integers(len(ELECTRODES))] = random.choice([-1, 1]) * random.uniform(80, 400)
        _add(x, rate, at, one, np.exp(-_clock(3.0, rate) / 0.4))
    for at in times(30):
        t = _clock(0.6, rate)
        _add(x, rate, at, focus, random.uniform(30, 90) * (0.5 * _bump(t - 0.25, 0.09) - _bump(t - 0.1, 0.02)))


def _steady_rhythm(person: Person, random: Generator, rate: int) -> Floats:
    """Return a rhythm with the frequency of a seizure that does not evolve, (n_samples,)."""
    seconds, frequency, harmonic = random.uniform(4, 20), random.uniform(2, 7), random.uniform(0, 0.4)
    t = _clock(seconds, rate)
    wander = 0.6 * np.interp(t, np.linspace(0, seconds, 8), random.normal(0, 1.0, 8))
    phase = 2 * np.pi * frequency * t + wander
    size = LEVEL * person.gain * np.exp(random.normal(0, 0.45)) * np.clip(np.minimum(t, seconds - t) / 0.7, 0, 1)
    wave: Floats = (size * (np.sin(phase) + harmonic * np.sin(2 * phase))).astype(np.float32)
    return wave


def _focal(person: Person, random: Generator, seconds: float, rate: int) -> Floats:
    """Return rhythmic theta at the focus that slows, grows, sharpens and spreads, (n_electrodes, n_samples)."""
    t = _clock(seconds, rate)
    past = t / seconds
    knots = np.arange(int(seconds) + 2)
    wander = np.interp(t, knots, random.normal(0, 1, knots.size))
    frequency = person.onset_rate * (person.end_rate / person.onset_rate) ** past * (1 + 0.05 * wander)
    phase = 2 * np.pi * np.cumsum(frequency) / rate
    wave = (
        np.sin(phase) + (0.15 + 0.45 * past) * np.sin(2 * phase + 0.6) + (0.05 + 0.25 * past) * np.sin(3 * phase + 1.1)
    )
    size = 1.5 * _size(person, random) * (0.35 + 0.9 * past) * np.minimum(1, t / 3) * np.minimum(1, (seconds - t) / 2)
    narrow, wide = _field(person.focus, 0.3), _field(person.focus, random.uniform(0.4, 1.0))
    spread = narrow[:, None] * (1 - past) + wide[:, None] * past
    return np.asarray(spread * (wave * size), dtype=np.float32)


def _generalised(person: Person, random: Generator, seconds: float, rate: int) -> Floats:
    """Return spikes and waves, slowing from about 3.3 to 2.7 Hz, largest in front, (n_electrodes, n_samples)."""
    t = _clock(seconds, rate)
    frequency = np.linspace(random.uniform(3.1, 3.5), random.uniform(2.5, 2.9), t.size)
    phase = np.cumsum(frequency) / rate
    cycle = np.linspace(0, 1, 257)
    shape = 0.9 * _bump(cycle - 0.55, 0.17) - 1.1 * _bump(cycle - 0.12, 0.035)
    shape -= shape.mean()
    # Electrodes are delayed by some milliseconds.
    lag = random.normal(0, 0.01, len(ELECTRODES)) * 3
    wave = np.stack([np.interp((phase + one) % 1, cycle, shape) for one in lag])
    size = 1.6 * _size(person, random) * np.minimum(1, t) * np.minimum(1, (seconds - t) / 0.8)
    return np.asarray((0.55 + 0.45 * _field((0, 0.7), 0.7))[:, None] * wave * size, dtype=np.float32)


def _size(person: Person, random: Generator) -> float:
    return float(LEVEL * person.gain * person.strength * np.exp(random.normal(0, 0.15)))


def _draw_place(random: Generator) -> tuple[float, float]:
    return random.uniform(-1, 1), random.uniform(-1, 1)


def _field(centre: tuple[float, float], width: float) -> Floats:
    """Return the strength of a source at each electrode, (n_electrodes,)."""
    distance = ((PLACES - np.asarray(centre)) ** 2).sum(axis=1)
    return np.asarray(np.exp(-distance / (2 * width**2)), dtype=np.float32)


def _bump(t: NDArray[np.floating[Any]], width: float) -> NDArray[np.floating[Any]]:
    return np.asarray(np.exp(-0.5 * (t / width) ** 2))


def _clock(seconds: float, rate: int) -> Floats:
    """Return the seconds since the start, (n_samples,)."""
    return np.arange(round(seconds * rate), dtype=np.float32) / np.float32(rate)


def _add(x: Floats, rate: int, start: float, field: Floats, wave: NDArray[np.floating[Any]]) -> None:
    """Add ``wave`` with the strength ``field`` of each electrode to ``x`` from ``start`` seconds, clipped to ``x``."""
    first = round(start * rate)
    skipped, last = max(0, -first), min(wave.size, x.shape[1] - first)
    if skipped < last:
        x[:, first + skipped : first + last] += field[:, None] * wave[skipped:last].astype(np.float32)


def _spectra(random: Generator, rows: int, bins: int) -> NDArray[np.complex64]:
    return random.standard_normal((rows, 2 * bins), dtype=np.float32).view(np.complex64)


def _slope(frequency: Floats, exponent: float) -> Floats:
    """Return a spectrum that falls as ``frequency ** -exponent``, scaled to variance 1."""
    shape = np.maximum(frequency, 0.5) ** (-exponent / 2)
    shape[0] = 0
    return np.asarray(shape / np.sqrt((shape**2).sum()), dtype=np.float32)


def _to_series(spectra: NDArray[np.complex64], samples: int) -> Floats:
    """Return series whose variance is the sum of the squared spectrum."""
    from scipy.fft import irfft

    series: Floats = irfft(spectra, samples, axis=-1)
    series *= samples / 2
    return series


def _slow_noise(random: Generator, seconds: int, rate: int, width: float) -> Floats:
    """Return Gaussian noise below about ``width`` Hz, of variance 1, (n_samples,)."""
    coarse = seconds * _SLOW
    frequency = np.fft.rfftfreq(coarse, 1 / _SLOW)
    shape = np.exp(-0.5 * (frequency / width) ** 2)
    shape[0] = 0
    series = _to_series(
        _spectra(random, 1, frequency.size) * (shape / np.sqrt((shape**2).sum())).astype(np.float32), coarse
    )
    at = np.arange(seconds * rate) * (_SLOW / rate)
    return np.asarray(np.interp(at, np.arange(coarse), series[0]), dtype=np.float32)


def _narrow_noise(random: Generator, frequency: float, width: float, seconds: int, rate: int) -> Floats:
    """Return noise in a narrow band around ``frequency``, of variance 1, (n_samples,)."""
    phase = 2 * np.pi * frequency * np.arange(seconds * rate) / rate
    first, second = (_slow_noise(random, seconds, rate, width) for _ in range(2))
    return np.asarray(first * np.cos(phase) + second * np.sin(phase), dtype=np.float32)

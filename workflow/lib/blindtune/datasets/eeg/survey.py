"""What one recording offers, and the segments that are cut from it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, read_regular_file
from blindtune.core.sums import add_in_order
from blindtune.datasets.corpus.base import OpenRawFile
from blindtune.datasets.corpus.survey import Candidate, Survey
from blindtune.datasets.eeg import edf_header, montages, preprocessing, segments
from blindtune.datasets.eeg.annotations.base import (
    AnnotationReader,
    Annotations,
    Interval,
    RecordingTimes,
    Unannotated,
    merge_intervals,
)
from blindtune.datasets.eeg.annotations.nedc import NedcReader
from blindtune.datasets.eeg.config import CLASSES, EegConfig
from blindtune.datasets.eeg.discovery import Recording
from blindtune.datasets.eeg.edf_header import Header
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import Montage
from blindtune.datasets.eeg.preprocessing import Signals
from blindtune.datasets.eeg.segments import LabelledInterval


class OpenRecording(OpenRawFile):
    """A recording in memory: its file is read once, for the digest, the header, the survey and the segments."""

    def __init__(
        self, folder: Path, recording: Recording, split: str, config: EegConfig, reader: AnnotationReader | None = None
    ) -> None:
        """Read the file.

        Args:
            folder: folder of the corpus.
            recording: a recording of the corpus.
            split: the split of the recording.
            config: the config of the dataset.
            reader: what reads its annotations; None: those of TUSZ, next to it.

        Raises:
            UserError: the file is gone.
        """
        self._folder, self._path = folder, folder / recording.file
        self._reader = reader or NedcReader(folder, (), config)
        self._recording, self._split, self._config = recording, split, config
        self._content = read_regular_file(self._path)

    def survey(self) -> Survey:
        """Return where segments of which class can be cut, or what is wrong with the recording.

        Returns:
            The survey. ``bad`` is a fault of the file. ``left_out`` counts what each rule removed, by class, in the
            unit that the name of the rule tells.

        Raises:
            UserError: an annotation of all recordings cannot be used.
        """
        result = Survey(
            file=self._recording.file,
            sha256={self._recording.file: hashlib.sha256(self._content).hexdigest()},
            group=self._recording.patient,
            split=self._split,
        )
        if self._recording.montage is not None:
            result.facts["montage"] = self._recording.montage
        try:
            if self._recording.fault is not None:
                raise UnusableRecording(self._recording.fault)
            if self._recording.twin is not None:
                raise UnusableRecording(f"is the same recording as {self._recording.twin}")
            self._fill(result)
        except Unannotated as error:
            if self._config.unannotated == "skip":
                result.skipped, result.candidates, result.left_out = f"{error} (unannotated: skip)", [], {}
            else:
                result.bad, result.candidates, result.left_out = str(error), [], {}
        except UnusableRecording as error:
            result.bad, result.candidates, result.left_out = str(error), [], {}
        return result

    def cut(self, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
        """Return the segments of some candidates.

        The whole recording is filtered, so that segments have no edge effects.

        Args:
            candidates: candidates of a survey of this recording.

        Returns:
            (n_candidates, n_channels, n_times) float32 in microvolts, in the order of the candidates.

        Raises:
            UserError: the recording is not the one that was surveyed.
        """
        config = self._config
        try:
            self._check_header()
            x = preprocessing.filter_recording(self._signals, self._montage, config)
        except UnusableRecording as error:
            raise UserError(f"{self._path}: {error}. It was good when it was surveyed; survey it again.") from error
        length = segments.samples_per_segment(config)
        out = np.empty((len(candidates), len(x), length), dtype=np.float32)
        for row, candidate in zip(out, candidates, strict=True):
            start = round(candidate.place["start"] * config.sfreq)
            if start < 0 or start + length > x.shape[1]:
                raise UserError(f"{self._path}: has no segment at {candidate.place['start']} s; survey it again.")
            row[:] = x[:, start : start + length]
        return out

    @cached_property
    def _header(self) -> Header:
        return edf_header.parse_header(self._content)

    @cached_property
    def _montage(self) -> Montage:
        return montages.create_montage(self._config.montage)

    @cached_property
    def _channels(self) -> list[int]:
        """The numbers of the channels that hold the electrodes of the montage."""
        return montages.locate_electrodes(self._header.labels, self._montage)

    @cached_property
    def _signals(self) -> Signals:
        return preprocessing.read_signals(self._content, self._header, self._channels)

    def _check_header(self) -> list[str]:
        """Refuse a recording that cannot be trusted; return what does not matter, in words."""
        return edf_header.check_header(self._header, self._channels, self._config.sfreq)

    def _fill(self, result: Survey) -> None:
        config = self._config
        notes = self._check_header()
        header = self._header
        result.content = edf_header.digest_channels(self._content, header, self._channels)
        # Another montage takes other channels of the same recording.
        result.origin = hashlib.sha256(memoryview(self._content)[header.head_bytes :]).hexdigest()
        seconds = float(header.seconds)
        annotated = self._annotations(header, seconds)
        within = annotated or Annotations([], [], 0.0, notes=("has no annotation; background (unannotated)",))
        result.sha256 |= {name: digest_file(self._folder / name) for name in within.files}
        notes += within.notes
        result.facts |= {
            "rate": float(header.rate(header.signals[self._channels[0]])),
            "seconds": seconds,
            "labels": header.labels[self._channels[0]],
            "annotations": _name_sources(annotated),
            "events": dict(within.labels),
            "seizures": len(within.seizures),
            "notes": notes,
        }
        found = segments.find_intervals(within, seconds, config)
        left_out = _count_left_out(within, found, seconds, config)
        offered = [
            Candidate(label=one.label, place={"start": at})
            for one in found
            for at in segments.segment_starts(one, config)
        ]
        result.candidates = self._sound(offered, left_out, notes) if offered else []
        result.left_out = {rule: by_class for rule, by_class in left_out.items() if any(by_class.values())}

    def _annotations(self, header: Header, seconds: float) -> Annotations | None:
        """Return the annotations within the recording; None if it has none and is background for that."""
        times = RecordingTimes(self._recording.file, seconds, _time_of_day(header.time))
        try:
            return self._reader.read(times).within(seconds)
        except Unannotated:
            if self._config.unannotated != "background":
                raise
            return None

    def _sound(
        self, offered: list[Candidate], left_out: dict[str, dict[str, int]], notes: list[str]
    ) -> list[Candidate]:
        """Return the candidates whose raw signal is good; count the others in ``left_out`` and extend ``notes``."""
        config, signals = self._config, self._signals
        notes += signals.warnings
        limits = np.array([_clipping_limits(self._header, number) for number in self._channels])
        kept, amplitudes = [], []
        for candidate in offered:
            start = int(candidate.place["start"] * signals.rate)
            electrodes = signals.between(start, min(start + int(config.segment * signals.rate), signals.samples))
            channels = self._montage.derive(electrodes)
            amplitudes.append(segments.amplitude(channels, float(signals.rate)))
            reason = segments.rejection_reason(channels, electrodes, limits, config)
            if reason is None:
                kept.append(candidate)
            else:
                counts = left_out.setdefault(f"{reason} segments", dict.fromkeys(CLASSES, 0))
                counts[candidate.label] += 1
        median = float(np.median(amplitudes))
        if not config.min_amplitude <= median <= config.max_amplitude:
            raise UnusableRecording(
                f"has a median amplitude of {median:.3g} uV, outside {config.min_amplitude:g} to "
                f"{config.max_amplitude:g}: its unit or scale must be wrong"
            )
        return kept


def _name_sources(annotated: Annotations | None) -> str:
    """Return where annotations were: suffixes of files, ``inside`` or ``none``."""
    if annotated is None:
        return "none"
    return ", ".join(PurePosixPath(name).suffix for name in annotated.files) or "inside"


def _time_of_day(text: str) -> float | None:
    """Return the start of a header in seconds after midnight; None if it is not valid."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    hours, minutes, seconds = map(int, parts)
    return float(hours * 3600 + minutes * 60 + seconds) if hours < 24 and minutes < 60 and seconds < 60 else None


def _count_left_out(
    within: Annotations, found: list[LabelledInterval], seconds: float, config: EegConfig
) -> dict[str, dict[str, int]]:
    """Return what the rules about times alone remove, by rule and class."""
    short, tails = Counter[str](), Counter[str]()
    for interval in found:
        length = interval.stop - interval.start
        if length <= config.longer_than:
            short[interval.label] += 1
        else:
            tails[interval.label] += round(length - len(segments.segment_starts(interval, config)) * config.segment)
    events = merge_intervals([*within.seizures, *within.non_epileptic])
    margin = _total_length(segments.widen(events, config.seizure_margin, seconds)) - _total_length(events)
    non_epileptic = 0.0 if config.nesz == "seizure" else _total_length(within.non_epileptic)
    return {
        "intervals that are too short": dict(short),
        "seconds at the ends of intervals": dict(tails),
        "seconds in the seizure margin": {"background": round(margin)},
        "seconds labelled nesz": {"seizure": round(non_epileptic)},
    }


def _total_length(intervals: Sequence[Interval]) -> float:
    return add_in_order(stop - start for start, stop in intervals)


def _clipping_limits(header: Header, number: int) -> tuple[float, float]:
    """Return the lowest and the highest value of a channel that does not count as clipped, in microvolts."""
    signal = header.signals[number]
    low, high = sorted(signal.physical)
    step = (high - low) / (signal.digital[1] - signal.digital[0])
    unit = edf_header.UNITS[signal.unit]
    # Half a step off the limit, because stored values are exact only up to that.
    return (low + step / 2) * unit, (high - step / 2) * unit
